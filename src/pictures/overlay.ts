import { Canvas, MAX_PICTURE_PIXELS } from './canvas.js';
import { drawEmptySlot, drawPanel } from './drawing.js';
import { drawLegend, legendHeight, legendOf } from './legend.js';
import { BACKGROUND, TEXT } from './palette.js';
import { checkPanel, type Panel } from './panel.js';
import { encodePng } from './png.js';
import { drawText, fitPairName, textHeight, textWidth } from './text.js';
import { displayWindow } from './window.js';

/** How many pixels of the picture stand for one of the image, along each side. */
export type Scale = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

const MARGIN = 4;
/** A narrower picture has no caption, because there is no room for words. */
const NARROWEST_CAPTION = 96;

/**
 * Draws one pair as a PNG: the image in its display window, each mask tinted and outlined, in rows · scale ×
 * columns · scale pixels without a frame, so that it can be laid over the image. Pixels outside every mask
 * are the image alone. With a `caption`, the pair's name and the legend of its structures stand below, if
 * there is room for words. Throws a RangeError if arrays and shape disagree or the picture is over
 * MAX_PICTURE_PIXELS.
 */
export function overlay(
  panel: Panel,
  { scale, caption = false }: { readonly scale: Scale; readonly caption?: boolean },
): Uint8Array {
  if (!(Number.isInteger(scale) && scale >= 1 && scale <= 8)) {
    throw new RangeError(`a scale of ${scale}: must be whole, 1 to 8`);
  }
  checkPanel(panel);
  const width = panel.columns * scale;
  const height = panel.rows * scale;
  const words = caption && width >= NARROWEST_CAPTION ? captionOf(panel, width) : null;
  const below = words && width * (height + words.height) <= MAX_PICTURE_PIXELS ? words : null;
  const canvas = new Canvas(width, height + (below?.height ?? 0), BACKGROUND);
  if (panel.valid) drawPanel(canvas, 0, 0, panel, displayWindow(panel), scale);
  else drawEmptySlot(canvas, 0, 0, width, height);
  below?.draw(canvas, height);
  return encodePng(canvas);
}

/** The caption: the name of the pair above the legend of its structures, within a width in pixels. */
function captionOf(panel: Panel, width: number): { height: number; draw(canvas: Canvas, top: number): void } {
  const room = width - 2 * MARGIN;
  const size = textWidth(panel.title, 2) <= room ? 2 : 1;
  const legend = legendOf(panel, room);
  const legendTop = MARGIN + textHeight(size);
  return {
    height: legendTop + legendHeight(legend) + MARGIN,
    draw(canvas, top) {
      drawText(canvas, MARGIN, top + MARGIN, fitPairName(panel.title, size, room), size, TEXT);
      drawLegend(canvas, MARGIN, top + legendTop, legend);
    },
  };
}
