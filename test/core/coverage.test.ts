import fc from 'fast-check';
import t from 'tap';
import { cover } from '../../src/core/coverage.js';
import { rasterize } from '../../src/core/rasterize.js';

type Polygon = readonly number[];

/** The shares of polygons that are each a region of its own. */
function shares(rows: number, columns: number, ...polygons: readonly Polygon[]): Float32Array {
  const out = new Float32Array(rows * columns);
  const regions = polygons.map((xy) => [Float64Array.from(xy)]);
  cover(regions, rows, columns, out, 0);
  return out;
}

const sum = (values: Float32Array) => values.reduce((total, value) => total + value, 0);

t.test('a pixel reaches half a pixel around its centre', async (t) => {
  t.strictSame(
    [...shares(3, 4, [0.5, 0.5, 2.5, 0.5, 2.5, 1.5, 0.5, 1.5])],
    [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0],
  );
  t.strictSame([...shares(2, 2, [0, 0, 1, 0, 1, 1, 0, 1])], [0.25, 0.25, 0.25, 0.25]);
});

t.test('a slanted edge leaves a part of each pixel it goes through', async (t) => {
  const triangle = [-0.5, -0.5, 1.5, -0.5, -0.5, 1.5];
  t.strictSame([...shares(2, 2, triangle)], [1, 0.5, 0.5, 0]);
  t.strictSame([...shares(1, 2, [-0.5, -0.5, 1.5, -0.5, 1.5, 0.5])], [0.25, 0.75]);
});

t.test('what a polygon covers twice is outside', async (t) => {
  // A bow tie: its two triangles meet in the middle of the pixel.
  t.strictSame([...shares(1, 1, [-0.5, -0.5, 0.5, 0.5, 0.5, -0.5, -0.5, 0.5])], [0.5]);
  const twice = [-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5];
  t.strictSame([...shares(1, 1, [...twice, ...twice])], [0]);
});

t.test('regions are joined, polygons of one region are not', async (t) => {
  const left = Float64Array.of(-0.5, -0.5, 0.25, -0.5, 0.25, 0.5, -0.5, 0.5);
  const right = Float64Array.of(-0.25, -0.5, 0.5, -0.5, 0.5, 0.5, -0.25, 0.5);
  const out = new Float32Array(1);
  cover([[left], [right]], 1, 1, out, 0);
  t.strictSame([...out], [1]);
  cover([[left, right]], 1, 1, out, 0);
  t.strictSame([...out], [0.5]);
});

t.test('what lies outside is cut off, also far away', async (t) => {
  t.strictSame([...shares(2, 2, [-9, -9, 9, -9, 9, 9, -9, 9])], [1, 1, 1, 1]);
  t.strictSame([...shares(2, 2, [-1e9, -1e9, 1e9, -1e9, 1e9, 0.5, -1e9, 0.5])], [1, 1, 0, 0]);
  t.strictSame([...shares(2, 2, [5, 5, 9, 5, 9, 9])], [0, 0, 0, 0]);
  const farthest = Number.MAX_VALUE;
  for (const share of shares(3, 3, [-farthest, -farthest, farthest, 1, 1, farthest]))
    t.ok(share >= 0 && share <= 1, String(share));
});

t.test('without points or height nothing is covered; a mask without room is refused', async (t) => {
  t.strictSame([...shares(2, 2)], [0, 0, 0, 0]);
  t.strictSame([...shares(2, 2, [], [0, 0], [0, 0, 1, 1], [0, 1, 1, 1, 0.5, 1])], [0, 0, 0, 0]);
  t.throws(() => cover([], 2, 2, new Float32Array(4), 1), RangeError);
});

const coordinate = fc.oneof(
  fc.integer({ min: -6, max: 24 }).map((n) => n / 2),
  fc.double({ min: -3, max: 12, noNaN: true }),
);
const polygon = fc
  .array(fc.tuple(coordinate, coordinate), { minLength: 3, maxLength: 9 })
  .map((points) => points.flat());
const FINE = 24;
const SIDE = 9;

t.test('the shares are those of pixel-center on a fine grid, as near as that grid is', async () => {
  fc.assert(
    fc.property(fc.array(polygon, { minLength: 1, maxLength: 3 }), (polygons) => {
      const fine = new Uint8Array(SIDE * FINE * SIDE * FINE);
      for (const xy of polygons) {
        const points = Float64Array.from(xy, (at) => (at + 0.5) * FINE - 0.5);
        rasterize('pixel-center', points, SIDE * FINE, SIDE * FINE, fine, 0);
      }
      const edges = polygons.reduce((count, xy) => count + xy.length / 2, 0);
      return shares(SIDE, SIDE, ...polygons).every((share, at) => {
        const [row, column] = [Math.floor(at / SIDE), at % SIDE];
        let count = 0;
        for (let y = row * FINE; y < (row + 1) * FINE; y++)
          for (let x = column * FINE; x < (column + 1) * FINE; x++) count += fine[y * SIDE * FINE + x]!;
        // A line through the pixel passes at most so many of its centres by less than half a step.
        return Math.abs(share - count / FINE ** 2) <= (edges * 1.5) / FINE;
      });
    }),
    { numRuns: 150 },
  );
});

/** The area of a polygon within a box, by cutting it along each side in turn; exact where it does not cross itself. */
function areaWithin(xy: Polygon, left: number, top: number): number {
  let points = Array.from({ length: xy.length / 2 }, (_, i) => [xy[2 * i]!, xy[2 * i + 1]!] as const);
  const sides = [
    [0, 1, left],
    [0, -1, left + 1],
    [1, 1, top],
    [1, -1, top + 1],
  ] as const;
  for (const [axis, sign, bound] of sides)
    points = points.flatMap((b, i) => {
      const a = points[(i + points.length - 1) % points.length]!;
      const [before, after] = [sign * (a[axis] - bound), sign * (b[axis] - bound)];
      const share = before / (before - after);
      const cut = [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share] as const;
      return [...(before < 0 !== after < 0 ? [cut] : []), ...(after >= 0 ? [b] : [])];
    });
  return Math.abs(
    points.reduce((area, [x, y], i) => {
      const [u, v] = points[(i + points.length - 1) % points.length]!;
      return area + (u * y - x * v) / 2;
    }, 0),
  );
}

t.test('a contour that does not cross itself has in each pixel the area that clipping gives', async (t) => {
  const star = fc
    .tuple(
      fc.array(fc.double({ min: 0.3, max: 5, noNaN: true }), { minLength: 5, maxLength: 40 }),
      fc.double({ min: 1, max: 7, noNaN: true }),
    )
    .map(([reaches, middle]) =>
      reaches.flatMap((reach, i) => {
        const turn = (2 * Math.PI * i) / reaches.length;
        return [middle + reach * Math.cos(turn), middle + reach * Math.sin(turn)];
      }),
    );
  fc.assert(
    fc.property(star, (xy) =>
      shares(SIDE, SIDE, xy).every((share, at) => {
        const area = areaWithin(xy, (at % SIDE) - 0.5, Math.floor(at / SIDE) - 0.5);
        return Math.abs(share - area) < 1e-6;
      }),
    ),
  );
  const circle = Array.from(
    { length: 720 },
    (_, i) => 50 + 30 * (i % 2 ? Math.sin : Math.cos)((Math.PI * (i >> 1)) / 180),
  );
  t.ok(Math.abs(sum(shares(100, 100, circle)) - 180 * 900 * Math.sin(Math.PI / 180)) < 1e-3);
});

t.test('a scribble of thousands of edges is measured all the same, and in time', async (t) => {
  let state = 1;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const all = shares(
    16,
    16,
    Array.from({ length: 8000 }, () => random() * 15),
  );
  t.ok(all.every((share) => share >= 0 && share <= 1));
  t.ok(Math.abs(sum(all) / 15 ** 2 - 0.5) < 0.1, 'about half of it is inside');
});
