import { crc32 } from 'node:zlib';
import type { DecodedFrame } from '../codecs/codec.js';
import type { ImageHeader } from '../core/dicom.js';
import type { StoredValues } from '../core/pixels.js';

const MAGIC = 'SLFDECOD';
const CHECKSUM_AT = 8;
const DESCRIPTION_AT = 16;
/** Values start at a multiple of this, so that any element type can be viewed where it was read to. */
const ALIGNMENT = 64;
/** A description is some hundred bytes; whatever says more is none. */
const MAX_DESCRIPTION = 16_384;

const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;
type Element = keyof typeof ARRAYS;

interface Description {
  /** Of which frame this is: file, guard, frame and decoders. */
  readonly key: string;
  readonly element: Element;
  readonly photometric: string | null;
  readonly notes: DecodedFrame['notes'];
}

/** The most bytes that the kept form of a frame of this image can have. */
export function decodedFileLimit({
  rows,
  columns,
  samplesPerPixel,
}: Pick<ImageHeader, 'rows' | 'columns' | 'samplesPerPixel'>): number {
  return (
    DESCRIPTION_AT +
    MAX_DESCRIPTION +
    ALIGNMENT +
    rows * columns * samplesPerPixel * Float64Array.BYTES_PER_ELEMENT
  );
}

/**
 * A decoded frame as a file, its head and its values: `SLFDECOD`, a CRC-32 of all that follows it, the length of a JSON
 * description, the description filled up with spaces to a multiple of 64, the values in the machine's (little-endian) order.
 */
export function encodeDecoded(key: string, frame: DecodedFrame): [head: Buffer, values: Uint8Array] {
  const { values } = frame;
  const description: Description = {
    key,
    element: elementOf(values),
    photometric: frame.photometric ?? null,
    notes: frame.notes,
  };
  const text = Buffer.from(JSON.stringify(description));
  const length = Math.ceil((DESCRIPTION_AT + text.length) / ALIGNMENT) * ALIGNMENT;
  const head = Buffer.alloc(length, ' ');
  head.write(MAGIC, 0, 'latin1');
  head.writeUInt32LE(length - DESCRIPTION_AT, DESCRIPTION_AT - 4);
  text.copy(head, DESCRIPTION_AT);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  head.writeUInt32LE(crc32(bytes, crc32(head.subarray(CHECKSUM_AT + 4))), CHECKSUM_AT);
  return [head, bytes];
}

/**
 * Reads the kept form of a frame, its values a view of `bytes`, which start at a multiple of 8 in their memory; null where
 * it is not whole, not the frame of this key, or not of the image's shape.
 */
export function parseDecoded(bytes: Buffer, key: string, header: ImageHeader): DecodedFrame | null {
  if (bytes.length < DESCRIPTION_AT || bytes.toString('latin1', 0, CHECKSUM_AT) !== MAGIC) return null;
  const start = DESCRIPTION_AT + bytes.readUInt32LE(DESCRIPTION_AT - 4);
  if (start > bytes.length || start > DESCRIPTION_AT + MAX_DESCRIPTION || start % ALIGNMENT !== 0)
    return null;
  if (crc32(bytes.subarray(CHECKSUM_AT + 4)) !== bytes.readUInt32LE(CHECKSUM_AT)) return null;
  // What the checksum vouches for was written by `encodeDecoded`.
  const described: Description = JSON.parse(bytes.toString('utf8', DESCRIPTION_AT, start));
  const { rows, columns, samplesPerPixel: channels } = header;
  const Values = ARRAYS[described.element];
  const length = rows * columns * channels;
  if (described.key !== key || bytes.length - start !== length * Values.BYTES_PER_ELEMENT) return null;
  const { photometric, notes } = described;
  return {
    values: new Values(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, length),
    channels,
    rows,
    columns,
    ...(photometric === null ? {} : { photometric }),
    ...(notes === undefined ? {} : { notes }),
  };
}

function elementOf(values: StoredValues): Element {
  const found = (Object.keys(ARRAYS) as Element[]).find((name) => values instanceof ARRAYS[name]);
  if (!found) throw new TypeError('values of no known element type');
  return found;
}
