import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { BatchLayout, BatchShape, DType, TensorName } from '../../src/core/layout.js';
import type { BatchMetadata, Body } from '../../src/wire/body.js';
import { npyCrcSeed } from '../../src/wire/npz.js';

/** What a client receives of a body whose segment starts with `data`. */
export function assemble(body: Body, data: Uint8Array): Buffer {
  const parts = body.pieces.map((piece) =>
    piece instanceof Uint8Array ? piece : data.subarray(piece.from, piece.to),
  );
  return Buffer.concat(parts);
}

/** The member CRCs of a batch that lies in `data`, continued over small chunks as a sender does. */
export function memberCrcs(layout: BatchLayout, data: Uint8Array): Map<TensorName, number> {
  const crcs = new Map<TensorName, number>();
  for (const tensor of layout.tensors) {
    const end = tensor.offset + tensor.sizeBytes;
    let crc = npyCrcSeed(tensor);
    for (let at = tensor.offset; at < end; at += 100)
      crc = crc32(data.subarray(at, Math.min(at + 100, end)), crc);
    crcs.set(tensor.name, crc);
  }
  return crcs;
}

/** Bytes that fill a layout's data section, a different one at nearly every place; bool tensors hold 0 and 1. */
export function sampleData(layout: BatchLayout): Buffer {
  const data = Buffer.alloc(layout.sizeBytes);
  for (const { dtype, offset, sizeBytes } of layout.tensors) {
    for (let at = offset; at < offset + sizeBytes; at++) {
      const byte = (Math.imul(at + 1, 2654435761) >>> 16) & 0xff;
      data[at] = dtype === 'bool' ? byte & 1 : byte;
    }
  }
  return data;
}

/** Metadata that fits a shape: the last slot is padded, names are not all ASCII. */
export function sampleMetadata({ slots, structures }: BatchShape): BatchMetadata {
  return {
    snapshot: 'a1b2',
    specDigest: 'c3d4',
    bytesVersion: '1',
    step: 7,
    epoch: 1,
    rank: 0,
    pairIds: Array.from({ length: slots }, (_, n) => (n === slots - 1 ? null : `SCD0000101/${n}`)),
    structures: Array.from({ length: structures }, (_, n) => `Läsion "${n}"`),
    rule: 'pixel-center',
    problems: [{ code: 'CONTOUR_OUTSIDE', pair: 'SCD0000101/0', file: null, detail: 'clipped' }],
  };
}

const IMAGE_DTYPES: DType[] = ['uint8', 'int16', 'uint16', 'int32', 'float16', 'float32'];

/** Small batches of every kind, without slots, structures or pixels too. */
export const batchShapes: fc.Arbitrary<BatchShape> = fc.record({
  slots: fc.nat(5),
  channels: fc.constantFrom(1 as const, 3 as const),
  rows: fc.nat(9),
  columns: fc.nat(9),
  structures: fc.nat(3),
  imageDtype: fc.constantFrom(...IMAGE_DTYPES),
  maskDtype: fc.constantFrom('bool' as const, 'float32' as const),
});
