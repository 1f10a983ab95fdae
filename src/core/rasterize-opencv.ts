import { roundHalfEven } from './round.js';
import { sortStart } from './sort-start.js';
import { Sweep } from './sweep.js';

/** Columns are kept in units of 1/65,536 pixel, as whole numbers far below 2^53. */
const ONE = 65_536;
const FARTHEST = 2 ** 31;

/**
 * Joins to a mask what OpenCV 4.6 draws with `cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 1)`: corners
 * rounded to whole numbers, halves to the even one, then filled up to and including the outline of one pixel.
 * Arguments are those of `rasterize`. Coordinates beyond 32 bits, which NumPy turns into whatever they are on its
 * machine, are the nearest that fit. The mask is larger than the polygon by about half a pixel all around.
 */
export function fillOpencv(
  points: Float64Array,
  rows: number,
  columns: number,
  mask: Uint8Array,
  offset: number,
): void {
  const count = points.length >>> 1;
  if (count === 0 || rows === 0 || columns === 0) return;
  reserve(count);
  for (let i = 0; i < 2 * count; i++)
    corners[i] = Math.max(-FARTHEST, Math.min(FARTHEST - 1, roundHalfEven(points[i]!)));

  sweep.begin(count, rows);
  for (let i = 0, j = count - 1; i < count; j = i++) {
    cut(j, i, rows, columns);
    if (segment.isSeen) drawLine(columns, mask, offset);
    const [upper, lower] = corners[2 * j + 1]! < corners[2 * i + 1]! ? [j, i] : [i, j];
    const high = corners[2 * lower + 1]! - corners[2 * upper + 1]!;
    if (high === 0) continue;
    uppers[i] = upper;
    slope[i] = Math.trunc(((corners[2 * lower]! - corners[2 * upper]!) * ONE) / high);
    sweep.add(i, corners[2 * upper + 1]!, corners[2 * lower + 1]! - 1);
  }
  for (let y = sweep.top; y <= sweep.bottom; y++) {
    sweep.enter(y);
    const found = sweep.count;
    for (let c = 0; c < found; c++) {
      const edge = sweep.active[c]!;
      const upper = uppers[edge]!;
      crossings[c] = corners[2 * upper]! * ONE + (y - corners[2 * upper + 1]!) * slope[edge]!;
    }
    sortStart(crossings, found);
    for (let c = 1; c < found; c += 2) {
      const from = Math.max(0, Math.ceil(crossings[c - 1]! / ONE));
      const to = Math.min(columns - 1, Math.floor(crossings[c]! / ONE));
      if (from <= to) mask.fill(1, offset + y * columns + from, offset + y * columns + to + 1);
    }
  }
}

// What follows is kept between calls, so that a polygon costs no allocation.

const sweep = new Sweep();
let corners = new Int32Array(0);
/** Of each edge its upper corner, and its columns per row in units of 1/65,536, cut off towards zero. */
let uppers = new Int32Array(0);
let slope = new Float64Array(0);
let crossings = new Float64Array(0);

function reserve(count: number): void {
  if (slope.length >= count) return;
  corners = new Int32Array(4 * count);
  uppers = new Int32Array(2 * count);
  slope = new Float64Array(2 * count);
  crossings = new Float64Array(2 * count);
}

/** A line from corner to corner, cut to the image; `isSeen`: some of it lies in the image. */
const segment = { x0: 0, y0: 0, x1: 0, y1: 0, isSeen: false };

const LEFT = 1;
const RIGHT = 2;
const ABOVE = 4;
const BELOW = 8;

function sidesOf(x: number, y: number, rows: number, columns: number): number {
  return (x < 0 ? LEFT : x >= columns ? RIGHT : 0) | (y < 0 ? ABOVE : y >= rows ? BELOW : 0);
}

/** Sets `segment` to an outline's line: cut first at the image's rows, then at its columns, each time rounded towards zero. */
function cut(from: number, to: number, rows: number, columns: number): void {
  segment.x0 = corners[2 * from]!;
  segment.y0 = corners[2 * from + 1]!;
  segment.x1 = corners[2 * to]!;
  segment.y1 = corners[2 * to + 1]!;
  let start = sidesOf(segment.x0, segment.y0, rows, columns);
  let end = sidesOf(segment.x1, segment.y1, rows, columns);
  const isOpen = () => (start & end) === 0 && (start | end) !== 0;
  if (isOpen()) {
    const byRow = (x: number, y: number, at: number) =>
      x + Math.trunc(((at - y) * (segment.x1 - segment.x0)) / (segment.y1 - segment.y0));
    const byColumn = (x: number, y: number, at: number) =>
      y + Math.trunc(((at - x) * (segment.y1 - segment.y0)) / (segment.x1 - segment.x0));
    if (start & (ABOVE | BELOW)) {
      const at = start & ABOVE ? 0 : rows - 1;
      segment.x0 = byRow(segment.x0, segment.y0, at);
      segment.y0 = at;
      start = sidesOf(segment.x0, at, rows, columns);
    }
    if (end & (ABOVE | BELOW)) {
      const at = end & ABOVE ? 0 : rows - 1;
      segment.x1 = byRow(segment.x1, segment.y1, at);
      segment.y1 = at;
      end = sidesOf(segment.x1, at, rows, columns);
    }
    if (isOpen()) {
      if (start) {
        const at = start & LEFT ? 0 : columns - 1;
        segment.y0 = byColumn(segment.x0, segment.y0, at);
        segment.x0 = at;
        start = 0;
      }
      if (end) {
        const at = end & LEFT ? 0 : columns - 1;
        segment.y1 = byColumn(segment.x1, segment.y1, at);
        segment.x1 = at;
        end = 0;
      }
    }
  }
  segment.isSeen = (start | end) === 0;
}

/** Draws `segment`, from its left end to its right one: halves of a pixel fall towards the start. */
function drawLine(columns: number, mask: Uint8Array, offset: number): void {
  const swapped = segment.x1 < segment.x0;
  const x = swapped ? segment.x1 : segment.x0;
  const y = swapped ? segment.y1 : segment.y0;
  const wide = Math.abs(segment.x1 - segment.x0);
  const high = Math.abs(segment.y1 - segment.y0);
  const down = segment.y1 > segment.y0 !== swapped ? columns : -columns;
  const [long, short] = high > wide ? [high, wide] : [wide, high];
  const [ahead, aside] = high > wide ? [down, 1] : [1, down];
  let at = offset + y * columns + x;
  let error = long - 2 * short;
  for (let step = 0; step <= long; step++) {
    mask[at] = 1;
    if (error < 0) {
      error += 2 * long;
      at += aside;
    }
    error -= 2 * short;
    at += ahead;
  }
}
