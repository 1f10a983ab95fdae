import { gridOffPlane, type Projection, pointsOffPlane } from './plane.js';
import type { Segmentation } from './segment-rasters.js';
import type { StructureSet } from './structure-set.js';

/** The images that an object with contours was drawn on, found by what it holds. */
export interface DrawnOn {
  /** `name`: it names their SOPInstanceUIDs; `plane`: something of it lies in their planes, in their frame of reference. */
  readonly by: 'name' | 'plane';
  /** Paths of image files. */
  readonly images: readonly string[];
}

/** A structure set or segmentation as far as its images are looked for. */
export interface DrawnObject {
  /** SOPInstanceUIDs. */
  readonly names: readonly string[];
  /** FrameOfReferenceUIDs. */
  readonly spaces: ReadonlySet<string>;
  /** Whether a contour or frame of it lies in a plane of one of its spaces. */
  liesIn(space: string, projection: Projection): boolean;
}

export function drawnStructureSet(set: StructureSet, toleranceMm: number): DrawnObject {
  return {
    names: set.images,
    spaces: new Set(set.rois.flatMap(({ frameOfReferenceUid }) => frameOfReferenceUid ?? [])),
    liesIn: (space, projection) =>
      set.rois.some(
        ({ frameOfReferenceUid, contours }) =>
          frameOfReferenceUid === space &&
          contours.some(
            ({ first, count }) =>
              pointsOffPlane(projection, set.points, first, count, toleranceMm) <= toleranceMm,
          ),
      ),
  };
}

export function drawnSegmentation(segmentation: Segmentation, toleranceMm: number): DrawnObject {
  const { frameOfReferenceUid, frames, images } = segmentation;
  return {
    names: images,
    spaces: new Set(frameOfReferenceUid === null ? [] : [frameOfReferenceUid]),
    liesIn: (space, projection) =>
      space === frameOfReferenceUid &&
      frames.some(({ plane }) => plane && gridOffPlane(projection, plane, segmentation) <= toleranceMm),
  };
}
