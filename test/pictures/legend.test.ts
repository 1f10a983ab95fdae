import fc from 'fast-check';
import t from 'tap';
import { legendHeight, legendOf } from '../../src/pictures/legend.js';
import type { Panel } from '../../src/pictures/panel.js';

function panelOf(structures: string[], masks = structures.map(() => [1])): Panel {
  const shape = { rows: 1, columns: 1, channels: 1 as const, values: [0] };
  return { ...shape, masks, structures, title: 'a/1', valid: true };
}

t.test(
  'few short names: one line of large text, with a structure’s colour and whether its mask is empty',
  async (t) => {
    const { size, lines } = legendOf(panelOf(['i', 'o'], [[1], [0]]), 256);
    t.equal(size, 2);
    t.same(
      lines.map((line) => line.map(({ name, colour, empty }) => ({ name, colour, empty }))),
      [
        [
          { name: 'i', colour: [230, 159, 0], empty: false },
          { name: 'o', colour: [86, 180, 233], empty: true },
        ],
      ],
    );
  },
);

t.test('longer names: small text on several lines', async (t) => {
  const { size, lines } = legendOf(panelOf(['Left ventricle', 'Spinal cord', 'Rectum', 'Bladder']), 256);
  t.equal(size, 1);
  t.same(
    lines.map((line) => line.map(({ name }) => name)),
    [['Left ventricle', 'Spinal cord', 'Rectum'], ['Bladder']],
  );
});

t.test('more names than four lines hold: the rest is counted', async (t) => {
  const names = Array.from({ length: 30 }, (_, index) => `structure ${index}`);
  const { lines } = legendOf(panelOf(names), 256);
  t.equal(lines.length, 4);
  const drawn = lines.flat();
  t.equal(drawn.at(-1)!.name, `+${30 - (drawn.length - 1)}`);
  t.equal(drawn.at(-1)!.colour, null);
  t.same(
    drawn.slice(0, -1).map(({ name }) => name),
    names.slice(0, drawn.length - 1),
  );
});

t.test('a name wider than the panel is shortened, and small', async (t) => {
  const { size, lines } = legendOf(panelOf(['a name that is by far too long for it']), 128);
  t.equal(size, 1);
  t.same(
    lines.map((line) => line.map(({ name }) => name)),
    [['a name t..ng for it']],
  );
});

t.test('no structure: no legend', async (t) => {
  t.equal(legendHeight(legendOf(panelOf([]), 256)), 0);
});

t.test('every structure is named or counted', async () => {
  const names = fc.array(fc.string({ maxLength: 60 }), { maxLength: 40 });
  fc.assert(
    fc.property(names, fc.integer({ min: 128, max: 256 }), (structures, width) => {
      const drawn = legendOf(panelOf(structures), width).lines.flat();
      const named = drawn.filter(({ colour }) => colour !== null).length;
      const count = drawn.find(({ colour }) => colour === null);
      return named + (count ? Number(count.name.slice(1)) : 0) === structures.length;
    }),
  );
});
