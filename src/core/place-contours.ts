import type { LocatedImage } from './located-image.js';
import { leavesImage, meetsImage, missProblem } from './on-image.js';
import type { SpanAlong } from './parallel-planes.js';
import { type Looked, type PlacedPart, type Placement, Placer } from './placement.js';
import type { ImageFinder } from './placing.js';
import { spanOfPoints, toPixels } from './plane.js';
import type { Roi, RoiContour, StructureSet } from './structure-set.js';
import { emplace } from './study-files.js';

/** The fewest bytes of a packed point: a column and a row. */
const LEAST_POINT_BYTES = 4;

/** A contour that was looked for. */
type LookedContour = Looked & { readonly roi: Roi; readonly contour: RoiContour };

/** A contour with its points on an image. */
interface Drawn {
  readonly one: LookedContour;
  readonly image: LocatedImage;
  readonly points: Float64Array;
}

/** Puts the contours of a structure set on their images. */
export function placeStructureSet(set: StructureSet, finder: ImageFinder, toleranceMm: number): Placement {
  const placer = new Placer(finder, toleranceMm, set);
  const looked: LookedContour[] = [];
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
  /** Contours that together enclose nothing on their image. */
  const miss = (drawn: readonly Drawn[]): void => {
    const { code, detail } = missProblem(drawn.map(({ points }) => points));
    for (const { one, image } of drawn) {
      placer.problems.add(code, one.where, one.item, detail);
      placer.unused.addImages([image], one.structure, code, true);
    }
  };
  const partOf = ({ one, image, points }: Drawn): PlacedPart => {
    const { roi, contour, structure, where, item, placed } = one;
    if (leavesImage(points, image))
      placer.problems.add('CONTOUR_OUTSIDE', where, item, 'the mask is clipped to the image');
    const part = { kind: contour.type, roi: roi.item, points } as const;
    return { place: image.place, structure, part, offMm: placed.offMm ?? 0 };
  };
  function* parts(): Iterable<PlacedPart> {
    const joint = new Map<string, Drawn[]>();
    for (const one of settled) {
      const { roi, contour, structure, where, item } = one;
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
        const drawn = { one, image, points };
        if (!meetsImage([points], image)) miss([drawn]);
        else if (contour.type === 'xor')
          emplace(joint, `${image.place} ${roi.item}`, (): Drawn[] => []).push(drawn);
        else yield partOf(drawn);
      }
    }
    // Only together do they tell what they enclose.
    for (const drawn of joint.values()) {
      const region = drawn.map(({ points }) => points);
      if (meetsImage(region, drawn[0]!.image)) yield* drawn.map(partOf);
      else miss(drawn);
    }
  }
  return { leastBytes, parts: parts(), problems: () => placer.problems.list, unused: () => placer.unused };
}
