import { normalOf } from './normal.js';

/**
 * Planes are parallel if their normals differ by less than 0.01 radian: directions are rounded, and some
 * scanners turn each slice a little.
 */
const LEAST_COSINE = Math.cos(0.01);
/** Cosines with a shorter cross product span no plane. */
const LEAST_NORMAL = 1e-3;
/** How far a direction's length may be from 1, and the cosine of two from 0: texts of headers are rounded. */
const ROUNDING = 1e-2;
/** More directions are no stacks, and comparing with all of them would take long. */
const MOST_DIRECTIONS = 256;

/** One direction of planes. */
export interface Direction {
  readonly index: number;
  /** The normal of the first plane with this direction, of length 1. */
  readonly normal: readonly [number, number, number];
}

/** Returns the normal, of length 1; null if the direction cosines span no plane. */
export function unitNormal(orientation: readonly number[]): [number, number, number] | null {
  const [x, y, z] = normalOf(orientation);
  const length = Math.hypot(x, y, z);
  return length > LEAST_NORMAL ? [x / length, y / length, z / length] : null;
}

/** Whether these are the direction cosines of a row and of a column: two of length 1 at right angles (DICOM PS3.3, section C.7.6.2.1.1). */
export function areCosines(orientation: readonly number[]): boolean {
  const [row, column] = [orientation.slice(0, 3), orientation.slice(3)];
  const isUnit = (direction: readonly number[]) =>
    Math.abs(Math.sqrt(dot(direction, direction)) - 1) <= ROUNDING;
  return isUnit(row) && isUnit(column) && Math.abs(dot(row, column)) <= ROUNDING;
}

export function dot(a: readonly number[], b: readonly number[]): number {
  return a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
}

/** Finds parallel planes, whichever of their two sides their normals point to. */
export class Directions {
  readonly #known: Direction[] = [];

  /** Returns null if the direction cosines span no plane, or if there are too many directions. */
  of(orientation: readonly number[]): Direction | null {
    const normal = unitNormal(orientation);
    if (normal === null) return null;
    const known = this.#known.find((each) => Math.abs(dot(each.normal, normal)) >= LEAST_COSINE);
    if (known || this.#known.length === MOST_DIRECTIONS) return known ?? null;
    const direction: Direction = { index: this.#known.length, normal };
    this.#known.push(direction);
    return direction;
  }
}
