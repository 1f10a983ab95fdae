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

/** Returns the text if it fits a width in pixels, else its start and end around '..': ids differ at their ends. */
export function fitText(text: string, size: number, width: number): string {
  return cutMiddle(text, charactersIn(width, size));
}

/** The least characters of a study's id that is cut; where there is room for fewer, it is left out. */
const LEAST_FRONT = 6;

/**
 * Returns a pair's name `STUDY/SLICE` if it fits a width in pixels. Otherwise the study is cut in its middle;
 * where that is not enough, the slice keeps its end, which tells it from other slices.
 */
export function fitPairName(name: string, size: number, width: number): string {
  const room = charactersIn(width, size);
  const slash = name.lastIndexOf('/');
  if (slash < 0 || characters(name).length <= room) return cutMiddle(name, room);
  const [study, slice] = [name.slice(0, slash), name.slice(slash + 1)];
  const studyLength = characters(study).length;
  const least = Math.min(studyLength, LEAST_FRONT);
  const share = Math.min(studyLength, Math.max(LEAST_FRONT, Math.floor(room / 3)));
  const isWhole = characters(slice).length + 1 + least <= room;
  const end = isWhole ? slice : cutStart(slice, room - 1 - share);
  const front = cutMiddle(study, room - 1 - characters(end).length);
  return front === '' || end === '' ? cutStart(slice, room) : `${front}/${end}`;
}

function charactersIn(width: number, size: number): number {
  return Math.floor((width / size + 1) / (GLYPH_COLUMNS + 1));
}

function cutMiddle(text: string, room: number): string {
  const all = characters(text);
  if (all.length <= room) return text;
  if (room < 4) return '';
  const tail = Math.ceil((room - 2) / 2);
  return `${all.slice(0, room - 2 - tail).join('')}..${all.slice(-tail).join('')}`;
}

function cutStart(text: string, room: number): string {
  const all = characters(text);
  if (all.length <= room) return text;
  return room < 3 ? '' : `..${all.slice(2 - room).join('')}`;
}

function characters(text: string): string[] {
  return [...text.normalize('NFD').replace(/\p{M}/gu, '')];
}
