import type { ProblemCode } from './problem.js';
import { emplace } from './study-files.js';

/**
 * An image that a contour or frame of a structure belongs to, by name or place, without being put on it;
 * `code` is the reason.
 */
export interface UnusedPart {
  readonly place: number;
  readonly structure: string;
  readonly code: ProblemCode;
  /**
   * Whether the structure's mask of the image, if there is one, is complete without this part: the part lies
   * beside the image's plane or encloses nothing. If not, that mask would be smaller than what was drawn.
   */
  readonly isBeside: boolean;
}

/** The most pairs of image and structure that are kept of one source: a small file may name millions. */
export const MOST_UNUSED = 200_000;

/** The detail for a source with more. */
export const TOO_MUCH_UNUSED =
  'so much of it cannot be used that the slices are not listed, and none of it is used: sessions with missing "empty" leave out the slices of the study that lack a structure';

/**
 * Gathers the unused parts of a source: one entry for each image and structure, preferably one that is not
 * beside.
 */
export class UnusedParts {
  readonly #found = new Map<string, Map<number, UnusedPart>>();
  readonly #most: number;
  readonly #lists = new Map<string, WeakSet<readonly { readonly place: number }[]>>();
  #count = 0;
  #isWhole = true;

  constructor(most = MOST_UNUSED) {
    this.#most = most;
  }

  /** False if there were more parts than are kept: the others are unknown. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  get list(): UnusedPart[] {
    return [...this.#found.values()].flatMap((parts) => [...parts.values()]);
  }

  /**
   * Adds images with one reason. A list that was added before is skipped: thousands of contours may share
   * one.
   */
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
