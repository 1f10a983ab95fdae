import type { Part } from './part.js';

/**
 * A part as bytes, which is how the catalogue keeps it and how it travels; numbers are little-endian. Of a polygon 8 bytes that say how its
 * coordinates x, y, x, y … follow: `FORM` and decimals. Of a raster rows, columns and matrix as float64, then its runs as uint32.
 */
export interface PackedPart {
  readonly kind: Part['kind'];
  readonly roi: number;
  readonly points: Uint8Array;
}

/** A packed part of a structure of that name. */
export interface PackedStructurePart extends PackedPart {
  readonly structure: string;
}

/** Coordinates as they are, or as whole numbers of 10 to the minus `decimals`, where those give back the very same numbers. */
const FORM = { float64: 0, uint16: 1, int32: 2 } as const;
const HEAD_BYTES = 8;
const MOST_DECIMALS = 6;
const RASTER_HEAD = 8;

export function packPart(part: Part): PackedPart {
  if (part.kind === 'raster') return { kind: 'raster', roi: 0, points: plainBytes(part) };
  return { kind: part.kind, roi: part.kind === 'text' ? 0 : part.roi, points: packPoints(part.points) };
}

export function unpackPart({ kind, roi, points: bytes }: PackedPart): Part {
  if (kind === 'text') return { kind, points: unpackPoints(bytes) };
  if (kind !== 'raster') return { kind, roi, points: unpackPoints(bytes) };
  const whole = bytes.slice();
  const [rows, columns, ...matrix] = new Float64Array(whole.buffer, 0, RASTER_HEAD) as unknown as number[];
  const runs = new Uint32Array(whole.buffer, 8 * RASTER_HEAD);
  const isSame = Number.isNaN(matrix[0]);
  return { kind, raster: { rows: rows!, columns: columns!, matrix: isSame ? null : matrix, runs } };
}

/** So many bytes its numbers take once it is unpacked. */
export function unpackedBytes({ kind, points }: PackedPart): number {
  if (kind === 'raster') return points.length - 8 * RASTER_HEAD;
  return ((points.length - HEAD_BYTES) / elementBytes(points[0]!)) * Float64Array.BYTES_PER_ELEMENT;
}

/** The bytes that name a part's content: the same whatever form it is packed in. */
export function plainBytes(part: Part): Uint8Array {
  if (part.kind !== 'raster') {
    const { buffer, byteOffset, byteLength } = part.points;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  const { rows, columns, matrix, runs } = part.raster;
  const head = Float64Array.from([rows, columns, ...(matrix ?? new Array<number>(6).fill(Number.NaN))]);
  const bytes = new Uint8Array(8 * RASTER_HEAD + 4 * runs.length);
  bytes.set(new Uint8Array(head.buffer));
  bytes.set(new Uint8Array(Uint32Array.from(runs).buffer), 8 * RASTER_HEAD);
  return bytes;
}

function packPoints(points: Float64Array): Uint8Array {
  const decimals = decimalsOf(points);
  if (decimals === null) return packed(FORM.float64, 0, points);
  const steps = points.map((coordinate) => Math.round(coordinate * 10 ** decimals));
  const fits = steps.every((step) => step >= 0 && step <= 0xffff);
  return fits
    ? packed(FORM.uint16, decimals, Uint16Array.from(steps))
    : packed(FORM.int32, decimals, Int32Array.from(steps));
}

function packed(
  form: number,
  decimals: number,
  numbers: Float64Array | Uint16Array | Int32Array,
): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + numbers.byteLength);
  bytes[0] = form;
  bytes[1] = decimals;
  bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), HEAD_BYTES);
  return bytes;
}

/** The fewest decimals with which whole numbers of 32 bits tell every coordinate exactly; null where none do. */
function decimalsOf(points: Float64Array): number | null {
  for (let decimals = 0; decimals <= MOST_DECIMALS; decimals++) {
    const scale = 10 ** decimals;
    // A quotient of two whole numbers is the double next to it, as the text of that decimal is (IEEE 754, section 5.4.1).
    const isExact = points.every((coordinate) => {
      const step = Math.round(coordinate * scale) + 0;
      return Math.abs(step) <= 0x7fffffff && Object.is(step / scale, coordinate);
    });
    if (isExact) return decimals;
  }
  return null;
}

function unpackPoints(bytes: Uint8Array): Float64Array {
  // A copy of its own: it begins at a multiple of 8, and keeps nothing alive of what it came in.
  const { buffer } = bytes.slice(HEAD_BYTES);
  const [form, decimals] = bytes;
  if (form === FORM.float64) return new Float64Array(buffer);
  const steps = form === FORM.uint16 ? new Uint16Array(buffer) : new Int32Array(buffer);
  const scale = 10 ** decimals!;
  const points = new Float64Array(steps.length);
  for (let i = 0; i < steps.length; i++) points[i] = steps[i]! / scale;
  return points;
}

function elementBytes(form: number): number {
  return form === FORM.float64 ? 8 : form === FORM.uint16 ? 2 : 4;
}
