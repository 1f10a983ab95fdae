import fc from 'fast-check';
import t from 'tap';
import { coverExtent, fillExtent } from '../../src/core/extent.js';
import { fitExtent, fitting } from '../../src/core/fit.js';
import type { BinaryRule } from '../../src/core/rasterize.js';
import { rasterize } from '../../src/core/rasterize.js';

const NONE = { regions: [], rasters: [] };
const RULES: readonly BinaryRule[] = ['pixel-center', 'pil', 'opencv'];

/** A square whose inside are the pixels from `from` up to `to`, not included. */
function square(from: number, to: number): Float64Array {
  const [a, b] = [from - 0.5, to - 0.5];
  return Float64Array.of(a, a, b, a, b, b, a, b);
}

function picture(mask: ArrayLike<number>, columns: number): string[] {
  return Array.from({ length: mask.length / columns }, (_, row) =>
    Array.from({ length: columns }, (_, column) => (mask[row * columns + column] ? '#' : '.')).join(''),
  );
}

t.test('a ring: one region has a hole, two regions have none', async (t) => {
  const outer = square(1, 6);
  const inner = square(3, 4);
  const mask = new Uint8Array(50);
  fillExtent('pixel-center', { ...NONE, regions: [[outer, inner]] }, 7, 7, mask, 1);
  t.strictSame(picture(mask.subarray(1), 7), [
    '.......',
    '.#####.',
    '.#####.',
    '.##.##.',
    '.#####.',
    '.#####.',
    '.......',
  ]);
  t.equal(mask[0], 0);
  const whole = new Uint8Array(49);
  fillExtent('pixel-center', { ...NONE, regions: [[outer], [inner]] }, 7, 7, whole, 0);
  t.equal(
    whole.reduce((sum, value) => sum + value, 0),
    25,
  );
  const shares = new Float32Array(49);
  coverExtent({ ...NONE, regions: [[outer, inner]] }, 7, 7, shares, 0);
  t.strictSame([...shares], [...mask.subarray(1)]);
});

t.test('a keyhole is drawn as it is: one polygon, with a hole', async (t) => {
  // Around the outside, through a channel without width, around the inside the other way, and back.
  const keyhole = Float64Array.of(
    0.5,
    0.5,
    5.5,
    0.5,
    5.5,
    5.5,
    0.5,
    5.5,
    0.5,
    3.2,
    2.5,
    3.2,
    2.5,
    3.5,
    3.5,
    3.5,
    3.5,
    2.5,
    2.5,
    2.5,
    2.5,
    3.2,
    0.5,
    3.2,
  );
  const mask = new Uint8Array(49);
  fillExtent('pixel-center', { ...NONE, regions: [[keyhole]] }, 7, 7, mask, 0);
  t.strictSame(picture(mask, 7), [
    '.......',
    '.#####.',
    '.#####.',
    '.##.##.',
    '.#####.',
    '.#####.',
    '.......',
  ]);
});

t.test('a region is the exclusive or of its polygons, by every rule, whatever the mask holds', async () => {
  const polygon = fc
    .array(fc.double({ min: -4, max: 16, noNaN: true }), { minLength: 6, maxLength: 14 })
    .map((values) => Float64Array.from(values.length % 2 === 0 ? values : values.slice(1)));
  fc.assert(
    fc.property(
      fc.constantFrom(...RULES),
      fc.array(polygon, { minLength: 2, maxLength: 4 }),
      fc.uint8Array({ minLength: 132, maxLength: 132, max: 1 }),
      (rule, region, before) => {
        const mask = before.slice();
        fillExtent(rule, { ...NONE, regions: [region] }, 12, 11, mask, 0);
        const odd = new Uint8Array(132);
        for (const one of region) {
          const drawn = new Uint8Array(132);
          rasterize(rule, one, 12, 11, drawn, 0);
          drawn.forEach((value, at) => {
            odd[at]! ^= value;
          });
        }
        return mask.every((value, at) => value === (before[at]! | odd[at]!));
      },
    ),
  );
});

t.test('a raster is what it is under every rule', async (t) => {
  const raster = { rows: 3, columns: 4, matrix: null, runs: [1, 3, 6, 7, 11, 12] };
  for (const rule of RULES) {
    const mask = new Uint8Array(12);
    fillExtent(rule, { ...NONE, rasters: [raster] }, 3, 4, mask, 0);
    t.strictSame(picture(mask, 4), ['.##.', '..#.', '...#'], rule);
  }
  const shares = new Float32Array(12);
  coverExtent({ regions: [[square(0, 1)]], rasters: [raster] }, 3, 4, shares, 0);
  t.strictSame(picture(shares, 4), ['###.', '..#.', '...#']);
});

t.test('a raster of another grid gives each pixel what is nearest there', async (t) => {
  const runs = [0, 1, 3, 4];
  const at = (matrix: readonly number[], rows: number, columns: number) => {
    const mask = new Uint8Array(rows * columns);
    fillExtent('pil', { ...NONE, rasters: [{ rows: 2, columns: 2, matrix, runs }] }, rows, columns, mask, 0);
    return picture(mask, columns);
  };
  t.strictSame(at([0.5, 0, -0.25, 0, 0.5, -0.25], 4, 4), ['##..', '##..', '..##', '..##']);
  t.strictSame(at([1, 0, -1, 0, 1, 0], 2, 4), ['.#..', '..#.']);
  t.strictSame(at([-1, 0, 1, 0, 1, 0], 2, 2), ['.#', '#.']);
  t.strictSame(at([1, 0, 50, 0, 1, 0], 2, 2), ['..', '..']);
});

t.test('a resized raster takes the nearest pixel, as a mask does', async (t) => {
  const raster = { rows: 2, columns: 2, matrix: null, runs: [0, 1, 3, 4] };
  const fitted = fitting('resize', { rows: 2, columns: 2 }, { rows: 4, columns: 6 });
  const shares = new Float32Array(24);
  coverExtent(fitExtent({ ...NONE, rasters: [raster] }, fitted), 4, 6, shares, 0);
  t.strictSame(picture(shares, 6), ['###...', '###...', '...###', '...###']);
});
