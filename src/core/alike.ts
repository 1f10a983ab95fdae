/** More kinds than this are no stacks, and to compare with all of them would take long. */
const MOST_KINDS = 256;

/**
 * Tells lists of numbers apart that differ by more than rounding: lists whose numbers lie within `tolerance` of those of an earlier
 * one, each of its own, are of that one's kind. Text made of rounded numbers would not do: 0 and -0 differ in it, and so do the two sides of
 * a half.
 */
export class Alike {
  readonly #kinds: (readonly number[])[] = [];

  constructor(readonly tolerance: number) {}

  /** The kind of a list, counted from 0 as they come; null where there are too many. */
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
