import fc from 'fast-check';
import t from 'tap';
import { cover } from '../../src/core/coverage.js';
import { fillRaster } from '../../src/core/extent.js';
import { leavesImage, meetsImage, missProblem, rasterMeetsImage } from '../../src/core/on-image.js';
import { rasterize } from '../../src/core/rasterize.js';
import { runsAtLeast } from '../../src/core/runs.js';

const IMAGE = { rows: 6, columns: 8 };

/** A rectangle by its corners. */
function rectangle(left: number, top: number, right: number, bottom: number): Float64Array {
  return Float64Array.of(left, top, right, top, right, bottom, left, bottom);
}

t.test(
  'a polygon inside, across an edge or around meets the image, and one beside it does not',
  async (t) => {
    const meets = (...box: [number, number, number, number]) => meetsImage([rectangle(...box)], IMAGE);
    t.equal(meets(2, 2, 3, 3), true);
    t.equal(meets(2.2, 2.2, 2.4, 2.4), true, 'smaller than a pixel');
    t.equal(meets(-9, 2, 9, 3), true, 'across, without a point on the image');
    t.equal(meets(-9, -9, 20, 20), true, 'around it');
    t.equal(meets(-3, -3, -0.4, -0.4), true, 'over the outer corner of the first pixel');
    t.equal(meets(-3, -3, -0.5, -0.5), false, 'at it');
    t.equal(meets(7.5 - 1e-9, 0, 9, 5), false, 'along the outer edge of the last column');
    t.equal(meets(0, 5.51, 7, 9), false);
    t.equal(meets(-9, 2, -0.51, 3), false);
    t.equal(meets(2, -7, 3, -0.6), false);
    const diagonal = Float64Array.of(-4, 2, 2, -4, 1, -4, -4, 1);
    t.equal(meetsImage([diagonal], IMAGE), false, 'its box meets the image, it does not');
    const around = Float64Array.of(
      -9,
      -9,
      20,
      -9,
      20,
      20,
      -9,
      20,
      -9,
      -8,
      -8,
      -8,
      -8,
      19,
      19,
      19,
      19,
      -8,
      -9,
      -8,
    );
    t.equal(meetsImage([around], IMAGE), false, 'a frame around the image, which it leaves out');
    t.equal(meetsImage([Float64Array.of(0, 7, 7, 7, 3, 9)], IMAGE), false);
  },
);

t.test('contours that enclose nothing meet no image, and one of any area does', async (t) => {
  const code = (...region: Float64Array[]) => !meetsImage(region, IMAGE) && missProblem(region).code;
  const square = rectangle(1, 1, 4, 4);
  t.equal(code(Float64Array.of(1, 1, 2.1, 2.1, 3.7, 3.7)), 'CONTOUR_EMPTY', 'points on a line');
  t.equal(code(Float64Array.of(1, 1.1, 2, 1.1, 3.7, 1.1)), 'CONTOUR_EMPTY', 'along a row');
  t.equal(code(Float64Array.of(2, 2, 2, 2, 2, 2)), 'CONTOUR_EMPTY', 'one point');
  t.equal(code(Float64Array.of(...square, ...square)), 'CONTOUR_EMPTY', 'its second turn cancels the first');
  t.equal(code(square, square), 'CONTOUR_EMPTY', 'cancelled');
  const circle = Float64Array.from({ length: 10_000 }, (_, at) =>
    at % 2 === 0 ? 4 + 2 * Math.cos(at / 1591) : 3 + 2 * Math.sin((at - 1) / 1591),
  );
  t.equal(code(circle, circle), 'CONTOUR_EMPTY', 'of many points');
  t.equal(code(circle), false);
  t.equal(code(Float64Array.from({ length: 200_000 }, (_, at) => (at >> 1) / 4e4)), 'CONTOUR_EMPTY');
  t.equal(code(square, rectangle(1, 1, 4, 4.01)), false, 'not wholly');
  t.equal(code(Float64Array.of(2, 2, 2.1, 2, 2, 2.1)), false, 'a tenth of a pixel');
  t.equal(
    code(Float64Array.of(1, 1, 4, 4, 4, 1, 1, 4)),
    false,
    'an eight of two turns, whose signed area is 0',
  );
  t.equal(code(Float64Array.of(1, 1, 2, 2, 1, 2, 2, 1)), false, 'that crosses in the middle of its height');
  t.equal(code(rectangle(-20, 4, -0.2, 20)), false, 'a third of the first column');
  t.equal(code(rectangle(-20, 4, -0.6, 20)), 'CONTOUR_OUTSIDE');
});

t.test('a text contour may be meant with pixel centres at halves', async (t) => {
  const right = rectangle(7.6, 1, 7.9, 3);
  t.strictSame([meetsImage([right], IMAGE), meetsImage([right], IMAGE, true)], [false, true]);
  t.equal(meetsImage([rectangle(8.1, 1, 9, 3)], IMAGE, true), false);
});

t.test('a polygon leaves the image beyond the outer edge of a border pixel', async (t) => {
  t.equal(leavesImage(rectangle(-0.5, -0.5, 7.5, 5.5), IMAGE), false);
  t.equal(leavesImage(rectangle(-0.6, 0, 7, 5), IMAGE), true);
  t.equal(leavesImage(rectangle(0, 0, 7, 5.6), IMAGE), true);
});

t.test(
  'a polygon meets the image where it covers a share of a pixel, and not where it covers none',
  async () => {
    const coordinate = fc.oneof(
      fc.integer({ min: -24, max: 40 }).map((value) => value / 4),
      fc.double({ min: -6, max: 12, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(coordinate, { minLength: 6, maxLength: 16 }), (values) => {
        const points = Float64Array.from(values.slice(0, values.length & ~1));
        const mask = new Uint8Array(IMAGE.rows * IMAGE.columns);
        rasterize('pixel-center', points, IMAGE.rows, IMAGE.columns, mask, 0);
        const shares = new Float32Array(IMAGE.rows * IMAGE.columns);
        cover([[points]], IMAGE.rows, IMAGE.columns, shares, 0);
        if (meetsImage([points], IMAGE)) return shares.some((share) => share > 0);
        // A sliver that is far thinner than a rounding error may hold a pixel's centre.
        const isSliver = points.some((value) => !Number.isInteger(4 * value));
        return shares.every((share) => share <= 1e-4) && (isSliver || !mask.includes(1));
      }),
      { numRuns: 3000 },
    );
  },
);

t.test('a raster meets the image where one of its pixels takes a pixel that is inside', async () => {
  const number = (min: number, max: number) => fc.double({ min, max, noNaN: true });
  const scale = fc.oneof(number(0.2, 3), number(-3, -0.2), fc.constantFrom(0, 1));
  fc.assert(
    fc.property(
      fc.array(fc.nat(9), { minLength: 12, maxLength: 12 }),
      fc.option(fc.tuple(scale, number(-1, 1), number(-9, 9), number(-1, 1), scale, number(-9, 9)), {
        freq: 8,
      }),
      (values, matrix) => {
        const runs = runsAtLeast(values, 8);
        if (runs.length === 0) return true;
        const raster = { rows: 3, columns: 4, matrix, runs };
        const image = matrix === null ? { rows: 3, columns: 4 } : IMAGE;
        const mask = new Uint8Array(image.rows * image.columns);
        fillRaster(raster, image.rows, image.columns, mask, 0);
        return rasterMeetsImage(raster, image) === mask.includes(1);
      },
    ),
    { numRuns: 2000 },
  );
});
