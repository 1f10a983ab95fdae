import type { HeaderProblem } from '../core/dicom.js';
import { firstProblems } from '../core/drawn-object.js';
import { ContoursTooLarge, ContourWriter } from '../core/found-contours.js';
import type { PlacedImage } from '../core/located-image.js';
import { NestedContours } from '../core/nested.js';
import { unpackImages } from '../core/packed-images.js';
import { placeStructureSet } from '../core/place-contours.js';
import { placeSegmentation } from '../core/place-frames.js';
import type { PlacedPart } from '../core/placement.js';
import { ImageFinder } from '../core/placing.js';
import type { Segmentation } from '../core/segment-rasters.js';
import type { StructureSet } from '../core/structure-set.js';
import { emplace } from '../core/study-files.js';
import { TouchedPlanes } from '../core/touched-planes.js';
import { TOO_MUCH_UNUSED, type UnusedPart } from '../core/unused-parts.js';
import { sha256 } from '../sha256.js';
import { withSourceFile } from './files.js';
import type { LoaderLimits, PackedUnused, PlaceOutcome, PlaceUnit, Task } from './messages.js';
import { readSegments, readStructures } from './outlines.js';
import { faultOf } from './scan.js';

/** A structure set or segmentation as it was read. */
export type Drawn =
  | { readonly type: 'rtstruct'; readonly content: StructureSet }
  | { readonly type: 'seg'; readonly content: Segmentation };

/**
 * The limit of bytes for the contours of an object as they are kept: a fixed number, and a number for each
 * byte of its file.
 */
const FREE_BYTES = 32 * 1024 * 1024;
const BYTES_PER_FILE_BYTE = 16;
/** The most contours of one object on one slice; no structure of a person has so many parts. */
const MOST_ON_SLICE = 4_096;
const TOO_MANY_ON_SLICE = `on a slice there are more than ${MOST_ON_SLICE} contours; it is left out`;

/**
 * Puts the contours of structure sets and segmentations on images. A fault of one object does not affect the
 * others. An object with more contours than its limits allow is refused as a whole.
 */
export async function place(task: Task<'place'>, limits: LoaderLimits): Promise<PlaceOutcome[]> {
  const images = unpackImages(task.images);
  const outcomes: PlaceOutcome[] = [];
  for (const unit of task.units) outcomes.push(await placeObject(task, unit, images, limits));
  return outcomes;
}

async function placeObject(
  { root, toleranceMm }: Task<'place'>,
  unit: PlaceUnit,
  images: readonly PlacedImage[],
  limits: LoaderLimits,
): Promise<PlaceOutcome> {
  try {
    const isSame = () =>
      unit.guard === null || withSourceFile(root, unit.path, ({ guard }) => guard === unit.guard);
    const drawn = isSame() ? await read(root, unit, limits) : null;
    if (drawn === null || !isSame()) return { kind: 'changed' };
    return unit.wanted.kind === 'touched'
      ? { kind: 'touched', places: touched(drawn, images, toleranceMm) }
      : placeDrawn(
          drawn,
          images,
          toleranceMm,
          Math.min(unit.wanted.limitBytes, FREE_BYTES + BYTES_PER_FILE_BYTE * unit.sizeBytes),
        );
  } catch (error) {
    if (error instanceof ContoursTooLarge)
      return { kind: 'refused', code: 'LIMIT_EXCEEDED', detail: error.message };
    const { code, detail } = faultOf(error, null);
    return { kind: 'refused', code, detail };
  }
}

async function read(root: string, { path, type }: PlaceUnit, limits: LoaderLimits): Promise<Drawn> {
  if (type === 'seg') return { type, content: await readSegments(root, path, limits) };
  return { type, content: withSourceFile(root, path, (file) => readStructures(file, limits)) };
}

function touched({ type, content }: Drawn, images: readonly PlacedImage[], toleranceMm: number): Uint32Array {
  const planes = new TouchedPlanes(images, toleranceMm);
  if (type === 'rtstruct') planes.addStructureSet(content);
  else planes.addSegmentation(content);
  return planes.places;
}

/** Puts the contours of an object on images. Throws `ContoursTooLarge`. */
export function placeDrawn(
  drawn: Drawn,
  images: readonly PlacedImage[],
  toleranceMm: number,
  limitBytes: number,
): PlaceOutcome {
  const finder = new ImageFinder(images, toleranceMm);
  const placement =
    drawn.type === 'rtstruct'
      ? placeStructureSet(drawn.content, finder, toleranceMm)
      : placeSegmentation(drawn.content, finder, toleranceMm);
  // The least size tells most objects that are too large before any work is done.
  if (placement.leastBytes > limitBytes) throw new ContoursTooLarge(limitBytes);
  const writer = new ContourWriter(limitBytes);
  const onSlice = new Uint32Array(images.length);
  const nested = new NestedRois();
  for (const part of placement.parts) {
    if (++onSlice[part.place]! > MOST_ON_SLICE)
      return { kind: 'refused', code: 'LIMIT_EXCEEDED', detail: TOO_MANY_ON_SLICE };
    writer.add(part, sha256);
    nested.add(part);
  }
  nested.finish();
  const unused = placement.unused();
  if (!unused.isWhole) return { kind: 'refused', code: 'STRUCTURE_UNUSABLE', detail: TOO_MUCH_UNUSED };
  return {
    kind: 'placed',
    contours: writer.bytes,
    structures: writer.structures,
    unused: packUnused(unused.list),
    problems: firstProblems([...nested.problems, ...placement.problems()]),
    nothing: writer.bytes.length > 0 ? null : nothingOf(drawn),
  };
}

/**
 * Counts the slices on which a CLOSED_PLANAR contour lies inside another one of its ROI; takes contours in
 * order of ROIs.
 */
class NestedRois {
  readonly problems: HeaderProblem[] = [];
  readonly #contours = new NestedContours();
  #roi = 0;
  #onSlices = new Map<number, Float64Array[]>();

  add({ place: slice, part }: PlacedPart): void {
    if (part.kind !== 'closed') return;
    if (part.roi !== this.#roi) this.finish();
    this.#roi = part.roi;
    emplace(this.#onSlices, slice, () => []).push(part.points);
  }

  finish(): void {
    const found = [...this.#onSlices.values()].map((polygons) => this.#contours.isNested(polygons));
    this.#onSlices = new Map();
    const tell = (slices: number, what: string): void => {
      if (slices > 0)
        this.problems.push({
          code: 'CONTOUR_NESTED',
          detail: `ROI ${this.#roi}: on ${slices} slice(s) ${what}`,
        });
    };
    tell(
      found.filter((isNested) => isNested === true).length,
      'a CLOSED_PLANAR contour lies inside another: filled, or a hole with mask.holes xor',
    );
    tell(
      found.filter((isNested) => isNested === null).length,
      'there are so many contours that it is not known whether one lies inside another',
    );
  }
}

function packUnused(unused: readonly UnusedPart[]): PackedUnused {
  const structures = new Map<string, number>();
  const structureOf = Uint32Array.from(unused, ({ structure }) =>
    emplace(structures, structure, () => structures.size),
  );
  return {
    places: Uint32Array.from(unused, (part) => part.place),
    structures: [...structures.keys()],
    structureOf,
    beside: Uint8Array.from(unused, ({ isBeside }) => (isBeside ? 1 : 0)),
  };
}

/** The reason why no part of an object is used. */
function nothingOf({ type, content }: Drawn): string {
  if (type === 'rtstruct')
    return content.rois.some(({ contours }) => contours.length > 0)
      ? 'no contour that it holds lies on an image of the study'
      : 'it holds no contour that can be drawn';
  if (content.rasters.length > 0) return 'no frame that it holds lies on an image of the study';
  return content.threshold === null
    ? 'no pixel of its frames is inside a segment'
    : 'no pixel of its frames reaches the threshold, which is SLICEFEED_SEGMENT_THRESHOLD of MaximumFractionalValue';
}
