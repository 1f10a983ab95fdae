import type { ProblemCode } from './problem.js';
import { emplace } from './study-files.js';

/** An image that a contour or frame of a structure belongs to, by its name or its place, and is not put on; `code`: why. */
export interface UnusedPart {
  readonly place: number;
  readonly structure: string;
  readonly code: ProblemCode;
  /**
   * Whether the structure's mask of the image lacks nothing by it, where it has one: it lies beside the image's plane, or encloses
   * nothing. Otherwise that mask is smaller than what was drawn.
   */
  readonly isBeside: boolean;
}

/** Images times structures of one source that are kept: a small file may name millions. */
export const MOST_UNUSED = 200_000;

/** Said of a source of which there are more. */
export const TOO_MUCH_UNUSED =
  'too much of it cannot be used to say on which slices, so nothing of it is: sessions with missing "empty" leave out the slices of the study that lack a structure';

/** Gathers what is not used of a source: for each image and structure one entry, the first that is not beside where there is one. */
export class UnusedParts {
  readonly #found = new Map<string, Map<number, UnusedPart>>();
  readonly #most: number;
  readonly #lists = new Map<string, WeakSet<readonly { readonly place: number }[]>>();
  #count = 0;
  #isWhole = true;

  constructor(most = MOST_UNUSED) {
    this.#most = most;
  }

  /** False where there were more than are kept: nothing is known of the others. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get list(): UnusedPart[] {
    return [...this.#found.values()].flatMap((parts) => [...parts.values()]);
  }

  /** Images of one reason; a list that was added whole is not looked at again: thousands of contours may share one. */
  addImages(
    images: readonly { readonly place: number }[],
    structure: string,
    code: ProblemCode,
    isBeside: boolean,
  ): void {
    const lists = emplace(this.#lists, `${isBeside} ${structure}`, () => new WeakSet());
    if (lists.has(images)) return;
    lists.add(images);
    for (const { place } of images) this.add({ place, structure, code, isBeside });
  }

  add(part: UnusedPart): void {
    const ofStructure = emplace(this.#found, part.structure, () => new Map<number, UnusedPart>());
    const known = ofStructure.get(part.place);
    if (known && (part.isBeside || !known.isBeside)) return;
    if (!known && this.#count >= this.#most) {
      this.#isWhole = false;
      return;
    }
    if (!known) this.#count++;
    ofStructure.set(part.place, part);
  }
}
