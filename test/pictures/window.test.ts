import fc from 'fast-check';
import t from 'tap';
import type { Panel } from '../../src/pictures/panel.js';
import { displayGrey, displayWindow } from '../../src/pictures/window.js';

function panelOf(values: ArrayLike<number>, more: Partial<Panel> = {}): Panel {
  const columns = values.length / (more.channels ?? 1);
  const shape = { rows: 1, columns, channels: 1 as const };
  return { ...shape, values, masks: [], structures: [], title: 'a/1', valid: true, ...more };
}

t.test('the panel’s own window is used as it is', async (t) => {
  t.same(displayWindow(panelOf([1, 2, 3], { windows: [{ low: -5, high: 50 }] })), { low: -5, high: 50 });
});

t.test('few values: their full range', async (t) => {
  t.same(displayWindow(panelOf([4, 7, -2])), { low: -2, high: 7 });
});

t.test('1,001 values: the 1st and the 99th percentile', async (t) => {
  const values = Array.from({ length: 1001 }, (_, index) => (index * 5) % 1001);
  t.same(displayWindow(panelOf(values)), { low: 10, high: 990 });
  values[3] = 1e9;
  t.same(displayWindow(panelOf(values)), { low: 10, high: 991 }, 'one bright pixel does not darken the rest');
});

t.test('NaN and infinite values do not count', async (t) => {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  t.same(displayWindow(panelOf([...odd, 3, ...odd, 9])), { low: 3, high: 9 });
});

t.test('without a finite value there is still a window', async (t) => {
  t.same(displayWindow(panelOf([Number.NaN, Number.POSITIVE_INFINITY])), { low: 0, high: 1 });
  const rgb = panelOf([Number.NaN, Number.NaN, Number.NaN], { channels: 3 });
  t.same(displayWindow(rgb), { low: 0, high: 255 });
});

t.test('a constant image is mid-grey', async (t) => {
  for (const value of [0, 7, -1000, 0.25, 3e38]) {
    t.equal(displayGrey(value, displayWindow(panelOf([value, value]))), 128, `constant ${value}`);
  }
});

t.test('where almost all values are equal the full range is shown', async (t) => {
  const values = new Float32Array(1000).fill(5);
  values[500] = 8;
  t.same(displayWindow(panelOf(values)), { low: 5, high: 8 });
});

t.test('a large image is sampled over all its columns', async (t) => {
  const [rows, columns] = [256, 256];
  const values = Float32Array.from({ length: rows * columns }, (_, index) => index % columns);
  const { low, high } = displayWindow(panelOf(values, { rows, columns }));
  t.ok(Math.abs(low - 2.5) <= 1, `low ${low}`);
  t.ok(Math.abs(high - 252.5) <= 1, `high ${high}`);
});

t.test('colour: 0 … 255 for bytes, 0 … 1 for shares, else the full range', async (t) => {
  const colour = { channels: 3 as const };
  t.same(displayWindow(panelOf([0, 3, 200], colour)), { low: 0, high: 255 });
  t.same(displayWindow(panelOf([0, 1, 1], colour)), { low: 0, high: 255 }, 'whole numbers are bytes');
  t.same(displayWindow(panelOf([0, 0.5, 1], colour)), { low: 0, high: 1 });
  t.same(displayWindow(panelOf([0, 3, 4095], colour)), { low: 0, high: 4095 });
  t.same(displayWindow(panelOf([-1, 0, 2], colour)), { low: -1, high: 2 });
});

t.test('greys: rounded half up, clamped, NaN black', async (t) => {
  const window = { low: 0, high: 510 };
  t.same(
    [-1, 0, 0.99, 1, 255, 509, 510, 9999].map((value) => displayGrey(value, window)),
    [0, 0, 0, 1, 128, 255, 255, 255],
  );
  t.same(
    [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((v) => displayGrey(v, window)),
    [0, 255, 0],
  );
});

t.test(
  'any float32 image gets a window with low below high, and greys in the order of the values',
  async () => {
    const values = fc.float32Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(values, (image) => {
        const window = displayWindow(panelOf(image));
        if (!(window.low < window.high)) return false;
        const greys = [...image.filter((value) => !Number.isNaN(value)).sort()].map((v) =>
          displayGrey(v, window),
        );
        return greys.every((grey, at) => grey >= 0 && grey <= 255 && (at === 0 || greys[at - 1]! <= grey));
      }),
    );
  },
);

t.test(
  'of several windows the first that shows something is taken, and none that shows nothing',
  async (t) => {
    const values = Array.from({ length: 1000 }, (_, at) => at);
    const [nothing, little, much] = [
      { low: 5000, high: 6000 },
      { low: 990, high: 998 },
      { low: 100, high: 900 },
    ] as const;
    t.same(displayWindow(panelOf(values, { windows: [nothing, little, much] })), much);
    t.same(displayWindow(panelOf(values, { windows: [much, nothing] })), much);
    t.same(displayWindow(panelOf(values, { windows: [nothing] })), { low: 9, high: 990 });
  },
);
