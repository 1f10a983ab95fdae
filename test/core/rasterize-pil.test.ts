import { readFileSync } from 'node:fs';
import t from 'tap';
import { rasterize } from '../../src/core/rasterize.js';
import { python, withoutPython } from '../python.js';
import { sharedData } from '../shared-data.js';

function draw(rows: number, columns: number, xy: readonly number[]): Uint8Array {
  const mask = new Uint8Array(rows * columns);
  rasterize('pil', Float64Array.from(xy), rows, columns, mask, 0);
  return mask;
}

function picture(mask: Uint8Array, columns: number): string[] {
  const rows = mask.length / columns;
  return Array.from({ length: rows }, (_, y) =>
    Array.from(mask.subarray(y * columns, (y + 1) * columns), (pixel) => (pixel ? '#' : '.')).join(''),
  );
}

/** Lengths of runs in row-major order, zeros first. */
function runLengths(mask: Uint8Array): number[] {
  const lengths = [0];
  let value = 0;
  for (const pixel of mask) {
    if (pixel !== value) {
      value = pixel;
      lengths.push(0);
    }
    lengths[lengths.length - 1]!++;
  }
  return lengths;
}

t.test('the outline is taken away from the filled polygon', async (t) => {
  t.strictSame(picture(draw(6, 7, [1, 1, 5, 1, 5, 4, 1, 4]), 7), [
    '.......',
    '.......',
    '..###..',
    '..###..',
    '.......',
    '.......',
  ]);
});

t.test('corners are truncated towards zero', async (t) => {
  const square = [1.99, 1.99, 5.99, 1.99, 5.99, 4.99, 1.99, 4.99];
  t.strictSame(draw(6, 7, square), draw(6, 7, [1, 1, 5, 1, 5, 4, 1, 4]));
  const around = [-0.9, -0.9, 4, -0.9, 4, 4, -0.9, 4];
  t.strictSame(draw(5, 5, around), draw(5, 5, [0, 0, 4, 0, 4, 4, 0, 4]));
});

t.test('a polygon too small for an inside leaves nothing, two equal points leave one pixel', async (t) => {
  t.strictSame(picture(draw(4, 4, [1, 1, 2, 1, 2, 2, 1, 2]), 4), ['....', '....', '....', '....']);
  t.strictSame(picture(draw(3, 3, [1, 1, 1, 1]), 3), ['...', '.#.', '...']);
});

t.test('a corner that would stand alone is drawn towards its polygon', async (t) => {
  // Both edges at the upper left corner go far to the right within one row; Pillow 9.4.0 drew this.
  t.strictSame(picture(draw(8, 20, [1, 1, 18, 3, 18, 7, 15, 3]), 20), [
    '....................',
    '......###...........',
    '....................',
    '....................',
    '.................#..',
    '.................#..',
    '....................',
    '....................',
  ]);
});

t.test('the outline takes nothing away from what the mask held before', async (t) => {
  const mask = draw(8, 12, [0, 0, 7, 0, 7, 7, 0, 7]);
  const before = mask.slice();
  const square = [3, 1, 11, 1, 11, 6, 3, 6];
  const alone = draw(8, 12, square);
  t.equal(before[2 * 12 + 3], 1, 'the outline passes over pixels of the mask');
  rasterize('pil', Float64Array.from(square), 8, 12, mask, 0);
  const both = Uint8Array.from(before, (pixel, at) => pixel | alone[at]!);
  t.strictSame(mask, both);
});

t.test('what is drawn does not depend on the polygons before', async (t) => {
  const small = [2, 2, 9, 3, 6, 9];
  const first = draw(12, 12, small);
  const large = [-9, -9, 70, 3, 50, 70, 2, 40];
  draw(64, 64, large);
  draw(3, 5, large);
  t.strictSame(draw(12, 12, small), first);
});

interface Golden {
  cases: { tag: string; w: number; h: number; xy: [number, number][]; outline0: number[] }[];
}

const GOLDEN = sharedData('contours', 'pil_polygon_golden.json');

t.test(
  'the 70 polygons that Pillow 9.4.0 drew come out alike',
  { skip: GOLDEN === null && 'contours/pil_polygon_golden.json is missing: set SLICEFEED_TEST_DATA' },
  async (t) => {
    const { cases }: Golden = JSON.parse(readFileSync(GOLDEN!, 'utf8'));
    t.equal(cases.length, 70);
    for (const { tag, w, h, xy, outline0 } of cases)
      t.strictSame(runLengths(draw(h, w, xy.flat())), outline0, tag);
  },
);

// Python makes the polygons as well, so that Pillow sees the very doubles that come back.
const DRAW_WITH_PILLOW = `
import json, math, random, sys
import PIL
from PIL import Image, ImageDraw

r = random.Random(int(sys.argv[1]))
kinds = [
    lambda size: float(r.randint(0, size)),
    lambda size: float(r.randint(-size, 2 * size)),
    lambda size: r.randint(-4, 2 * size + 4) / 2,
    lambda size: r.uniform(-size / 2, size * 1.5),
    lambda size: r.randint(-2, size + 2) + r.choice([0, .5, -.5, .999999, 1e-9, -1e-9]),
    lambda size: size / 2 + r.uniform(-1.5, 1.5),
    lambda size: r.uniform(-1, 1) * 10 ** r.uniform(0, 5),
    lambda size: float(r.randint(0, 4)),
]
cases = []
for _ in range(int(sys.argv[2])):
    w, h = r.choice([1, 2, 5, 8, 16, 33]), r.choice([1, 2, 5, 8, 16, 33])
    coordinate, n = r.choice(kinds), r.choice([2, 3, 3, 4, 4, 5, 6, 7, 8, 10, 15, 30, 90])
    xy = [(coordinate(w), coordinate(h)) for _ in range(n)]
    if r.random() < .3:
        a = [2 * math.pi * i / n for i in range(n)]
        xy = [(w / 2 + w * r.uniform(.2, .7) * math.cos(v), h / 2 + h * r.uniform(.2, .7) * math.sin(v)) for v in a]
    elif r.random() < .3:
        for i in range(1, n):
            v = r.random()
            if v < .35: xy[i] = (xy[i][0], xy[i - 1][1])
            elif v < .55: xy[i] = (xy[i - 1][0], xy[i][1])
            elif v < .65: xy[i] = xy[i - 1]
    if r.random() < .2: xy.append(xy[0])
    im = Image.new('L', (w, h), 0)
    ImageDraw.Draw(im).polygon(xy, outline=0, fill=1)
    cases.append({'w': w, 'h': h, 'xy': xy, 'pixels': im.tobytes().hex()})
json.dump({'version': PIL.__version__, 'cases': cases}, sys.stdout)
`;

interface Drawn {
  version: string;
  cases: { w: number; h: number; xy: [number, number][]; pixels: string }[];
}

t.test(
  'random polygons come out as the Pillow installed here draws them',
  { skip: withoutPython('PIL', 'python3-pil') },
  async (t) => {
    const { version, cases }: Drawn = JSON.parse(await python(DRAW_WITH_PILLOW, '20', '2000'));
    if (version !== '9.4.0' && process.env.CI !== 'true') {
      t.pass('alike', { skip: `Pillow ${version} may draw otherwise than 9.4.0, which Debian 12 has` });
      return;
    }
    t.equal(version, '9.4.0');
    const different = cases.filter(
      ({ w, h, xy, pixels }) => Buffer.from(draw(h, w, xy.flat())).toString('hex') !== pixels,
    );
    t.equal(cases.length, 2000);
    t.ok(cases.filter(({ pixels }) => pixels.includes('01')).length > 750, 'many of them draw something');
    t.strictSame(different.slice(0, 1), [], `${different.length} differ`);
  },
);
