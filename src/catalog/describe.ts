import { imageName } from '../core/contour-name.js';
import { type FoundContour, foundContour } from '../core/found-contours.js';
import { guardedSizeBytes } from '../core/guard.js';
import type { SliceId } from '../core/ids.js';
import type { PlacedImage } from '../core/located-image.js';
import { numberImages } from '../core/numbered-images.js';
import { leavesImage, meetsImage, missProblem } from '../core/on-image.js';
import { planeOf } from '../core/plane.js';
import type { Problem } from '../core/problem.js';
import {
  type ArrangedSlice,
  arrangeSlices,
  dropCopies,
  type FoundImage,
  numberedSlices,
} from '../core/slices.js';
import { byCodeUnit, type ContourFile, emplace, type StudyFiles } from '../core/study-files.js';
import { sha256 } from '../sha256.js';
import type { FoundFiles } from './files.js';
import { type ContourSource, type OutlineObject, Outlines, type TextContour } from './outlines.js';
import type { Report } from './problems.js';
import type { FoundSlice } from './revision.js';
import type { PlaceFile } from './scan-loaders.js';
import type { LostPart } from './settled-sources.js';
import { inTurns, othersTurn, Turns } from './turns.js';

/** An image file of a study with what the catalogue keeps of it. */
interface StudyImage extends FoundImage {
  readonly number: number | null;
  readonly guard: string;
  readonly patient: string | null;
  readonly generations: readonly (number | null)[] | null;
}

type StudySlice = ArrangedSlice<StudyImage>;
/** Text contours by the slice that they lie on. */
type Texts = ReadonlyMap<SliceId, readonly TextContour[]>;

/** What a study is: its slices in canonical order, and every problem of its files. */
export interface DescribedStudy {
  readonly slices: readonly FoundSlice[];
  /** Whether an object of the study that may hold contours could not be read. */
  readonly isUnread: boolean;
  /** SHA-256 of each patient's id that its images name, in order. */
  readonly patients: readonly string[];
  readonly sources: readonly ContourSource[];
  readonly problems: readonly Problem[];
}

/**
 * Joins what pairing said of a study with what was read of its files: first its slices, a file of several frames giving one each, then
 * the structures on them, source by source, whose contours `place` puts on them in loader children.
 */
export async function describeStudy(
  study: StudyFiles,
  files: FoundFiles,
  place: PlaceFile,
): Promise<DescribedStudy> {
  const problems: Problem[] = [...study.problems];
  const report: Report = (code, file, detail) => problems.push({ code, file, detail });
  // Thousands of slices take long enough in each step that others get their turn between.
  const images = await readImages(study, files, report);
  await othersTurn();
  const arranged = arrange(study, images, problems);
  const { slices } = arranged;
  await othersTurn();
  const outlines = new Outlines(await inTurns(slices, placed), place, report);
  const texts = await textContours(study, arranged, files, report);
  outlines.addTexts(texts.drawn, texts.lost);
  await othersTurn();
  await outlines.addObjects(await outlineObjects(study, files, report));
  await outlines.settle();
  const isUnread = (await tellUnread(study, files, report)) || outlines.isUnread;
  const { drawn, unusable } = outlines;
  const patients = new Set<string>();
  const found = await inTurns(
    slices,
    ({ slice, image, frame, header }): FoundSlice => {
      if (image.patient !== null) patients.add(image.patient);
      return {
        slice,
        path: image.path,
        guard: image.guard,
        frame,
        header,
        headerDigest: image.headerDigest,
        checksum: image.checksums?.[frame] ?? null,
        generation: image.generations?.[frame] ?? null,
        contours: inOrder(drawn.get(slice) ?? []),
        unusable: unusable.get(slice)?.structures ?? [],
        lost: unusable.get(slice)?.lost ?? [],
      };
    },
    ({ slice }) => 1 + (drawn.get(slice)?.length ?? 0),
  );
  const sources = await outlines.sources();
  return { slices: found, isUnread, patients: [...patients].sort(), sources, problems };
}

/** By structure, whatever the files were named; those of one structure as they come. */
function inOrder(contours: readonly FoundContour[]): readonly FoundContour[] {
  return [...contours].sort((a, b) => byCodeUnit(a.structure, b.structure));
}

/** A slice as far as contours find it. */
function placed({ slice, frame, header }: StudySlice): PlacedImage & { readonly slice: SliceId } {
  const { sopInstanceUid, seriesUid, frameOfReferenceUid, rows, columns } = header;
  const plane = planeOf(header.position, header.orientation, header.spacingMm);
  return { slice, sopInstanceUid, frame, seriesUid, frameOfReferenceUid, plane, rows, columns };
}

async function readImages(study: StudyFiles, files: FoundFiles, report: Report): Promise<StudyImage[]> {
  const images: StudyImage[] = [];
  const unused = new Map<string, { readonly path: string; others: number }>();
  const turns = new Turns();
  for (const { path, number } of study.images) {
    if (turns.isOver(0)) await othersTurn();
    const known = files.get(path);
    if (known?.finding.kind === 'refused') report(known.finding.code, path, known.finding.detail);
    if (known?.finding.kind !== 'image') continue;
    const { guard, generations, finding } = known;
    for (const { code, detail } of finding.header.notes) {
      const first = unused.get(detail);
      if (code !== 'SCALING_NOT_USED') report(code, path, detail);
      else if (first) first.others++;
      else unused.set(detail, { path, others: 0 });
    }
    images.push({ ...finding, path, number, guard, generations, sizeBytes: guardedSizeBytes(guard) });
  }
  // Every image of a scanner has it, and once is enough to say.
  for (const [detail, { path, others }] of unused)
    report('SCALING_NOT_USED', path, others > 0 ? `${detail}; ${others} other images have it too` : detail);
  return images;
}

/** The slices of a study, and its images by the numbers that contours name them by. */
interface Arranged {
  /** In canonical order. */
  readonly slices: readonly StudySlice[];
  readonly numbers: ReadonlyMap<number, StudyImage>;
  /** For numbers that name no image for certain: those that they may mean. */
  readonly candidates: ReadonlyMap<number, readonly StudyImage[]>;
}

function arrange(study: StudyFiles, images: readonly StudyImage[], problems: Problem[]): Arranged {
  if (study.rule === 'numbers') {
    const numbers = new Map(
      images.flatMap((image) => (image.number === null ? [] : [[image.number, image] as const])),
    );
    return { slices: numberedSlices(numbers), numbers, candidates: new Map() };
  }
  const single = dropCopies(images);
  const numbered = numberImages(single.images, study.contours);
  for (const problem of single.problems) problems.push(problem);
  for (const problem of numbered.problems) problems.push(problem);
  const candidates = new Map([...numbered.candidates].map(([number, open]) => [number, [...open]]));
  // A number that only a copy has may mean the image that is used in its place.
  for (const [copy, used] of single.copies)
    for (const number of [imageName(copy.path)?.number, copy.header.instanceNumber])
      if (number != null) candidates.get(number)?.push(used);
  const { slices, problems: order } = arrangeSlices(single.images, numbered.images, sha256);
  for (const problem of order) problems.push(problem);
  return { slices, numbers: numbered.images, candidates };
}

/** The contours of text files, which name their image by its number, and those that cannot be used. */
async function textContours(
  study: StudyFiles,
  { slices, numbers, candidates }: Arranged,
  files: FoundFiles,
  report: Report,
): Promise<{ readonly drawn: Texts; readonly lost: readonly Omit<LostPart, 'source'>[] }> {
  const drawn = new Map<SliceId, TextContour[]>();
  const lost: Omit<LostPart, 'source'>[] = [];
  const turns = new Turns();
  const slicesOf = new Map<StudyImage, StudySlice[]>();
  for (const slice of slices) emplace(slicesOf, slice.image, () => []).push(slice);
  const lose = ({ structure }: ContourFile, images: Iterable<StudyImage>) => {
    for (const image of images)
      for (const { slice } of slicesOf.get(image) ?? []) lost.push({ slice, structure, isBeside: true });
  };
  const leftOut = new Map(
    study.images.flatMap(({ path, number }) => (number === null ? [] : [[number, path]])),
  );
  for (const contour of study.doubtful ?? []) lose(contour, imagesOf(contour.number));
  for (const contour of study.contours) {
    if (turns.isOver(0)) await othersTurn();
    const { path, number, structure } = contour;
    const image = numbers.get(number);
    const [slice, ...others] = (image && slicesOf.get(image)) ?? [];
    if (!slice) {
      lose(contour, imagesOf(number));
      const gone = leftOut.get(number);
      if (gone !== undefined) report('CONTOUR_WITHOUT_IMAGE', path, `its image ${gone} was left out`);
      continue;
    }
    const points =
      others.length > 0
        ? unframed(contour, slice.image, report)
        : readContour(path, files, slice.header, report);
    if (points === null) {
      lose(contour, [slice.image]);
      continue;
    }
    const found = foundContour(structure, { kind: 'text', points }, sha256);
    emplace(drawn, slice.slice, () => []).push({ file: path, contour: found });
  }
  return { drawn, lost };

  function imagesOf(number: number): readonly StudyImage[] {
    const image = numbers.get(number);
    return image ? [image] : (candidates.get(number) ?? []);
  }
}

function unframed({ path }: ContourFile, { header }: StudyImage, report: Report): null {
  report('CONTOUR_WITHOUT_IMAGE', path, `its image has ${header.frames} frames: which one is not said`);
  return null;
}

/** Tells of structure sets and segmentations that could not be read: what they hold may be anywhere in the study. */
async function tellUnread(study: StudyFiles, files: FoundFiles, report: Report): Promise<boolean> {
  let isUnread = false;
  const turns = new Turns();
  for (const path of [...study.images.map((image) => image.path), ...study.objects]) {
    if (turns.isOver(0)) await othersTurn();
    const finding = files.get(path)?.finding;
    if (finding?.kind !== 'refused') continue;
    const { kind = null } = finding.object ?? {};
    const isUnknown =
      finding.code === 'FILE_UNREADABLE' && finding.object === null && imageName(path) === null;
    if (kind !== 'RTSTRUCT' && kind !== 'SEG' && !isUnknown) continue;
    isUnread = true;
    report('STRUCTURE_UNUSABLE', path, `this ${kind ?? 'file'} cannot be read: ${LEAVE_OUT}`);
  }
  const [first, ...others] = study.unread ?? [];
  if (first === undefined) return isUnread;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  report(
    'STRUCTURE_UNUSABLE',
    first,
    `it is in no study and may hold contours of this one${more}: ${LEAVE_OUT}; make it readable, or take it away`,
  );
  return true;
}

const LEAVE_OUT = 'sessions with missing "empty" leave out the slices of the study that lack a structure';

/** The structure sets and segmentations among the study's objects; what is neither has no contours and is told of. */
async function outlineObjects(
  study: StudyFiles,
  files: FoundFiles,
  report: Report,
): Promise<OutlineObject[]> {
  const objects: OutlineObject[] = [];
  for (const path of study.objects) {
    await othersTurn();
    const finding = files.get(path)?.finding;
    if (finding?.kind === 'object' || finding?.kind === 'refused') report(finding.code, path, finding.detail);
    if (finding?.kind === 'drawn') objects.push({ path, drawn: finding.drawn });
  }
  return objects;
}

function readContour(
  path: string,
  files: FoundFiles,
  image: { readonly rows: number; readonly columns: number },
  report: Report,
): Float64Array | null {
  const finding = files.get(path)?.finding;
  if (finding?.kind === 'refused') report(finding.code, path, finding.detail);
  if (finding?.kind !== 'contour') return null;
  const { contour } = finding;
  if (!contour.ok) {
    report(contour.problem.code, path, contour.problem.detail);
    return null;
  }
  for (const { code, detail } of contour.problems) report(code, path, detail);
  if (!meetsImage([contour.points], image, true)) {
    const { code, detail } = missProblem([contour.points]);
    report(code, path, detail);
    return null;
  }
  if (leavesImage(contour.points, image)) report('CONTOUR_OUTSIDE', path, 'the mask is clipped to the image');
  return contour.points;
}
