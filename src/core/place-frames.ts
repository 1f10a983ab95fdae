import type { LocatedImage } from './located-image.js';
import { OUTSIDE, rasterMeetsImage } from './on-image.js';
import type { Placed } from './placed.js';
import { type Looked, type PlacedPart, type Placement, Placer } from './placement.js';
import type { ImageFinder } from './placing.js';
import { type Grid, greatestShift, type Plane, pixelsBetween, projectionOf, spanOfGrid } from './plane.js';
import type { Segmentation, SegmentRaster } from './segment-rasters.js';
import { emplace } from './study-files.js';

const RUN_BYTES = 8;

/** Puts the frames of a segmentation on their images. */
export function placeSegmentation(
  segmentation: Segmentation,
  finder: ImageFinder,
  toleranceMm: number,
): Placement {
  const { rows, columns, frames, segments, runs, rasters, frameOfReferenceUid } = segmentation;
  const placer = new Placer(finder, toleranceMm, segmentation);
  const placedOf = new Map<number, Placed>();
  const placedFrame = (frame: number): Placed =>
    emplace(placedOf, frame, () => {
      const { plane, references } = frames[frame]!;
      return placer.find(references, {
        frameOfReferenceUid,
        spanAlong: plane && ((normal, mostMm) => spanOfGrid(plane, segmentation, normal, mostMm)),
      });
    });
  const looked = rasters.map((raster): Looked & { readonly raster: SegmentRaster } => {
    const { frame, segment } = raster;
    const placed = placedFrame(frame);
    const { structure, item } = segments[segment]!;
    return { raster, unit: item, structure, where: 'frame', item: frame + 1, placed };
  });
  const settled = placer.settle(looked);
  const leastBytes = settled.reduce(
    (sum, { placed, raster }) => sum + placed.images.length * raster.count * RUN_BYTES,
    0,
  );
  for (const { frame, structures, code } of segmentation.lost)
    for (const structure of structures)
      placer.lose({ structure, code, isEmpty: false }, placedFrame(frame), frames[frame]!.plane === null);
  function* parts(): Iterable<PlacedPart> {
    for (const one of settled) {
      const { structure, placed, raster } = one;
      const { plane } = frames[raster.frame]!;
      const own = runs.subarray(2 * raster.first, 2 * (raster.first + raster.count));
      for (const image of placer.imagesOf(one)) {
        const grid = gridOn(image, plane, segmentation);
        if (grid.detail !== null) placer.problems.add('SEGMENTATION_GRID', 'frame', one.item, grid.detail);
        if (grid.matrix === undefined) {
          placer.unused.addImages([image], structure, 'SEGMENTATION_GRID', false);
          continue;
        }
        const onGrid = { rows, columns, matrix: grid.matrix, runs: own };
        if (!rasterMeetsImage(onGrid, image)) {
          placer.problems.add('CONTOUR_OUTSIDE', 'frame', one.item, OUTSIDE);
          placer.unused.addImages([image], structure, 'CONTOUR_OUTSIDE', true);
          continue;
        }
        const part = { kind: 'raster', raster: onGrid } as const;
        yield { place: image.place, structure, part, offMm: placed.offMm ?? 0 };
      }
    }
  }
  return { leastBytes, parts: parts(), problems: () => placer.problems.list, unused: () => placer.unused };
}

/**
 * How an image's pixels lie on a frame's. `matrix`: as in `Raster`, undefined if it is unknown; `detail`: the
 * problem, if any.
 */
function gridOn(
  image: LocatedImage,
  plane: Plane | null,
  grid: Grid,
): { readonly matrix: readonly number[] | null | undefined; readonly detail: string | null } {
  const isSameSize = image.rows === grid.rows && image.columns === grid.columns;
  const projection = plane && projectionOf(plane);
  if (!image.plane || !projection) {
    if (isSameSize) return { matrix: null, detail: null };
    const detail = 'it has another size than its image and nothing says how they lie; left out';
    return { matrix: undefined, detail };
  }
  const matrix = pixelsBetween(image.plane, projection);
  // If they are less than half a pixel apart, the nearest pixel of each is the one with the same row and
  // column.
  if (isSameSize && greatestShift(matrix, grid) < 0.5) return { matrix: null, detail: null };
  return {
    matrix,
    detail: 'its pixels lie elsewhere than those of its image: each of those takes the nearest',
  };
}
