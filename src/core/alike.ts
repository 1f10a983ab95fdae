/** More kinds than this are no stacks, and comparing with all of them would take long. */
const MOST_KINDS = 256;

/**
 * Sorts lists of numbers into kinds that differ by more than rounding. A list is of the kind of an earlier
 * one if each of its numbers is within `tolerance` of the earlier list's number. Rounded text would not do:
 * it tells 0 from -0, and the two sides of a half from each other.
 */
export class Alike {
  readonly #kinds: (readonly number[])[] = [];

  constructor(readonly tolerance: number) {}

  /**
   * Returns the kind of a list, counted from 0 in the order of first use; null if there are too many kinds.
   */
  of(list: readonly number[]): number | null {
    const known = this.#kinds.findIndex(
      (kind) =>
        kind.length === list.length && kind.every((value, i) => Math.abs(value - list[i]!) <= this.tolerance),
    );
    if (known !== -1) return known;
    if (this.#kinds.length === MOST_KINDS) return null;
    return this.#kinds.push(list) - 1;
  }
}
