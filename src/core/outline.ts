import type { Size } from './fit.js';

/** What a closed polygon's points tell by themselves. */
export interface Outline {
  /** Without the first one again at the end. */
  readonly points: number;
  /** Pairs of edges that cross, counted up to `MOST_CROSSINGS`; edges that only touch do not. */
  readonly crossings: number;
  /** Points that repeat an earlier one, less those of a keyhole's channel. */
  readonly repeats: number;
  /** How many pixels the farthest point lies beyond the outer edges of the border pixels; 0 inside. */
  readonly outside: number;
}

export const MOST_CROSSINGS = 100;
/** Pairs of edges looked at; of a contour that asks for more some crossings may stay unseen. */
const MOST_PAIRS = 2 ** 22;

/** Describes a closed polygon (x, y, x, y …, pixel centres at whole numbers) on an image. */
export function describeOutline(points: Float64Array, size: Size): Outline {
  let count = points.length >>> 1;
  if (count > 1 && points[0] === points[2 * count - 2] && points[1] === points[2 * count - 1]) count--;
  return {
    points: count,
    crossings: countCrossings(points, count),
    repeats: countRepeats(points, count),
    outside: farthestOutside(points, count, size),
  };
}

function farthestOutside(points: Float64Array, count: number, { rows, columns }: Size): number {
  let farthest = 0;
  for (let i = 0; i < count; i++) {
    const x = points[2 * i]!;
    const y = points[2 * i + 1]!;
    farthest = Math.max(farthest, -0.5 - x, x - columns + 0.5, -0.5 - y, y - rows + 0.5);
  }
  return farthest;
}

/** A keyhole goes to its hole and back over the same two points: such a pair of points is meant to be there twice. */
function countRepeats(points: Float64Array, count: number): number {
  const keyOf = (i: number) => {
    const at = (i + count) % count;
    return `${points[2 * at]} ${points[2 * at + 1]}`;
  };
  const seen = new Map<string, number[]>();
  let repeats = 0;
  for (let i = 0; i < count; i++) {
    const key = keyOf(i);
    const earlier = seen.get(key);
    if (!earlier) {
      seen.set(key, [i]);
      continue;
    }
    const isChannel = (before: number) =>
      (keyOf(i + 1) === keyOf(before - 1) && keyOf(i + 1) !== key) ||
      (keyOf(i - 1) === keyOf(before + 1) && keyOf(i - 1) !== key);
    if (!earlier.slice(-8).some(isChannel)) repeats++;
    earlier.push(i);
  }
  return repeats;
}

/** Which side of the line a-b a point c lies on: the sign tells. */
function side(points: Float64Array, a: number, b: number, c: number): number {
  const ax = points[2 * a]!;
  const ay = points[2 * a + 1]!;
  return (
    (points[2 * b]! - ax) * (points[2 * c + 1]! - ay) - (points[2 * b + 1]! - ay) * (points[2 * c]! - ax)
  );
}

function countCrossings(points: Float64Array, count: number): number {
  if (count < 4) return 0;
  const next = (i: number) => (i + 1 === count ? 0 : i + 1);
  const left = (i: number) => Math.min(points[2 * i]!, points[2 * next(i)]!);
  const right = (i: number) => Math.max(points[2 * i]!, points[2 * next(i)]!);
  const top = (i: number) => Math.min(points[2 * i + 1]!, points[2 * next(i) + 1]!);
  const bottom = (i: number) => Math.max(points[2 * i + 1]!, points[2 * next(i) + 1]!);
  const byLeft = Int32Array.from({ length: count }, (_, i) => i).sort((a, b) => left(a) - left(b));
  let crossings = 0;
  let pairs = 0;
  for (let k = 0; k < count; k++) {
    const a = byLeft[k]!;
    const end = right(a);
    for (let m = k + 1; m < count && left(byLeft[m]!) <= end; m++) {
      if (++pairs > MOST_PAIRS) return crossings;
      const b = byLeft[m]!;
      if (bottom(b) < top(a) || top(b) > bottom(a)) continue;
      const [a2, b2] = [next(a), next(b)];
      const isAcross =
        side(points, a, a2, b) * side(points, a, a2, b2) < 0 &&
        side(points, b, b2, a) * side(points, b, b2, a2) < 0;
      if (isAcross && ++crossings >= MOST_CROSSINGS) return crossings;
    }
  }
  return crossings;
}
