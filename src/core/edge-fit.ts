import type { Size } from './fit.js';
import { boxOf, squaredDistances } from './mask-margin.js';

/**
 * How much of an edge's contrast a mask misses: 1 minus the difference of the mean brightness on both sides of its edge as a share of
 * the largest difference that the mask has where it is displaced. 0: nowhere is its edge stronger; 1: it has no edge where it lies; over 1: one of the
 * other sign. `brighter`: of edges whose inside is the brighter side, `darker`: the other way round; null where no place within reach has one.
 */
export interface EdgeFit {
  readonly brighter: number | null;
  readonly darker: number | null;
}

/** The width of either side as a share of the radius of a circle of the mask's area, and its least and most in pixels. */
const BAND = 0.15;
const [NARROWEST, WIDEST] = [2, 32];
/** The pixels next to the edge are part of both sides. */
const GUARD = 1;
/** The farthest displacement as a share of the radius; so many steps are tried in each direction at most. */
const REACH = 0.5;
const MOST_STEPS = 8;
/** In a smaller structure a pixel is too large a share of the radius. */
const SMALLEST_RADIUS = 4;
/** So many pixels of a side are looked at; of a longer one every second, third … */
const MOST_PIXELS = 4000;

/** Displaces a mask over its image; null where it is too small for that, or has no two sides in the image. */
export function measureEdgeFit(mask: Uint8Array, values: Float64Array, size: Size): EdgeFit | null {
  const radius = Math.sqrt(mask.reduce((sum, pixel) => sum + pixel, 0) / Math.PI);
  if (radius < SMALLEST_RADIUS) return null;
  const sides = sidesOf(mask, size, Math.min(WIDEST, Math.max(NARROWEST, Math.round(BAND * radius))));
  const here = sides && differenceAt(sides, values, size, 0, 0);
  if (!sides || here === null) return null;
  const step = Math.ceil((REACH * radius) / MOST_STEPS);
  const steps = Math.round((REACH * radius) / step);
  let [most, least] = [here, here];
  for (let v = -steps; v <= steps; v++)
    for (let u = -steps; u <= steps; u++) {
      if (u * u + v * v > steps * steps) continue;
      const difference = differenceAt(sides, values, size, u * step, v * step) ?? here;
      most = Math.max(most, difference);
      least = Math.min(least, difference);
    }
  return { brighter: most > 0 ? 1 - here / most : null, darker: least < 0 ? 1 - here / least : null };
}

/** Columns and rows of the pixels on either side of the edge. */
interface Sides {
  readonly inside: readonly (readonly [number, number])[];
  readonly outside: readonly (readonly [number, number])[];
}

function sidesOf(mask: Uint8Array, size: Size, width: number): Sides | null {
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
function differenceAt(
  { inside, outside }: Sides,
  values: Float64Array,
  { rows, columns }: Size,
  right: number,
  down: number,
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
