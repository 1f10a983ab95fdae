import { differenceAcross, radiusOf, sidesOf } from './edge-sides.js';
import type { Size } from './fit.js';

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
/** The farthest displacement as a share of the radius; so many steps are tried in each direction at most. */
const REACH = 0.5;
const MOST_STEPS = 8;
/** In a smaller structure a pixel is too large a share of the radius. */
const SMALLEST_RADIUS = 4;

/** Displaces a mask over its image; null where it is too small for that, or has no two sides in the image. */
export function measureEdgeFit(mask: Uint8Array, values: Float64Array, size: Size): EdgeFit | null {
  const radius = radiusOf(mask);
  if (radius < SMALLEST_RADIUS) return null;
  const sides = sidesOf(mask, size, Math.min(WIDEST, Math.max(NARROWEST, Math.round(BAND * radius))));
  const here = sides && differenceAcross(sides, values, size);
  if (!sides || here === null) return null;
  const step = Math.ceil((REACH * radius) / MOST_STEPS);
  const steps = Math.round((REACH * radius) / step);
  let [most, least] = [here, here];
  for (let v = -steps; v <= steps; v++)
    for (let u = -steps; u <= steps; u++) {
      if (u * u + v * v > steps * steps) continue;
      const difference = differenceAcross(sides, values, size, u * step, v * step) ?? here;
      most = Math.max(most, difference);
      least = Math.min(least, difference);
    }
  return { brighter: most > 0 ? 1 - here / most : null, darker: least < 0 ? 1 - here / least : null };
}
