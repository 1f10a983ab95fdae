import type { LocatedImage } from './located-image.js';
import { SAME_PLANE_MM } from './parallel-planes.js';
import type { Placed } from './placed.js';

/** The reason why one is not put on an image that it claims; `isComplete`: the image's mask is whole without it. */
export interface Denied {
  readonly why: string;
  readonly isComplete: boolean;
}

const FARTHER: Denied = {
  why: 'it lies off the plane of the image that it names, where another one of its structure lies nearer',
  isComplete: true,
};
const RIVALS: Denied = {
  why: 'several of its structure lie off the plane of the image that they name, on both sides and equally near',
  isComplete: false,
};
const OWNED: Denied = {
  why: 'it lies in the plane of another image than it names, and others of its structure there name that one',
  isComplete: true,
};
const MIXED: Denied = {
  why: 'it lies in the plane of another image than it names, as others of its structure do that name yet other images',
  isComplete: false,
};

/**
 * Gathers the contours or frames of one structure that would be put on one image. Those that lie in its plane
 * and name it, or name none, are all used. Of the others only those of one plane are: a mask never joins two.
 */
export class Claims {
  readonly #toleranceMm: number;
  /** Whether some lie in the plane and name the image; likewise, name none. */
  #isOwned = false;
  #isBare = false;
  /** The images that those name that lie in the plane and name others; null where they name different ones. */
  #elsewhere: readonly LocatedImage[] | null | undefined;
  /** The heights of those that name the image and lie within the tolerance of it, but nearer to another. */
  readonly #loose = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
  /** The least distances of those that name the image and lie off its plane, by side. */
  readonly #off = { above: Number.POSITIVE_INFINITY, below: Number.POSITIVE_INFINITY };

  constructor(toleranceMm: number) {
    this.#toleranceMm = toleranceMm;
  }

  /** `height`: of one that names the image, 0 where the image's plane is the nearest and within the tolerance. */
  add({ by, named }: Placed, height: number): void {
    if (by === 'elsewhere') {
      if (this.#elsewhere === undefined) this.#elsewhere = named;
      else if (this.#elsewhere && !isSameImages(this.#elsewhere, named)) this.#elsewhere = null;
    } else if (by === 'plane') this.#isBare = true;
    else if (height === 0) this.#isOwned = true;
    else if (this.#isLoose(height)) {
      this.#loose.low = Math.min(this.#loose.low, height);
      this.#loose.high = Math.max(this.#loose.high, height);
    } else {
      const side = height < 0 ? 'below' : 'above';
      this.#off[side] = Math.min(this.#off[side], Math.abs(height));
    }
  }

  /** Whether one that lies nearer to another plane is not of this image: some of another plane name it too. */
  refusesName(height: number): boolean {
    return this.#isLoose(height) && !this.#isLooseUsed();
  }

  /** Null for one that is used. */
  denied({ by }: Placed, height: number): Denied | null {
    if (by === 'elsewhere') {
      if (this.#isOwned || this.#isLooseUsed()) return OWNED;
      return this.#elsewhere === null ? MIXED : null;
    }
    if (by === 'plane' || Math.abs(height) <= this.#toleranceMm) return null;
    if (this.#isOwned || this.#isBare || this.#isLooseUsed() || this.#elsewhere !== undefined) return FARTHER;
    const { above, below } = this.#off;
    if (Math.abs(above - below) <= this.#toleranceMm) return RIVALS;
    const isNearSide = height < 0 === below < above;
    return isNearSide && Math.abs(height) <= Math.min(above, below) + this.#toleranceMm ? null : FARTHER;
  }

  #isLoose(height: number): boolean {
    return height !== 0 && Math.abs(height) <= this.#toleranceMm;
  }

  #isLooseUsed(): boolean {
    const { low, high } = this.#loose;
    return low <= high && high - low < SAME_PLANE_MM && !this.#isOwned && !this.#isBare;
  }
}

/** Whether two lists hold the same images, in any order. */
export function isSameImages(some: readonly LocatedImage[], others: readonly LocatedImage[]): boolean {
  if (some === others) return true;
  if (some.length !== others.length) return false;
  if (some.every((image, at) => image === others[at])) return true;
  const known = new Set(some);
  return others.every((image) => known.has(image));
}
