import { distanceFromOrigin, type Projection, type Span } from './plane.js';
import { emplace } from './study-files.js';

/** Planes nearer to each other than this, in mm, are the same plane: texts of headers are rounded. */
export const SAME_PLANE_MM = 1e-3;

/** The most items in the lists of crossed planes: a file may name millions of ranges. */
const MOST_KEPT = 1_000_000;

/** Returns the part of a normal that an object covers; null if it is longer than `mostMm` or not a number. */
export type SpanAlong = (normal: Projection['normal'], mostMm: number) => Span | null;

/** The planes nearest to an object: all within `SAME_PLANE_MM` of the nearest one. */
export interface NearestPlanes<Item> {
  /** How far the object's farthest point lies off the nearest plane. */
  readonly mm: number;
  readonly items: readonly Item[];
}

interface Stack<Item> {
  readonly normal: Projection['normal'];
  /** Planes with their distance from the origin along the normal; ascending once `isSorted`. */
  readonly planes: { readonly at: number; readonly item: Item }[];
  isSorted: boolean;
  /**
   * Lists of items that were found together, for reuse: thousands of contours may lie in one plane of
   * thousands of frames.
   */
  readonly together: Map<string, readonly Item[]>;
}

/**
 * Finds items by their planes; one search among parallel planes finds the nearest, however many there are.
 */
export class ParallelPlanes<Item> {
  readonly #stacks = new Map<string, Stack<Item>>();
  /** The items of lists that `crossed` keeps. */
  #kept = 0;

  add(projection: Projection, item: Item): void {
    const { normal } = projection;
    const key = normal.join();
    const at = distanceFromOrigin(projection);
    const stack = this.#stacks.get(key);
    if (stack) {
      stack.planes.push({ at, item });
      stack.isSorted = false;
      stack.together.clear();
    } else this.#stacks.set(key, { normal, planes: [{ at, item }], isSorted: true, together: new Map() });
  }

  /**
   * Returns the nearest planes that are no farther than `reachMm` from any point of an object; null if there
   * is none.
   */
  nearest(spanAlong: SpanAlong, reachMm: number): NearestPlanes<Item> | null {
    let found: NearestPlanes<Item> | null = null;
    for (const stack of this.#stacks.values()) {
      const span = spanAlong(stack.normal, 2 * reachMm);
      if (span === null) continue;
      const mostMm = Math.min(reachMm, (found?.mm ?? reachMm) + SAME_PLANE_MM);
      const near = nearestIn(stack, span, mostMm);
      if (near === null) continue;
      if (found === null || near.mm < found.mm - SAME_PLANE_MM) found = near;
      else
        found = {
          mm: Math.min(found.mm, near.mm),
          items: [...found.items, ...near.items],
        };
    }
    return found;
  }

  /**
   * Returns every plane no farther than `reachMm` from any point of an object, with the distance of its
   * farthest point.
   */
  within(spanAlong: SpanAlong, reachMm: number): { readonly mm: number; readonly item: Item }[] {
    return [...this.#stacks.values()].flatMap((stack) => {
      const span = spanAlong(stack.normal, 2 * reachMm);
      return span === null ? [] : planesWithin(sorted(stack), span, reachMm);
    });
  }

  /**
   * Returns the planes that an object crosses, or passes no farther than `marginMm`: one list for each
   * direction. Where objects cross very many planes, a list may hold all planes of its direction.
   */
  crossed(spanAlong: SpanAlong, marginMm: number): (readonly Item[])[] {
    return [...this.#stacks.values()].flatMap((stack) => {
      const span = spanAlong(stack.normal, Number.POSITIVE_INFINITY);
      if (span === null) return [];
      const planes = sorted(stack);
      const first = placeOf(planes, span.low - marginMm);
      const last = placeOf(planes, span.high + marginMm);
      if (first >= last) return [];
      if (stack.together.has(`${first} ${last}`)) return [together(stack, first, last)];
      if (this.#kept + last - first > MOST_KEPT) return [together(stack, 0, planes.length)];
      this.#kept += last - first;
      return [together(stack, first, last)];
    });
  }

  /** Returns half of the distance to the next parallel plane; null if there is none. */
  halfGapMm(projection: Projection): number | null {
    const stack = this.#stacks.get(projection.normal.join());
    if (!stack) return null;
    const planes = sorted(stack);
    const own = distanceFromOrigin(projection);
    const before = planes[placeOf(planes, own - SAME_PLANE_MM) - 1];
    const after = planes[placeOf(planes, own + SAME_PLANE_MM)];
    const gap = Math.min(
      before ? own - before.at : Number.POSITIVE_INFINITY,
      after ? after.at - own : Number.POSITIVE_INFINITY,
    );
    return Number.isFinite(gap) ? gap / 2 : null;
  }
}

/** Whether two planes are parallel and in the same place. */
export function isSamePlane(a: Projection, b: Projection): boolean {
  const isParallel = a.normal.every((value, at) => value === b.normal[at]);
  return isParallel && Math.abs(distanceFromOrigin(a) - distanceFromOrigin(b)) < SAME_PLANE_MM;
}

type Planes<Item> = readonly { readonly at: number; readonly item: Item }[];

function sorted<Item>(stack: Stack<Item>): Planes<Item> {
  if (!stack.isSorted) stack.planes.sort((a, b) => a.at - b.at);
  stack.isSorted = true;
  return stack.planes;
}

/** Returns the index of the first plane at `at` or beyond. */
function placeOf(planes: Planes<unknown>, at: number): number {
  let [low, high] = [0, planes.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (planes[middle]!.at < at) low = middle + 1;
    else high = middle;
  }
  return low;
}

function offMm({ low, high }: Span, at: number): number {
  return Math.max(Math.abs(low - at), Math.abs(high - at));
}

function planesWithin<Item>(planes: Planes<Item>, span: Span, reachMm: number): { mm: number; item: Item }[] {
  const found: { mm: number; item: Item }[] = [];
  for (let place = placeOf(planes, span.high - reachMm); place < planes.length; place++) {
    const { at, item } = planes[place]!;
    const mm = offMm(span, at);
    if (mm <= reachMm) found.push({ mm, item });
    else if (at > span.low) break;
  }
  return found;
}

function nearestIn<Item>(stack: Stack<Item>, span: Span, reachMm: number): NearestPlanes<Item> | null {
  const planes = sorted(stack);
  const middle = placeOf(planes, (span.low + span.high) / 2);
  const mm = Math.min(
    middle > 0 ? offMm(span, planes[middle - 1]!.at) : Number.POSITIVE_INFINITY,
    middle < planes.length ? offMm(span, planes[middle]!.at) : Number.POSITIVE_INFINITY,
  );
  if (!(mm <= reachMm)) return null;
  const isNear = (place: number) => place in planes && offMm(span, planes[place]!.at) < mm + SAME_PLANE_MM;
  let [first, last] = [middle, middle];
  while (isNear(first - 1)) first--;
  while (isNear(last)) last++;
  return { mm, items: together(stack, first, last) };
}

function together<Item>(stack: Stack<Item>, first: number, last: number): readonly Item[] {
  return emplace(stack.together, `${first} ${last}`, () =>
    sorted(stack)
      .slice(first, last)
      .map(({ item }) => item),
  );
}
