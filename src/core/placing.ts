import { type Plane, type Projection, projectionOf } from './plane.js';

/** An image of a study as far as contours find it. */
export interface PlacedImage {
  readonly sopInstanceUid: string;
  /** From 0. */
  readonly frame: number;
  readonly seriesUid: string;
  readonly frameOfReferenceUid: string | null;
  readonly plane: Plane | null;
  readonly rows: number;
  readonly columns: number;
}

/** An image with what pixel coordinates in it are found with; `place`: its place in the list of images. */
export interface LocatedImage extends PlacedImage {
  readonly place: number;
  readonly projection: Projection | null;
}

/** Where something lies: what it names, and how far it is off a plane at most, in mm. */
export interface Sought {
  readonly references: readonly { readonly uid: string; readonly frame: number | null }[];
  readonly frameOfReferenceUid: string | null;
  /** Null where it has no place in space; what is beyond the tolerance need not be exact. */
  readonly offMm: ((projection: Projection) => number) | null;
}

export interface Placed {
  readonly images: readonly LocatedImage[];
  /** Whether some image that it names is not there. */
  readonly namesMissing: boolean;
  /** Whether its images were found by their planes. */
  readonly byPlane: boolean;
  /** Whether it lies off the plane of the image that it names. */
  readonly isOffPlane: boolean;
  /** Why there is no image; null where there is one. */
  readonly reason: string | null;
}

/** Two images of a series that are nearer to each other than this, in mm, lie in one plane. */
const SAME_PLANE_MM = 1e-3;

/** Finds the images that contours and frames of segmentations belong to. */
export class ImageFinder {
  readonly #named = new Map<string, LocatedImage[]>();
  readonly #spaces = new Map<string, (LocatedImage & { readonly projection: Projection })[]>();
  readonly #toleranceMm: number;

  constructor(images: readonly PlacedImage[], toleranceMm: number) {
    this.#toleranceMm = toleranceMm;
    images.forEach((image, place) => {
      const found = { ...image, place, projection: image.plane && projectionOf(image.plane) };
      const { sopInstanceUid: uid, frameOfReferenceUid: space, projection } = found;
      if (uid !== '') append(this.#named, uid, found);
      if (space && projection) append(this.#spaces, space, { ...found, projection });
    });
  }

  /** Whether an image of this SOPInstanceUID is there. */
  has(uid: string): boolean {
    return this.#named.has(uid);
  }

  /**
   * The images that something lies on: those that it names, of several only those in whose plane it lies; else, where none of them is
   * there, those in whose plane it lies in its frame of reference, of `series` alone where some are of those, of each series
   * the nearest. Two images of one series in that same plane, as phases of a heart are, leave it open which is meant: none.
   */
  find({ references, frameOfReferenceUid, offMm }: Sought, series: ReadonlySet<string>): Placed {
    const named = new Set<LocatedImage>();
    let namesMissing = false;
    for (const { uid, frame } of references) {
      const images = (this.#named.get(uid) ?? []).filter(
        (image) => frame === null || image.frame === frame - 1,
      );
      if (images.length === 0) namesMissing = true;
      for (const image of images) named.add(image);
    }
    const base = { namesMissing, byPlane: false, isOffPlane: false };
    if (named.size > 0) return { ...base, ...this.#among([...named], offMm) };
    return { ...base, byPlane: true, ...this.#inPlane(frameOfReferenceUid, offMm, series) };
  }

  #among(
    named: readonly LocatedImage[],
    offMm: Sought['offMm'],
  ): { images: readonly LocatedImage[]; isOffPlane: boolean; reason: string | null } {
    const isIn = ({ projection }: LocatedImage): boolean =>
      projection !== null && offMm !== null && offMm(projection) <= this.#toleranceMm;
    const [only] = named;
    if (named.length === 1 && only) {
      const isOffPlane = only.projection !== null && offMm !== null && !isIn(only);
      return { images: named, isOffPlane, reason: null };
    }
    const images = named.filter(isIn);
    const reason = images.length > 0 ? null : 'it names several images and lies in the plane of none of them';
    return { images, isOffPlane: false, reason };
  }

  #inPlane(
    frameOfReferenceUid: string | null,
    offMm: Sought['offMm'],
    series: ReadonlySet<string>,
  ): { images: readonly LocatedImage[]; reason: string | null } {
    const none = (reason: string) => ({ images: [], reason });
    if (offMm === null) return none('it names no image that is there, and does not say where it lies');
    const space = frameOfReferenceUid ? this.#spaces.get(frameOfReferenceUid) : undefined;
    if (!space) return none('it names no image that is there, and no image is in its frame of reference');
    const near = space
      .map((image) => ({ image, mm: offMm(image.projection) }))
      .filter(({ mm }) => mm <= this.#toleranceMm);
    if (near.length === 0) return none('no image is there that it names, or in whose plane it lies');
    const asked = near.filter(({ image }) => series.has(image.seriesUid));
    const images: LocatedImage[] = [];
    const candidatesOf = new Map<string, typeof near>();
    for (const candidate of asked.length > 0 ? asked : near)
      append(candidatesOf, candidate.image.seriesUid, candidate);
    for (const candidates of candidatesOf.values()) {
      const least = Math.min(...candidates.map(({ mm }) => mm));
      const nearest = candidates.filter(({ mm }) => mm - least < SAME_PLANE_MM);
      if (nearest.length === 1) images.push(nearest[0]!.image);
    }
    return images.length > 0
      ? { images, reason: null }
      : none('several images of a series lie in its plane, and it names none of them');
  }
}

function append<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
