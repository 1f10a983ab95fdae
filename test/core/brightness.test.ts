import t from 'tap';
import { compareAround, compareWithin } from '../../src/core/brightness.js';

const SIZE = { rows: 60, columns: 60 };

function disc(x: number, y: number, radius: number): Uint8Array {
  return Uint8Array.from({ length: 3600 }, (_, at) =>
    Math.hypot((at % 60) - x, Math.floor(at / 60) - y) <= radius ? 1 : 0,
  );
}

/** Bright within one disc, dark within a second one, and a pattern of noise over all. */
function picture(bright: Uint8Array, dark: Uint8Array, around = 100): Float64Array {
  return Float64Array.from(bright, (pixel, at) => {
    const level = pixel === 1 ? 200 : dark[at] === 1 ? 50 : around;
    return level + ((at * 7919) % 11);
  });
}

const pool = disc(30, 30, 12);
const wall = disc(30, 30, 18);
const image = picture(pool, wall);

t.test('a mask that covers what is bright is brighter than its surroundings throughout', async (t) => {
  t.match(compareAround(pool, image, SIZE), { brighter: 1, darker: 0 });
  const negative = image.map((value) => -value);
  t.match(compareAround(pool, negative, SIZE), { brighter: 0, darker: 1 });
  t.match(
    compareAround(
      pool,
      image.map((value) => 3 * value + 1e6),
      SIZE,
    ),
    { brighter: 1 },
    'at any scale',
  );
});

t.test('moved, scaled up or scaled down it overlaps with them', async (t) => {
  const overlap = (mask: Uint8Array) => 1 - compareAround(mask, image, SIZE)!.brighter;
  t.ok(overlap(disc(38, 30, 12)) > 0.4);
  t.ok(overlap(disc(30, 30, 18)) > 0.35);
  t.ok(overlap(disc(30, 30, 8)) > 0.8);
  t.ok(overlap(disc(31, 30, 12)) < 0.2, 'a pixel is no matter');
});

t.test('an inside of two brightnesses is less even than one of one', async (t) => {
  t.ok(compareAround(pool, image, SIZE)!.spread < 0.1);
  t.ok(compareAround(disc(42, 30, 12), image, SIZE)!.spread > 0.6);
  const flat = new Float64Array(3600).fill(7);
  t.strictSame(compareAround(pool, flat, SIZE), { brighter: 0, darker: 0, spread: 0 });
});

t.test('the rest of an outer structure is compared with the inner one', async (t) => {
  t.match(compareWithin(pool, wall, image, SIZE), { brighter: 0, darker: 1 });
  t.ok(compareWithin(disc(36, 30, 12), disc(36, 30, 18), image, SIZE)!.darker < 0.8);
  t.equal(compareWithin(pool, pool, image, SIZE), null, 'there is no rest');
});

t.test('of a mask without pixels, and of pixels that are no number, nothing is said', async (t) => {
  t.equal(compareAround(new Uint8Array(3600), image, SIZE), null);
  t.equal(compareAround(pool, new Float64Array(3600).fill(Number.NaN), SIZE), null);
  t.equal(compareAround(new Uint8Array(3600).fill(1), image, SIZE), null, 'there are no surroundings');
});
