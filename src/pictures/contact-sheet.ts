import { largestOf } from '../core/long-lists.js';
import { Canvas } from './canvas.js';
import { drawEmptySlot, drawPanel } from './drawing.js';
import { gridFor } from './grid.js';
import { drawLegend, type Legend, legendHeight, legendOf } from './legend.js';
import { BACKGROUND, BRIGHT, type Colour, DIM, TEXT } from './palette.js';
import { checkPanel, type Panel, shrinkPanel } from './panel.js';
import { encodePng } from './png.js';
import { drawText, fitPairName, fitText, textHeight, textWidth } from './text.js';
import { displayWindow } from './window.js';

/** How many panels a sheet shows; of a larger batch it shows the first ones and says so. */
export const MOST_PANELS = 64;

const LARGEST_SIDE = 256;
const MARGIN = 12;
const GAP = 10;
const ROW_GAP = 18;
const CAPTION_GAP = 4;
const RULE_GAP = 6;
const RULE: Colour = [52, 56, 64];
const NO_LEGEND: Legend = { size: 1, lines: [] };
const NARROWEST_CELL = 128;
const NARROWEST_SHEET = 360;

interface Cell {
  readonly panel: Panel;
  readonly title: string;
  readonly shrink: number;
  readonly scale: number;
  /** Size of the drawn image in pixels of the sheet. */
  readonly width: number;
  readonly height: number;
}

/**
 * The PNG of a batch: its panels in order, row by row, each with its title and the colours of its structures, under
 * one line with the sheet's title. Images are shrunk or enlarged by whole factors so that their longer side
 * is at most 256 pixels. A RangeError where a panel's arrays and shape disagree.
 */
export function contactSheet(panels: readonly Panel[], options: { readonly title: string }): Uint8Array {
  const shown = panels.slice(0, MOST_PANELS);
  shown.forEach(checkPanel);
  const cells = shown.map(cellOf);
  const grid = gridFor(cells.length);
  const cellWidth = largestOf([NARROWEST_CELL, ...cells.map((cell) => cell.width)]);
  const imageHeight = largestOf([1, ...cells.map((cell) => cell.height)]);
  const titleSize = cells.every((cell) => textWidth(cell.title, 2) <= cellWidth) ? 2 : 1;
  const legends = cells.map(({ panel }) => (panel.valid ? legendOf(panel, cellWidth) : NO_LEGEND));
  const underImage = largestOf([0, ...legends.map(legendHeight)]);
  const cellHeight = textHeight(titleSize) + CAPTION_GAP + imageHeight + underImage;

  const gridWidth = grid.columns * (cellWidth + GAP) - GAP;
  const width = Math.max(NARROWEST_SHEET, gridWidth + 2 * MARGIN);
  const headerHeight = textHeight(2) + 2 * MARGIN;
  const height = 2 * MARGIN + headerHeight + grid.rows * (cellHeight + ROW_GAP) - ROW_GAP;
  const canvas = new Canvas(width, height, BACKGROUND);

  const count = panels.length > shown.length ? `${shown.length} of ${panels.length}` : '';
  drawHeader(canvas, options.title, count);
  cells.forEach((cell, index) => {
    const x = MARGIN + (index % grid.columns) * (cellWidth + GAP);
    const y = MARGIN + headerHeight + Math.floor(index / grid.columns) * (cellHeight + ROW_GAP);
    const title = fitPairName(cell.title, titleSize, cellWidth);
    drawText(canvas, x, y, title, titleSize, cell.panel.valid ? TEXT : DIM);
    const imageTop = y + textHeight(titleSize) + CAPTION_GAP;
    const imageLeft = x + Math.floor((cellWidth - cell.width) / 2);
    drawImage(canvas, imageLeft, imageTop + Math.floor((imageHeight - cell.height) / 2), cell);
    drawLegend(canvas, x, imageTop + imageHeight, legends[index]!);
  });
  return encodePng(canvas);
}

function cellOf(panel: Panel): Cell {
  const side = Math.max(panel.rows, panel.columns);
  const shrink = Math.max(1, Math.ceil(side / LARGEST_SIDE));
  const scale = Math.max(1, Math.floor(LARGEST_SIDE / side));
  return {
    panel,
    title: panel.title === '' && !panel.valid ? 'padding' : panel.title,
    shrink,
    scale,
    width: Math.ceil(panel.columns / shrink) * scale,
    height: Math.ceil(panel.rows / shrink) * scale,
  };
}

function drawImage(canvas: Canvas, x: number, y: number, cell: Cell): void {
  if (!cell.panel.valid) {
    drawEmptySlot(canvas, x, y, cell.width, cell.height);
    return;
  }
  const window = displayWindow(cell.panel);
  drawPanel(canvas, x, y, shrinkPanel(cell.panel, cell.shrink), window, cell.scale);
}

function drawHeader(canvas: Canvas, title: string, count: string): void {
  const room = canvas.width - 2 * MARGIN;
  const countWidth = textWidth(count, 2);
  const titleRoom = count === '' ? room : room - countWidth - 2 * MARGIN;
  const size = textWidth(title, 2) <= titleRoom ? 2 : 1;
  const drop = textHeight(2) - textHeight(size);
  drawText(canvas, MARGIN, MARGIN + Math.floor(drop / 2), fitText(title, size, titleRoom), size, BRIGHT);
  drawText(canvas, canvas.width - MARGIN - countWidth, MARGIN, count, 2, DIM);
  canvas.fill(MARGIN, MARGIN + textHeight(2) + RULE_GAP, room, 1, RULE);
}
