import { areCosines } from './directions.js';
import { largestOf } from './long-lists.js';
/** The plane of an image in a frame of reference, in mm, and where its pixels lie in it (DICOM PS3.3, section C.7.6.2.1.1). */
export interface Plane {
  /** The centre of the first pixel. */
  readonly position: readonly [number, number, number];
  /** Direction cosines of a row (towards higher columns), then of a column. */
  readonly orientation: readonly number[];
  /** Between rows, between columns. */
  readonly spacingMm: readonly [number, number];
}

/** Rows and columns of an image. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** The part of a normal that an object covers, in mm from the origin of its space. */
export interface Span {
  readonly low: number;
  readonly high: number;
}

/** Direction cosines whose cross product is shorter than this span no plane: they are parallel, or zero. */
const LEAST_NORMAL = 1e-3;

/** What pixel coordinates of points are found with: made once a plane. */
export interface Projection {
  readonly origin: readonly [number, number, number];
  /** Point minus origin times this is the column. */
  readonly column: readonly [number, number, number];
  /** Point minus origin times this is the row. */
  readonly row: readonly [number, number, number];
  /** Of length 1. */
  readonly normal: readonly [number, number, number];
}

/** The parts of a plane as a plane; null where one is missing or they are none. */
export function planeOf(
  position: readonly number[] | null,
  orientation: readonly number[] | null,
  spacingMm: readonly number[] | null,
): Plane | null {
  if (position?.length !== 3 || orientation?.length !== 6 || spacingMm?.length !== 2) return null;
  if (![...position, ...orientation, ...spacingMm].every(Number.isFinite)) return null;
  if (!spacingMm.every((mm) => mm > 0)) return null;
  return areCosines(orientation) ? ({ position, orientation, spacingMm } as Plane) : null;
}

/**
 * The inverse of equation C.7.6.2.1-1: cosines that are not quite of length 1 or at right angles are taken as they are, so
 * that a point made of a pixel by that equation gives the pixel back. Null where they span no plane.
 */
export function projectionOf({ position, orientation, spacingMm }: Plane): Projection | null {
  const [ax, ay, az, bx, by, bz] = orientation as [number, number, number, number, number, number];
  const nx = ay * bz - az * by;
  const ny = az * bx - ax * bz;
  const nz = ax * by - ay * bx;
  const squared = nx * nx + ny * ny + nz * nz;
  const length = Math.sqrt(squared);
  if (!(length > LEAST_NORMAL)) return null;
  const [between, along] = spacingMm;
  // The dual basis of row direction, column direction and normal.
  const column = [by * nz - bz * ny, bz * nx - bx * nz, bx * ny - by * nx].map(
    (value) => value / squared / along,
  );
  const row = [ny * az - nz * ay, nz * ax - nx * az, nx * ay - ny * ax].map(
    (value) => value / squared / between,
  );
  return {
    origin: position,
    column: column as [number, number, number],
    row: row as [number, number, number],
    normal: [nx / length, ny / length, nz / length],
  };
}

/** How far the plane lies from the origin of its space along its normal, in mm, signed. */
export function distanceFromOrigin({ origin, normal }: Projection): number {
  return origin[0] * normal[0] + origin[1] * normal[1] + origin[2] * normal[2];
}

/** The points x, y, z, x, y, z … from `first` on as columns and rows x, y, x, y …; what is off the plane is dropped upon it. */
export function toPixels(
  { origin, column, row }: Projection,
  points: Float64Array,
  first: number,
  count: number,
): Float64Array {
  const out = new Float64Array(2 * count);
  for (let i = 0, at = 3 * first; i < count; i++, at += 3) {
    const x = points[at]! - origin[0];
    const y = points[at + 1]! - origin[1];
    const z = points[at + 2]! - origin[2];
    out[2 * i] = x * column[0] + y * column[1] + z * column[2];
    out[2 * i + 1] = x * row[0] + y * row[1] + z * row[2];
  }
  return out;
}

/** The point of a column and row, which may lie between pixels: equation C.7.6.2.1-1. */
export function toPatient(
  { position, orientation, spacingMm }: Plane,
  column: number,
  row: number,
): [number, number, number] {
  const [between, along] = spacingMm;
  const at = (i: 0 | 1 | 2): number =>
    position[i] + orientation[i]! * along * column + orientation[i + 3]! * between * row;
  return [at(0), at(1), at(2)];
}

/** Returns how far an object that covers `span` of a plane's normal lies off the plane at most, in mm. */
export function offPlaneMm(projection: Projection, span: Span | null): number {
  if (span === null) return Number.POSITIVE_INFINITY;
  const at = distanceFromOrigin(projection);
  return Math.max(Math.abs(span.low - at), Math.abs(span.high - at));
}

/**
 * Returns the span of a normal that points x, y, z … from `first` on cover, in mm; null if it is longer than
 * `mostMm` or not a number.
 */
export function spanOfPoints(
  points: Float64Array,
  first: number,
  count: number,
  [nx, ny, nz]: Projection['normal'],
  mostMm: number,
): Span | null {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let at = 3 * first; at < 3 * (first + count); at += 3) {
    const along = points[at]! * nx + points[at + 1]! * ny + points[at + 2]! * nz;
    if (along < low) low = along;
    if (along > high) high = along;
    if (!(high - low <= mostMm)) return null;
  }
  return { low, high };
}

/** The four outermost pixel centres of a grid as columns and rows. */
function corners({ rows, columns }: Grid): readonly (readonly [number, number])[] {
  return [
    [0, 0],
    [columns - 1, 0],
    [0, rows - 1],
    [columns - 1, rows - 1],
  ];
}

/** Returns the span of a normal that a grid's pixels cover, in mm; null if it is longer than `mostMm`. */
export function spanOfGrid(
  plane: Plane,
  grid: Grid,
  normal: Projection['normal'],
  mostMm: number,
): Span | null {
  const points = corners(grid).flatMap(([column, row]) => toPatient(plane, column, row));
  return spanOfPoints(Float64Array.from(points), 0, 4, normal, mostMm);
}

/**
 * The 2 × 3 matrix, row-major, that makes of a (column, row, 1) of one plane the (column, row) of another: straight down onto
 * it, so that it says nothing of planes that lie apart.
 */
export function pixelsBetween(from: Plane, to: Projection): readonly number[] {
  const at = (column: number, row: number): Float64Array =>
    toPixels(to, Float64Array.from(toPatient(from, column, row)), 0, 1);
  const [origin, right, down] = [at(0, 0), at(1, 0), at(0, 1)];
  return [
    right[0]! - origin[0]!,
    down[0]! - origin[0]!,
    origin[0]!,
    right[1]! - origin[1]!,
    down[1]! - origin[1]!,
    origin[1]!,
  ];
}

/** How far, in pixels, such a matrix moves a pixel of a grid at most from the pixel of the same column and row. */
export function greatestShift(matrix: readonly number[], grid: Grid): number {
  const [a, b, c, d, e, f] = matrix as [number, number, number, number, number, number];
  return largestOf(
    corners(grid).map(([column, row]) =>
      Math.max(Math.abs(a * column + b * row + c - column), Math.abs(d * column + e * row + f - row)),
    ),
  );
}
