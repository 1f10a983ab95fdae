import { type PackedPart, packPart, plainBytes } from './packed-part.js';
import type { Part } from './part.js';
import type { PlacedPart } from './placement.js';

/**
 * A contour or raster of a structure on a slice, as a scan keeps it: packed, with a digest of its content.
 */
export interface FoundContour extends PackedPart {
  readonly structure: string;
  /** SHA-256 of `plainBytes`, in hexadecimal digits. */
  readonly digest: string;
  /** As in `PlacedPart`. */
  readonly offMm: number;
  /** The place of its source among those of the study; missing: the first source. */
  readonly source?: number;
}

/** Packs a part as a scan keeps it; `hash` returns SHA-256 in hexadecimal digits. */
export function foundContour(
  structure: string,
  part: Part,
  hash: (bytes: Uint8Array) => string,
  offMm = 0,
): FoundContour {
  return { structure, ...packPart(part), digest: hash(plainBytes(part)), offMm };
}

const KINDS = ['text', 'closed', 'xor', 'raster'] as const;
const DIGEST_BYTES = 32;
/**
 * Place, structure, ROI, kind and length as uint32, 4 bytes that align, `offMm` as float64, and the digest.
 */
const HEAD_BYTES = 32 + DIGEST_BYTES;
const FIRST_BYTES = 64 * 1024;

/** The contours take more bytes than the limit. */
export class ContoursTooLarge extends Error {
  override readonly name = 'ContoursTooLarge';
  constructor(limitBytes: number) {
    super(`its contours take more than ${limitBytes} bytes on the images of its study; it is left out`);
  }
}

/**
 * Writes contours with their slices as one row of bytes, so that a loader can hand over hundreds of thousands
 * of them. Little-endian; each contour has a head of 64 bytes, and its points are padded to a multiple of 8.
 * Throws `ContoursTooLarge` if they take more than `limitBytes`.
 */
export class ContourWriter {
  readonly structures: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #limitBytes: number;
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The bytes written so far: a view of a larger buffer. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  add({ place, structure, part, offMm }: PlacedPart, hash: (bytes: Uint8Array) => string): void {
    const { kind, roi, points, digest } = foundContour(structure, part, hash);
    const at = this.#length;
    this.#grow(HEAD_BYTES + padded(points.length));
    const head = new DataView(this.#bytes.buffer, at, HEAD_BYTES);
    head.setUint32(0, place, true);
    head.setUint32(4, this.#numberOf(structure), true);
    head.setUint32(8, roi, true);
    head.setUint32(12, KINDS.indexOf(kind), true);
    head.setUint32(16, points.length, true);
    head.setFloat64(24, offMm, true);
    for (let i = 0; i < DIGEST_BYTES; i++)
      head.setUint8(32 + i, Number.parseInt(digest.slice(2 * i, 2 * i + 2), 16));
    this.#bytes.set(points, at + HEAD_BYTES);
  }

  #numberOf(structure: string): number {
    const known = this.#numbers.get(structure);
    if (known !== undefined) return known;
    this.#numbers.set(structure, this.structures.length);
    return this.structures.push(structure) - 1;
  }

  #grow(by: number): void {
    this.#length += by;
    if (this.#length > this.#limitBytes) throw new ContoursTooLarge(this.#limitBytes);
    if (this.#length <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.min(this.#limitBytes, Math.max(this.#length, 2 * this.#bytes.length)));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Reads the bytes of a `ContourWriter`; the points are views of `bytes`. */
export function* readContours(
  bytes: Uint8Array,
  structures: readonly string[],
): Generator<{ readonly place: number; readonly contour: FoundContour }> {
  for (let at = 0; at < bytes.length; ) {
    const head = new DataView(bytes.buffer, bytes.byteOffset + at, HEAD_BYTES);
    const length = head.getUint32(16, true);
    const from = at + HEAD_BYTES;
    const digest = Array.from(bytes.subarray(at + 32, from), (byte) => byte.toString(16).padStart(2, '0'));
    yield {
      place: head.getUint32(0, true),
      contour: {
        structure: structures[head.getUint32(4, true)]!,
        kind: KINDS[head.getUint32(12, true)]!,
        roi: head.getUint32(8, true),
        points: bytes.subarray(from, from + length),
        digest: digest.join(''),
        offMm: head.getFloat64(24, true),
      },
    };
    at = from + padded(length);
  }
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
