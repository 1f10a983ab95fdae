import { leavesImage, meetsImage, OUTSIDE } from './on-image.js';
import type { SpanAlong } from './parallel-planes.js';
import { type Looked, type PlacedPart, type Placement, Placer } from './placement.js';
import type { ImageFinder } from './placing.js';
import { spanOfPoints, toPixels } from './plane.js';
import type { Roi, RoiContour, StructureSet } from './structure-set.js';

/** The fewest bytes of a packed point: a column and a row. */
const LEAST_POINT_BYTES = 4;

/** Puts the contours of a structure set on their images. */
export function placeStructureSet(set: StructureSet, finder: ImageFinder, toleranceMm: number): Placement {
  const placer = new Placer(finder, toleranceMm, set);
  const looked: (Looked & { readonly roi: Roi; readonly contour: RoiContour })[] = [];
  for (const roi of set.rois)
    for (const contour of roi.contours) {
      const { references, first, count, item } = contour;
      const placed = placer.find(references, {
        frameOfReferenceUid: roi.frameOfReferenceUid,
        spanAlong: (normal, mostMm) => spanOfPoints(set.points, first, count, normal, mostMm),
      });
      const one = {
        roi,
        contour,
        unit: roi.item,
        structure: roi.structure,
        where: `ROI ${roi.item}: contour`,
        item,
        placed,
      };
      looked.push(one);
    }
  const settled = placer.settle(looked);
  const leastBytes = settled.reduce(
    (sum, { placed, contour }) => sum + placed.images.length * contour.count * LEAST_POINT_BYTES,
    0,
  );
  for (const one of set.lost) {
    const { references, frameOfReferenceUid, first, count } = one;
    const span: SpanAlong = (normal, mostMm) => spanOfPoints(set.points, first, count, normal, mostMm);
    const spanAlong = count > 0 ? span : null;
    placer.lose(one, placer.find(references, { frameOfReferenceUid, spanAlong }), count === 0);
  }
  function* parts(): Iterable<PlacedPart> {
    for (const one of settled) {
      const { roi, contour, structure, where, item, placed } = one;
      for (const image of placer.imagesOf(one)) {
        const points =
          image.projection && toPixels(image.projection, set.points, contour.first, contour.count);
        if (!points?.every(Number.isFinite)) {
          const [code, detail] = points
            ? (['CONTOUR_NOT_A_NUMBER', 'its coordinates are beyond all bounds; left out'] as const)
            : (['CONTOUR_WITHOUT_PLACE', 'its image does not say where it lies; left out'] as const);
          placer.problems.add(code, where, item, detail);
          placer.unused.addImages([image], structure, code, false);
          continue;
        }
        if (!meetsImage(points, image)) {
          placer.problems.add('CONTOUR_OUTSIDE', where, item, OUTSIDE);
          placer.unused.addImages([image], structure, 'CONTOUR_OUTSIDE', true);
          continue;
        }
        if (leavesImage(points, image))
          placer.problems.add('CONTOUR_OUTSIDE', where, item, 'the mask is clipped to the image');
        const part = { kind: contour.type, roi: roi.item, points } as const;
        yield { place: image.place, structure, part, offMm: placed.offMm ?? 0 };
      }
    }
  }
  return { leastBytes, parts: parts(), problems: () => placer.problems.list, unused: () => placer.unused };
}
