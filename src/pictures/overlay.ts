import { Canvas } from './canvas.js';
import { drawEmptySlot, drawPanel } from './drawing.js';
import { checkPanel, type Panel } from './panel.js';
import { encodePng } from './png.js';
import { displayWindow } from './window.js';

/** How many pixels of the picture stand for one of the image, along each side. */
export type Scale = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/**
 * The PNG of one pair: the image in its display window, each mask tinted and outlined. Exactly rows · scale ×
 * columns · scale pixels without a frame, so that it can be laid over the image; pixels outside every mask are
 * the image alone. A RangeError where arrays and shape disagree or the picture is over MAX_PICTURE_PIXELS.
 */
export function overlay(panel: Panel, options: { readonly scale: Scale }): Uint8Array {
  const { scale } = options;
  if (!(Number.isInteger(scale) && scale >= 1 && scale <= 8)) {
    throw new RangeError(`a scale of ${scale}: must be whole, 1 to 8`);
  }
  checkPanel(panel);
  const canvas = new Canvas(panel.columns * scale, panel.rows * scale);
  if (panel.valid) drawPanel(canvas, 0, 0, panel, displayWindow(panel), scale);
  else drawEmptySlot(canvas, 0, 0, canvas.width, canvas.height);
  return encodePng(canvas);
}
