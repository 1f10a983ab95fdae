import { decode } from 'fast-png';
import t from 'tap';
import { Canvas } from '../../src/pictures/canvas.js';
import { contactSheet } from '../../src/pictures/contact-sheet.js';
import { overlay } from '../../src/pictures/overlay.js';
import { BACKGROUND, BRIGHT, type Colour, DIM, TEXT } from '../../src/pictures/palette.js';
import type { Panel } from '../../src/pictures/panel.js';
import { drawText, textHeight, textWidth } from '../../src/pictures/text.js';

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: ArrayLike<number>;
}

function panelOf(rows: number, columns: number, more: Partial<Panel> = {}): Panel {
  const values = Uint8Array.from({ length: rows * columns }, (_, at) => (at * 37) % 251);
  const mask = values.map((_, at) => (at % columns < columns / 2 ? 1 : 0));
  const shape = { rows, columns, channels: 1 as const, values, windows: [{ low: 0, high: 255 }] };
  return { ...shape, masks: [mask], structures: ['i'], title: 'a/1', valid: true, ...more };
}

function sheetOf(panels: readonly Panel[], title = 'sheet'): Picture {
  return decode(contactSheet(panels, { title }));
}

function cut(picture: Picture, x: number, y: number, width: number, height: number): Buffer {
  const rows = Array.from({ length: height }, (_, row) => {
    const from = ((y + row) * picture.width + x) * 3;
    return Buffer.from(Array.prototype.slice.call(picture.data, from, from + width * 3));
  });
  return Buffer.concat(rows);
}

/** Whether a text stands on the background at a place. */
function reads(picture: Picture, x: number, y: number, text: string, size: number, colour: Colour): boolean {
  const wanted = new Canvas(textWidth(text, size), textHeight(size), BACKGROUND);
  drawText(wanted, 0, 0, text, size, colour);
  return cut(picture, x, y, wanted.width, wanted.height).equals(Buffer.from(wanted.data));
}

function pixel(picture: Picture, x: number, y: number): number[] {
  return [...cut(picture, x, y, 1, 1)];
}

// Left edge and top of the cells: 12 of margin; the header's 18 + 24 below the upper one.
const LEFT = 12;
const TOP = 54;
const IMAGE = TOP + 18 + 4;

t.test('8 panels of 256 × 256: two rows of four at their own size, each equal to its overlay', async (t) => {
  const panels = Array.from({ length: 8 }, (_, index) => panelOf(256, 256, { title: `SCD0000101/${index}` }));
  const sheet = sheetOf(panels, 'session lv, step 12');
  t.equal(sheet.width, 12 + 4 * 256 + 3 * 10 + 12);
  const cellHeight = 18 + 4 + 256 + 4 + 18;
  t.equal(sheet.height, TOP + cellHeight + 18 + cellHeight + 12);
  t.ok(reads(sheet, LEFT, 12, 'session lv, step 12', 2, BRIGHT), 'header');
  panels.forEach((panel, index) => {
    const x = LEFT + (index % 4) * 266;
    const y = TOP + Math.floor(index / 4) * (cellHeight + 18);
    t.ok(reads(sheet, x, y, panel.title, 2, TEXT), `title of ${index}`);
    const wanted = Buffer.from(decode(overlay(panel, { scale: 1 })).data);
    t.ok(cut(sheet, x, y + 22, 256, 256).equals(wanted), `image of ${index}`);
    t.same(pixel(sheet, x, y + 22 + 256 + 4), [230, 159, 0], `legend's colour of ${index}`);
    t.ok(reads(sheet, x + 22, y + 22 + 256 + 4, 'i', 2, TEXT), `legend's name of ${index}`);
  });
});

t.test('small images are enlarged by a whole factor', async (t) => {
  const panel = panelOf(40, 50);
  const sheet = sheetOf([panel]);
  const wanted = Buffer.from(decode(overlay(panel, { scale: 5 })).data);
  t.ok(cut(sheet, LEFT, IMAGE, 250, 200).equals(wanted));
});

t.test('images over 256 are shrunk by a whole factor, and a mask of one pixel stays', async (t) => {
  const values = Uint8Array.from({ length: 600 * 300 }, (_, at) => (at % 300) % 3);
  const mask = new Uint8Array(values.length);
  mask[300 * 301 + 100] = 1;
  const window = { low: 0, high: 2 };
  const sheet = sheetOf([panelOf(600, 300, { values, masks: [mask], windows: [window] })]);
  const cell = 128;
  const x = LEFT + Math.floor((cell - 100) / 2);
  const image = cut(sheet, x, IMAGE, 100, 200);
  const wanted = Buffer.alloc(image.length, 128);
  wanted.set([230, 159, 0], (100 * 100 + 33) * 3);
  t.ok(image.equals(wanted), 'grey of the mean, and one pixel of outline');
  t.same(pixel(sheet, x - 1, IMAGE), BACKGROUND);
  t.same(pixel(sheet, x + 100, IMAGE), BACKGROUND);
});

t.test('slots that are not valid are crossed out, with their title or as padding', async (t) => {
  const empty = { valid: false, values: [], masks: [], structures: [] };
  const sheet = sheetOf([
    panelOf(256, 256, { ...empty, title: 'a/9' }),
    panelOf(256, 256, { ...empty, title: '' }),
  ]);
  t.ok(reads(sheet, LEFT, TOP, 'a/9', 2, DIM));
  t.ok(reads(sheet, LEFT + 266, TOP, 'padding', 2, DIM));
  const wanted = Buffer.from(decode(overlay(panelOf(256, 256, empty), { scale: 1 })).data);
  t.ok(cut(sheet, LEFT, IMAGE, 256, 256).equals(wanted));
  t.ok(cut(sheet, LEFT + 266, IMAGE, 256, 256).equals(wanted));
});

t.test('of more than 64 panels the first 64 are drawn and the header says so', async (t) => {
  const panels = Array.from({ length: 70 }, (_, index) => panelOf(64, 64, { title: `a/${index}` }));
  const sheet = sheetOf(panels);
  t.equal(sheet.width, 8 * 256 + 7 * 10 + 24);
  const count = textWidth('64 of 70', 2);
  t.ok(reads(sheet, sheet.width - 12 - count, 12, '64 of 70', 2, DIM));
  const rowHeight = 18 + 4 + 256 + 4 + 18 + 18;
  t.ok(reads(sheet, LEFT + 7 * 266, TOP + 7 * rowHeight, 'a/63', 2, TEXT), 'the last one drawn');
  const full = sheetOf(panels.slice(0, 64));
  t.notOk(reads(full, full.width - 12 - count, 12, '64 of 70', 2, DIM));
  t.same(pixel(full, full.width - 12 - count, 12), BACKGROUND, '64 panels need no count');
});

t.test('a title that is too long becomes small, then loses its middle', async (t) => {
  const long = 'study 1.2.840.113619.2.278.3 step 10, rank 0';
  t.ok(reads(sheetOf([], long), LEFT, 12 + 4, long, 1, BRIGHT));
  const longer = `A${'-'.repeat(200)}Z`;
  const sheet = sheetOf([], longer);
  t.equal(sheet.width, 360);
  t.ok(reads(sheet, LEFT, 12 + 4, `A${'-'.repeat(26)}..${'-'.repeat(26)}Z`, 1, BRIGHT));
});

t.test('panels of different shapes share one grid, each in the middle of its cell', async (t) => {
  const wide = panelOf(100, 256);
  const high = panelOf(256, 100);
  const sheet = sheetOf([wide, high]);
  const wideImage = Buffer.from(decode(overlay(wide, { scale: 1 })).data);
  const highImage = Buffer.from(decode(overlay(high, { scale: 1 })).data);
  t.ok(cut(sheet, LEFT, IMAGE + 78, 256, 100).equals(wideImage));
  t.ok(cut(sheet, LEFT + 266 + 78, IMAGE, 100, 256).equals(highImage));
});

t.test('the same panels give the same bytes', async (t) => {
  const panels = [panelOf(30, 20), panelOf(300, 200), panelOf(30, 20, { valid: false })];
  t.same(contactSheet(panels, { title: 'twice' }), contactSheet(panels, { title: 'twice' }));
});

t.test('a panel whose arrays do not fit its shape is refused', async (t) => {
  t.throws(() => contactSheet([panelOf(3, 3), panelOf(3, 3, { values: [1] })], { title: 'x' }), {
    name: 'RangeError',
    message: "panel 'a/1' of 1 × 3 × 3 has 1 values, not 9",
  });
});
