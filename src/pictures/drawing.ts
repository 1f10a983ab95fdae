import type { Canvas } from './canvas.js';
import { type Colour, structureColour } from './palette.js';
import type { Panel, Window } from './panel.js';
import { displayGrey } from './window.js';

const TINT = 0.22;
const EMPTY: Colour = [30, 33, 38];
const CROSS: Colour = [92, 98, 108];
const DASH = 4;

interface Region {
  readonly mask: ArrayLike<number>;
  readonly colour: Colour;
  readonly area: number;
  /** From this value on a pixel is inside the outline. */
  readonly inside: number;
}

/**
 * The image of a valid panel with its top left corner at (x, y), each of its pixels scale × scale wide: first
 * the tints, then every outline, drawn inside its own mask so that pixels outside all masks stay pure.
 */
export function drawPanel(
  canvas: Canvas,
  x: number,
  y: number,
  panel: Panel,
  window: Window,
  scale: number,
): void {
  const regions = regionsOf(panel);
  drawImage(canvas, x, y, panel, window, scale, regions);
  if (regions.length > 0) drawOutlines(canvas, x, y, panel, scale, regions);
}

/** An empty slot of width × height pixels of the picture, crossed out. */
export function drawEmptySlot(canvas: Canvas, x: number, y: number, width: number, height: number): void {
  canvas.fill(x, y, width, height, EMPTY);
  canvas.cross(x, y, width, height, CROSS);
  canvas.frame(x, y, width, height, CROSS);
}

/** Masks that have a pixel, the largest first, so that what is nested is drawn over what holds it. */
function regionsOf(panel: Panel): Region[] {
  const regions: Region[] = [];
  panel.masks.forEach((mask, index) => {
    let area = 0;
    let most = 0;
    for (let at = 0; at < mask.length; at++) {
      const share = mask[at]!;
      if (!(share > 0)) continue;
      area += share;
      if (share > most) most = share;
    }
    // Half inside counts as inside; a structure too thin to fill half of any pixel keeps an outline too.
    if (area > 0) regions.push({ mask, colour: structureColour(index), area, inside: Math.min(1, most) / 2 });
  });
  return regions.sort((a, b) => b.area - a.area);
}

function drawImage(
  canvas: Canvas,
  left: number,
  top: number,
  panel: Panel,
  window: Window,
  scale: number,
  regions: readonly Region[],
): void {
  const { rows, columns, values, channels, inverted = false } = panel;
  const grey = inverted
    ? (value: number) => 255 - displayGrey(value, window)
    : (value: number) => displayGrey(value, window);
  const plane = channels === 3 ? rows * columns : 0;
  const { data, width } = canvas;
  const lineBytes = columns * scale * 3;
  for (let row = 0; row < rows; row++) {
    const line = ((top + row * scale) * width + left) * 3;
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      const imageRed = grey(values[at]!);
      const imageGreen = plane ? grey(values[at + plane]!) : imageRed;
      const imageBlue = plane ? grey(values[at + 2 * plane]!) : imageRed;
      let [red, green, blue] = [imageRed, imageGreen, imageBlue];
      // From the innermost outwards: where masks are nested a pixel has one tint, the legend's, not a mixture.
      let clear = 1;
      for (let index = regions.length - 1; index >= 0 && clear > 0; index--) {
        const { mask, colour } = regions[index]!;
        const share = mask[at]!;
        if (!(share > 0)) continue;
        const tint = TINT * clear * Math.min(1, share);
        red += (colour[0] - imageRed) * tint;
        green += (colour[1] - imageGreen) * tint;
        blue += (colour[2] - imageBlue) * tint;
        clear *= 1 - Math.min(1, share);
      }
      let to = line + column * scale * 3;
      for (let copy = 0; copy < scale; copy++) {
        data[to++] = Math.round(red);
        data[to++] = Math.round(green);
        data[to++] = Math.round(blue);
      }
    }
    for (let copy = 1; copy < scale; copy++) {
      data.copyWithin(line + copy * width * 3, line, line + lineBytes);
    }
  }
}

function drawOutlines(
  canvas: Canvas,
  left: number,
  top: number,
  panel: Panel,
  scale: number,
  regions: readonly Region[],
): void {
  const { rows, columns } = panel;
  const last = scale - 1;
  // One list for all pixels: a new one for each side of each pixel took longer than all the drawing.
  const owners: Region[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      const x = left + column * scale;
      const y = top + row * scale;
      const above = row > 0 ? at - columns : -1;
      const below = row < rows - 1 ? at + columns : -1;
      const before = column > 0 ? at - 1 : -1;
      const after = column < columns - 1 ? at + 1 : -1;
      if (scale === 1) {
        owners.length = 0;
        for (const region of regions) {
          if (!holds(region, at)) continue;
          const enclosed =
            holds(region, above) && holds(region, below) && holds(region, before) && holds(region, after);
          if (!enclosed) owners.push(region);
        }
        line(canvas, x, y, 1, 0, 1, owners);
      } else {
        line(canvas, x, y, 1, 0, scale, endingAt(regions, at, above, owners));
        line(canvas, x, y + last, 1, 0, scale, endingAt(regions, at, below, owners));
        line(canvas, x, y, 0, 1, scale, endingAt(regions, at, before, owners));
        line(canvas, x + last, y, 0, 1, scale, endingAt(regions, at, after, owners));
      }
    }
  }
}

/** Whether a region holds the pixel at a place of its plane; -1 is outside of the image. */
function holds({ mask, inside }: Region, at: number): boolean {
  return at >= 0 && mask[at]! >= inside;
}

/** Fills `owners` with the regions that hold the pixel at `at` and not its neighbour. */
function endingAt(regions: readonly Region[], at: number, neighbour: number, owners: Region[]): Region[] {
  owners.length = 0;
  for (const region of regions) {
    if (holds(region, at) && !holds(region, neighbour)) owners.push(region);
  }
  return owners;
}

/** Where outlines of several structures fall together they take turns in short dashes, so that none is hidden. */
function line(
  canvas: Canvas,
  x: number,
  y: number,
  dx: number,
  dy: number,
  length: number,
  owners: readonly Region[],
): void {
  if (owners.length === 0) return;
  for (let step = 0; step < length; step++, x += dx, y += dy) {
    const turn = owners.length === 1 ? 0 : Math.floor((x + 2 * y) / DASH) % owners.length;
    canvas.set(x, y, owners[turn]!.colour);
  }
}
