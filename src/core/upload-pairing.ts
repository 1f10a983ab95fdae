import { challengePart, pairChallenge } from './challenge-folder.js';
import { type StudyId, studyIdOf } from './ids.js';
import type { LinkRow } from './link-table.js';
import type { Problem } from './problem.js';
import type { ContourFile, ImageFile, StudyFiles } from './study-files.js';

/** The studies of an upload, and what belongs to none of them. */
export interface UploadPairing {
  readonly studies: readonly StudyFiles[];
  readonly problems: readonly Problem[];
}

/** What pairing needs to know of a file of an upload that was read. */
export type UploadedFile =
  | { readonly kind: 'image'; readonly name: string; readonly instanceNumber: number | null }
  | { readonly kind: 'contour'; readonly name: string }
  /** A structure set or a segmentation, which says itself what it was drawn on. */
  | { readonly kind: 'object'; readonly name: string }
  | { readonly kind: 'table'; readonly name: string; readonly rows: readonly LinkRow[] };

const NUMBERED_IMAGE = /^(?:IM-\d+-)?0*(\d{1,15})(?:\.(?:dcm|dicom|ima))?$/i;
const NUMBERED_CONTOUR = /^IM-\d+-0*(\d{1,15})-([A-Za-z0-9]{1,16})contour-manual\.txt$/;
const PLAIN_NUMBER = /^0*(\d{1,15})$/;
const CONTOUR_FOLDER = /(?:^|\/)([A-Za-z0-9]{1,16})-contours\/[^/]+$/;
const STRUCTURE = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

/**
 * Pairs the files of an upload. Those in the challenge layout (below one common folder or more) go by it; without a link table one
 * patient's folder and one original's belong together. Any others are one study named `loose`: a contour goes to the image of its
 * number (`IM-0001-NNNN-…` to `N.dcm` or `IM-…-N.dcm`, else to InstanceNumber N) or of its own name; and where there is one image
 * alone, to that one, unless both names have a number and the numbers differ.
 */
export function pairUpload(
  files: readonly UploadedFile[],
  hash: (text: string) => string,
  loose: StudyId,
): UploadPairing {
  const images = files.filter((file) => file.kind === 'image');
  const prefix = layoutPrefix(images.map(({ name }) => name));
  return prefix === null ? pairLoose(files, loose) : pairLayout(files, prefix, hash);
}

/** The folder that `dicoms/PATIENT/N.dcm` of every image is below, with its slash; null where the images are laid out otherwise. */
function layoutPrefix(names: readonly string[]): string | null {
  const [first] = names;
  const at = first === undefined ? -1 : `/${first}`.lastIndexOf('/dicoms/');
  if (first === undefined || at < 0) return null;
  const prefix = first.slice(0, at);
  const isLaidOut = (name: string) =>
    name.startsWith(prefix) && challengePart(name.slice(prefix.length)) === 'image';
  return names.every(isLaidOut) ? prefix : null;
}

function pairLayout(
  files: readonly UploadedFile[],
  prefix: string,
  hash: (text: string) => string,
): UploadPairing {
  const problems: Problem[] = [];
  const inside: UploadedFile[] = [];
  for (const file of files) {
    if (file.kind === 'table') continue;
    const isOurs = file.name.startsWith(prefix) && challengePart(file.name.slice(prefix.length)) !== null;
    if (isOurs || file.kind === 'object') inside.push(file);
    else
      problems.push({
        code: 'FILE_NOT_PAIRED',
        file: file.name,
        detail: 'it lies outside dicoms/ and contourfiles/, where the images are',
      });
  }
  const objects = inside.filter(({ kind }) => kind === 'object').map(({ name }) => name);
  const paths = inside.map(({ name }) => name.slice(prefix.length));
  const links = linksOf(files, paths, problems);
  const found = inside.map(({ kind, name }) => ({
    path: name,
    kind,
    study: null,
    series: [],
    patient: null,
  }));
  const tables = new Map([[`${prefix}link.csv`, { rows: links, problems: [] }]]);
  const paired = pairChallenge(prefix, found, tables);
  // One that lies in no patient's folder may have been drawn on the images of any: it finds those it names.
  const loose = objects.filter((name) => !paired.studies.some((study) => study.objects.includes(name)));
  return {
    problems: [...problems, ...paired.problems],
    studies: paired.studies.map(({ name, ...study }) => ({
      ...study,
      objects: [...study.objects, ...loose],
      id: studyIdOf(name ?? '', hash),
    })),
  };
}

/** The rows of the link table that speak of this upload; without one, patient and original are joined where there is one of each. */
function linksOf(
  files: readonly UploadedFile[],
  paths: readonly string[],
  problems: Problem[],
): readonly LinkRow[] {
  const folders = (start: string) => [
    ...new Set(paths.filter((path) => path.startsWith(start)).map((path) => path.split('/')[1]!)),
  ];
  const patients = folders('dicoms/');
  const originals = folders('contourfiles/');
  const [table, ...spare] = files.filter((file) => file.kind === 'table');
  for (const { name } of spare)
    problems.push({
      code: 'LINK_TABLE',
      file: name,
      detail: 'the upload has another link table; that one is used',
    });
  if (!table) {
    if (originals.length === 0) return [];
    if (patients.length === 1 && originals.length === 1)
      return [{ patient: patients[0]!, original: originals[0]!, line: 0 }];
    problems.push({
      code: 'LINK_TABLE',
      file: null,
      detail: 'there is no link.csv, and more than one folder of images or contours: none can be joined',
    });
    return [];
  }
  const rows = table.rows.filter((row) => patients.includes(row.patient) || originals.includes(row.original));
  const others = table.rows.length - rows.length;
  if (others > 0)
    problems.push({
      code: 'LINK_ROW',
      file: table.name,
      detail: `${others} row(s) name folders that are not in this upload`,
    });
  return rows;
}

interface LooseImage {
  readonly name: string;
  readonly number: number | null;
  readonly instanceNumber: number | null;
}

function pairLoose(files: readonly UploadedFile[], id: StudyId): UploadPairing {
  const problems: Problem[] = [];
  const images = files
    .flatMap((file): LooseImage[] => {
      if (file.kind !== 'image') return [];
      const [, number] = NUMBERED_IMAGE.exec(baseOf(file.name)) ?? [];
      return [{ ...file, number: number === undefined ? null : Number(number) }];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const numbers = numberSlices(images);
  const kept = new Map<string, ContourFile>();
  const objects: string[] = [];
  for (const file of files) {
    if (file.kind === 'table')
      problems.push({
        code: 'FILE_NOT_PAIRED',
        file: file.name,
        detail: 'a link table joins folders below dicoms/ and contourfiles/, and there are none',
      });
    if (file.kind === 'object' && images.length > 0) objects.push(file.name);
    else if (file.kind === 'object')
      problems.push({
        code: 'FILE_NOT_PAIRED',
        file: file.name,
        detail: 'the upload has no image that it could be drawn on',
      });
    if (file.kind !== 'contour') continue;
    const found = imageFor(file.name, images);
    if (typeof found === 'string') {
      problems.push({ code: 'CONTOUR_WITHOUT_IMAGE', file: file.name, detail: found });
      continue;
    }
    const number = numbers.get(found.name)!;
    const structure = structureOf(file.name, found);
    const key = `${number}/${structure}`;
    if (kept.has(key))
      problems.push({
        code: 'CONTOUR_TWICE',
        file: file.name,
        detail: 'an earlier file outlines the same structure; that one is used',
      });
    else kept.set(key, { path: file.name, number, structure });
  }
  if (images.length === 0) return { studies: [], problems };
  const ordered = [...numbers]
    .map(([path, number]): ImageFile => ({ path, number }))
    .sort((a, b) => a.number! - b.number!);
  return {
    studies: [{ id, rule: 'numbers', images: ordered, contours: [...kept.values()], objects, problems }],
    problems: [],
  };
}

/** Slice ids: the numbers of the file names where each image has its own, else InstanceNumber, else counted in order of the names. */
function numberSlices(images: readonly LooseImage[]): Map<string, number> {
  const distinct = (numbers: readonly (number | null)[]) =>
    numbers.every((number) => number !== null && number >= 0) && new Set(numbers).size === numbers.length;
  const byName = distinct(images.map(({ number }) => number));
  const byInstance = distinct(images.map(({ instanceNumber }) => instanceNumber));
  return new Map(
    images.map((image, at) => {
      const order = byName ? image.number! : byInstance ? image.instanceNumber! : at + 1;
      return [image.name, order];
    }),
  );
}

/** The image that a contour was drawn on, or why there is none. */
function imageFor(name: string, images: readonly LooseImage[]): LooseImage | string {
  const sameName = images.filter((image) => stemOf(image.name) === stemOf(name));
  if (sameName.length === 1) return sameName[0]!;
  const base = baseOf(name);
  const [, told] = NUMBERED_CONTOUR.exec(base) ?? PLAIN_NUMBER.exec(stemOf(name)) ?? [];
  const number = told === undefined ? null : Number(told);
  if (number !== null) {
    for (const candidates of [
      images.filter((image) => image.number === number),
      images.filter((image) => image.number === null && image.instanceNumber === number),
    ]) {
      const [only] = candidates;
      if (candidates.length > 1)
        return `${candidates.length} images have the number ${number}: send the files in folders dicoms/ and contourfiles/`;
      if (only) return only;
    }
  }
  const [single] = images;
  if (images.length === 1 && single && (number === null || single.number === null)) return single;
  if (images.length === 0) return 'the upload has no image';
  return number === null
    ? 'its name does not say which image it was drawn on'
    : `there is no image ${number} in the upload`;
}

function structureOf(name: string, image: LooseImage): string {
  const [, , told] = NUMBERED_CONTOUR.exec(baseOf(name)) ?? [];
  const [, folder] = CONTOUR_FOLDER.exec(name) ?? [];
  const stem = stemOf(name);
  const isWord = /\.txt$/i.test(name) && STRUCTURE.test(stem) && stem !== stemOf(image.name);
  return told ?? folder ?? (isWord ? stem : 'contour');
}

function baseOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}

function stemOf(name: string): string {
  return baseOf(name).replace(/\.[A-Za-z0-9]{1,8}$/, '');
}
