import fc from 'fast-check';
import t from 'tap';
import { Canvas } from '../../src/pictures/canvas.js';
import { GLYPH_COLUMNS, GLYPH_ROWS, glyphOf } from '../../src/pictures/font.js';
import { drawText, fitPairName, fitText, textHeight, textWidth } from '../../src/pictures/text.js';

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

t.test('a name of a pair is cut in its study first, and keeps the end of its slice', async (t) => {
  const study = '1.2.826.0.1.3680043.2.1125.1.38642757998921184026476030292472423';
  const slice = '1.2.826.0.1.3680043.8.498.1111111111111111111111111111112345.f12';
  t.equal(fitPairName(`${study}/${slice}`, 1, 1000), `${study}/${slice}`);
  t.equal(fitPairName(`${study}/${slice}`, 1, 256), '1.2.82..472423/..111111111111111112345.f12');
  t.equal(fitPairName(`${study}/${slice}`, 1, 128), '1...423/..1112345.f12');
  t.equal(fitPairName(`${study}/1.2.3.4.5.6`, 1, 128), '1.2..2423/1.2.3.4.5.6');
  t.equal(fitPairName(`A/${slice}`, 1, 128), 'A/..1111111112345.f12', 'a short study leaves its room');
  t.equal(fitPairName('SCD0000101/48', 1, 77), 'SCD0000101/48');
  t.equal(fitPairName('SCD0000101/48', 1, 76), 'SCD..0101/48');
  t.equal(fitPairName('SCD0000101/48', 2, 76), '48');
  t.equal(fitPairName('SCD0000101/1048', 2, 76), '1048');
  t.equal(fitPairName(`SCD0000101/${slice}`, 2, 76), '...f12');
  t.equal(fitPairName('SCD0000101/48', 1, 10), '');
  t.equal(fitPairName('padding, without a slash', 1, 76), 'paddi..slash');
});

t.test('a fitted text is never wider than its room', async () => {
  const size = fc.integer({ min: 1, max: 3 });
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z]{0,40}\/[a-z]{0,40}$/)),
      size,
      fc.nat(300),
      (text, dot, width) => {
        const fitted = [fitText(text, dot, width), fitPairName(text, dot, width)];
        return fitted.every((one) => textWidth(one, dot) <= width);
      },
    ),
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
