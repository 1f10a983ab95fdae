import type { Canvas } from './canvas.js';
import { BACKGROUND, type Colour, DIM, structureColour, TEXT } from './palette.js';
import type { Panel } from './panel.js';
import { drawText, fitText, textHeight, textWidth } from './text.js';

/** One structure's name beside its colour; `empty` where its mask has no pixel. */
interface LegendEntry {
  readonly name: string;
  /** Null in the count of those that stay over. */
  readonly colour: Colour | null;
  readonly empty: boolean;
  /** Its width in pixels with the gap to the next entry. */
  readonly width: number;
}

/** Lines of entries with the size of their text, 1 or 2 pixels a dot. */
export interface Legend {
  readonly size: number;
  readonly lines: readonly (readonly LegendEntry[])[];
}

const MOST_LINES = 4;
const SWATCH = 7;
const SWATCH_GAP = 4;
const ENTRY_GAP = 8;
const LINE_GAP = 4;

/**
 * A panel's structures in their order within a width in pixels: large where they fit one line, else small on at most
 * four lines; what stays over is counted as `+N`.
 */
export function legendOf(panel: Panel, width: number): Legend {
  const large = linesOf(panel, width, 2);
  const whole =
    large.length <= 1 && large.flat().every(({ name }, index) => name === panel.structures[index]);
  return whole ? { size: 2, lines: large } : { size: 1, lines: linesOf(panel, width, 1) };
}

export function legendHeight({ size, lines }: Legend): number {
  return lines.length * (textHeight(size) + LINE_GAP);
}

/** Draws a legend below y. */
export function drawLegend(canvas: Canvas, x: number, y: number, { size, lines }: Legend): void {
  lines.forEach((line, index) => {
    drawLine(canvas, x, y + LINE_GAP + index * (textHeight(size) + LINE_GAP), line, size);
  });
}

function linesOf(panel: Panel, width: number, size: number): LegendEntry[][] {
  const lines: LegendEntry[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const [index, structure] of panel.structures.entries()) {
    const entry = entryOf(structure, structureColour(index), isEmpty(panel.masks[index]!), width, size);
    if (used + entry.width - ENTRY_GAP * size > width) {
      if (lines.length === MOST_LINES) {
        addCount(lines.at(-1)!, panel.structures.length - index, width, size);
        return lines;
      }
      lines.push([]);
      used = 0;
    }
    lines.at(-1)!.push(entry);
    used += entry.width;
  }
  return lines;
}

function isEmpty(mask: ArrayLike<number>): boolean {
  for (let at = 0; at < mask.length; at++) if (mask[at]! > 0) return false;
  return true;
}

function entryOf(
  structure: string,
  colour: Colour,
  empty: boolean,
  width: number,
  size: number,
): LegendEntry {
  const name = fitText(structure, size, width - (SWATCH + SWATCH_GAP) * size);
  const gaps = (SWATCH + SWATCH_GAP + ENTRY_GAP) * size;
  return { name, colour, empty, width: textWidth(name, size) + gaps };
}

function addCount(line: LegendEntry[], rest: number, width: number, size: number): void {
  let over = rest;
  const used = () => line.reduce((sum, entry) => sum + entry.width, textWidth(`+${over}`, size));
  while (line.length > 0 && used() > width) {
    line.pop();
    over++;
  }
  line.push({ name: `+${over}`, colour: null, empty: false, width: 0 });
}

// A filled square and a name; a hollow square and a dim name where the mask is empty.
function drawLine(canvas: Canvas, x: number, y: number, line: readonly LegendEntry[], size: number): void {
  const swatch = SWATCH * size;
  let left = x;
  for (const { name, colour, empty, width } of line) {
    if (colour) {
      canvas.fill(left, y, swatch, swatch, colour);
      if (empty) canvas.fill(left + size, y + size, swatch - 2 * size, swatch - 2 * size, BACKGROUND);
    }
    const textLeft = colour ? left + swatch + SWATCH_GAP * size : left;
    drawText(canvas, textLeft, y, name, size, empty || !colour ? DIM : TEXT);
    left += width;
  }
}
