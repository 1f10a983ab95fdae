import type { PlacedImage } from './located-image.js';
import { ParallelPlanes, type SpanAlong } from './parallel-planes.js';
import { projectionOf, spanOfGrid, spanOfPoints } from './plane.js';
import type { Segmentation } from './segment-rasters.js';
import type { StructureSet } from './structure-set.js';
import { emplace } from './study-files.js';

/** Finds the images in whose planes, and frame of reference, a part of an object lies. */
export class TouchedPlanes {
  readonly #spaces = new Map<string, ParallelPlanes<number>>();
  readonly #toleranceMm: number;
  readonly #touched = new Set<number>();

  constructor(images: readonly PlacedImage[], toleranceMm: number) {
    this.#toleranceMm = toleranceMm;
    for (const [place, { frameOfReferenceUid: space, plane }] of images.entries()) {
      const projection = plane && projectionOf(plane);
      if (space && projection)
        emplace(this.#spaces, space, () => new ParallelPlanes<number>()).add(projection, place);
    }
  }

  /** The places of the images that were found, in ascending order. */
  get places(): Uint32Array {
    return Uint32Array.from(this.#touched).sort();
  }

  addStructureSet({ rois, points }: StructureSet): void {
    for (const { frameOfReferenceUid, contours } of rois)
      for (const { first, count } of contours)
        this.#add(frameOfReferenceUid, (normal, mostMm) =>
          spanOfPoints(points, first, count, normal, mostMm),
        );
  }

  addSegmentation(segmentation: Segmentation): void {
    for (const { plane } of segmentation.frames)
      if (plane)
        this.#add(segmentation.frameOfReferenceUid, (normal, mostMm) =>
          spanOfGrid(plane, segmentation, normal, mostMm),
        );
  }

  #add(space: string | null, spanAlong: SpanAlong): void {
    const planes = this.#spaces.get(space ?? '');
    for (const { item } of planes?.within(spanAlong, this.#toleranceMm) ?? []) this.#touched.add(item);
  }
}
