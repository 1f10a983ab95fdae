import { fillOpencv } from './rasterize-opencv.js';
import { fillPil } from './rasterize-pil.js';
import { Sweep } from './sweep.js';

/** How a closed polygon becomes pixels; the centre of pixel (column x, row y) lies at the coordinates (x, y). */
export type MaskRule = 'pixel-center' | 'pil' | 'opencv' | 'coverage';

/** The rules by which a pixel is inside or not; `coverage` has shares, which `cover` measures. */
export type BinaryRule = Exclude<MaskRule, 'coverage'>;

/** The element type of masks drawn by a rule. */
export function maskDtype(rule: MaskRule): 'bool' | 'float32' {
  return rule === 'coverage' ? 'float32' : 'bool';
}

/**
 * Joins a closed polygon to a mask of `rows * columns` bytes 0 or 1, row-major from `offset`: pixels inside become
 * 1, all others stay. `points` are x, y, x, y … in columns and rows, finite; the last point is joined to the first.
 * What lies outside the image is cut off.
 *
 * `pixel-center`: a pixel is inside when a ray from its centre crosses the polygon an odd number of times, with
 * half-open edges, so that polygons with a common edge neither overlap nor leave a gap (a centre that lies within
 * a rounding error of an edge may fall on either side of it, by the edge's direction).
 * `pil`: see `fillPil`. `opencv`: see `fillOpencv`.
 *
 * Throws a RangeError when the mask has no room.
 */
export function rasterize(
  rule: BinaryRule,
  points: Float64Array,
  rows: number,
  columns: number,
  mask: Uint8Array,
  offset: number,
): void {
  if (offset < 0 || offset + rows * columns > mask.length) {
    throw new RangeError(`a mask of ${rows} × ${columns} at ${offset} does not fit in ${mask.length} bytes`);
  }
  switch (rule) {
    case 'pixel-center':
      fillPixelCenter(points, rows, columns, mask, offset);
      break;
    case 'pil':
      fillPil(points, rows, columns, mask, offset);
      break;
    case 'opencv':
      fillOpencv(points, rows, columns, mask, offset);
      break;
    default:
      throw new RangeError(`no rasterizer for the mask rule ${rule satisfies never}`);
  }
}

const sweep = new Sweep();
/** Per crossing of the current row the number of pixels left of it; kept between calls, as are `flips`. */
let cuts = new Int32Array(64);
/** Per pixel whether inside and outside change there; all zero between two rows. */
let flips = new Uint8Array(0);
/** Up to so many crossings a row is sorted by insertion; more are counted per pixel, which stays linear. */
const FEW_CROSSINGS = 24;

function fillPixelCenter(
  points: Float64Array,
  rows: number,
  columns: number,
  mask: Uint8Array,
  offset: number,
): void {
  const count = points.length >>> 1;
  sweep.begin(count, rows);
  // Edge i runs from point i - 1 to point i. It meets row y when one end is above y and the other is not.
  for (let i = 0; i < count; i++) {
    const a = points[2 * i + 1]!;
    const b = points[2 * (i === 0 ? count - 1 : i - 1) + 1]!;
    sweep.add(i, Math.ceil(Math.min(a, b)), Math.ceil(Math.max(a, b)) - 1);
  }
  if (cuts.length < count) cuts = new Int32Array(2 * count);

  for (let y = sweep.top; y <= sweep.bottom; y++) {
    sweep.enter(y);
    const crossings = sweep.count;
    for (let c = 0; c < crossings; c++) {
      const i = sweep.active[c]!;
      const j = i === 0 ? count - 1 : i - 1;
      const xi = points[2 * i]!;
      const yi = points[2 * i + 1]!;
      const xj = points[2 * j]!;
      const yj = points[2 * j + 1]!;
      // Rounding is part of the rule: another form of this line would move pixels that lie on an edge.
      const crossing = ((xj - xi) * (y - yi)) / (yj - yi) + xi;
      // `x < crossing` holds for just these first pixels; for none when huge coordinates gave NaN.
      cuts[c] = crossing > 0 ? (crossing < columns ? Math.ceil(crossing) : columns) : 0;
    }
    if (crossings <= FEW_CROSSINGS) fillBetween(cuts, crossings, mask, offset + y * columns);
    else fillFlipping(cuts, crossings, mask, offset + y * columns, columns);
  }
}

/** A row has an even number of crossings: the polygon is closed. */
function fillBetween(row: Int32Array, crossings: number, mask: Uint8Array, offset: number): void {
  for (let c = 1; c < crossings; c++) {
    const cut = row[c]!;
    let place = c;
    for (; place > 0 && row[place - 1]! > cut; place--) row[place] = row[place - 1]!;
    row[place] = cut;
  }
  for (let c = 1; c < crossings; c += 2) {
    if (row[c - 1]! < row[c]!) mask.fill(1, offset + row[c - 1]!, offset + row[c]!);
  }
}

function fillFlipping(
  row: Int32Array,
  crossings: number,
  mask: Uint8Array,
  offset: number,
  columns: number,
): void {
  if (flips.length <= columns) flips = new Uint8Array(columns + 1);
  for (let c = 0; c < crossings; c++) flips[row[c]!]! ^= 1;
  let inside = 0;
  for (let x = 0; x < columns; x++) {
    inside ^= flips[x]!;
    flips[x] = 0;
    if (inside) mask[offset + x] = 1;
  }
  flips[columns] = 0;
}
