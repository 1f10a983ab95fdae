import fc from 'fast-check';
import t from 'tap';
import { type Panel, shrinkPanel } from '../../src/pictures/panel.js';

function panelOf(rows: number, columns: number, values: number[], masks: number[][] = []): Panel {
  const structures = masks.map((_, index) => `s${index}`);
  return { rows, columns, channels: 1, values, masks, structures, title: 'a/1', valid: true };
}

t.test(
  'shrinking: the mean of the image, the largest of a mask, smaller blocks at the far edges',
  async (t) => {
    const values = [1, 3, 10, 5, 7, 20, 2, 4, 30];
    const mask = [0, 0, 0, 0, 1, 0, 0, 0, 0.25];
    const small = shrinkPanel(panelOf(3, 3, values, [mask]), 2);
    t.same([small.rows, small.columns], [2, 2]);
    t.same(Array.from(small.values), [4, 15, 3, 30]);
    t.same(Array.from(small.masks[0]!), [1, 0, 0, 0.25]);
  },
);

t.test('shrinking: NaN and infinite values leave the mean of the others', async (t) => {
  const odd = [Number.NaN, 6, Number.POSITIVE_INFINITY, 8, Number.NaN, Number.NaN];
  const small = shrinkPanel(panelOf(1, 6, odd), 4);
  t.same(Array.from(small.values), [7, Number.NaN]);
});

t.test('shrinking: colour planes stay apart', async (t) => {
  const panel = panelOf(1, 2, [0, 2, 10, 20, 100, 200]);
  t.same(Array.from(shrinkPanel({ ...panel, channels: 3 }, 2).values), [1, 15, 150]);
});

t.test('a structure of one pixel survives any shrinking', async () => {
  const side = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(side, side, fc.nat(), fc.integer({ min: 1, max: 50 }), (rows, columns, place, factor) => {
      const mask = new Array<number>(rows * columns).fill(0);
      const at = place % mask.length;
      mask[at] = 1;
      const small = shrinkPanel(panelOf(rows, columns, mask, [mask]), factor);
      const kept = Array.from(small.masks[0]!);
      const row = Math.floor(Math.floor(at / columns) / factor);
      const column = Math.floor((at % columns) / factor);
      return kept.every((value, index) => value === (index === row * small.columns + column ? 1 : 0));
    }),
  );
});
