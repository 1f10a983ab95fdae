import { readFileSync } from 'node:fs';
import t from 'tap';
import { rasterize } from '../../src/core/rasterize.js';
import { python, withoutPython } from '../python.js';

function draw(rows: number, columns: number, xy: readonly number[]): Uint8Array {
  const mask = new Uint8Array(rows * columns);
  rasterize('opencv', Float64Array.from(xy), rows, columns, mask, 0);
  return mask;
}

function picture(mask: Uint8Array, columns: number): string[] {
  return Array.from({ length: mask.length / columns }, (_, y) =>
    Array.from(mask.subarray(y * columns, (y + 1) * columns), (pixel) => (pixel ? '#' : '.')).join(''),
  );
}

t.test('the outline belongs to the mask', async (t) => {
  t.strictSame(picture(draw(6, 7, [1, 1, 5, 1, 5, 4, 1, 4]), 7), [
    '.......',
    '.#####.',
    '.#####.',
    '.#####.',
    '.#####.',
    '.......',
  ]);
});

t.test('corners are rounded, halves to the even number', async (t) => {
  const square = [0.5, 0.5, 4.5, 0.5, 4.5, 2.5, 0.5, 2.5];
  t.strictSame(draw(6, 7, square), draw(6, 7, [0, 0, 4, 0, 4, 2, 0, 2]));
  t.strictSame(
    draw(6, 7, [1.5, 1.49, 5.51, 1.49, 5.51, 3.5, 1.5, 3.5]),
    draw(6, 7, [2, 1, 6, 1, 6, 4, 2, 4]),
  );
  t.strictSame(draw(3, 3, [-0.5, -0.5, 1, -0.5, 1, 1, -0.5, 1]), draw(3, 3, [0, 0, 1, 0, 1, 1, 0, 1]));
});

t.test('a point is a pixel, two are a line', async (t) => {
  t.strictSame(picture(draw(3, 3, [1.2, 0.8]), 3), ['...', '.#.', '...']);
  t.strictSame(picture(draw(3, 5, [0, 0, 4, 2]), 5), ['##...', '..##.', '....#']);
});

t.test('coordinates over 32 bits are the nearest that fit', async (t) => {
  const far = draw(8, 8, [1e12, 4, -1e12, 4, 3, 1e5]);
  t.strictSame(far, draw(8, 8, [2 ** 31 - 1, 4, -(2 ** 31), 4, 3, 1e5]));
  t.equal(picture(far, 8)[4], '########');
  t.strictSame(picture(draw(2, 2, [Number.MAX_VALUE, 0, 1e300, 1, 1e308, 2]), 2), ['..', '..']);
});

t.test('pixels of polygons before stay, and what is drawn does not depend on them', async (t) => {
  const mask = draw(12, 12, [0, 0, 4, 0, 4, 4, 0, 4]);
  rasterize('opencv', Float64Array.of(2, 2, 9, 3, 6, 9), 12, 12, mask, 0);
  const alone = draw(12, 12, [2, 2, 9, 3, 6, 9]);
  const square = draw(12, 12, [0, 0, 4, 0, 4, 4, 0, 4]);
  t.strictSame(
    mask,
    Uint8Array.from(alone, (pixel, at) => pixel | square[at]!),
  );
});

interface Drawn {
  version: string;
  cases: { w: number; h: number; xy: [number, number][]; pixels: string }[];
}

// Python makes the polygons as well, so that OpenCV sees the very doubles that come back.
const MAKER = 'test/fixtures/opencv-polygons.py';
const GOLDEN = 'test/fixtures/opencv-polygons.golden.txt';

function differing({ cases }: Drawn): Drawn['cases'] {
  return cases.filter(
    ({ w, h, xy, pixels }) => Buffer.from(draw(h, w, xy.flat())).toString('hex') !== pixels,
  );
}

t.test('polygons that OpenCV 4.6.0 drew come out alike', async (t) => {
  const drawn: Drawn = JSON.parse(readFileSync(GOLDEN, 'utf8'));
  t.equal(drawn.version, '4.6.0');
  t.equal(drawn.cases.length, 120);
  t.strictSame(differing(drawn), []);
});

t.test(
  'random polygons come out as the OpenCV installed here draws them',
  { skip: withoutPython('cv2', 'python3-opencv') },
  async (t) => {
    const drawn: Drawn = JSON.parse(await python(readFileSync(MAKER, 'utf8'), '20', '1500'));
    const { version, cases } = drawn;
    if (version !== '4.6.0' && process.env.CI !== 'true') {
      t.pass('alike', { skip: `OpenCV ${version} may draw otherwise than 4.6.0, which Debian 12 has` });
      return;
    }
    t.equal(version, '4.6.0');
    t.equal(cases.length, 1500);
    t.ok(cases.filter(({ pixels }) => pixels.includes('01')).length > 900, 'many of them draw something');
    const different = differing(drawn);
    t.strictSame(different.slice(0, 1), [], `${different.length} differ`);
  },
);
