import type { Size } from './fit.js';
import { boxOf, squaredDistances } from './mask-margin.js';

/** The pixels next to the edge are part of both sides. */
const GUARD = 1;
/** So many pixels of a side are looked at; of a longer one every second, third … */
const MOST_PIXELS = 4000;

/** Of a circle of a mask's area, in pixels. */
export function radiusOf(mask: Uint8Array): number {
  return Math.sqrt(mask.reduce((sum, pixel) => sum + pixel, 0) / Math.PI);
}

/** Columns and rows of the pixels on either side of the edge. */
export interface Sides {
  readonly inside: readonly (readonly [number, number])[];
  readonly outside: readonly (readonly [number, number])[];
}

/** The sides of a mask's edge, each `width` pixels wide and without the pixels next to the edge; null for an empty mask. */
export function sidesOf(mask: Uint8Array, size: Size, width: number): Sides | null {
  const box = boxOf(mask, size, width);
  if (!box) return null;
  const across = box.right - box.left;
  const side = (of: 0 | 1) => {
    const pixels: [number, number][] = [];
    squaredDistances(mask, size.columns, box, of, width).forEach((square, at) => {
      if (square > GUARD * GUARD && square <= width * width)
        pixels.push([box.left + (at % across), box.top + Math.floor(at / across)]);
    });
    const every = Math.ceil(pixels.length / MOST_PIXELS);
    return every > 1 ? pixels.filter((_, i) => i % every === 0) : pixels;
  };
  return { inside: side(0), outside: side(1) };
}

/** How much brighter the inside of the displaced edge is; null where the image does not have half of either side. */
export function differenceAcross(
  { inside, outside }: Sides,
  values: Float64Array,
  { rows, columns }: Size,
  right = 0,
  down = 0,
): number | null {
  const mean = (pixels: Sides['inside']) => {
    let [sum, count] = [0, 0];
    for (const [column, row] of pixels) {
      const [x, y] = [column + right, row + down];
      if (x < 0 || y < 0 || x >= columns || y >= rows) continue;
      const value = values[y * columns + x]!;
      if (!Number.isFinite(value)) continue;
      sum += value;
      count++;
    }
    return count > pixels.length / 2 ? sum / count : Number.NaN;
  };
  const difference = mean(inside) - mean(outside);
  return Number.isFinite(difference) ? difference : null;
}
