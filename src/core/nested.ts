/** The most edges that are tested for all contours of an object: half a second of work. */
const EDGES = 100_000_000;
/**
 * The step between points that are tested one after the other: a contour that leaves another one does so in
 * many places.
 */
const STRIDE = 101;

/**
 * Finds contours that lie inside others, with a limit on its work: contours beyond the limit are not tested.
 */
export class NestedContours {
  #edgesLeft: number;

  constructor(edges: number = EDGES) {
    this.#edgesLeft = edges;
  }

  /**
   * Whether one of these closed polygons lies wholly inside another; null if that takes more work than is
   * left.
   */
  isNested(polygons: readonly Float64Array[]): boolean | null {
    // In order from left to right, a contour comes after all contours that can contain it.
    const boxes = polygons.map(boxOf).sort((a, b) => a.left - b.left);
    for (const [at, inner] of boxes.entries())
      for (let i = 0; i < at; i++) {
        if (this.#edgesLeft-- <= 0) return null;
        if (this.#isInside(inner, boxes[i]!)) return this.#edgesLeft > 0 ? true : null;
      }
    return false;
  }

  #isInside(inner: Box, outer: Box): boolean {
    if (inner.left <= outer.left || inner.right >= outer.right) return false;
    if (inner.top <= outer.top || inner.bottom >= outer.bottom) return false;
    const points = inner.points.length / 2;
    for (let first = 0; first < STRIDE; first++)
      for (let point = first; point < points; point += STRIDE) {
        this.#edgesLeft -= outer.points.length / 2;
        if (this.#edgesLeft <= 0) return true;
        if (!holdsPoint(outer.points, inner.points[2 * point]!, inner.points[2 * point + 1]!)) return false;
      }
    return true;
  }
}

interface Box {
  readonly points: Float64Array;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function boxOf(points: Float64Array): Box {
  let [left, top] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let [right, bottom] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < points.length; i += 2) {
    left = Math.min(left, points[i]!);
    right = Math.max(right, points[i]!);
    top = Math.min(top, points[i + 1]!);
    bottom = Math.max(bottom, points[i + 1]!);
  }
  return { points, left, right, top, bottom };
}

function holdsPoint(polygon: Float64Array, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 2; i < polygon.length; j = i, i += 2) {
    const [xi, yi, xj, yj] = [polygon[i]!, polygon[i + 1]!, polygon[j]!, polygon[j + 1]!];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
