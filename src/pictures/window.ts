import type { Panel, Window } from './panel.js';

// Enough for a percentile to within a thousandth of its rank, and 2 ms to sort.
const SAMPLES = 16_384;

/** A window shows something when at least this share of the values lies between its ends. */
const LEAST_SHARE = 0.01;

/**
 * The range in which a panel is shown: the first of its windows that shows something. Otherwise, NaN and
 * infinite values left aside, for one channel the 1st to the 99th percentile (of an even sample where there
 * are many values), and its first window, or the full range, where those two are equal; for three channels 0
 * … 255 where all values are within it, 0 … 1 where all are within that and some are fractions, else the full
 * range. A constant image is mid-grey.
 */
export function displayWindow(panel: Panel): Window {
  const shows = panel.windows?.find((window) => shareWithin(panel, window) >= LEAST_SHARE);
  if (shows) return shows;
  const range = fullRange(panel.values);
  if (panel.channels === 3) {
    if (range.low >= 0 && range.high <= 1 && range.fractions) return { low: 0, high: 1 };
    if (range.low >= 0 && range.high <= 255) return { low: 0, high: 255 };
    return around(range);
  }
  const robust = percentiles(panel.values, panel.columns);
  return robust.low < robust.high ? robust : (panel.windows?.[0] ?? around(range));
}

/**
 * The share of a panel's finite values that lie between the ends of a window; of many values, of an even
 * sample.
 */
function shareWithin({ values, columns }: Panel, { low, high }: Window): number {
  const stride = strideOver(values.length, columns);
  let finite = 0;
  let within = 0;
  for (let at = 0; at < values.length; at += stride) {
    const value = values[at]!;
    if (!Number.isFinite(value)) continue;
    finite++;
    if (value > low && value < high) within++;
  }
  return finite === 0 ? 0 : within / finite;
}

/** Where a value lies in a window, 0 … 255, rounded half up; NaN is 0. */
export function displayGrey(value: number, window: Window): number {
  const share = (value - window.low) / (window.high - window.low);
  if (share >= 1) return 255;
  return share > 0 ? Math.floor(share * 255 + 0.5) : 0;
}

function around({ low, high }: Window): Window {
  if (low < high) return { low, high };
  const half = Math.max(1, Math.abs(low));
  return low === high ? { low: low - half, high: high + half } : { low: 0, high: 1 };
}

function fullRange(values: ArrayLike<number>): Window & { fractions: boolean } {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let fractions = false;
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!;
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
    if (!fractions && !Number.isInteger(value)) fractions = true;
  }
  return { low, high, fractions };
}

function percentiles(values: ArrayLike<number>, columns: number): Window {
  const stride = strideOver(values.length, columns);
  const sample = new Float64Array(Math.ceil(values.length / stride));
  let count = 0;
  for (let at = 0; at < values.length; at += stride) {
    if (Number.isFinite(values[at]!)) sample[count++] = values[at]!;
  }
  const sorted = sample.subarray(0, count).sort();
  return {
    low: sorted[Math.floor(0.01 * (count - 1))] ?? 0,
    high: sorted[Math.ceil(0.99 * (count - 1))] ?? 0,
  };
}

/** The distance between the values of a sample. */
function strideOver(count: number, columns: number): number {
  let stride = Math.max(1, Math.ceil(count / SAMPLES));
  // With a stride that shares a factor with the row length, the sample would have a few columns only.
  while (stride > 1 && commonDivisor(stride, columns) > 1) stride++;
  return stride;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
