import type { PlacedImage } from './located-image.js';
import { planeOf } from './plane.js';

/**
 * The properties of images by which contours find them, in columns: a hundred thousand images travel to a
 * loader in one message within milliseconds.
 */
export interface PackedImages {
  /** All SOPInstanceUIDs in one text, and the number of characters of each. */
  readonly uids: string;
  readonly uidLengths: Uint32Array;
  readonly frames: Uint32Array;
  /** The series and spaces that occur, and each image's index among them; -1: none. */
  readonly seriesUids: readonly string[];
  readonly series: Int32Array;
  readonly spaceUids: readonly string[];
  readonly spaces: Int32Array;
  /** Rows and columns. */
  readonly sizes: Uint32Array;
  /** Position, orientation and spacing; NaN if an image has no plane. */
  readonly planes: Float64Array;
}

const PLANE_NUMBERS = 11;

/** Numbers texts in the order in which they come. */
class Numbered {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    this.#numbers.set(text, this.texts.length);
    return this.texts.push(text) - 1;
  }
}

/** Packs images one by one. */
export class ImagePacker {
  readonly #uids: string[] = [];
  readonly #series = new Numbered();
  readonly #spaces = new Numbered();
  #frames = new Uint32Array(64);
  #seriesOf = new Int32Array(64);
  #spaceOf = new Int32Array(64);
  #sizes = new Uint32Array(2 * 64);
  #planes = new Float64Array(PLANE_NUMBERS * 64);

  /** The number of images so far. */
  get count(): number {
    return this.#uids.length;
  }

  add({ sopInstanceUid, frame, seriesUid, frameOfReferenceUid, plane, rows, columns }: PlacedImage): void {
    const at = this.count;
    if (at === this.#frames.length) this.#grow();
    this.#uids.push(sopInstanceUid);
    this.#frames[at] = frame;
    this.#seriesOf[at] = this.#series.numberOf(seriesUid);
    this.#spaceOf[at] = frameOfReferenceUid === null ? -1 : this.#spaces.numberOf(frameOfReferenceUid);
    this.#sizes.set([rows, columns], 2 * at);
    if (plane)
      this.#planes.set([...plane.position, ...plane.orientation, ...plane.spacingMm], PLANE_NUMBERS * at);
    else this.#planes.fill(Number.NaN, PLANE_NUMBERS * at, PLANE_NUMBERS * (at + 1));
  }

  finish(): PackedImages {
    const count = this.count;
    return {
      uids: this.#uids.join(''),
      uidLengths: Uint32Array.from(this.#uids, ({ length }) => length),
      frames: this.#frames.slice(0, count),
      seriesUids: this.#series.texts,
      series: this.#seriesOf.slice(0, count),
      spaceUids: this.#spaces.texts,
      spaces: this.#spaceOf.slice(0, count),
      sizes: this.#sizes.slice(0, 2 * count),
      planes: this.#planes.slice(0, PLANE_NUMBERS * count),
    };
  }

  #grow(): void {
    const twice = <T extends Uint32Array | Int32Array | Float64Array>(numbers: T): T => {
      const larger = new (numbers.constructor as new (length: number) => T)(2 * numbers.length);
      larger.set(numbers);
      return larger;
    };
    this.#frames = twice(this.#frames);
    this.#seriesOf = twice(this.#seriesOf);
    this.#spaceOf = twice(this.#spaceOf);
    this.#sizes = twice(this.#sizes);
    this.#planes = twice(this.#planes);
  }
}

export function unpackImages(packed: PackedImages): PlacedImage[] {
  const { uids, uidLengths, frames, seriesUids, series, spaceUids, spaces, sizes, planes } = packed;
  let from = 0;
  return Array.from(uidLengths, (length, at): PlacedImage => {
    const sopInstanceUid = uids.slice(from, from + length);
    from += length;
    const numbers = [...planes.subarray(PLANE_NUMBERS * at, PLANE_NUMBERS * (at + 1))];
    return {
      sopInstanceUid,
      frame: frames[at]!,
      seriesUid: seriesUids[series[at]!]!,
      frameOfReferenceUid: spaceUids[spaces[at]!] ?? null,
      plane: planeOf(numbers.slice(0, 3), numbers.slice(3, 9), numbers.slice(9)),
      rows: sizes[2 * at]!,
      columns: sizes[2 * at + 1]!,
    };
  });
}
