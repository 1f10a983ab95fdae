import t from 'tap';
import { measureTurnedFit } from '../../src/core/turned-fit.js';

const SIDE = 60;

function disc(x: number, y: number, radius: number, columns = SIDE, rows = SIDE): Uint8Array {
  return Uint8Array.from({ length: columns * rows }, (_, at) =>
    Math.hypot((at % columns) - x, Math.floor(at / columns) - y) <= radius ? 1 : 0,
  );
}

const shaded = (mask: Uint8Array) =>
  Float64Array.from(mask, (pixel, at) => 100 + 100 * pixel + ((at * 7919) % 11));
const SQUARE = { rows: SIDE, columns: SIDE };
const image = shaded(disc(18, 25, 10));

t.test('a mask that was mirrored or turned is told, and how to turn it back', async (t) => {
  const ways = [
    [41, 25, 'left to right'],
    [18, 34, 'top to bottom'],
    [41, 34, 'by half a turn'],
    [25, 18, 'with rows and columns exchanged'],
    [34, 41, 'about the other diagonal'],
    [25, 41, 'by a quarter turn to the right'],
    [34, 18, 'by a quarter turn to the left'],
  ] as const;
  for (const [x, y, turn] of ways) {
    const fit = measureTurnedFit(disc(x, y, 10), image, SQUARE);
    t.equal(fit?.brighter?.turn, turn);
    t.ok(fit!.brighter!.lack > 0.2, `${turn} ${fit!.brighter!.lack}`);
  }
});

t.test('a mask where it belongs, or a pixel aside, lacks nothing', async (t) => {
  for (const [x, y] of [
    [18, 25],
    [19, 25],
    [18, 24],
  ] as const) {
    const lack = measureTurnedFit(disc(x, y, 10), image, SQUARE)?.brighter?.lack ?? 0;
    t.ok(lack <= 0, `${x} ${y} ${lack}`);
  }
  const middle = shaded(disc(29.5, 29.5, 10));
  const { brighter } = measureTurnedFit(disc(29.5, 29.5, 10), middle, SQUARE)!;
  t.ok(brighter!.lack <= 0, 'what is as good turned is no better turned');
});

t.test('an image that is not square has no quarter turns', async (t) => {
  const size = { rows: 60, columns: 90 };
  const wide = shaded(disc(20, 40, 10, 90));
  t.equal(measureTurnedFit(disc(69, 40, 10, 90), wide, size)?.brighter?.turn, 'left to right');
  t.equal(measureTurnedFit(disc(40, 20, 10, 90), wide, size)?.brighter ?? null, null);
});

t.test('edges of the other sign, and no edges, are kept apart', async (t) => {
  const negative = image.map((value) => -value);
  const fit = measureTurnedFit(disc(41, 25, 10), negative, SQUARE)!;
  t.strictSame([fit.brighter, fit.darker?.turn], [null, 'left to right']);
  const noise = Float64Array.from({ length: SIDE * SIDE }, (_, at) => (at * 7919) % 101);
  t.strictSame(measureTurnedFit(disc(41, 25, 10), noise, SQUARE), { brighter: null, darker: null });
  t.equal(measureTurnedFit(disc(41, 25, 2), image, SQUARE), null, 'too small');
  t.equal(measureTurnedFit(new Uint8Array(SIDE * SIDE), image, SQUARE), null);
});
