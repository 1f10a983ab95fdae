import { ParallelPlanes, type SpanAlong } from './parallel-planes.js';
import { distanceFromOrigin, type Plane, type Projection } from './plane.js';

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

/** An image whose plane is known. */
export type Solid = LocatedImage & { readonly projection: Projection };

export function newPlanes(): ParallelPlanes<Solid> {
  return new ParallelPlanes();
}

export function planesOf(images: Iterable<Solid>): ParallelPlanes<Solid> {
  const planes = newPlanes();
  for (const image of images) planes.add(image.projection, image);
  return planes;
}

export function isSolid(image: LocatedImage): image is Solid {
  return image.projection !== null;
}

export function seriesKey({ frameOfReferenceUid, seriesUid }: PlacedImage): string {
  return `${frameOfReferenceUid} ${seriesUid}`;
}

/** How far the farthest point lies off an image's plane, in mm: below zero on the side against its normal. */
export function heightOver({ projection }: Solid, spanAlong: SpanAlong): number {
  const span = spanAlong(projection.normal, Number.POSITIVE_INFINITY);
  if (span === null) return 0;
  const at = distanceFromOrigin(projection);
  const [low, high] = [span.low - at, span.high - at];
  return low + high < 0 ? low : high;
}
