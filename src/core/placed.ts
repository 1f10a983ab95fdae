import type { LocatedImage } from './located-image.js';
import type { SpanAlong } from './parallel-planes.js';

/** Where something lies: what it names, and what it covers of a normal. */
export interface Sought {
  readonly references: readonly { readonly uid: string; readonly frame: number | null }[];
  readonly frameOfReferenceUid: string | null;
  /** Null where it has no place in space. */
  readonly spanAlong: SpanAlong | null;
}

export interface Placed {
  /** The images that it lies on. */
  readonly images: readonly LocatedImage[];
  /**
   * How they were found. `name`: it names them, and lies in their plane where it has one; `nearest`: it names them and lies off their
   * plane, nearer to it than to any other; `elsewhere`: it lies in their plane and names other images, which are there; `plane`: it
   * names no image that is there.
   */
  readonly by: 'name' | 'nearest' | 'elsewhere' | 'plane';
  /** How far it lies off the plane of the nearest image that it names, in mm; null where that, or its own place, is not known. */
  readonly offMm: number | null;
  /**
   * Lists of images that it is not put on, and that it may well belong to: it lies in their plane or crosses
   * it, names them, or nothing tells where it lies.
   */
  readonly others: ImageLists;
  /**
   * Likewise, where less speaks for them: it is put on another and names these, lies beside their plane, or
   * their place or its own is not known.
   */
  readonly beside: ImageLists;
  /** For each of `images`, how far above its plane it lies, in mm; null where it lies in no other plane. */
  readonly heights: readonly number[] | null;
  /**
   * Where it lies within the tolerance of the image that it names, and nearer to another plane: the result
   * without its name.
   */
  readonly nameless: (() => Placed) | null;
  /** The images that it names. */
  readonly named: readonly LocatedImage[];
  /** Whether some image that it names is not there. */
  readonly namesMissing: boolean;
  /** Whether it names an image of several frames and not which frame. */
  readonly namesNoFrame: boolean;
  /** Why there is no image; null where there is one. */
  readonly reason: string | null;
}

export type ImageLists = readonly (readonly LocatedImage[])[];
