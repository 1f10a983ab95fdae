import type { Canvas } from './canvas.js';
import { GLYPH_COLUMNS, GLYPH_ROWS, glyphOf } from './font.js';
import type { Colour } from './palette.js';

/** The height of a line of text, the part below the base line included. */
export function textHeight(size: number): number {
  return GLYPH_ROWS * size;
}

/** The width in pixels of a text at a size of 1, 2, 3 …: how many pixels make one dot of the font. */
export function textWidth(text: string, size: number): number {
  const count = characters(text).length;
  return count === 0 ? 0 : (count * (GLYPH_COLUMNS + 1) - 1) * size;
}

/** Draws a text with its top left corner at (x, y); accents are dropped, other unknown characters become boxes. */
export function drawText(
  canvas: Canvas,
  x: number,
  y: number,
  text: string,
  size: number,
  colour: Colour,
): void {
  characters(text).forEach((character, place) => {
    const left = x + place * (GLYPH_COLUMNS + 1) * size;
    glyphOf(character).forEach((bits, row) => {
      for (let column = 0; column < GLYPH_COLUMNS; column++) {
        if (bits & (1 << (GLYPH_COLUMNS - 1 - column))) {
          canvas.fill(left + column * size, y + row * size, size, size, colour);
        }
      }
    });
  });
}

/** The text itself where it fits a width in pixels, else its start and end around '..': ids differ at their ends. */
export function fitText(text: string, size: number, width: number): string {
  if (textWidth(text, size) <= width) return text;
  const all = characters(text);
  const room = Math.floor((width / size + 1) / (GLYPH_COLUMNS + 1)) - 2;
  if (room < 2) return '';
  const tail = Math.ceil(room / 2);
  return `${all.slice(0, room - tail).join('')}..${all.slice(-tail).join('')}`;
}

function characters(text: string): string[] {
  return [...text.normalize('NFD').replace(/\p{M}/gu, '')];
}
