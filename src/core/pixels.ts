import type { ImageHeader } from './dicom.js';
import { HALF_LIMIT, halfBits } from './half.js';
import { type DType, elementBytes } from './layout.js';
import { largestOf } from './long-lists.js';
import type { ProblemCode } from './problem.js';
import { areSpareBitsClean } from './spare-bits.js';

/** Samples as the file stores them, one element a sample, in host order (every supported host is little-endian). */
export type StoredValues =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** The element types an image may travel in. */
export type ImageDType = Extract<DType, 'uint8' | 'int16' | 'uint16' | 'int32' | 'float16' | 'float32'>;

/** `stored`: as in the file; `rescaled`: slope · stored + intercept. */
export type ValueKind = 'stored' | 'rescaled';

/** Every value that a header allows, ends included; `whole` where no fraction can occur. */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
  readonly whole: boolean;
}

/** The one error of decoding and converting; its message holds no value of a pixel. */
export class PixelError extends Error {
  override readonly name = 'PixelError';
  constructor(
    readonly code: ProblemCode,
    detail: string,
  ) {
    super(detail);
  }
}

const INTEGERS: Readonly<Record<string, readonly [number, number]>> = {
  uint8: [0, 0xff],
  int16: [-0x8000, 0x7fff],
  uint16: [0, 0xffff],
  int32: [-0x80000000, 0x7fffffff],
};
const FLOAT32_MAX = 3.4028234663852886e38;

/** Whether a dtype holds a value; writing the value makes this same test. */
export function holdsValue(dtype: ImageDType, value: number): boolean {
  if (dtype === 'float32') return Number.isFinite(Math.fround(value));
  if (dtype === 'float16') return Math.abs(value) < HALF_LIMIT;
  const [low, high] = INTEGERS[dtype]!;
  return Number.isInteger(value) && value >= low && value <= high;
}

type Described = Pick<ImageHeader, 'bitsAllocated' | 'bitsStored' | 'highBit' | 'signed' | 'pixelKind'>;

/**
 * The stored values of little-endian samples in the order of `bytes`: cut to BitsStored below HighBit, the sign
 * extended (DICOM PS3.5, section 8.1.1). Where there is nothing to cut and the bytes are aligned the result is a
 * view of `bytes`, not a copy. Throws `PixelError` where the bytes are no whole samples or of a size that isn't read.
 */
export function storedValues(bytes: Uint8Array, header: Described): StoredValues {
  const { bitsAllocated, bitsStored, signed, pixelKind } = header;
  const size = bitsAllocated / 8;
  if (bytes.byteLength % size !== 0) throw new PixelError('PIXELS_SHORT', 'the last sample is cut off');
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  const { buffer, byteOffset } = aligned;
  const length = bytes.byteLength / size;
  if (pixelKind === 'float') return new Float32Array(buffer, byteOffset, length);
  if (pixelKind === 'double') return new Float64Array(buffer, byteOffset, length);
  const values = signed
    ? signedView(size, buffer, byteOffset, length)
    : unsignedView(size, buffer, byteOffset, length);
  if (values === null)
    throw new PixelError('PIXELS_UNSUPPORTED', `samples of ${bitsAllocated} bits are not read`);
  if (bitsStored === bitsAllocated) return values;
  return cut(values, header);
}

function unsignedView(
  size: number,
  buffer: ArrayBufferLike,
  offset: number,
  length: number,
): StoredValues | null {
  if (size === 1) return new Uint8Array(buffer, offset, length);
  if (size === 2) return new Uint16Array(buffer, offset, length);
  return size === 4 ? new Uint32Array(buffer, offset, length) : null;
}

function signedView(
  size: number,
  buffer: ArrayBufferLike,
  offset: number,
  length: number,
): StoredValues | null {
  if (size === 1) return new Int8Array(buffer, offset, length);
  if (size === 2) return new Int16Array(buffer, offset, length);
  return size === 4 ? new Int32Array(buffer, offset, length) : null;
}

/** Elements that are worked on at once: between two native conversions, so that each loop sees one array type. */
const BLOCK = 4096;
const words = new Int32Array(BLOCK);
const numbers = new Float64Array(BLOCK);

function cut(values: StoredValues, header: Described): StoredValues {
  // Most files keep the bits above clean; a look is cheaper than fresh memory.
  if (areSpareBitsClean(values, header)) return values;
  const out = values.slice();
  for (let start = 0; start < out.length; start += BLOCK) {
    const block = out.subarray(start, start + BLOCK);
    cutBlock(block, header);
    block.set(words.subarray(0, block.length));
  }
  return out;
}

/** Leaves a block's cut samples in the words. */
function cutBlock(block: StoredValues, { bitsStored, highBit, signed }: Described): void {
  const [left, right, count] = [31 - highBit, 32 - bitsStored, block.length];
  words.set(block);
  for (let i = 0; i < count; i++) {
    const whole = words[i]! << left;
    words[i] = signed ? whole >> right : whole >>> right;
  }
}

/**
 * Writes values as little-endian elements of a dtype into `out`, in the order of `stored`; `out` has exactly
 * their size. The rescale is computed in double precision, for MONOCHROME1 as for any other. Throws `PixelError`
 * `VALUE_RANGE` where a value is over the dtype's range, or not whole in an integer type; `out` is then half written.
 */
export function writeValues(
  stored: StoredValues,
  header: Pick<ImageHeader, 'rescale'>,
  as: { readonly values: ValueKind; readonly dtype: ImageDType },
  out: Uint8Array,
): void {
  const size = elementBytes(as.dtype);
  if (out.byteLength !== stored.length * size) {
    throw new RangeError(`${stored.length} values of ${as.dtype} into ${out.byteLength} bytes`);
  }
  if (out.byteOffset % size !== 0) {
    const aligned = new Uint8Array(out.byteLength);
    writeValues(stored, header, as, aligned);
    out.set(aligned);
    return;
  }
  const { slope, intercept } = as.values === 'rescaled' ? header.rescale : { slope: 1, intercept: 0 };
  const identity = slope === 1 && intercept === 0;
  const target = view(as.dtype, out);
  if (identity && copies(stored, target, as.dtype)) {
    target.set(stored);
    return;
  }
  const integer = as.dtype in INTEGERS;
  // Of CT images, say, all is a shift by a whole number: words are enough.
  const shift =
    slope === 1 && isSmall(stored) && Number.isInteger(intercept) && Math.abs(intercept) < 2 ** 30;
  for (let start = 0; start < stored.length; start += BLOCK) {
    const block = stored.subarray(start, start + BLOCK);
    const count = block.length;
    if (integer && (identity ? isWord(stored) : shift)) {
      words.set(block);
      if (!identity) for (let i = 0; i < count; i++) words[i] = words[i]! + intercept;
    } else {
      numbers.set(block);
      if (!identity) for (let i = 0; i < count; i++) numbers[i] = slope * numbers[i]! + intercept;
      if (as.dtype === 'float32') checkFloats(count);
      else if (as.dtype === 'float16') toHalves(count);
      else toWords(count, as.dtype);
    }
    if (integer) checkWords(count, as.dtype);
    target.set(as.dtype === 'float32' ? numbers.subarray(0, count) : words.subarray(0, count), start);
  }
}

/** Whether every element of the array's type is an integer of at most 16 bits. */
function isSmall(values: StoredValues): boolean {
  return values.BYTES_PER_ELEMENT <= 2;
}

/** Whether every element of the array's type is a signed integer of 32 bits. */
function isWord(values: StoredValues): boolean {
  return isSmall(values) || values instanceof Int32Array;
}

function view(dtype: ImageDType, { buffer, byteOffset, byteLength }: Uint8Array) {
  switch (dtype) {
    case 'uint8':
      return new Uint8Array(buffer, byteOffset, byteLength);
    case 'int16':
      return new Int16Array(buffer, byteOffset, byteLength / 2);
    case 'uint16':
    case 'float16':
      return new Uint16Array(buffer, byteOffset, byteLength / 2);
    case 'int32':
      return new Int32Array(buffer, byteOffset, byteLength / 4);
    case 'float32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
  }
}

/** Whether every element of the source's type has its value in the target's, so that a plain copy can't go wrong. */
function copies(stored: StoredValues, target: StoredValues, dtype: ImageDType): boolean {
  if (stored instanceof Float32Array || stored instanceof Float64Array || dtype === 'float16') return false;
  return target instanceof Float32Array || stored.constructor === target.constructor;
}

function outOfRange(dtype: ImageDType): PixelError {
  return new PixelError('VALUE_RANGE', `a value does not fit ${dtype}: ask for image.dtype float32 or auto`);
}

function toWords(count: number, dtype: ImageDType): void {
  for (let i = 0; i < count; i++) {
    const value = numbers[i]!;
    const word = value | 0;
    // Fractions, NaN and what is over 32 bits differ from their own words.
    if (word !== value) throw outOfRange(dtype);
    words[i] = word;
  }
}

function checkWords(count: number, dtype: ImageDType): void {
  const [min, max] = INTEGERS[dtype]!;
  if (dtype === 'int32') return;
  let below = 0;
  // Negative where a word is outside; a difference over 32 bits wraps to negative, and is outside too.
  for (let i = 0; i < count; i++) below |= (words[i]! - min) | (max - words[i]!);
  if (below < 0) throw outOfRange(dtype);
}

function checkFloats(count: number): void {
  for (let i = 0; i < count; i++) {
    const value = Math.fround(numbers[i]!);
    if (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) throw outOfRange('float32');
  }
}

function toHalves(count: number): void {
  for (let i = 0; i < count; i++) {
    const value = numbers[i]!;
    if (value >= HALF_LIMIT || value <= -HALF_LIMIT) throw outOfRange('float16');
    words[i] = halfBits(value);
  }
}

/** Planes of an image: as many as its samples where they are stored, else three for a palette's colours too. */
export function channelsOf(
  { samplesPerPixel, photometric }: Pick<ImageHeader, 'samplesPerPixel' | 'photometric'>,
  values: ValueKind | 'windowed',
): 1 | 3 {
  return samplesPerPixel === 3 || (values !== 'stored' && photometric === 'PALETTE COLOR') ? 3 : 1;
}

/** What values a header allows, by its bits, sign and rescale; pixels are not looked at. */
export function declaredRange(
  header: Pick<ImageHeader, 'bitsStored' | 'signed' | 'pixelKind' | 'rescale'> &
    Partial<Pick<ImageHeader, 'palette' | 'modalityTable' | 'photometric'>>,
  values: ValueKind,
): ValueRange {
  const limit = 2 ** (header.bitsStored - (header.signed ? 1 : 0));
  const integer = header.pixelKind === 'integer';
  const low = integer ? (header.signed ? -limit : 0) : -FLOAT32_MAX;
  const high = integer ? limit - 1 : FLOAT32_MAX;
  if (values === 'stored') return { min: low, max: high, whole: integer };
  const tables =
    header.photometric === 'PALETTE COLOR' ? header.palette : header.modalityTable && [header.modalityTable];
  if (tables) {
    const bits = largestOf(tables.map((table) => table.bits));
    return { min: 0, max: bits <= 8 ? 0xff : 0xffff, whole: true };
  }
  const { slope, intercept } = header.rescale;
  const [a, b] = [slope * low + intercept, slope * high + intercept];
  const whole = integer && Number.isInteger(slope) && Number.isInteger(intercept);
  return { min: Math.min(a, b), max: Math.max(a, b), whole };
}

/** The first of int16, uint16 and int32 that holds every value of all ranges, else float32. */
export function autoDtype(ranges: Iterable<ValueRange>): ImageDType {
  const fitting = new Set<ImageDType>(['int16', 'uint16', 'int32']);
  for (const { min, max, whole } of ranges) {
    for (const dtype of fitting) {
      const [low, high] = INTEGERS[dtype]!;
      if (!whole || min < low || max > high) fitting.delete(dtype);
    }
  }
  const [first = 'float32'] = fitting;
  return first;
}
