import type { ImageHeader } from './dicom.js';
import { type FrameDescription, headerOfFrame } from './dicom-frames.js';
import type { Timing } from './dicom-timing.js';
import { isNative } from './dicom-uids.js';
import { isId, type SliceId } from './ids.js';
import { normalOf } from './normal.js';
import type { Problem } from './problem.js';
import { byCodeUnit, emplace } from './study-files.js';

/** An image file as a scan found it. */
export interface FoundImage {
  readonly path: string;
  readonly header: ImageHeader;
  readonly timing: Timing;
  readonly frames: readonly FrameDescription[] | null;
  readonly headerDigest: string;
  readonly sizeBytes: number;
  /** Of each frame's pixels, where they were read. */
  readonly checksums: readonly number[] | null;
}

/** One frame of a file under its id, with the header that holds for it. */
export interface ArrangedSlice<Image extends FoundImage = FoundImage> {
  readonly slice: SliceId;
  readonly image: Image;
  readonly frame: number;
  readonly header: ImageHeader;
}

/** Places nearer than this along the normal are one place: header texts round. */
const SAME_PLACE_MM = 1e-3;

/**
 * Of several files with one SOPInstanceUID the one that is used, an uncompressed one before others; the others are problems. Names and
 * order of files do not count.
 */
export function dropCopies<Image extends FoundImage>(
  images: readonly Image[],
): {
  readonly images: readonly Image[];
  /** For each of the others the one that is used. */
  readonly copies: ReadonlyMap<Image, Image>;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const copies = new Map<Image, Image>();
  const kept = new Map<string, Image>();
  for (const image of [...images].sort(byContent)) {
    const key = identifierOf(image);
    const used = kept.get(key);
    if (used === undefined) kept.set(key, image);
    else {
      copies.set(image, used);
      problems.push(copyOf(image, used));
    }
  }
  return {
    images: [...kept.values()],
    copies,
    problems: problems.sort((a, b) => byCodeUnit(a.file ?? '', b.file ?? '')),
  };
}

/** The slices of a study whose folder numbers its images: each file's number is its slice's id, and their order. */
export function numberedSlices<Image extends FoundImage>(
  images: ReadonlyMap<number, Image>,
): ArrangedSlice<Image>[] {
  const ordered = [...images].sort(([a], [b]) => a - b);
  return ordered.flatMap(([number, image]) =>
    framesOf(image).map((frame) => arranged(image, frame, `${number}${suffixOf(image, frame)}`)),
  );
}

/**
 * The slices of a study in canonical order: by SeriesNumber and SeriesInstanceUID, inside a series by place along the normal of
 * the image plane, then by the time of trigger, acquisition and content, temporal position, InstanceNumber,
 * SOPInstanceUID and frame; what is not known comes last. Images come from `dropCopies`. A slice's id is the number of its image where
 * `numbers` has one, else its SOPInstanceUID, else a hash of it; `hash` is a digest in hexadecimal digits.
 */
export function arrangeSlices<Image extends FoundImage>(
  images: readonly Image[],
  numbers: ReadonlyMap<number, Image>,
  hash: (text: string) => string,
): ArrangedSlice<Image>[] {
  const numberOf = new Map([...numbers].map(([number, image]) => [image, number]));
  const series = new Map<string, Placed<Image>[]>();
  for (const image of images) {
    const { seriesNumber, seriesUid } = image.header;
    const placed = emplace(series, `${seriesNumber} ${seriesUid}`, () => []);
    for (const frame of framesOf(image)) placed.push(place(image, frame));
  }
  const ids = new Set<string>();
  const ordered = [...series.values()].sort(([a], [b]) => bySeries(a!.header, b!.header));
  return ordered.flatMap(inSeries).map(({ image, frame }) => {
    const key = identifierOf(image);
    const suffix = suffixOf(image, frame);
    const names = [numberOf.get(image)?.toString(), key, `slice-${hash(key).slice(0, 16)}`];
    const id = names
      .map((name) => (name === undefined ? '' : `${name}${suffix}`))
      .find((each) => isId(each) && !ids.has(each));
    if (id === undefined) throw new Error('two images of a study have one hash');
    ids.add(id);
    return arranged(image, frame, id);
  });
}

function framesOf({ header }: FoundImage): number[] {
  return Array.from({ length: header.frames }, (_, frame) => frame);
}

function suffixOf({ header }: FoundImage, frame: number): string {
  return header.frames === 1 ? '' : `.f${frame + 1}`;
}

function arranged<Image extends FoundImage>(image: Image, frame: number, id: string): ArrangedSlice<Image> {
  return { slice: id as SliceId, image, frame, header: headerOfFrame(image.header, image.frames, frame) };
}

/** SOPInstanceUID; of a file without one, what is in it. */
function identifierOf({ header, headerDigest, checksums }: FoundImage): string {
  return header.sopInstanceUid === '' ? `?${headerDigest} ${checksums?.join() ?? ''}` : header.sopInstanceUid;
}

/** Of files with one identifier: uncompressed ones first, then whichever, but the same on every machine. */
function byContent(a: FoundImage, b: FoundImage): number {
  return (
    Number(isNative(b.header.transferSyntax)) - Number(isNative(a.header.transferSyntax)) ||
    byCodeUnit(a.headerDigest, b.headerDigest) ||
    a.sizeBytes - b.sizeBytes ||
    byCodeUnit(a.checksums?.join() ?? '', b.checksums?.join() ?? '') ||
    byCodeUnit(a.path, b.path)
  );
}

function copyOf(image: FoundImage, used: FoundImage): Problem {
  const isSame = image.headerDigest === used.headerDigest && image.sizeBytes === used.sizeBytes;
  const how = isSame ? 'the same header' : 'another header';
  return { code: 'SLICE_TWICE', file: image.path, detail: `${used.path} is used, which has ${how}` };
}

interface Placed<Image> {
  readonly image: Image;
  readonly frame: number;
  readonly header: ImageHeader;
  /** Along the normal, in mm. */
  readonly along: number | null;
  readonly timing: Timing;
}

function place<Image extends FoundImage>(image: Image, frame: number): Placed<Image> {
  const header = headerOfFrame(image.header, image.frames, frame);
  const timing = { ...image.timing, ...image.frames?.[frame]?.timing };
  return { image, frame, header, along: alongNormal(header), timing };
}

/** The projection of ImagePositionPatient on the normal of ImageOrientationPatient (DICOM PS3.3, section C.7.6.2.1.1), in mm. */
export function alongNormal({
  position,
  orientation,
}: Pick<ImageHeader, 'position' | 'orientation'>): number | null {
  if (position === null || orientation === null) return null;
  const [x, y, z] = normalOf(orientation);
  return position[0] * x + position[1] * y + position[2] * z;
}

function bySeries(a: ImageHeader, b: ImageHeader): number {
  return byNumber(a.seriesNumber, b.seriesNumber) || byCodeUnit(a.seriesUid, b.seriesUid);
}

function byNumber(a: number | null, b: number | null): number {
  if (a === b) return 0;
  return a === null ? 1 : b === null ? -1 : a - b;
}

/** A series by place; slices at one place by time and number. */
function inSeries<Image extends FoundImage>(placed: readonly Placed<Image>[]): Placed<Image>[] {
  const byPlace = [...placed].sort((a, b) => byNumber(a.along, b.along));
  const out: Placed<Image>[] = [];
  for (let from = 0, to = 0; from < byPlace.length; from = to) {
    const start = byPlace[from]!.along;
    while (to < byPlace.length && isSamePlace(start, byPlace[to]!.along)) to++;
    out.push(...byPlace.slice(from, to).sort(byTime));
  }
  return out;
}

function isSamePlace(a: number | null, b: number | null): boolean {
  return a === null || b === null ? a === b : b - a < SAME_PLACE_MM;
}

function byTime(a: Placed<FoundImage>, b: Placed<FoundImage>): number {
  return (
    byNumber(a.timing.triggerMs, b.timing.triggerMs) ||
    byNumber(a.timing.acquired, b.timing.acquired) ||
    byNumber(a.timing.content, b.timing.content) ||
    byNumber(a.timing.temporalPosition, b.timing.temporalPosition) ||
    byNumber(a.header.instanceNumber, b.header.instanceNumber) ||
    byCodeUnit(identifierOf(a.image), identifierOf(b.image)) ||
    a.frame - b.frame
  );
}
