/** A rectangle of pixel coordinates, its edges included. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export const EVERYWHERE: Box = {
  left: Number.NEGATIVE_INFINITY,
  top: Number.NEGATIVE_INFINITY,
  right: Number.POSITIVE_INFINITY,
  bottom: Number.POSITIVE_INFINITY,
};

/** A smaller share of a pixel is a rounding error: of points on a line, of a contour along the outer edge of the image. */
const ROUNDING = 1e-6;
/** Edges looked at; what asks for more is taken to enclose something. */
const MOST_EDGES = 2 ** 24;
/** Two lines through each strip: edges that cross just on one of them do not on the other. */
const LINES = [0.37, 0.61] as const;

/**
 * Whether closed polygons (x, y, x, y …) have an area inside a box that an odd number of them, and of turns of one, encloses. The
 * first strip nearly always tells; only what encloses nothing is looked at in all of them.
 */
export function encloses(region: readonly Float64Array[], box: Box): boolean {
  const heights = heightsOf(region, box);
  const last = heights.length - 1;
  let area = 0;
  let edges = 0;
  for (let k = 0; k < last; k++) {
    const at = (k + (last >> 1)) % last;
    const [top, bottom] = [heights[at]!, heights[at + 1]!];
    if (top === bottom) continue;
    for (const line of LINES) {
      const { width, looked } = widthAt(region, top + line * (bottom - top), box);
      area += (width * (bottom - top)) / LINES.length;
      edges += looked;
    }
    if (area > ROUNDING || edges > MOST_EDGES) return true;
  }
  return false;
}

/** Where strips begin and end: the heights of all points and of all crossings with the box's sides, moved into the box, in ascending order. */
function heightsOf(region: readonly Float64Array[], { left, top, right, bottom }: Box): Float64Array {
  const heights = new Float64Array(3 * region.reduce((sum, { length }) => sum + (length >> 1), 0));
  let count = 0;
  const add = (y: number): void => {
    heights[count++] = Math.min(bottom, Math.max(top, y));
  };
  for (const points of region)
    for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
      const [x, y, fromX, fromY] = [points[i]!, points[i + 1]!, points[j]!, points[j + 1]!];
      add(y);
      for (const side of [left, right])
        if (x > side !== fromX > side) add(fromY + ((side - fromX) / (x - fromX)) * (y - fromY));
    }
  return heights.subarray(0, count).sort();
}

let crossings = new Float64Array(64);

/** How much of a line of pixel coordinates lies inside, between the edges of the box. */
function widthAt(
  region: readonly Float64Array[],
  y: number,
  { left, right }: Box,
): { readonly width: number; readonly looked: number } {
  let count = 0;
  let looked = 0;
  for (const points of region) {
    for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
      const [toY, fromY] = [points[i + 1]!, points[j + 1]!];
      if (toY > y === fromY > y) continue;
      const [toX, fromX] = [points[i]!, points[j]!];
      if (count === crossings.length) {
        const more = new Float64Array(2 * count);
        more.set(crossings);
        crossings = more;
      }
      crossings[count++] = fromX + ((y - fromY) / (toY - fromY)) * (toX - fromX);
    }
    looked += points.length >> 1;
  }
  const sorted = crossings.subarray(0, count).sort();
  let width = 0;
  for (let i = 0; i + 1 < count; i += 2)
    width += Math.max(0, Math.min(right, sorted[i + 1]!) - Math.max(left, sorted[i]!));
  return { width, looked };
}
