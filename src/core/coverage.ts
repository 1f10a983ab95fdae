import { Inside, TiltedEdges } from './tilted-edges.js';

/** Pairs of edges that a row of pixels is searched for crossings, and edges times pieces that it is then cut into. */
const MOST_PAIRS = 2 ** 18;
const MOST_PIECES = 2 ** 16;
/** Edges times pieces of a row that is cut evenly, but never fewer pieces than these. */
const EVEN_PIECES = 2 ** 14;
const FEWEST_EVEN = 2;

/**
 * Writes for each pixel the share of its area that lies inside, 0 to 1, to `out`, zeros before: row-major from `offset`.
 * The pixel of column x and row y is the square from x - 0.5 to x + 0.5 and y - 0.5 to y + 0.5. A region is closed
 * polygons (x, y, x, y …, finite) and holds what is inside an odd number of them, as `pixel-center` has it; a point is
 * inside when any region holds it. What lies outside the image is cut off.
 *
 * The area is exact up to rounding: each row of pixels is cut where an edge begins, ends or crosses another one, so
 * that trapezoids are left. Only a row that would fall into more than about 65,000 pieces, as scribbles of thousands of
 * edges do, is measured along evenly spaced lines instead.
 *
 * Throws a RangeError when `out` has no room.
 */
export function cover(
  regions: readonly (readonly Float64Array[])[],
  rows: number,
  columns: number,
  out: Float32Array,
  offset: number,
): void {
  if (offset < 0 || offset + rows * columns > out.length)
    throw new RangeError(`a mask of ${rows} × ${columns} at ${offset} does not fit in ${out.length} values`);
  edges.take(regions);
  inside.begin(regions.length);
  if (shares.length < columns) shares = new Float64Array(columns);
  touched.from = touched.to = 0;
  if (active.length < edges.count) active = new Int32Array(2 * edges.count);
  let count = 0;
  let next = 0;
  for (let y = Math.max(0, Math.floor(edges.top)); y < Math.min(rows, edges.bottom); y++) {
    let kept = 0;
    for (let a = 0; a < count; a++) if (edges.bottomOf(active[a]!) > y) active[kept++] = active[a]!;
    for (; next < edges.count && edges.topOf(edges.byTop[next]!) < y + 1; next++)
      if (edges.bottomOf(edges.byTop[next]!) > y) active[kept++] = edges.byTop[next]!;
    count = kept;
    if (!findCuts(count, y) || !coverPieces(count, columns, false)) {
      forgetShares();
      cutEvenly(count, y);
      coverPieces(count, columns, true);
    }
    const start = offset + y * columns;
    for (let x = touched.from; x < touched.to; x++) out[start + x] = Math.min(1, shares[x]!);
    forgetShares();
  }
}

// What follows is kept between calls, so that a polygon costs few allocations.

/** Moved by half a pixel, so that pixel x of row y is the square from (x, y) to (x + 1, y + 1). */
const edges = new TiltedEdges(0.5);
const inside = new Inside();
/** The edges that meet the present row, by their upper ends. */
let active = new Int32Array(64);
/** Those that meet the present piece, from left to right in its middle. */
let meeting = new Int32Array(64);
/** For each of them its columns where the piece begins and ends. */
let begins = new Float64Array(64);
let ends = new Float64Array(64);
/** Where the present row is cut; valid up to `cutCount`. */
let cuts = new Float64Array(64);
let cutCount = 0;
/** The present row's shares, all zero beside `touched`. */
let shares = new Float64Array(0);
const touched = { from: 0, to: 0 };

function forgetShares(): void {
  shares.fill(0, touched.from, touched.to);
  touched.from = touched.to = 0;
}

function addCut(at: number, y: number): void {
  if (!(at > y && at < y + 1)) return;
  if (cutCount + 1 >= cuts.length) {
    const more = new Float64Array(2 * cuts.length);
    more.set(cuts);
    cuts = more;
  }
  cuts[cutCount++] = at;
}

/** Cuts a row of pixels where edges begin, end or cross; false where that takes too long. */
function findCuts(count: number, y: number): boolean {
  cutCount = 1;
  cuts[0] = y;
  let pairs = 0;
  for (let i = 0; i < count; i++) {
    const a = active[i]!;
    const bottom = Math.min(edges.bottomOf(a), y + 1);
    addCut(edges.topOf(a), y);
    addCut(edges.bottomOf(a), y);
    for (let k = i + 1; k < count; k++) {
      const b = active[k]!;
      const from = Math.max(edges.topOf(b), y);
      // All behind it begin lower still.
      if (from >= bottom) break;
      if (++pairs > MOST_PAIRS) return false;
      const to = Math.min(bottom, edges.bottomOf(b));
      const before = edges.at(a, from) - edges.at(b, from);
      const after = edges.at(a, to) - edges.at(b, to);
      if (before * after < 0) addCut(from + (to - from) * (before / (before - after)), y);
    }
  }
  cuts[cutCount++] = y + 1;
  if (cutCount > 3) cuts.subarray(0, cutCount).sort();
  else if (cutCount === 3 && cuts[1]! > cuts[2]!) cuts.set([cuts[2]!, cuts[1]!], 1);
  return true;
}

function cutEvenly(count: number, y: number): void {
  const pieces = Math.max(FEWEST_EVEN, Math.floor(EVEN_PIECES / count));
  cutCount = pieces + 1;
  if (cuts.length < cutCount) cuts = new Float64Array(2 * cutCount);
  for (let i = 0; i <= pieces; i++) cuts[i] = y + i / pieces;
}

/**
 * Adds the shares of the row's pieces. `alongLines`: each edge counts as if it were upright, where it is in the piece's middle.
 * Otherwise false, with some of them added, where there are too many.
 */
function coverPieces(count: number, columns: number, alongLines: boolean): boolean {
  if (meeting.length < count) meeting = new Int32Array(2 * count);
  if (begins.length < edges.count) {
    begins = new Float64Array(2 * edges.count);
    ends = new Float64Array(2 * edges.count);
  }
  let found = 0;
  let next = 0;
  let pieces = 0;
  for (let c = 1; c < cutCount; c++) {
    const from = cuts[c - 1]!;
    const to = cuts[c]!;
    if (!(from < to)) continue;
    const middle = (from + to) / 2;
    let kept = 0;
    for (let m = 0; m < found; m++) if (edges.bottomOf(meeting[m]!) > middle) meeting[kept++] = meeting[m]!;
    for (; next < count && edges.topOf(active[next]!) <= middle; next++)
      if (edges.bottomOf(active[next]!) > middle) meeting[kept++] = active[next]!;
    found = kept;
    pieces += found;
    if (pieces > MOST_PIECES && !alongLines) return false;
    for (let m = 0; m < found; m++) {
      const edge = meeting[m]!;
      begins[edge] = edges.at(edge, alongLines ? middle : Math.max(from, edges.topOf(edge)));
      ends[edge] = edges.at(edge, alongLines ? middle : Math.min(to, edges.bottomOf(edge)));
    }
    sortMeeting(found);
    let left = -1;
    for (let m = 0; m < found; m++) {
      const edge = meeting[m]!;
      const before = inside.count;
      inside.pass(edges.regionOf(edge));
      if (before === 0) left = edge;
      else if (inside.count === 0) addTrapezoid(left, edge, to - from, columns);
    }
  }
  return true;
}

const MANY = 48;

function sortMeeting(found: number): void {
  if (found > MANY) {
    meeting.subarray(0, found).sort((a, b) => begins[a]! + ends[a]! - (begins[b]! + ends[b]!));
    return;
  }
  for (let m = 1; m < found; m++) {
    const edge = meeting[m]!;
    const key = begins[edge]! + ends[edge]!;
    let place = m;
    for (; place > 0 && begins[meeting[place - 1]!]! + ends[meeting[place - 1]!]! > key; place--)
      meeting[place] = meeting[place - 1]!;
    meeting[place] = edge;
  }
}

/** Adds the area between two edges of a piece of height `high` to the pixels that it lies in. */
function addTrapezoid(left: number, right: number, high: number, columns: number): void {
  const l0 = begins[left]!;
  const l1 = ends[left]!;
  const r0 = begins[right]!;
  const r1 = ends[right]!;
  const first = Math.max(0, Math.floor(Math.min(l0, l1)));
  const last = Math.min(columns, Math.ceil(Math.max(r0, r1)));
  if (!(first < last)) return;
  if (touched.to === 0) [touched.from, touched.to] = [first, last];
  else {
    touched.from = Math.min(touched.from, first);
    touched.to = Math.max(touched.to, last);
  }
  const fullFrom = Math.max(l0, l1);
  const fullTo = Math.min(r0, r1) - 1;
  for (let x = first; x < last; x++) {
    if (x >= fullFrom && x <= fullTo) shares[x]! += high;
    else shares[x]! += high * Math.max(0, meanWithin(r0, r1, x) - meanWithin(l0, l1, x));
  }
}

/** The mean along a straight edge of how far it has come within the pixel that begins at x: 0 left of it, 1 right of it. */
function meanWithin(x0: number, x1: number, x: number): number {
  const low = Math.min(x0, x1);
  const high = Math.max(x0, x1);
  if (high <= x) return 0;
  if (low >= x + 1) return 1;
  if (low === high) return low - x;
  const from = Math.max(low, x);
  const to = Math.min(high, x + 1);
  const within = ((to - from) / (high - low)) * ((from + to) / 2 - x);
  const beyond = Math.max(0, high - (x + 1)) / (high - low);
  return within + beyond;
}
