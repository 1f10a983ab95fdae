/** How each slice's values are brought to one scale. */
export type Normalize = 'none' | 'minmax' | 'zscore';

/**
 * Normalizes one slice's values in place: `minmax` to [0, 1], `zscore` to mean 0 and standard deviation 1 (of the
 * population). A constant slice becomes 0.
 */
export function normalizeValues(values: Float64Array, how: Normalize): void {
  if (how === 'none' || values.length === 0) return;
  const { shift, scale } = how === 'minmax' ? extremes(values) : moments(values);
  for (let i = 0; i < values.length; i++) values[i] = scale === 0 ? 0 : (values[i]! - shift) / scale;
}

function extremes(values: Float64Array): { shift: number; scale: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { shift: min, scale: max - min };
}

function moments(values: Float64Array): { shift: number; scale: number } {
  const first = values[0]!;
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
