import fc from 'fast-check';
import { decode } from 'fast-png';
import t from 'tap';
import { overlay, type Scale } from '../../src/pictures/overlay.js';
import type { Panel } from '../../src/pictures/panel.js';

const GREYS = [0, 10, 20, 30, 40, 50, 60, 70, 255];
const EMPTY = new Uint8Array(9);
const WINDOW = { low: 0, high: 255 };

function panelOf(masks: ArrayLike<number>[], more: Partial<Panel> = {}): Panel {
  const shape = { rows: 3, columns: 3, channels: 1 as const, values: GREYS, windows: [WINDOW] };
  const structures = masks.map((_, index) => `s${index}`);
  return { ...shape, masks, structures, title: 'a/1', valid: true, ...more };
}

/** The picture's pixels as words: a number for a grey, `r,g,b` for a colour. */
function picture(panel: Panel, scale: Scale): (string | number)[][] {
  const { width, height, data, channels, depth } = decode(overlay(panel, { scale }));
  if (channels !== 3 || depth !== 8) throw new Error(`${channels} channels of ${depth} bits`);
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      const [r, g, b] = data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
      return r === g && g === b ? r! : `${r},${g},${b}`;
    }),
  );
}

const ORANGE = '230,159,0';
const SKY = '86,180,233';

t.test('without a mask the picture is the windowed grey', async (t) => {
  t.same(picture(panelOf([EMPTY]), 1), [
    [0, 10, 20],
    [30, 40, 50],
    [60, 70, 255],
  ]);
  t.same(picture(panelOf([], { windows: [{ low: 20, high: 60 }] }), 1), [
    [0, 0, 0],
    [64, 128, 191],
    [255, 255, 255],
  ]);
});

t.test('scale 1: the boundary pixels of a mask are its outline, the rest of the picture stays', async (t) => {
  const mask = [0, 0, 0, 0, 1, 0, 0, 0, 0];
  t.same(picture(panelOf([mask]), 1), [
    [0, 10, 20],
    [30, ORANGE, 50],
    [60, 70, 255],
  ]);
});

t.test(
  'scale 1: a pixel with four neighbours in the mask is tinted, the image’s edge closes the outline',
  async (t) => {
    const tinted = '82,66,31'; // 40 + 0.22 · (orange − 40)
    t.same(picture(panelOf([EMPTY.map(() => 1)]), 1), [
      [ORANGE, ORANGE, ORANGE],
      [ORANGE, tinted, ORANGE],
      [ORANGE, ORANGE, ORANGE],
    ]);
  },
);

t.test('scale 3: a line of one pixel inside the mask’s edge around a tint', async (t) => {
  const mask = [0, 0, 0, 0, 1, 0, 0, 0, 0];
  const tinted = '82,66,31';
  t.same(picture(panelOf([mask]), 3), [
    [0, 0, 0, 10, 10, 10, 20, 20, 20],
    [0, 0, 0, 10, 10, 10, 20, 20, 20],
    [0, 0, 0, 10, 10, 10, 20, 20, 20],
    [30, 30, 30, ORANGE, ORANGE, ORANGE, 50, 50, 50],
    [30, 30, 30, ORANGE, tinted, ORANGE, 50, 50, 50],
    [30, 30, 30, ORANGE, ORANGE, ORANGE, 50, 50, 50],
    [60, 60, 60, 70, 70, 70, 255, 255, 255],
    [60, 60, 60, 70, 70, 70, 255, 255, 255],
    [60, 60, 60, 70, 70, 70, 255, 255, 255],
  ]);
});

t.test('scale 3: no line between two pixels of one mask', async (t) => {
  const mask = [0, 0, 0, 1, 1, 0, 0, 0, 0];
  const rows = picture(panelOf([mask]), 3).slice(3, 6);
  const [left, right] = ['74,58,23', '82,66,31'];
  t.same(rows, [
    [ORANGE, ORANGE, ORANGE, ORANGE, ORANGE, ORANGE, 50, 50, 50],
    [ORANGE, left, left, right, right, ORANGE, 50, 50, 50],
    [ORANGE, ORANGE, ORANGE, ORANGE, ORANGE, ORANGE, 50, 50, 50],
  ]);
});

t.test(
  'nested structures: both outlines, the inner one’s tint inside it, in whatever order they come',
  async (t) => {
    const inner = [0, 0, 0, 0, 1, 0, 0, 0, 0];
    const outer = EMPTY.map(() => 1);
    const black = EMPTY.map(() => 0);
    const [orangeTint, skyTint] = ['51,35,0', '19,40,51'];
    const middle = (rows: (string | number)[][]) => rows.slice(3, 6).map((row) => row.slice(2, 7));
    t.same(middle(picture(panelOf([inner, outer], { values: black }), 3)), [
      [skyTint, ORANGE, ORANGE, ORANGE, skyTint],
      [skyTint, ORANGE, orangeTint, ORANGE, skyTint],
      [skyTint, ORANGE, ORANGE, ORANGE, skyTint],
    ]);
    t.same(middle(picture(panelOf([outer, inner], { values: black }), 3)), [
      [orangeTint, SKY, SKY, SKY, orangeTint],
      [orangeTint, SKY, skyTint, SKY, orangeTint],
      [orangeTint, SKY, SKY, SKY, orangeTint],
    ]);
  },
);

t.test('two masks that are the same: their outline changes colour, so that both are seen', async (t) => {
  const all = EMPTY.map(() => 1);
  const edge = picture(panelOf([all, all]), 8)[0]!;
  t.same(edge.slice(0, 8), [ORANGE, ORANGE, ORANGE, ORANGE, SKY, SKY, SKY, SKY]);
});

t.test('coverage: the tint follows the share, the outline is around at least half', async (t) => {
  const mask = [0.25, 0.5, 0, 0, 0, 0, 0, 0, 1];
  const values = EMPTY.map(() => 0);
  t.same(picture(panelOf([mask], { values }), 1), [
    ['13,9,0', ORANGE, 0],
    [0, 0, 0],
    [0, 0, ORANGE],
  ]);
  t.same(
    picture(panelOf([[0, 0, 0, 0, 0.2, 0.05, 0, 0, 0]], { values }), 1)[1],
    [0, ORANGE, '3,2,0'],
    'a structure thinner than half a pixel has an outline too',
  );
});

t.test('colour: three planes become red, green and blue', async (t) => {
  const values = [...GREYS, ...GREYS.map((grey) => 255 - grey), ...EMPTY];
  const [first] = picture(panelOf([EMPTY], { channels: 3, values }), 1);
  t.same(first, ['0,255,0', '10,245,0', '20,235,0']);
});

t.test('a slot that is not valid is crossed out, whatever its arrays hold', async (t) => {
  const rows = picture(panelOf([], { valid: false, values: [], rows: 5, columns: 5 }), 1);
  const [slot, cross] = ['30,33,38', '92,98,108'];
  t.same(rows, [
    [cross, cross, cross, cross, cross],
    [cross, cross, slot, cross, cross],
    [cross, slot, cross, slot, cross],
    [cross, cross, slot, cross, cross],
    [cross, cross, cross, cross, cross],
  ]);
});

t.test(
  'a picture over 16 megapixels is refused with the numbers, before its arrays are looked at',
  async (t) => {
    const large = { rows: 4096, columns: 4097, valid: false };
    t.throws(() => overlay(panelOf([], large), { scale: 1 }), {
      name: 'RangeError',
      message: 'a picture of 4097 × 4096 = 16781312 pixels is over the limit of 16777216',
    });
    t.throws(
      () => overlay(panelOf([], { rows: 600, columns: 600, valid: false }), { scale: 8 }),
      /4800 × 4800/,
    );
  },
);

t.test('arrays, windows and scales that do not fit are refused with the numbers', async (t) => {
  const draw =
    (more: Partial<Panel>, scale = 1) =>
    () =>
      overlay(panelOf([EMPTY], more), { scale: scale as Scale });
  t.throws(draw({ values: [1, 2] }), new RangeError("panel 'a/1' of 1 × 3 × 3 has 2 values, not 9"));
  t.throws(draw({ channels: 3 }), new RangeError("panel 'a/1' of 3 × 3 × 3 has 9 values, not 27"));
  t.throws(draw({ masks: [[1]] }), new RangeError("mask 's0' of panel 'a/1' has 1 values, not 9"));
  t.throws(draw({ structures: [] }), new RangeError("panel 'a/1' has 1 masks for 0 structures"));
  t.throws(draw({ rows: 0 }), /0 × 3/);
  t.throws(draw({ windows: [{ low: 4, high: 4 }] }), /window of panel 'a\/1' is 4 … 4/);
  t.throws(draw({ windows: [{ low: 0, high: Number.NaN }] }), /0 … NaN/);
  for (const scale of [0, 9, 1.5]) t.throws(draw({}, scale), new RegExp(`a scale of ${scale}:`));
});

const anyPanel = fc
  .record({
    rows: fc.integer({ min: 1, max: 9 }),
    columns: fc.integer({ min: 1, max: 9 }),
    structures: fc.integer({ min: 0, max: 4 }),
  })
  .chain(({ rows, columns, structures }) => {
    const size = { minLength: rows * columns, maxLength: rows * columns };
    const mask = fc.array(fc.constantFrom(0, 1, 0.3), size);
    return fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      values: fc.array(fc.integer({ min: 0, max: 255 }), size),
      masks: fc.array(mask, { minLength: structures, maxLength: structures }),
    });
  });

t.test('at every scale: the exact size, equal bytes twice, and pure grey outside of every mask', async () => {
  fc.assert(
    fc.property(anyPanel, fc.integer({ min: 1, max: 8 }), ({ rows, columns, values, masks }, factor) => {
      const scale = factor as Scale;
      const panel = panelOf(masks, { rows, columns, values });
      const { width, height, data } = decode(overlay(panel, { scale }));
      if (width !== columns * scale || height !== rows * scale) return false;
      if (Buffer.compare(overlay(panel, { scale }), overlay(panel, { scale })) !== 0) return false;
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const source = Math.floor(y / scale) * columns + Math.floor(x / scale);
          const pixel = data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3);
          const isPure = pixel.every((sample) => sample === values[source]);
          // The palette has no grey, so that a pixel of a mask never looks like one outside.
          if (isPure !== masks.every((mask) => mask[source] === 0)) return false;
        }
      }
      return true;
    }),
    { numRuns: 60 },
  );
});

t.test('a caption stands below the image, whose pixels stay where they are', async (t) => {
  const shape = { rows: 100, columns: 120, channels: 1 as const, values: new Uint8Array(12_000).fill(9) };
  const mask = new Uint8Array(12_000).fill(1, 0, 500);
  const panel = { ...shape, masks: [mask], structures: ['heart'], title: 'P/1', valid: true };
  const bare = decode(overlay(panel, { scale: 1 }));
  const told = decode(overlay(panel, { scale: 1, caption: true }));
  t.same([bare.width, bare.height], [120, 100]);
  t.equal(told.width, 120);
  t.ok(told.height > 120, `${told.height} rows`);
  t.ok(Buffer.from(bare.data).equals(Buffer.from(told.data).subarray(0, bare.data.length)));
  const words = new Set(Buffer.from(told.data).subarray(bare.data.length));
  t.ok(words.size > 4, 'there are words and a swatch in it');
});

t.test('a picture too narrow for words has none', async (t) => {
  const panel = { rows: 4, columns: 40, channels: 1 as const, values: new Uint8Array(160), title: 'P/1' };
  const png = overlay({ ...panel, masks: [], structures: [], valid: true }, { scale: 2, caption: true });
  t.equal(decode(png).height, 8);
});
