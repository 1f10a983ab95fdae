import { largestOf, smallestOf } from './long-lists.js';

/** Where a slice lies among the others of its study. */
export interface StackPlace {
  /** The same for slices whose planes are parallel, in one frame of reference. */
  readonly stack: number;
  /** Along the normal of the planes. */
  readonly position: number;
  /** When in the heart's cycle, or any other time: larger is later; null where the file doesn't say. */
  readonly time: number | null;
}

/** A structure on one slice among the other slices of its study; millimetres, or pixels where the files don't say. */
export interface StackedStructure extends StackPlace {
  readonly area: number;
  /** In the plane. */
  readonly centre: readonly [number, number];
}

/** How far a structure is from what its neighbours let expect. */
export interface Jump {
  /** Times that its area is larger than the largest or smaller than the smallest neighbour's; at least 1. */
  readonly area: number;
  /** Distance of its centre from where the neighbours have it, in radii of a circle of its area, or of the smallest neighbour's where that is larger. */
  readonly centre: number;
}

/** Planes nearer than this are one. */
const SAME_PLANE = 0.5;
/** Times within this share of the longest time count as one phase. */
const SAME_PHASE = 0.15;

/**
 * For each structure of a study (all of one name) its jump, null where it has fewer than two neighbours. The neighbours are those
 * on the next plane to either side, in the same phase; where only one side has one, also those of other phases in its own plane.
 * Between two sides the centre is expected on the way from one to the other, and it counts which of all is nearest. At an end of the
 * stack a small area is no jump.
 */
export function jumps(structures: readonly StackedStructure[]): (Jump | null)[] {
  const stacks = stacksOf(structures);
  return structures.map((structure) => jumpOf(structure, stacks.get(structure.stack)!));
}

/** For each place the one in the same phase so many planes further on in its stack, null where there is none. */
export function stepsAlong<T extends StackPlace>(places: readonly T[], steps: number): (T | null)[] {
  const stacks = stacksOf(places);
  return places.map((place) => stacks.get(place.stack)!.further(place, steps));
}

function stacksOf<T extends StackPlace>(places: readonly T[]): Map<number, Planes<T>> {
  const stacks = new Map<number, T[]>();
  for (const place of places) {
    const members = stacks.get(place.stack);
    if (members) members.push(place);
    else stacks.set(place.stack, [place]);
  }
  return new Map([...stacks].map(([stack, members]) => [stack, new Planes(members)]));
}

function jumpOf(structure: StackedStructure, planes: Planes<StackedStructure>): Jump | null {
  const sides = [-1, 1].flatMap((steps) => planes.further(structure, steps) ?? []);
  const [one, other] = sides;
  const phases = planes.beside(structure);
  const neighbours = sides.length === 2 ? sides : [...sides, ...phases];
  if (neighbours.length < 2 || structure.area === 0) return null;
  const areas = neighbours.map(({ area }) => area);
  // Towards its end a structure may well be small, and a small one moves by more of its own radius.
  const smallest = one && other ? smallestOf(areas) : 0;
  const radius = Math.sqrt(Math.max(structure.area, smallestOf(areas)) / Math.PI);
  const expected = neighbours.map(({ centre }) => centre);
  if (one && other) expected.push(between(one, other, structure.position));
  const apart = expected.map(([x, y]) => Math.hypot(x - structure.centre[0], y - structure.centre[1]));
  return {
    area: Math.max(1, structure.area / largestOf(areas), smallest / structure.area),
    centre: smallestOf(apart) / radius,
  };
}

/** The places of a stack by their planes, in order of position. */
class Planes<T extends StackPlace> {
  #planes: { readonly position: number; readonly members: T[] }[] = [];
  #placeOf = new Map<T, number>();
  #longest: number;

  constructor(members: readonly T[]) {
    for (const member of [...members].sort((a, b) => a.position - b.position)) {
      const last = this.#planes[this.#planes.length - 1];
      if (last && member.position - last.position < SAME_PLANE) last.members.push(member);
      else this.#planes.push({ position: member.position, members: [member] });
      this.#placeOf.set(member, this.#planes.length - 1);
    }
    this.#longest = members.reduce((most, { time }) => Math.max(most, time ?? 0), 0);
  }

  /** The others of its plane. */
  beside(member: T): T[] {
    return this.#planes[this.#placeOf.get(member)!]!.members.filter((other) => other !== member);
  }

  /** The one so many planes further on whose time is the nearest, where it is near enough. */
  further(member: T, steps: number): T | null {
    const { time } = member;
    const members = this.#planes[this.#placeOf.get(member)! + steps]?.members ?? [];
    if (time === null) return members.length === 1 ? members[0]! : null;
    let nearest: T | null = null;
    for (const other of members)
      if (other.time !== null && (!nearest || Math.abs(other.time - time) < Math.abs(nearest.time! - time)))
        nearest = other;
    return nearest && Math.abs(nearest.time! - time) <= SAME_PHASE * this.#longest ? nearest : null;
  }
}

function between(
  one: StackedStructure,
  other: StackedStructure,
  position: number,
): readonly [number, number] {
  const share = (position - one.position) / (other.position - one.position);
  return [
    one.centre[0] + (other.centre[0] - one.centre[0]) * share,
    one.centre[1] + (other.centre[1] - one.centre[1]) * share,
  ];
}
