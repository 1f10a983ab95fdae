import fc from 'fast-check';
import t from 'tap';
import { Canvas } from '../../src/pictures/canvas.js';
import { GLYPH_COLUMNS, GLYPH_ROWS, glyphOf } from '../../src/pictures/font.js';
import { drawText, fitText, textHeight, textWidth } from '../../src/pictures/text.js';

const PRINTABLE = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));

function drawn(text: string, size: number): string[] {
  const canvas = new Canvas(textWidth(text, size) + 1, textHeight(size));
  drawText(canvas, 0, 0, text, size, [1, 2, 3]);
  return Array.from({ length: canvas.height }, (_, y) =>
    Array.from({ length: canvas.width }, (_, x) =>
      canvas.data[(y * canvas.width + x) * 3] ? '#' : '.',
    ).join(''),
  );
}

t.test('letters stand as drawn, with a descender below the base line', async (t) => {
  t.same(drawn('Ag', 1), [
    '..#.........',
    '.#.#........',
    '#...#..####.',
    '#...#.#...#.',
    '#####.#...#.',
    '#...#.#...#.',
    '#...#..####.',
    '..........#.',
    '.......###..',
  ]);
});

t.test('size 2 makes four pixels of each dot', async (t) => {
  t.same(drawn('-', 2).slice(4, 9), [
    '...........',
    '...........',
    '..######...',
    '..######...',
    '...........',
  ]);
});

t.test('every printable ASCII character and × has a glyph of its own that fits its box', async (t) => {
  const seen = new Map<string, string>();
  for (const character of [...PRINTABLE, '×']) {
    const glyph = glyphOf(character);
    t.equal(glyph.length, GLYPH_ROWS, `rows of ${character}`);
    t.ok(
      glyph.every((bits) => Number.isInteger(bits) && bits >= 0 && bits < 1 << GLYPH_COLUMNS),
      `columns of ${character}`,
    );
    const key = glyph.join();
    t.equal(seen.get(key), undefined, `${character} looks like no other`);
    seen.set(key, character);
  }
  t.notOk(seen.has(glyphOf('漢').join()), 'the box for an unknown character looks like none of them');
});

t.test('an accent is dropped, an unknown character is a box', async (t) => {
  t.same(drawn('é', 1), drawn('e', 1));
  t.same(drawn('漢', 1), drawn('\u0001', 1));
  t.equal(drawn('漢', 1)[0], '#####.');
});

t.test('a text that does not fit keeps its start and its end', async (t) => {
  t.equal(textWidth('SCD0000101/48', 1), 77);
  t.equal(fitText('SCD0000101/48', 1, 77), 'SCD0000101/48');
  t.equal(fitText('SCD0000101/48', 1, 76), 'SCD00..01/48');
  t.equal(fitText('SCD0000101/48', 2, 76), 'SC..48');
  t.equal(fitText('SCD0000101/48', 1, 10), '');
});

t.test('a fitted text is never wider than its room', async () => {
  const size = fc.integer({ min: 1, max: 3 });
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), size, fc.nat(300), (text, dot, width) => {
      return textWidth(fitText(text, dot, width), dot) <= width;
    }),
  );
});

t.test('what is drawn outside of a canvas is cut off', async (t) => {
  const canvas = new Canvas(4, 4, [9, 9, 9]);
  canvas.fill(-2, -2, 3, 3, [1, 1, 1]);
  canvas.fill(3, 3, 5, 5, [2, 2, 2]);
  canvas.set(4, 0, [3, 3, 3]);
  canvas.set(0, -1, [3, 3, 3]);
  const reds = canvas.data.filter((_, at) => at % 3 === 0);
  t.same([...reds], [1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 2]);
});
