import type { BatchLayout, DType } from '../core/layout.js';
import { assertDescribes, type BatchMetadata, type Body, travellingMetadata } from './body.js';

const LENGTH_BYTES = 8;
const ALIGNMENT = 64;

const DTYPE_NAMES: Readonly<Record<DType, string>> = {
  bool: 'BOOL',
  uint8: 'U8',
  int16: 'I16',
  uint16: 'U16',
  int32: 'I32',
  int64: 'I64',
  float16: 'F16',
  float32: 'F32',
  float64: 'F64',
};

/**
 * The batch as one safetensors file: a header, then the data section as it lies in the segment.
 * Throws a RangeError where the metadata doesn't fit the layout.
 */
export function safetensorsBody(layout: BatchLayout, metadata: BatchMetadata): Body {
  assertDescribes(metadata, layout);
  const header = encodeHeader(`{"__metadata__":${metadataJson(metadata)},${tensorsJson(layout)}}`);
  const data = layout.sizeBytes > 0 ? [{ from: 0, to: layout.sizeBytes }] : [];
  return body(header.length + layout.sizeBytes, [header, ...data]);
}

/** A safetensors file without tensors: how a stream of bodies ends when the next one can't be made. */
export function problemBody(metadata: BatchMetadata): Body {
  const header = encodeHeader(`{"__metadata__":${metadataJson(metadata)}}`);
  return body(header.length, [header]);
}

function body(sizeBytes: number, pieces: Body['pieces']): Body {
  return { contentType: 'application/x-safetensors', extension: 'safetensors', sizeBytes, pieces };
}

// The format allows nothing but strings here. What is text stays as it is; the rest is JSON, null included.
function metadataJson(metadata: BatchMetadata): string {
  const { snapshot, specDigest, bytesVersion, step, epoch, rank, pairIds, structures, rule, problems } =
    travellingMetadata(metadata);
  return JSON.stringify({
    snapshot,
    specDigest,
    bytesVersion,
    step: JSON.stringify(step),
    epoch: JSON.stringify(epoch),
    rank: JSON.stringify(rank),
    pairIds: JSON.stringify(pairIds),
    structures: JSON.stringify(structures),
    rule,
    problems: JSON.stringify(problems),
  } satisfies Record<keyof BatchMetadata, string>);
}

const known = new WeakMap<BatchLayout, string>();

/** The header's entries of the tensors, made once for the many batches of a layout. */
function tensorsJson(layout: BatchLayout): string {
  let json = known.get(layout);
  if (json === undefined) {
    const entries = layout.tensors.map(({ name, dtype, shape, offset, sizeBytes }) => [
      name,
      { dtype: DTYPE_NAMES[dtype], shape, data_offsets: [offset, offset + sizeBytes] },
    ]);
    json = JSON.stringify(Object.fromEntries(entries)).slice(1, -1);
    known.set(layout, json);
  }
  return json;
}

/** Length, JSON and the spaces that let the data section start at a multiple of 64. */
function encodeHeader(text: string): Uint8Array {
  const jsonBytes = Buffer.byteLength(text);
  const totalBytes = Math.ceil((LENGTH_BYTES + jsonBytes) / ALIGNMENT) * ALIGNMENT;
  const bytes = Buffer.allocUnsafe(totalBytes);
  bytes.writeBigUInt64LE(BigInt(totalBytes - LENGTH_BYTES));
  bytes.write(text, LENGTH_BYTES);
  return bytes.fill(' ', LENGTH_BYTES + jsonBytes);
}
