import fc from 'fast-check';
import t from 'tap';
import { type Normalize, normalizeValues } from '../../src/core/normalize.js';

function normalized(values: readonly number[], how: Normalize, padded: readonly number[] = []): number[] {
  const out = Float64Array.from(values);
  normalizeValues(out, how, padded.length > 0 ? Uint8Array.from(padded) : null);
  return [...out];
}

t.test('minmax brings the least value to 0 and the greatest to 1', async (t) => {
  t.strictSame(normalized([2, 4, 6, 3], 'minmax'), [0, 0.5, 1, 0.25]);
  t.strictSame(normalized([-1000, 3000, 0], 'minmax'), [0, 1, 0.25]);
});

t.test('zscore divides by the standard deviation of the population', async (t) => {
  t.strictSame(normalized([1, 3], 'zscore'), [-1, 1]);
  t.strictSame(
    normalized([0, 0, 0, 4], 'zscore').map((value) => value.toFixed(12)),
    [...Array(3).fill((-1 / Math.sqrt(3)).toFixed(12)), Math.sqrt(3).toFixed(12)],
  );
});

t.test('a constant slice becomes 0', async (t) => {
  for (const value of [0, 5, -1024, 0.1, 1e9 + 0.3])
    for (const how of ['minmax', 'zscore'] as const)
      t.strictSame(normalized(Array(1000).fill(value), how), Array(1000).fill(0), `${how} ${value}`);
});

t.test('padding does not count for the scale, and minmax keeps it within 0 and 1', async (t) => {
  const [values, padded] = [
    [-2000, 2, 4, 9000, 3, 2],
    [1, 0, 0, 1, 0, 0],
  ];
  t.strictSame(normalized(values, 'minmax', padded), [0, 0, 1, 1, 0.5, 0]);
  // The others are 2, 4, 3, 2: mean 2.75, variance 0.6875.
  const scores = values.map((value) => (value - 2.75) / Math.sqrt(0.6875));
  t.strictSame(normalized(values, 'zscore', padded), scores);
  for (const how of ['minmax', 'zscore'] as const) {
    t.strictSame(normalized([7, -9, 7], how, [0, 1, 0]), [0, 0, 0], 'the rest is constant');
    t.strictSame(normalized([7, -9], how, [1, 1]), [0, 0], 'nothing else is there');
  }
  t.strictSame(normalized([-9, 1, 2, -9, 5, 6], 'minmax', [1, 0, 0]), [0, 0, 0.2, 0, 0.8, 1], 'two planes');
});

t.test('values that are not finite do not count for the scale', async (t) => {
  t.strictSame(normalized([Number.NaN, 2, 4], 'minmax'), [Number.NaN, 0, 1]);
  t.strictSame(normalized([Number.NaN, 1, 3], 'zscore'), [Number.NaN, -1, 1]);
  t.strictSame(normalized([Number.NEGATIVE_INFINITY, 1, 3], 'zscore'), [Number.NEGATIVE_INFINITY, -1, 1]);
});

t.test('none, and a slice without values, stay as they are', async (t) => {
  t.strictSame(normalized([3, 1, 2], 'none'), [3, 1, 2]);
  t.strictSame(normalized([], 'zscore'), []);
  t.strictSame(normalized([], 'minmax'), []);
});

const values = fc.array(fc.integer({ min: -32_768, max: 65_535 }), { minLength: 2, maxLength: 200 });

t.test('zscore leaves mean 0 and deviation 1, also far from zero', async (t) => {
  fc.assert(
    fc.property(values, fc.constantFrom(0, 1e6, -1e9), (some, far) => {
      const got = normalized(
        some.map((value) => value + far),
        'zscore',
      );
      const mean = got.reduce((sum, value) => sum + value, 0) / got.length;
      const variance = got.reduce((sum, value) => sum + value * value, 0) / got.length;
      const constant = new Set(some).size === 1;
      // Far from zero the mean itself lies between two doubles: half their distance, over a deviation of 0.07 or more.
      const tolerance = 1e-9 + Math.abs(far) * 1e-15;
      return Math.abs(mean) < tolerance && Math.abs(variance - (constant ? 0 : 1)) < 1e-6;
    }),
    { examples: [[[0, 0, -4], -1e9]] },
  );
  t.pass();
});

t.test('neither cares about the unit: a straight line of the values gives the same', async (t) => {
  fc.assert(
    fc.property(values, fc.constantFrom<Normalize>('minmax', 'zscore'), (some, how) => {
      const other = normalized(
        some.map((value) => 4 * value - 1024),
        how,
      );
      return normalized(some, how).every((value, at) => Math.abs(value - other[at]!) < 1e-9);
    }),
  );
  t.pass();
});
