import { cover } from './coverage.js';
import type { Raster, Region } from './part.js';
import { type BinaryRule, rasterize } from './rasterize.js';
import { fillRuns, holdsPlace } from './runs.js';

/** Where a structure is on a slice: in any of its regions or rasters. */
export interface Extent {
  readonly regions: readonly Region[];
  readonly rasters: readonly Raster[];
}

/**
 * Joins an extent to a mask of `rows * columns` bytes 0 or 1, row-major from `offset`. Each polygon is drawn by the rule; of a
 * region the masks of its polygons are combined, pixel by pixel, by exclusive or. A raster is taken as it is, whatever the rule:
 * it has no edge to draw.
 */
export function fillExtent(
  rule: BinaryRule,
  { regions, rasters }: Extent,
  rows: number,
  columns: number,
  mask: Uint8Array,
  offset: number,
): void {
  for (const region of regions) {
    const [only] = region;
    if (region.length === 1 && only) rasterize(rule, only, rows, columns, mask, offset);
    else fillOdd(rule, region, rows, columns, mask, offset);
  }
  for (const raster of rasters) fillRaster(raster, rows, columns, mask, offset);
}

/** Like `fillExtent`, with shares of pixels: of a raster's pixels the whole. `out` is zeros before. */
export function coverExtent(
  { regions, rasters }: Extent,
  rows: number,
  columns: number,
  out: Float32Array,
  offset: number,
): void {
  if (regions.length > 0) cover(regions, rows, columns, out, offset);
  if (rasters.length === 0) return;
  const size = rows * columns;
  const inside = cleared(0, size);
  for (const raster of rasters) fillRaster(raster, rows, columns, inside, 0);
  for (let i = 0; i < size; i++) if (inside[i] === 1) out[offset + i] = 1;
}

/** Joins a raster to a mask of a slice; where their grids differ, each pixel of the slice has what the nearest of the raster has. */
export function fillRaster(
  raster: Raster,
  rows: number,
  columns: number,
  mask: Uint8Array,
  offset: number,
): void {
  const { matrix, runs } = raster;
  if (matrix === null) {
    fillRuns(runs, rows * columns, mask, offset);
    return;
  }
  const [a, b, c, d, e, f] = matrix as [number, number, number, number, number, number];
  for (let row = 0, to = offset; row < rows; row++)
    for (let column = 0; column < columns; column++, to++) {
      const x = Math.floor(a * column + b * row + c + 0.5);
      const y = Math.floor(d * column + e * row + f + 0.5);
      const isThere = x >= 0 && y >= 0 && x < raster.columns && y < raster.rows;
      if (isThere && holdsPlace(runs, y * raster.columns + x)) mask[to] = 1;
    }
}

/** Kept between calls: one mask for a polygon, one for the region that it belongs to. */
const scratch = [new Uint8Array(0), new Uint8Array(0)];

function cleared(which: 0 | 1, size: number): Uint8Array {
  let mask = scratch[which]!;
  if (mask.length < size) {
    mask = new Uint8Array(size);
    scratch[which] = mask;
  } else mask.fill(0, 0, size);
  return mask;
}

/** No rule draws further than this from a polygon, in rows. */
const REACH = 2;

function fillOdd(
  rule: BinaryRule,
  region: Region,
  rows: number,
  columns: number,
  mask: Uint8Array,
  offset: number,
): void {
  const size = rows * columns;
  const odd = cleared(0, size);
  const one = cleared(1, size);
  for (const polygon of region) {
    rasterize(rule, polygon, rows, columns, one, 0);
    const [top, bottom] = rowsOf(polygon, rows);
    for (let i = top * columns; i < bottom * columns; i++) odd[i]! ^= one[i]!;
    one.fill(0, top * columns, bottom * columns);
  }
  for (let i = 0; i < size; i++) if (odd[i] === 1) mask[offset + i] = 1;
}

/** The rows [top, bottom) that a polygon may be drawn on. */
function rowsOf(polygon: Float64Array, rows: number): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 1; i < polygon.length; i += 2) {
    low = Math.min(low, polygon[i]!);
    high = Math.max(high, polygon[i]!);
  }
  const top = Math.min(rows, Math.max(0, Math.floor(low) - REACH));
  return [top, Math.max(top, Math.min(rows, Math.ceil(high) + REACH + 1))];
}
