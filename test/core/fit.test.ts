import fc from 'fast-check';
import t from 'tap';
import { affineOf, type Fit, fitMask, fitting, fitValues, type Size } from '../../src/core/fit.js';
import { rint } from '../fixtures/numbers.js';

const size = (rows: number, columns: number): Size => ({ rows, columns });

/** A zero is a zero, whatever its sign. */
const unsigned = (value: number) => value + 0;

function fitted(fit: Fit, from: Size, to: Size, values: readonly number[], fill = 0): number[] {
  return [
    ...fitValues(
      Float64Array.from(values),
      values.length / (from.rows * from.columns),
      fitting(fit, from, to),
      fill,
    ),
  ];
}

function masked(fit: Fit, from: Size, to: Size, mask: Uint8Array): Uint8Array {
  const out = new Uint8Array(to.rows * to.columns).fill(9);
  fitMask(mask, fitting(fit, from, to), out, 0);
  return out;
}

t.test('pad keeps the image in the middle, an odd pixel more at the end', async (t) => {
  t.strictSame(fitted('pad', size(2, 2), size(3, 5), [1, 2, 3, 4], -7), [
    ...[-7, 1, 2, -7, -7],
    ...[-7, 3, 4, -7, -7],
    ...[-7, -7, -7, -7, -7],
  ]);
  t.strictSame(affineOf(fitting('pad', size(2, 2), size(3, 5))).map(unsigned), [1, 0, 0, 0, 1, -1]);
  t.strictSame(affineOf(fitting('pad', size(2, 2), size(7, 8))), [1, 0, -2, 0, 1, -3]);
});

t.test('crop keeps the middle, an odd pixel less at the end', async (t) => {
  const values = Array.from({ length: 20 }, (_, at) => at);
  t.strictSame(fitted('crop', size(4, 5), size(3, 2), values), [1, 2, 6, 7, 11, 12]);
  t.strictSame(affineOf(fitting('crop', size(4, 5), size(3, 2))), [1, 0, 0, 0, 1, 1]);
  t.strictSame(affineOf(fitting('crop', size(9, 10), size(4, 4))), [1, 0, 2, 0, 1, 3]);
});

t.test('crop pads along an axis where the image is the smaller one', async (t) => {
  t.strictSame(fitted('crop', size(1, 4), size(3, 2), [1, 2, 3, 4], 8), [8, 8, 2, 3, 8, 8]);
  t.strictSame([...masked('crop', size(1, 4), size(3, 2), Uint8Array.of(1, 1, 0, 1))], [0, 0, 1, 0, 0, 0]);
});

t.test('what pad adds, crop takes away', async (t) => {
  const side = fc.integer({ min: 1, max: 9 });
  fc.assert(
    fc.property(side, side, side, side, (rows, columns, moreRows, moreColumns) => {
      const [small, large] = [size(rows, columns), size(rows + moreRows, columns + moreColumns)];
      const values = Array.from({ length: rows * columns }, (_, at) => at + 1);
      return fitted('crop', large, small, fitted('pad', small, large, values)).join() === values.join();
    }),
  );
  t.pass();
});

t.test('resize means over the area that a pixel covers where an axis shrinks', async (t) => {
  t.strictSame(fitted('resize', size(2, 4), size(1, 2), [1, 3, 10, 20, 5, 7, 30, 40]), [4, 25]);
  const [a, b] = fitted('resize', size(1, 3), size(1, 2), [3, 6, 12]);
  t.same([a?.toFixed(12), b?.toFixed(12)], ['4.000000000000', '10.000000000000']);
});

t.test('resize goes linearly between pixel centres where an axis grows', async (t) => {
  t.strictSame(fitted('resize', size(1, 2), size(1, 4), [0, 8]), [0, 2, 6, 8]);
  t.strictSame(fitted('resize', size(2, 1), size(4, 1), [0, 8]), [0, 2, 6, 8]);
  t.strictSame(fitted('resize', size(1, 1), size(2, 3), [5]), [5, 5, 5, 5, 5, 5]);
});

t.test('each axis of a resize goes its own way', async (t) => {
  t.strictSame(fitted('resize', size(2, 2), size(1, 4), [0, 8, 4, 12]), [2, 4, 8, 10]);
  t.strictSame(affineOf(fitting('resize', size(2, 2), size(1, 4))), [2, 0, 0.5, 0, 0.5, -0.25]);
});

t.test('a resized mask takes the nearest pixel, of two equally near the even one', async (t) => {
  // Target centres lie at 0.5, 2.5, 4.5 of the source.
  t.strictSame([...masked('resize', size(1, 6), size(1, 3), Uint8Array.of(1, 0, 1, 0, 0, 1))], [1, 1, 0]);
  t.strictSame([...masked('resize', size(1, 2), size(1, 4), Uint8Array.of(1, 0))], [1, 1, 0, 0]);
});

t.test('planes are fitted side by side', async (t) => {
  const values = [1, 2, 3, 4, 10, 20, 30, 40];
  t.strictSame(fitted('crop', size(2, 2), size(1, 1), values), [1, 10]);
  t.strictSame(fitted('resize', size(2, 2), size(1, 1), values), [2.5, 25]);
});

t.test('a mask is fitted from an offset and leaves what is around it', async (t) => {
  const out = new Uint8Array(8).fill(5);
  fitMask(Uint8Array.of(1, 0, 0, 1), fitting('pad', size(2, 2), size(2, 3)), out, 1);
  t.strictSame([...out], [5, 1, 0, 0, 0, 1, 0, 5]);
});

const side = fc.integer({ min: 1, max: 40 });
const sizes = fc
  .tuple(side, side, side, side, fc.integer())
  .map(([rows, columns, toRows, toColumns, seed]) => ({
    from: size(rows, columns),
    to: size(toRows, toColumns),
    values: Array.from({ length: rows * columns }, (_, at) => (Math.imul(at + 1, seed | 1) >>> 5) % 1000),
  }));

t.test('the affine takes every pixel of a mask home, and of an image that is only moved', async (t) => {
  fc.assert(
    fc.property(sizes, fc.constantFrom<Fit>('pad', 'crop', 'resize'), ({ from, to, values }, fit) => {
      const mask = Uint8Array.from(values, (value) => value & 1);
      const got = masked(fit, from, to, mask);
      const image = fit === 'resize' ? null : fitted(fit, from, to, values, -1);
      const [a, b, c, d, e, f] = affineOf(fitting(fit, from, to)) as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      for (let row = 0; row < to.rows; row++)
        for (let column = 0; column < to.columns; column++) {
          const y = rint(a * row + b * column + c);
          const x = rint(d * row + e * column + f);
          const inside = y >= 0 && y < from.rows && x >= 0 && x < from.columns;
          const at = row * to.columns + column;
          if (fit === 'resize' && !inside) return false;
          if (got[at] !== (inside ? mask[y * from.columns + x] : 0)) return false;
          if (image && image[at] !== (inside ? values[y * from.columns + x] : -1)) return false;
        }
      return true;
    }),
    { numRuns: 300 },
  );
  t.pass();
});

/** Straight from the words: the share of each source pixel in the target's interval, or the line between two centres. */
function weight(from: number, to: number, target: number, source: number): number {
  const ratio = from / to;
  if (ratio > 1)
    return Math.max(0, Math.min((target + 1) * ratio, source + 1) - Math.max(target * ratio, source)) / ratio;
  const centre = Math.min(from - 1, Math.max(0, (target + 0.5) * ratio - 0.5));
  return Math.max(0, 1 - Math.abs(centre - source));
}

t.test('a resize is what its definition says, pixel for pixel', async (t) => {
  let worst = 0;
  fc.assert(
    fc.property(sizes, ({ from, to, values }) => {
      const got = fitted('resize', from, to, values);
      for (let row = 0; row < to.rows; row += 3)
        for (let column = 0; column < to.columns; column += 3) {
          let sum = 0;
          for (let y = 0; y < from.rows; y++) {
            const share = weight(from.rows, to.rows, row, y);
            for (let x = 0; share > 0 && x < from.columns; x++)
              sum += share * weight(from.columns, to.columns, column, x) * values[y * from.columns + x]!;
          }
          worst = Math.max(worst, Math.abs(sum - got[row * to.columns + column]!));
        }
    }),
    { numRuns: 100 },
  );
  t.ok(worst < 1e-8, `off by ${worst}`);
});

t.test(
  'shrinking keeps the mean, growing stays within the extremes, and neither moves a constant',
  async (t) => {
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    fc.assert(
      fc.property(sizes, ({ from, to, values }) => {
        const got = fitted('resize', from, to, values);
        const shrinks = to.rows <= from.rows && to.columns <= from.columns;
        if (shrinks && Math.abs(mean(got) - mean(values)) > 1e-9 * 1000) return false;
        const [low, high] = [Math.min(...values), Math.max(...values)];
        if (got.some((value) => value < low - 1e-9 || value > high + 1e-9)) return false;
        const flat = fitted(
          'resize',
          from,
          to,
          values.map(() => 777),
        );
        return flat.every((value) => Math.abs(value - 777) < 1e-9);
      }),
      { numRuns: 100 },
    );
    t.pass();
  },
);

t.test('a fit to its own size changes nothing', async (t) => {
  const values = Array.from({ length: 35 }, (_, at) => Math.sqrt(at));
  for (const fit of ['exact', 'pad', 'crop', 'resize'] as const) {
    t.strictSame(fitted(fit, size(5, 7), size(5, 7), values, 3), values, fit);
    t.same(affineOf(fitting(fit, size(5, 7), size(5, 7))).map(Math.abs), [1, 0, 0, 0, 1, 0], fit);
  }
});
