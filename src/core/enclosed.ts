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

/** An edge that is not level, downwards. */
interface Edge {
  readonly x: number;
  readonly y: number;
  readonly endX: number;
  readonly endY: number;
}

/**
 * Whether closed polygons (x, y, x, y …) have an area inside a box that an odd number of them, and of turns of one, encloses. The
 * strip in the middle nearly always tells; only what encloses nothing is looked at in all of them, from the top down.
 */
export function encloses(region: readonly Float64Array[], box: Box): boolean {
  const heights = heightsOf(region, box);
  const edges = edgesOf(region);
  const middle = (heights.length - 1) >> 1;
  if (areaOf(edges, heights[middle]!, heights[middle + 1]!, box) > ROUNDING) return true;
  edges.sort((one, other) => one.y - other.y);
  let active: Edge[] = [];
  let next = 0;
  let area = 0;
  let looked = 0;
  for (let at = 0; at + 1 < heights.length; at++) {
    const [top, bottom] = [heights[at]!, heights[at + 1]!];
    if (top === bottom) continue;
    active = active.filter(({ endY }) => endY > top);
    for (; next < edges.length && edges[next]!.y < bottom; next++)
      if (edges[next]!.endY > top) active.push(edges[next]!);
    area += areaOf(active, top, bottom, box);
    looked += active.length;
    if (area > ROUNDING || looked > MOST_EDGES) return true;
  }
  return false;
}

function edgesOf(region: readonly Float64Array[]): Edge[] {
  const edges: Edge[] = [];
  for (const points of region)
    for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
      const [x, y, fromX, fromY] = [points[i]!, points[i + 1]!, points[j]!, points[j + 1]!];
      if (y < fromY) edges.push({ x, y, endX: fromX, endY: fromY });
      else if (y > fromY) edges.push({ x: fromX, y: fromY, endX: x, endY: y });
    }
  return edges;
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

/** The area of a strip that lies inside, by two lines through it, between the sides of the box. */
function areaOf(edges: readonly Edge[], top: number, bottom: number, { left, right }: Box): number {
  if (crossings.length < edges.length) crossings = new Float64Array(2 * edges.length);
  let width = 0;
  for (const line of LINES) {
    const at = top + line * (bottom - top);
    let count = 0;
    for (const { x, y, endX, endY } of edges)
      if (y <= at && endY > at) crossings[count++] = x + ((at - y) / (endY - y)) * (endX - x);
    const sorted = crossings.subarray(0, count).sort();
    for (let i = 0; i + 1 < count; i += 2)
      width += Math.max(0, Math.min(right, sorted[i + 1]!) - Math.max(left, sorted[i]!));
  }
  return (width * (bottom - top)) / LINES.length;
}
