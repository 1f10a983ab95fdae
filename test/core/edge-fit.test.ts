import t from 'tap';
import { measureEdgeFit } from '../../src/core/edge-fit.js';

const SIZE = { rows: 60, columns: 60 };

function disc(x: number, y: number, radius: number): Uint8Array {
  return Uint8Array.from({ length: 3600 }, (_, at) =>
    Math.hypot((at % 60) - x, Math.floor(at / 60) - y) <= radius ? 1 : 0,
  );
}

/** A bright disc on a dark ground, and a pattern of noise over both. */
const image = Float64Array.from(disc(30, 30, 12), (pixel, at) => 100 + 100 * pixel + ((at * 7919) % 11));
const brighter = (mask: Uint8Array, values = image) => measureEdgeFit(mask, values, SIZE)?.brighter ?? null;

t.test('a mask on its edge lacks nothing of the contrast', async (t) => {
  t.ok(brighter(disc(30, 30, 12))! < 0.02);
  const scaled = image.map((value) => 3 * value + 1e6);
  t.ok(brighter(disc(30, 30, 12), scaled)! < 0.02, 'at any scale');
  t.ok(brighter(disc(31, 30, 12))! < 0.2, 'a pixel is no matter');
});

t.test('the farther it is displaced, the more it lacks', async (t) => {
  const lacks = [0, 2, 4, 6].map((shift) => brighter(disc(30 + shift, 30, 12))!);
  t.strictSame(
    [...lacks].sort((a, b) => a - b),
    lacks,
  );
  t.ok(lacks[3]! > 0.5, String(lacks));
});

t.test('an edge of the other sign is another edge', async (t) => {
  const negative = image.map((value) => -value);
  const fit = measureEdgeFit(disc(30, 30, 12), negative, SIZE)!;
  t.ok(fit.darker! < 0.02);
  t.ok(fit.brighter === null || fit.brighter > 1);
});

t.test('without an edge, pixels or values there is nothing to say', async (t) => {
  const flat = new Float64Array(3600).fill(7);
  t.strictSame(measureEdgeFit(disc(30, 30, 12), flat, SIZE), { brighter: null, darker: null });
  t.equal(measureEdgeFit(disc(30, 30, 3), image, SIZE), null, 'too small');
  t.equal(measureEdgeFit(new Uint8Array(3600), image, SIZE), null);
  t.equal(measureEdgeFit(disc(30, 30, 12), flat.fill(Number.NaN), SIZE), null);
  t.equal(measureEdgeFit(new Uint8Array(3600).fill(1), image, SIZE), null, 'there is no other side');
});
