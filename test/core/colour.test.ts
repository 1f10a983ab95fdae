import t from 'tap';
import { fromLuminance, fromPalette, lookupTable, throughTable } from '../../src/core/colour.js';

const place = { entries: 3, first: 0, bits: 8, offset: 0, length: 3, big: false, segmented: false };

t.test('entries of a byte, of a word in either order, and of 16 bits that say 8', async (t) => {
  const entries = (changes: object, ...bytes: number[]) =>
    lookupTable({ ...place, ...changes }, Uint8Array.from(bytes))?.entries;
  t.strictSame(entries({}, 1, 2, 3), Uint16Array.of(1, 2, 3));
  t.strictSame(entries({ bits: 16 }, 1, 2, 3, 4, 5, 6), Uint16Array.of(0x201, 0x403, 0x605));
  t.strictSame(entries({ bits: 16, big: true }, 1, 2, 3, 4, 5, 6), Uint16Array.of(0x102, 0x304, 0x506));
  t.strictSame(entries({}, 0, 1, 0, 2, 0, 3), Uint16Array.of(1, 2, 3));
  t.equal(entries({ bits: 16 }, 1, 2, 3, 4, 5), undefined);
});

t.test('segments: a run, a line, and a run again', async (t) => {
  const words = Uint16Array.of(0, 2, 10, 20, 1, 2, 40, 2, 1, 0, 0);
  const table = lookupTable(
    { ...place, entries: 6, bits: 16, segmented: true },
    new Uint8Array(words.buffer),
  );
  t.strictSame(table?.entries, Uint16Array.of(10, 20, 30, 40, 10, 20));
});

t.test('segments of 8-bit entries are read in bytes or in words', async (t) => {
  const units = [0, 2, 10, 20, 1, 2, 40, 2, 1, 0, 0];
  const bytes = [...units, 0, 0];
  const eight = { ...place, entries: 6, bits: 8, segmented: true };
  const expected = Uint16Array.of(10, 20, 30, 40, 10, 20);
  for (const told of [bytes, [...bytes, 0]])
    t.strictSame(lookupTable(eight, Uint8Array.from(told))?.entries, expected, `${told.length} bytes`);
  const words = new Uint8Array(Uint16Array.from(units).buffer);
  t.strictSame(lookupTable(eight, words)?.entries, expected);
  t.equal(lookupTable({ ...eight, entries: 7 }, Uint8Array.from(bytes)), null, 'entries are missing');
  const none = lookupTable({ ...place, bits: 16, segmented: true, entries: 9 }, new Uint8Array(100_000));
  t.equal(none, null, 'segments without entries');
});

t.test('a segment that names itself ends', async (t) => {
  const words = Uint16Array.of(2, 65_535, 0, 0);
  t.equal(lookupTable({ ...place, bits: 16, segmented: true }, new Uint8Array(words.buffer)), null);
});

t.test('values outside of a table have its first or last entry', async (t) => {
  const out = new Uint16Array(5);
  throughTable(
    Int16Array.of(-9, -2, -1, 0, 9),
    { first: -2, bits: 8, entries: Uint16Array.of(5, 6, 7) },
    out,
  );
  t.strictSame(out, Uint16Array.of(5, 5, 6, 7, 7));
});

t.test('colour numbers become planes of red, green and blue', async (t) => {
  const table = (...entries: number[]) => ({ first: 0, bits: 8, entries: Uint16Array.from(entries) });
  t.strictSame(
    fromPalette(Uint8Array.of(0, 1), [table(1, 2), table(3, 4), table(5, 6)]),
    Uint8Array.of(1, 2, 3, 4, 5, 6),
  );
});

t.test('luminance and chroma: grey stays, pure red comes back, what is over is cut', async (t) => {
  t.strictSame(fromLuminance(Uint8Array.of(7, 128, 128), 8, false), Uint8Array.of(7, 7, 7));
  t.strictSame(fromLuminance(Uint8Array.of(76, 85, 255), 8, false), Uint8Array.of(254, 0, 0));
  t.strictSame(fromLuminance(Uint8Array.of(255, 255, 255), 8, false), Uint8Array.of(255, 121, 255));
  t.strictSame(fromLuminance(Uint8Array.of(235, 128, 128), 8, true), Uint8Array.of(255, 255, 255));
  t.strictSame(fromLuminance(Uint8Array.of(16, 128, 128), 8, true), Uint8Array.of(0, 0, 0));
});
