import type { HeaderProblem } from './dicom.js';
import { leavesImage, meetsImage, rasterMeetsImage } from './on-image.js';
import type { Part } from './part.js';
import type { ImageFinder, LocatedImage, Placed } from './placing.js';
import {
  greatestShift,
  gridOffPlane,
  type Plane,
  pixelsBetween,
  pointsOffPlane,
  projectionOf,
  toPixels,
} from './plane.js';
import { ProblemList } from './problem-list.js';
import type { Segmentation } from './segment-rasters.js';
import type { ImageReference, StructureSet } from './structure-set.js';

/** A part of a structure with the image that it lies on, by its place in the list of images. */
export interface PlacedPart {
  readonly place: number;
  readonly structure: string;
  readonly part: Part;
}

/** What was made of a source: parts as they come, then its problems. */
export interface Placement {
  readonly parts: Iterable<PlacedPart>;
  /** To be asked for when all parts were taken. */
  readonly problems: () => readonly HeaderProblem[];
}

/** Said of a contour or a frame's segment that is on no pixel of its image. */
const OUTSIDE = 'no pixel of its image is inside it; left out';

/** Puts the contours of a structure set on their images. */
export function placeStructureSet(set: StructureSet, finder: ImageFinder, toleranceMm: number): Placement {
  const problems = new ProblemList();
  const series = new Set(set.series);
  function* parts(): Iterable<PlacedPart> {
    for (const roi of set.rois)
      for (const contour of roi.contours) {
        const { first, count, item, type } = contour;
        const where = `ROI ${roi.item}: contour`;
        const placed = finder.find(
          {
            references: named(contour.references, set.images),
            frameOfReferenceUid: roi.frameOfReferenceUid,
            offMm: (projection) => pointsOffPlane(projection, set.points, first, count, toleranceMm),
          },
          series,
        );
        report(problems, placed, where, item);
        for (const image of placed.images) {
          if (image.projection === null) {
            problems.add(
              'CONTOUR_WITHOUT_PLACE',
              where,
              item,
              'its image does not say where it lies; left out',
            );
            continue;
          }
          const points = toPixels(image.projection, set.points, first, count);
          if (!points.every(Number.isFinite)) {
            problems.add(
              'CONTOUR_NOT_A_NUMBER',
              where,
              item,
              'its coordinates are beyond all bounds; left out',
            );
            continue;
          }
          if (!meetsImage(points, image)) {
            problems.add('CONTOUR_OUTSIDE', where, item, OUTSIDE);
            continue;
          }
          if (leavesImage(points, image))
            problems.add('CONTOUR_OUTSIDE', where, item, 'the mask is clipped to the image');
          yield { place: image.place, structure: roi.structure, part: { kind: type, roi: roi.item, points } };
        }
      }
  }
  return { parts: parts(), problems: () => problems.list };
}

/** Puts the frames of a segmentation on their images. */
export function placeSegmentation(segmentation: Segmentation, finder: ImageFinder): Placement {
  const problems = new ProblemList();
  const series = new Set(segmentation.series);
  const { rows, columns, frames, segments, runs } = segmentation;
  function* parts(): Iterable<PlacedPart> {
    let last = -1;
    let images: { image: LocatedImage; matrix: readonly number[] | null }[] = [];
    for (const { segment, frame, first, count } of segmentation.rasters) {
      if (frame !== last) {
        last = frame;
        const { plane, references } = frames[frame]!;
        const placed = finder.find(
          {
            references: named(references, segmentation.images),
            frameOfReferenceUid: segmentation.frameOfReferenceUid,
            offMm: plane && ((projection) => gridOffPlane(projection, plane, segmentation)),
          },
          series,
        );
        report(problems, placed, 'frame', frame + 1);
        images = placed.images.flatMap((image) => gridOn(image, plane, frame + 1));
      }
      for (const { image, matrix } of images) {
        const raster = { rows, columns, matrix, runs: runs.subarray(2 * first, 2 * (first + count)) };
        if (!rasterMeetsImage(raster, image)) {
          problems.add('CONTOUR_OUTSIDE', 'frame', frame + 1, OUTSIDE);
          continue;
        }
        yield {
          place: image.place,
          structure: segments[segment]!.structure,
          part: { kind: 'raster', raster },
        };
      }
    }
  }
  /** How an image's pixels lie on the frame's; nothing, with a problem, where that is not known. */
  function gridOn(
    image: LocatedImage,
    plane: Plane | null,
    frame: number,
  ): { image: LocatedImage; matrix: readonly number[] | null }[] {
    const isSameSize = image.rows === rows && image.columns === columns;
    const projection = plane && projectionOf(plane);
    if (!image.plane || !projection) {
      if (isSameSize) return [{ image, matrix: null }];
      problems.add(
        'SEGMENTATION_GRID',
        'frame',
        frame,
        'it has another size than its image and nothing says how they lie; left out',
      );
      return [];
    }
    const matrix = pixelsBetween(image.plane, projection);
    // With less than half a pixel between them, the nearest pixel of each is the one of the same row and column.
    if (isSameSize && greatestShift(matrix, segmentation) < 0.5) return [{ image, matrix: null }];
    problems.add(
      'SEGMENTATION_GRID',
      'frame',
      frame,
      'its pixels lie elsewhere than those of its image: each of those takes the nearest',
    );
    return [{ image, matrix }];
  }
  return { parts: parts(), problems: () => problems.list };
}

function named(references: readonly ImageReference[], images: readonly string[]) {
  return references.map(({ image, frame }) => ({ uid: images[image]!, frame }));
}

function report(problems: ProblemList, placed: Placed, where: string, item: number): void {
  const { namesMissing, byPlane, isOffPlane, reason } = placed;
  if (namesMissing) {
    const otherwise = reason !== null ? 'left out' : byPlane ? 'placed by its plane' : 'placed on the others';
    problems.add('CONTOUR_WITHOUT_IMAGE', where, item, `it names an image that is not there; ${otherwise}`);
  } else if (reason !== null) problems.add('CONTOUR_WITHOUT_PLACE', where, item, `${reason}; left out`);
  if (isOffPlane)
    problems.add(
      'CONTOUR_OFF_PLANE',
      where,
      item,
      'it lies off the plane of the image that it names; it is dropped upon it',
    );
}
