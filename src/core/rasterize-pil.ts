import { sortStart } from './sort-start.js';
import { Sweep } from './sweep.js';

/**
 * Beyond this many pixels coordinates are clamped: single precision, in which Pillow computes crossings, no
 * longer tells neighbouring pixels apart there.
 */
const FARTHEST = 2 ** 24;

/** A larger picture is not kept for the next polygon. */
const KEPT_PIXELS = 2 ** 24;

/**
 * Joins to a mask what Pillow 9.4.0 draws with `ImageDraw.polygon(points, outline=0, fill=1)` on an empty image
 * of mode L: the polygon with integer corners (truncated towards zero) filled up to and including its edges, and
 * then its outline of one pixel taken away again. Arguments are those of `rasterize`; pixels that the mask held
 * before stay. Its oddities are kept on purpose, since older work is reproduced with it: the result is smaller
 * than the polygon, can depend on the first point, and differs from that of Pillow 11.1 and later at sharp corners.
 */
export function fillPil(
  points: Float64Array,
  rows: number,
  columns: number,
  mask: Uint8Array,
  offset: number,
): void {
  const count = points.length >>> 1;
  if (count === 0) return;
  if (corners.length < 2 * count) corners = new Int32Array(4 * count);
  for (let i = 0; i < 2 * count; i++) {
    corners[i] = Math.max(-FARTHEST, Math.min(FARTHEST, points[i]!));
  }
  canvas.begin(rows, columns);
  fill(count, rows);
  for (let i = 0, j = count - 1; i < count; j = i++) {
    eraseLine(corners[2 * j]!, corners[2 * j + 1]!, corners[2 * i]!, corners[2 * i + 1]!);
  }
  canvas.moveTo(mask, offset);
}

// What follows is kept between calls, so that a polygon costs no allocation.

/** The corners as x, y, x, y … */
let corners = new Int32Array(0);

/** A picture of its own, since the outline may take away pixels of its own polygon only; all 0 between two calls. */
const canvas = {
  pixels: new Uint8Array(0),
  rows: 0,
  columns: 0,
  // The box of what was drawn.
  left: 0,
  right: -1,
  top: 0,
  bottom: -1,

  begin(rows: number, columns: number): void {
    if (this.pixels.length < rows * columns) this.pixels = new Uint8Array(rows * columns);
    this.rows = rows;
    this.columns = columns;
    this.left = columns;
    this.right = -1;
    this.top = rows;
    this.bottom = -1;
  },

  /** Draws the pixels from one column to the other, both included, as far as they are in the image. */
  drawRun(y: number, x0: number, x1: number): void {
    const from = Math.max(Math.min(x0, x1), 0);
    const to = Math.min(Math.max(x0, x1), this.columns - 1);
    if (from > to || y < 0 || y >= this.rows) return;
    this.pixels.fill(1, y * this.columns + from, y * this.columns + to + 1);
    if (from < this.left) this.left = from;
    if (to > this.right) this.right = to;
    if (y < this.top) this.top = y;
    if (y > this.bottom) this.bottom = y;
  },

  moveTo(mask: Uint8Array, offset: number): void {
    for (let y = this.top; y <= this.bottom; y++) {
      const end = y * this.columns + this.right;
      for (let at = y * this.columns + this.left; at <= end; at++) {
        if (this.pixels[at] === 1) mask[offset + at] = 1;
      }
      this.pixels.fill(0, y * this.columns + this.left, end + 1);
    }
    if (this.pixels.length > KEPT_PIXELS) this.pixels = new Uint8Array(0);
  },
};

/** The edges that are not horizontal, in the polygon's order; single precision where Pillow has it. */
const edges = {
  room: 0,
  x0: new Float32Array(0),
  y0: new Int32Array(0),
  top: new Int32Array(0),
  bottom: new Int32Array(0),
  /** Columns per row. */
  slope: new Float32Array(0),

  reserve(count: number): void {
    if (this.room >= count) return;
    this.room = 2 * count;
    this.x0 = new Float32Array(this.room);
    this.y0 = new Int32Array(this.room);
    this.top = new Int32Array(this.room);
    this.bottom = new Int32Array(this.room);
    this.slope = new Float32Array(this.room);
  },

  set(edge: number, x0: number, y0: number, x1: number, y1: number): void {
    this.x0[edge] = x0;
    this.y0[edge] = y0;
    this.top[edge] = Math.min(y0, y1);
    this.bottom[edge] = Math.max(y0, y1);
    this.slope[edge] = Math.fround(x1 - x0) / Math.fround(y1 - y0);
  },

  /** Where the edge's line meets a row; each step rounds to single precision. */
  at(edge: number, y: number): number {
    return Math.fround(Math.fround(Math.fround(y - this.y0[edge]!) * this.slope[edge]!) + this.x0[edge]!);
  },
};

const sweep = new Sweep();
let crossings = new Float32Array(64);
/** Where edges that go right, and those that go left, have their end in this row: column to edge. */
const endsRight = new Map<number, number>();
const endsLeft = new Map<number, number>();

function fill(count: number, rows: number): void {
  edges.reserve(count);
  if (crossings.length < 2 * count) crossings = new Float32Array(4 * count);
  sweep.begin(count, rows);
  let slanted = 0;
  let lowest = corners[1]!;
  for (let i = 0; i < count; i++) {
    const next = i + 1 === count ? 0 : i + 1;
    const x0 = corners[2 * i]!;
    const y0 = corners[2 * i + 1]!;
    const x1 = corners[2 * next]!;
    const y1 = corners[2 * next + 1]!;
    lowest = Math.max(lowest, y0);
    if (y0 === y1) {
      // A closing edge without length is no edge; any other one is a pixel.
      if (next === 0 && x0 === x1) continue;
      canvas.drawRun(y0, x0, x1);
    } else {
      edges.set(slanted, x0, y0, x1, y1);
      sweep.add(slanted, edges.top[slanted]!, edges.bottom[slanted]!);
      slanted++;
    }
  }
  for (let y = sweep.top; y <= sweep.bottom; y++) {
    sweep.enter(y);
    drawBetween(y, gather(y, lowest));
  }
}

/**
 * Collects the row's crossings in the order of the edges, and returns how many there are. `lowest` is the
 * polygon's last row, which may be below the image.
 */
function gather(y: number, lowest: number): number {
  let found = 0;
  for (let a = 0; a < sweep.count; a++) {
    const edge = sweep.active[a]!;
    const x = edges.at(edge, y);
    crossings[found++] = x;
    if (y === edges.bottom[edge] && y < lowest) {
      // Counted twice, since the edge that goes on from here counts too: a corner keeps the parity beside it.
      crossings[found++] = x;
    } else if (y === edges.top[edge] || y === edges.bottom[edge]) {
      meetCorner(edge, x, y, y === lowest ? -1 : 1);
    }
  }
  endsRight.clear();
  endsLeft.clear();
  return found;
}

/**
 * Where two edges that lean the same way share an end in their first row, or in the polygon's last one, the corner
 * may be so sharp that it would stand alone: a crossing of this row is moved until it touches the row beside it.
 * Which one is Pillow's choice, and not always one of the corner: the crossing in the place that the earlier
 * edge has in the list of edges, even where it belongs to another one (or is yet to be found, and nothing moves).
 */
function meetCorner(edge: number, x: number, y: number, beside: -1 | 1): void {
  const slope = edges.slope[edge]!;
  if (slope === 0 || !Number.isInteger(x)) return;
  const ends = slope > 0 ? endsRight : endsLeft;
  const earlier = ends.get(x);
  if (earlier === undefined) {
    ends.set(x, edge);
    return;
  }
  const a = edges.at(edge, y + beside);
  const b = edges.at(earlier, y + beside);
  if (slope > 0) crossings[earlier] = beside > 0 ? Math.min(a, b) : Math.max(a, b) + 1;
  else crossings[earlier] = beside > 0 ? Math.max(a, b) + 1 : Math.min(a, b) - 1;
}

function drawBetween(y: number, found: number): void {
  sortStart(crossings, found);
  for (let c = 1; c < found; c += 2) {
    canvas.drawRun(y, roundAway(crossings[c - 1]!), roundToward(crossings[c]!));
  }
}

/** Half away from zero, the sum in single precision where Pillow has it. */
function roundAway(x: number): number {
  return x >= 0 ? Math.floor(Math.fround(x + 0.5)) : -Math.floor(-x + 0.5);
}

/** Half towards zero. */
function roundToward(x: number): number {
  return x >= 0 ? Math.ceil(Math.fround(x - 0.5)) : -Math.ceil(-x - 0.5);
}

/** Takes away a line one pixel wide, nothing where it has no length; only the part in the image costs time. */
function eraseLine(x0: number, y0: number, x1: number, y1: number): void {
  const steep = Math.abs(x1 - x0) <= Math.abs(y1 - y0);
  const long = steep ? Math.abs(y1 - y0) : Math.abs(x1 - x0);
  const short = steep ? Math.abs(x1 - x0) : Math.abs(y1 - y0);
  if (long === 0) return;
  const start = steep ? y0 : x0;
  const size = steep ? canvas.rows : canvas.columns;
  const forward = (steep ? y1 > y0 : x1 > x0) ? 1 : -1;
  const sideStart = steep ? x0 : y0;
  const sideSize = steep ? canvas.columns : canvas.rows;
  const sideways = (steep ? x1 > x0 : y1 > y0) ? 1 : -1;
  // The steps whose pixel is in the image in the long direction.
  const from = Math.max(0, forward > 0 ? -start : start - size + 1);
  const to = Math.min(long, forward > 0 ? size - 1 - start : start);
  for (let step = from; step <= to; step++) {
    const side = sideStart + sideways * Math.floor((2 * short * step + long) / (2 * long));
    if (side < 0 || side >= sideSize) continue;
    const at = start + forward * step;
    canvas.pixels[steep ? at * canvas.columns + side : side * canvas.columns + at] = 0;
  }
}
