import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { parseContour } from '../../src/core/contour.js';
import { type BinaryRule, type MaskRule, rasterize } from '../../src/core/rasterize.js';
import { sharedData } from '../shared-data.js';

function draw(rule: BinaryRule, rows: number, columns: number, xy: ArrayLike<number>): Uint8Array {
  const mask = new Uint8Array(rows * columns);
  rasterize(rule, Float64Array.from(xy), rows, columns, mask, 0);
  return mask;
}

function picture(mask: Uint8Array, columns: number): string[] {
  const rows = Array.from({ length: mask.length / columns }, (_, y) =>
    mask.subarray(y * columns, (y + 1) * columns),
  );
  return rows.map((row) => Array.from(row, (pixel) => (pixel ? '#' : '.')).join(''));
}

/** The rule as it is written down: every pixel tested against every edge. */
function isInside(xy: ArrayLike<number>, x: number, y: number): boolean {
  const count = xy.length / 2;
  let inside = false;
  for (let i = 0, j = count - 1; i < count; j = i++) {
    const xi = xy[2 * i]!;
    const yi = xy[2 * i + 1]!;
    const xj = xy[2 * j]!;
    const yj = xy[2 * j + 1]!;
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

function drawByTheWord(rows: number, columns: number, xy: ArrayLike<number>): Uint8Array {
  return Uint8Array.from({ length: rows * columns }, (_, at) =>
    isInside(xy, at % columns, Math.floor(at / columns)) ? 1 : 0,
  );
}

t.test('a pixel on the left or upper edge is inside, on the right or lower edge outside', async (t) => {
  t.strictSame(picture(draw('pixel-center', 5, 6, [1, 1, 4, 1, 4, 3, 1, 3]), 6), [
    '......',
    '.###..',
    '.###..',
    '......',
    '......',
  ]);
});

t.test('a pixel counts by its centre', async (t) => {
  t.strictSame(picture(draw('pixel-center', 4, 5, [0.5, 0.5, 3.5, 0.5, 3.5, 2.5, 0.5, 2.5]), 5), [
    '.....',
    '.###.',
    '.###.',
    '.....',
  ]);
  t.strictSame(picture(draw('pixel-center', 3, 3, [1.1, 1.1, 1.9, 1.1, 1.9, 1.9, 1.1, 1.9]), 3), [
    '...',
    '...',
    '...',
  ]);
});

t.test('what the polygon covers twice is outside', async (t) => {
  const pentagram = [5, 0, 8, 9, 0, 3, 10, 3, 2, 9];
  t.strictSame(picture(draw('pixel-center', 10, 11, pentagram), 11), [
    '...........',
    '.....#.....',
    '.....#.....',
    '####..####.',
    '..##...##..',
    '...#...#...',
    '...#..#....',
    '...##.##...',
    '...#...#...',
    '...........',
  ]);
});

t.test('a polygon that leaves the image is cut off', async (t) => {
  t.strictSame(picture(draw('pixel-center', 3, 4, [-5, -5, 2, -5, 2, 1.5, -5, 1.5]), 4), [
    '##..',
    '##..',
    '....',
  ]);
  t.strictSame(picture(draw('pixel-center', 3, 4, [2, 1, 9e9, 1, 9e9, 9e9, 2, 9e9]), 4), [
    '....',
    '..##',
    '..##',
  ]);
  t.strictSame(picture(draw('pixel-center', 2, 2, [5, 5, 9, 5, 9, 9]), 2), ['..', '..']);
  t.strictSame(picture(draw('pixel-center', 2, 2, [-9, -9, -5, -9, -5, -5]), 2), ['..', '..']);
});

t.test('huge coordinates neither hang nor throw', async (t) => {
  const around = [-1e300, -1e300, 1e300, -1e300, 1e300, 1e300, -1e300, 1e300];
  for (const rule of ['pixel-center', 'pil'] as const) {
    const mask = draw(rule, 64, 64, around);
    t.strictSame(mask, new Uint8Array(64 * 64).fill(1), `${rule} fills the image`);
    for (const far of [1e300, Number.MAX_VALUE]) {
      t.doesNotThrow(() => draw(rule, 64, 64, [-far, 3, far, 5, 7, far, 1, -far]));
    }
  }
});

t.test('polygons are joined to what the mask holds, in their place only', async (t) => {
  for (const rule of ['pixel-center', 'pil'] as const) {
    const alone = draw(rule, 8, 8, [1, 1, 6, 1, 6, 6, 1, 6]);
    const mask = new Uint8Array(3 * 64);
    mask.set([1, 1, 1], 0);
    mask.set([1, 1, 1], 2 * 64);
    mask[64 + 63] = 1;
    const want = mask.slice();
    for (let at = 0; at < 64; at++) want[64 + at]! |= alone[at]!;
    rasterize(rule, Float64Array.of(1, 1, 6, 1, 6, 6, 1, 6), 8, 8, mask, 64);
    t.strictSame(mask, want, rule);
    t.ok(alone.includes(1), 'something is drawn');
    rasterize(rule, Float64Array.of(1, 1, 6, 1, 6, 6, 1, 6), 8, 8, mask, 64);
    t.strictSame(mask, want, 'and drawing it again changes nothing');
  }
});

t.test('without points nothing is drawn', async (t) => {
  for (const rule of ['pixel-center', 'pil'] as const) {
    t.strictSame(draw(rule, 2, 2, []), new Uint8Array(4), rule);
    t.strictSame(draw(rule, 2, 2, [0, 0]), new Uint8Array(4), rule);
  }
});

t.test('a mask without room is refused', async (t) => {
  const points = Float64Array.of(0, 0, 2, 0, 2, 2);
  const refused = new RangeError('a mask of 2 × 2 at 1 does not fit in 4 bytes');
  t.throws(() => rasterize('pixel-center', points, 2, 2, new Uint8Array(4), 1), refused);
  t.throws(() => rasterize('pixel-center', points, 2, 2, new Uint8Array(4), -1), RangeError);
});

t.test('a rule that is not there is refused', async (t) => {
  const rule: MaskRule = 'coverage';
  t.throws(
    () => rasterize(rule as BinaryRule, Float64Array.of(0, 0, 2, 0, 2, 2), 2, 2, new Uint8Array(4), 0),
    new RangeError('no rasterizer for the mask rule coverage'),
  );
});

const coordinate = fc.oneof(
  fc.integer({ min: -3, max: 15 }),
  fc.integer({ min: -6, max: 30 }).map((n) => n / 2),
  fc.double({ min: -4, max: 16, noNaN: true }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constantFrom(1e300, -1e300, Number.MAX_VALUE, -Number.MAX_VALUE, 1e-300, -0),
);

t.test('the scan by rows gives the very pixels of the rule', async () => {
  const side = fc.integer({ min: 1, max: 13 });
  // More points than are sorted, so that both ways to fill a row are tried.
  const polygon = fc.oneof(
    { weight: 3, arbitrary: fc.array(coordinate, { minLength: 2, maxLength: 24 }) },
    { weight: 1, arbitrary: fc.array(coordinate, { minLength: 120, maxLength: 160 }) },
  );
  fc.assert(
    fc.property(side, side, polygon, (rows, columns, coordinates) => {
      const xy = coordinates.slice(0, coordinates.length & ~1);
      const got = draw('pixel-center', rows, columns, xy);
      return Buffer.compare(got, drawByTheWord(rows, columns, xy)) === 0;
    }),
    { numRuns: 1500 },
  );
});

/** Whether the two parts of a 12 × 12 image left and right of a path from its upper to its lower side tile it. */
function tiles(path: number[][], reversed: boolean): boolean {
  const left = draw('pixel-center', 12, 12, [0, 0, ...path.flat(), 0, 12]);
  const right = draw(
    'pixel-center',
    12,
    12,
    reversed ? [12, 12, ...path.toReversed().flat(), 12, 0] : [12, 0, ...path.flat(), 12, 12],
  );
  return left.every((pixel, at) => pixel + right[at]! === 1);
}

const simple = fc.oneof(
  fc.integer({ min: 1, max: 11 }),
  fc.integer({ min: 2, max: 22 }).map((n) => n / 2),
  fc.integer({ min: 64, max: 64 * 11 }).map((n) => n / 64),
);
const pathOf = (within: fc.Arbitrary<number>) =>
  fc
    .tuple(within, fc.array(fc.tuple(within, within), { maxLength: 6 }), within)
    .map(([top, between, bottom]) => [[top, 0], ...between, [bottom, 12]]);

t.test('two polygons with a common edge tile: no pixel in both, none in neither', async () => {
  fc.assert(
    fc.property(pathOf(simple), fc.boolean(), (path, reversed) => tiles(path, reversed)),
    { numRuns: 1000 },
  );
});

t.test('they tile for any coordinates where both run along the edge in the same direction', async () => {
  const any = fc.double({ min: 1, max: 11, noNaN: true });
  fc.assert(
    fc.property(pathOf(any), (path) => tiles(path, false)),
    { numRuns: 500 },
  );
});

t.test(
  'a contour of 100,000 points is drawn: time in proportion, where the square of it would not end',
  async (t) => {
    const count = 100_000;
    const xy = new Float64Array(2 * count);
    // A zigzag without order: every row of the image is crossed by every edge.
    for (let i = 0; i < count; i++) {
      xy[2 * i] = (((i * 7919) % count) * 512) / count;
      xy[2 * i + 1] = i % 2 === 0 ? 0.5 : 15.5;
    }
    for (const rule of ['pixel-center', 'pil'] as const) {
      const mask = draw(rule, 16, 512, xy);
      t.equal(mask.length, 16 * 512, rule);
    }
  },
);

const TABLE = sharedData('sunnybrook', 'reference_masks.tsv');

t.test(
  'both rules reproduce the reference masks of all 84 Sunnybrook contours',
  { skip: TABLE === null && 'sunnybrook/reference_masks.tsv is missing: set SLICEFEED_TEST_DATA' },
  async (t) => {
    const lines = readFileSync(TABLE!, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const columns = lines[0]!.split('\t');
    const contours = lines.slice(1).map((line) => line.split('\t'));
    t.equal(contours.length, 84);
    for (const cells of contours) {
      const cell = (name: string) => cells[columns.indexOf(name)]!;
      const text = readFileSync(sharedData('sunnybrook', cell('contour'))!, 'utf8');
      const parse = parseContour(text, { maxPoints: 100_000 });
      if (!parse.ok) throw new Error(`${cell('contour')}: ${parse.problem.detail}`);
      for (const [rule, column] of [
        ['pixel-center', 'EO0_sha256'],
        ['pil', 'PIL_sha256'],
      ] as const) {
        const digest = createHash('sha256')
          .update(draw(rule, 256, 256, parse.points))
          .digest('hex');
        t.equal(digest, cell(column), `${rule} ${cell('contour')}`);
      }
    }
  },
);
