/** How each slice's values are brought to one scale. */
export type Normalize = 'none' | 'minmax' | 'zscore';

/**
 * Normalizes one slice's values in place: `minmax` to [0, 1], `zscore` to mean 0 and standard deviation 1 (of
 * the population). A constant slice becomes 0. `padded` marks the pixels of each plane that are padding.
 * Padding and values that are not finite do not count for the scale, but are scaled like the others; `minmax`
 * clamps padding to [0, 1].
 */
export function normalizeValues(
  values: Float64Array,
  how: Normalize,
  padded: Uint8Array | null = null,
): void {
  if (how === 'none' || values.length === 0) return;
  const counted = countedOf(values, padded);
  const { shift, scale } = how === 'minmax' ? extremes(counted) : moments(counted);
  for (let i = 0; i < values.length; i++) values[i] = scale === 0 ? 0 : (values[i]! - shift) / scale;
  if (how === 'minmax' && padded !== null)
    for (let i = 0; i < values.length; i++)
      if (padded[i % padded.length] === 1) values[i] = Math.min(1, Math.max(0, values[i]!));
}

function countedOf(values: Float64Array, padded: Uint8Array | null): Float64Array {
  if (padded !== null)
    return values.filter((value, i) => padded[i % padded.length] === 0 && Number.isFinite(value));
  // A value that is not finite becomes NaN here.
  let zeros = 0;
  for (const value of values) zeros += value * 0;
  return zeros === 0 ? values : values.filter(Number.isFinite);
}

function extremes(values: Float64Array): { shift: number; scale: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return values.length === 0 ? { shift: 0, scale: 0 } : { shift: min, scale: max - min };
}

function moments(values: Float64Array): { shift: number; scale: number } {
  const first = values[0] ?? 0;
  let sum = 0;
  let constant = true;
  for (const value of values) {
    sum += value - first;
    if (value !== first) constant = false;
  }
  if (constant) return { shift: first, scale: 0 };
  const mean = first + sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return { shift: mean, scale: Math.sqrt(squares / values.length) };
}
