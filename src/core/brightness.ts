import type { Size } from './fit.js';
import { type Box, boxOf, squaredDistances } from './mask-margin.js';

/**
 * How the brightness of two sets of pixels differs. `brighter`: the largest share by which more of the second than of the first
 * lies below a brightness (0: nowhere, 1: the first is brighter throughout; the two-sample statistic of Kolmogorov and Smirnov,
 * one-sided); `darker` the other way round.
 */
export interface Contrast {
  readonly brighter: number;
  readonly darker: number;
}

/** `spread`: the interquartile range of the inside over the range from the 5th to the 95th percentile of inside and surroundings. */
export interface Brightness extends Contrast {
  readonly spread: number;
}

/** So many pixels of a set are looked at; of a larger one every second, third … */
const MOST_PIXELS = 20_000;
/** With fewer pixels left there is nothing to say. */
const FEWEST_PIXELS = 5;
/** The edge of a structure is neither inside nor outside for so many pixels, where there is enough left. */
const GUARD = 2;
const ENOUGH_INSIDE = 12;
/** The ring's width as a share of the radius, and its least and most in pixels. */
const RING = 0.2;
const [NARROWEST, WIDEST] = [2, 32];

/** Compares the inside of a mask with a ring around it; null where either has too few pixels. */
export function compareAround(mask: Uint8Array, values: Float64Array, size: Size): Brightness | null {
  const radius = Math.sqrt(mask.reduce((sum, pixel) => sum + pixel, 0) / Math.PI);
  const width = Math.min(WIDEST, Math.max(NARROWEST, Math.round(RING * radius)));
  const box = boxOf(mask, size, width + 1);
  if (!box) return null;
  const inside = insideOf(mask, values, size, box);
  const distances = squaredDistances(mask, size.columns, box, 1, width);
  const ring = pick(values, size, box, (at) => distances[at]! > 0 && distances[at]! <= width * width);
  return describe(inside, ring);
}

/** Compares an inner mask with the rest of the one that contains it; null where either has too few pixels. */
export function compareWithin(
  inner: Uint8Array,
  outer: Uint8Array,
  values: Float64Array,
  size: Size,
): Brightness | null {
  const box = boxOf(outer, size, 2);
  const innerBox = boxOf(inner, size, GUARD + 1);
  if (!box || !innerBox) return null;
  const inside = insideOf(inner, values, size, innerBox);
  const toInner = squaredDistances(inner, size.columns, box, 1, 1);
  const toOutside = squaredDistances(outer, size.columns, box, 0, 1);
  const rest = (guard: number) =>
    pick(values, size, box, (at) => toInner[at]! > guard && toOutside[at]! > guard);
  const guarded = rest(1);
  const around = guarded.length >= ENOUGH_INSIDE ? guarded : rest(0);
  // Here it is the rest that should be even.
  return describe(around, inside);
}

function insideOf(mask: Uint8Array, values: Float64Array, size: Size, box: Box): Float64Array {
  const distances = squaredDistances(mask, size.columns, box, 0, GUARD);
  for (let guard = GUARD; guard > 0; guard--) {
    const inside = pick(values, size, box, (at) => distances[at]! > guard * guard);
    if (inside.length >= ENOUGH_INSIDE) return inside;
  }
  return pick(values, size, box, (at) => distances[at]! > 0);
}

function pick(
  values: Float64Array,
  { columns }: Size,
  box: Box,
  isChosen: (at: number) => boolean,
): Float64Array {
  const chosen: number[] = [];
  const width = box.right - box.left;
  for (let y = box.top, at = 0; y < box.bottom; y++)
    for (let x = box.left; x < box.left + width; x++, at++)
      if (isChosen(at) && Number.isFinite(values[y * columns + x])) chosen.push(values[y * columns + x]!);
  const step = Math.ceil(chosen.length / MOST_PIXELS);
  return Float64Array.from(step > 1 ? chosen.filter((_, i) => i % step === 0) : chosen).sort();
}

/** Both sorted. */
function describe(inside: Float64Array, around: Float64Array): Brightness | null {
  if (inside.length < FEWEST_PIXELS || around.length < FEWEST_PIXELS) return null;
  const all = new Float64Array(inside.length + around.length);
  all.set(inside);
  all.set(around, inside.length);
  all.sort();
  const range = percentile(all, 0.95) - percentile(all, 0.05);
  const quartiles = percentile(inside, 0.75) - percentile(inside, 0.25);
  return { ...contrastOf(inside, around), spread: range > 0 ? quartiles / range : 0 };
}

function contrastOf(a: Float64Array, b: Float64Array): Contrast {
  let [brighter, darker] = [0, 0];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const value = Math.min(a[i] ?? Number.POSITIVE_INFINITY, b[j] ?? Number.POSITIVE_INFINITY);
    while (i < a.length && a[i]! <= value) i++;
    while (j < b.length && b[j]! <= value) j++;
    const more = j / b.length - i / a.length;
    brighter = Math.max(brighter, more);
    darker = Math.max(darker, -more);
    if (value === Number.POSITIVE_INFINITY) break;
  }
  return { brighter, darker };
}

/** Between the two nearest of sorted values, as NumPy's default. */
function percentile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (at - below);
}
