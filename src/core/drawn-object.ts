import { offPlaneMm, type Projection, spanOfGrid, spanOfPoints } from './plane.js';
import type { Segmentation } from './segment-rasters.js';
import type { StructureSet } from './structure-set.js';

/** The images that an object with contours was drawn on, found by what it holds. */
export interface DrawnOn {
  /** `name`: it names their SOPInstanceUIDs; `plane`: something of it lies in their planes, in their frame of reference. */
  readonly by: 'name' | 'plane';
  /** Paths of image files. */
  readonly images: readonly string[];
}

/** What a structure set or segmentation says of where it was drawn. */
export interface DrawnObject {
  /** SOPInstanceUIDs. */
  readonly names: readonly string[];
  /** FrameOfReferenceUIDs. */
  readonly spaces: ReadonlySet<string>;
}

export function drawnStructureSet({ images, rois }: Pick<StructureSet, 'images' | 'rois'>): DrawnObject {
  return {
    names: images,
    spaces: new Set(rois.flatMap(({ frameOfReferenceUid }) => frameOfReferenceUid ?? [])),
  };
}

export function drawnSegmentation({
  images,
  frameOfReferenceUid,
}: Pick<Segmentation, 'images' | 'frameOfReferenceUid'>): DrawnObject {
  return { names: images, spaces: new Set(frameOfReferenceUid === null ? [] : [frameOfReferenceUid]) };
}

/** Whether a contour of the structure set lies in a plane of this space. */
export function contoursLieIn(
  { rois, points }: StructureSet,
  space: string,
  projection: Projection,
  toleranceMm: number,
): boolean {
  const isIn = ({ first, count }: { readonly first: number; readonly count: number }) =>
    offPlaneMm(projection, spanOfPoints(points, first, count, projection.normal, 2 * toleranceMm)) <=
    toleranceMm;
  return rois.some(
    ({ frameOfReferenceUid, contours }) => frameOfReferenceUid === space && contours.some(isIn),
  );
}

/** Whether a frame of the segmentation lies in a plane of this space. */
export function framesLieIn(
  segmentation: Segmentation,
  space: string,
  projection: Projection,
  toleranceMm: number,
): boolean {
  return (
    segmentation.frameOfReferenceUid === space &&
    segmentation.frames.some(
      ({ plane }) =>
        plane !== null &&
        offPlaneMm(projection, spanOfGrid(plane, segmentation, projection.normal, 2 * toleranceMm)) <=
          toleranceMm,
    )
  );
}
