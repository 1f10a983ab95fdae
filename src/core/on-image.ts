import { largestOf, smallestOf } from './long-lists.js';
import type { Raster } from './part.js';
import type { Grid } from './plane.js';
import { holdsPlace } from './runs.js';

/** The detail for a contour, or a segment of a frame, that covers no pixel of its image. */
export const OUTSIDE = 'no pixel of its image is inside it; left out';

/** A rectangle of pixel coordinates, its edges included. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/**
 * The area of the image: from the outer edges of the first row and column to those of the last. Pixel centres
 * are at integers.
 */
function areaOf({ rows, columns }: Grid): Box {
  return { left: -0.5, top: -0.5, right: columns - 0.5, bottom: rows - 0.5 };
}

/** Whether a point of the polygon (x, y, x, y …) lies beyond the area of the image's pixels. */
export function leavesImage(points: Float64Array, image: Grid): boolean {
  const area = areaOf(image);
  for (let i = 0; i < points.length; i += 2) if (!isIn(area, points[i]!, points[i + 1]!)) return true;
  return false;
}

/**
 * A smaller share of a pixel is a rounding error: a contour along the outer edge of the image lies beside it.
 */
const ROUNDING = 1e-6;

/**
 * Whether a closed polygon, with its inside, meets the area of the image's pixels. If not, the polygon
 * contains no pixel's centre and no share of a pixel. `isText`: pixel centres may be meant at halves
 * (`mask.origin`), which moves the polygon by half a pixel up and left.
 */
export function meetsImage(points: Float64Array, image: Grid, isText = false): boolean {
  const area = areaOf(image);
  const shift = isText ? 0.5 : 0;
  const box = {
    left: area.left + ROUNDING,
    top: area.top + ROUNDING,
    right: area.right + shift - ROUNDING,
    bottom: area.bottom + shift - ROUNDING,
  };
  const [middleX, middleY] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const count = points.length;
  let isInside = false;
  for (let i = 0, j = count - 2; i < count; j = i, i += 2) {
    const [x, y, fromX, fromY] = [points[i]!, points[i + 1]!, points[j]!, points[j + 1]!];
    if (isIn(box, x, y) || crosses(box, fromX, fromY, x, y)) return true;
    // No edge meets the box, so the box is wholly inside or wholly outside: its middle decides.
    if (y > middleY !== fromY > middleY && middleX < ((fromX - x) * (middleY - y)) / (fromY - y) + x)
      isInside = !isInside;
  }
  return isInside;
}

function isIn({ left, top, right, bottom }: Box, x: number, y: number): boolean {
  return x >= left && x <= right && y >= top && y <= bottom;
}

/**
 * Whether a line between two points meets a box: clips the line to the edges of the box, one direction after
 * the other.
 */
function crosses({ left, top, right, bottom }: Box, x0: number, y0: number, x1: number, y1: number): boolean {
  let from = 0;
  let to = 1;
  for (const [start, step, low, high] of [
    [x0, x1 - x0, left, right],
    [y0, y1 - y0, top, bottom],
  ] as const) {
    if (step === 0) {
      if (start < low || start > high) return false;
      continue;
    }
    const [a, b] = [(low - start) / step, (high - start) / step];
    from = Math.max(from, Math.min(a, b));
    to = Math.min(to, Math.max(a, b));
  }
  return from <= to;
}

/** Whether a pixel of the image gets its value from an inside pixel of the raster that lies at `matrix`. */
export function rasterMeetsImage({ rows, columns, matrix, runs }: Raster, image: Grid): boolean {
  if (matrix === null) return runs.length > 0 && runs[0]! < image.rows * image.columns;
  const [a, b, c, d, e, f] = matrix as [number, number, number, number, number, number];
  const { from, to } = imageBox(matrix, insideBox(runs, columns), image);
  for (let row = from.row; row < to.row; row++)
    for (let column = from.column; column < to.column; column++) {
      const x = Math.floor(a * column + b * row + c + 0.5);
      const y = Math.floor(d * column + e * row + f + 0.5);
      const isThere = x >= 0 && y >= 0 && x < columns && y < rows;
      if (isThere && holdsPlace(runs, y * columns + x)) return true;
    }
  return false;
}

/** The box around the inside pixels of a raster, up to their outer edges. */
function insideBox(runs: ArrayLike<number>, columns: number): Box {
  let [left, right] = [columns, 0];
  for (let i = 0; i < runs.length; i += 2) {
    const [start, last] = [runs[i]!, runs[i + 1]! - 1];
    const isOneRow = Math.floor(start / columns) === Math.floor(last / columns);
    left = Math.min(left, isOneRow ? start % columns : 0);
    right = Math.max(right, isOneRow ? last % columns : columns - 1);
  }
  const top = Math.floor(runs[0]! / columns);
  const bottom = Math.floor((runs[runs.length - 1]! - 1) / columns);
  return { left: left - 0.5, top: top - 0.5, right: right + 0.5, bottom: bottom + 0.5 };
}

interface PixelBox {
  readonly from: { readonly row: number; readonly column: number };
  readonly to: { readonly row: number; readonly column: number };
}

/**
 * The image's pixels that may lie in a box of raster coordinates; all pixels if the matrix has no inverse.
 */
function imageBox(matrix: readonly number[], box: Box, { rows, columns }: Grid): PixelBox {
  const [a, b, c, d, e, f] = matrix as [number, number, number, number, number, number];
  const all = { from: { row: 0, column: 0 }, to: { row: rows, column: columns } };
  const determinant = a * e - b * d;
  const corners = [
    [box.left, box.top],
    [box.right, box.top],
    [box.left, box.bottom],
    [box.right, box.bottom],
  ].map(([x, y]) => ({
    column: (e * (x! - c) - b * (y! - f)) / determinant,
    row: (a * (y! - f) - d * (x! - c)) / determinant,
  }));
  if (!corners.every(({ row, column }) => Number.isFinite(row) && Number.isFinite(column))) return all;
  const range = (values: readonly number[], end: number) => ({
    from: Math.min(end, Math.max(0, Math.floor(smallestOf(values)))),
    to: Math.min(end, Math.max(0, Math.ceil(largestOf(values)) + 1)),
  });
  const row = range(
    corners.map((corner) => corner.row),
    rows,
  );
  const column = range(
    corners.map((corner) => corner.column),
    columns,
  );
  return { from: { row: row.from, column: column.from }, to: { row: row.to, column: column.to } };
}
