import type { HeaderProblem } from './dicom.js';
import { type Box, EVERYWHERE, encloses } from './enclosed.js';
import { largestOf, smallestOf } from './long-lists.js';
import type { Raster } from './part.js';
import type { Grid } from './plane.js';
import { holdsPlace } from './runs.js';

/** The detail for a contour, or a segment of a frame, that covers no pixel of its image. */
export const OUTSIDE = 'no pixel of its image is inside it; left out';

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
 * Whether closed polygons, of which an odd number encloses what is inside, enclose a part of the area of the image's pixels. If not,
 * they hold no share of a pixel beyond a rounding error. `isText`: pixel centres may be meant at halves (`mask.origin`), which
 * moves the polygon by half a pixel up and left.
 */
export function meetsImage(region: readonly Float64Array[], image: Grid, isText = false): boolean {
  const { left, top, right, bottom } = areaOf(image);
  const shift = isText ? 0.5 : 0;
  return encloses(region, { left, top, right: right + shift, bottom: bottom + shift });
}

/** The problem of polygons that do not meet the image. */
export function missProblem(region: readonly Float64Array[]): HeaderProblem {
  if (encloses(region, EVERYWHERE)) return { code: 'CONTOUR_OUTSIDE', detail: OUTSIDE };
  const what = region.length > 1 ? 'the contours of its ROI there cancel each other' : 'it encloses nothing';
  return { code: 'CONTOUR_EMPTY', detail: `${what}; left out` };
}

function isIn({ left, top, right, bottom }: Box, x: number, y: number): boolean {
  return x >= left && x <= right && y >= top && y <= bottom;
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
