import type { ImageHeader } from './dicom.js';
import { type FrameDescription, headerOfFrame } from './dicom-frames.js';
import type { Timing } from './dicom-timing.js';
import { isNative } from './dicom-uids.js';
import { isId, type SliceId } from './ids.js';
import type { Problem } from './problem.js';
import { byNumber, orderSeries, type SeriesSlice } from './series-order.js';
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

/**
 * Of several files with one SOPInstanceUID the one that is used, an uncompressed one before others; the others are problems. Names and
 * order of files do not count.
 */
export function dropCopies<Image extends FoundImage>(
  images: readonly Image[],
): {
  readonly images: readonly Image[];
  /** For each image that is not used: the one that is used in its place. */
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
 * Returns the slices of a study in canonical order: by SeriesNumber and SeriesInstanceUID, within a series by
 * `orderSeries`; unknown values come last. Images come from `dropCopies`. A slice's id is the number of its
 * image in `numbers`, else its SOPInstanceUID, else a hash of it; `hash` returns a digest in hexadecimal
 * digits.
 */
export function arrangeSlices<Image extends FoundImage>(
  images: readonly Image[],
  numbers: ReadonlyMap<number, Image>,
  hash: (text: string) => string,
): { readonly slices: ArrangedSlice<Image>[]; readonly problems: readonly Problem[] } {
  const numberOf = new Map([...numbers].map(([number, image]) => [image, number]));
  const series = new Map<string, Placed<Image>[]>();
  for (const image of images) {
    const { seriesNumber, seriesUid } = image.header;
    const placed = emplace(series, `${seriesNumber} ${seriesUid}`, () => []);
    for (const frame of framesOf(image)) placed.push(place(image, frame));
  }
  const ids = new Set<string>();
  const slices: ArrangedSlice<Image>[] = [];
  const problems: Problem[] = [];
  for (const members of [...series.values()].sort(([a], [b]) => bySeries(a!.header, b!.header))) {
    const { slices: ordered, remarks } = orderSeries(members);
    for (const { path, detail } of remarks) problems.push({ code: 'SLICE_ORDER', file: path, detail });
    for (const { image, frame, identifier } of ordered) {
      const suffix = suffixOf(image, frame);
      const names = [numberOf.get(image)?.toString(), identifier, `slice-${hash(identifier).slice(0, 16)}`];
      const id = names
        .map((name) => (name === undefined ? '' : `${name}${suffix}`))
        .find((each) => isId(each) && !ids.has(each));
      if (id === undefined) throw new Error('two images of a study have one hash');
      ids.add(id);
      slices.push(arranged(image, frame, id));
    }
  }
  return { slices, problems };
}

interface Placed<Image> extends SeriesSlice {
  readonly image: Image;
  readonly header: ImageHeader;
}

function place<Image extends FoundImage>(image: Image, frame: number): Placed<Image> {
  return {
    image,
    identifier: identifierOf(image),
    path: image.path,
    frame,
    header: headerOfFrame(image.header, image.frames, frame),
    timing: { ...image.timing, ...image.frames?.[frame]?.timing },
  };
}

function bySeries(a: ImageHeader, b: ImageHeader): number {
  return byNumber(a.seriesNumber, b.seriesNumber) || byCodeUnit(a.seriesUid, b.seriesUid);
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
