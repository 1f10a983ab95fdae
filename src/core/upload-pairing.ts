import { challengeRoots } from './challenge-folder.js';
import { contourName, copiesLast, copyProblem, imageName } from './contour-name.js';
import type { DrawnOn } from './drawn-object.js';
import type { StudyId } from './ids.js';
import { isNoLinkTable, type LinkTable, linkTableOf } from './link-table.js';
import { appendAll } from './long-lists.js';
import { pairFiles } from './pairing.js';
import type { Problem } from './problem.js';
import { type ContourFile, emplace, type FoundFile, type ImageFile, type StudyFiles } from './study-files.js';

/** The studies of an upload, and what belongs to none of them. */
export interface UploadPairing {
  readonly studies: readonly StudyFiles[];
  /** Files that no rule took; what was found of each says why. */
  readonly left: readonly string[];
  readonly problems: readonly Problem[];
}

/** A file of an upload that was read; `path` is the name it was sent under. */
export interface UploadedFile extends FoundFile {
  readonly instanceNumber: number | null;
  /** For text that is no usable contour: the reason, and whether the text begins like a contour. */
  readonly unusable: (Pick<Problem, 'code' | 'detail'> & { readonly beginsLikeContour: boolean }) | null;
}

/** Where the layouts of a data folder have their contours. */
const LAYOUT = /(^|\/)(contourfiles\/[^/]+|contours-manual)\/[^/]+\/[^/]+$/i;
const CASE = /^(.*?)contours-manual\//i;
const PLAIN_NUMBER = /^0*(\d{1,15})$/;
const CONTOUR_FOLDER = /(?:^|\/)([A-Za-z0-9]{1,16})-contours\/[^/]+$/i;
const STRUCTURE = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;

/**
 * Pairs the files of an upload like those of a folder, with two more rules. In the challenge's layout, one
 * patient's folder and one original's belong together without a table. If contours lie in no layout, all
 * images in no layout are one study with the id `loose`. A contour then goes to the image of its number
 * (`IM-0001-NNNN-…` to `N.dcm` or `IM-…-N.dcm`, else to InstanceNumber N) or of its own name. If there is
 * only one image, the contour goes to it, unless both names have a number and these differ. Text that does
 * not begin like a contour (README, VERSION) is a contour only if its name gives the image. If files
 * are named as contours, the only image takes no text of another name (`log.txt`). If no contour can
 * be used, the images stay as they are without contours.
 */
export function pairUpload(
  files: readonly UploadedFile[],
  tables: ReadonlyMap<string, LinkTable | null>,
  hash: (text: string) => string,
  loose: StudyId,
  drawnOn: ReadonlyMap<string, DrawnOn> = new Map(),
): UploadPairing {
  const problems: Problem[] = [];
  const isLoose = ({ path, kind }: UploadedFile) => kind === 'contour' && !LAYOUT.test(path);
  const contours = files.filter(isLoose).map(({ path }) => path);
  const placed = files.filter((file) => !isLoose(file)).map(namedKind);
  const { studies, left, ...found } = pairFiles(placed, tablesOf(placed, tables, problems), hash, drawnOn);
  appendAll(problems, found.problems);
  if (contours.length === 0) return { studies, left, problems };
  const byPath = new Map(files.map((file) => [file.path, file]));
  const named = studies.filter(({ rule }) => rule === 'geometry');
  if (named.length === 0) {
    const detail = 'there is no image that it could have been drawn on';
    for (const file of contours) problems.push(withoutImage(byPath.get(file)!, detail));
    return { studies, left, problems };
  }
  const paired = pairLoose(named, contours, byPath, loose);
  const unusable = paired.contours.flatMap(({ path: file }): Problem[] => {
    const why = byPath.get(file)!.unusable;
    return why ? [{ code: why.code, file, detail: why.detail }] : [];
  });
  if (paired.contours.length === unusable.length) {
    appendAll(problems, paired.ownProblems);
    appendAll(problems, unusable);
    return { studies, left, problems };
  }
  const { ownProblems, ...study } = paired;
  const others = studies.filter(({ rule }) => rule !== 'geometry');
  return {
    studies: [...others, { ...study, problems: [...study.problems, ...ownProblems] }],
    left,
    problems,
  };
}

/** The detail for a loose contour that finds no image. */
function withoutImage({ path: file, unusable }: UploadedFile, detail: string): Problem {
  if (unusable && !unusable.beginsLikeContour)
    return { code: 'NOT_A_CONTOUR', file, detail: `the file is text, but not a contour: ${unusable.detail}` };
  return { code: 'CONTOUR_WITHOUT_IMAGE', file, detail };
}

/** How many folders of an upload are laid out as a data folder; pairing looks through all files for each. */
export function layoutCount(files: readonly UploadedFile[]): number {
  const cases = files.flatMap(({ path }) => CASE.exec(path)?.[1] ?? []);
  return new Set([...challengeRoots(files), ...cases]).size;
}

/** The folders of a layout hold contours by their names alone, of whatever content. */
function namedKind(file: UploadedFile): UploadedFile {
  return file.kind === 'contour' && contourName(file.path) === null ? { ...file, kind: 'foreign' } : file;
}

/** The link tables of the layouts, by the rows that speak of this upload; one of each folder belong together without a row. */
function tablesOf(
  files: readonly UploadedFile[],
  tables: ReadonlyMap<string, LinkTable | null>,
  problems: Problem[],
): Map<string, LinkTable | null> {
  const adjusted = new Map(tables);
  const usable = [...tables].filter(([, table]) => table && !isNoLinkTable(table)).map(([name]) => name);
  for (const root of challengeRoots(files)) {
    const folders = (part: string) => {
      const start = root + part;
      const isInside = (path: string) => path.slice(0, start.length).toLowerCase() === start.toLowerCase();
      const inside = files.filter(({ path }) => isInside(path));
      return [...new Set(inside.map(({ path }) => path.slice(start.length).split('/')[0]!))];
    };
    const patients = folders('dicoms/');
    const originals = folders('contourfiles/');
    const place = linkTableOf(root, tables.keys()) ?? `${root}link.csv`;
    // A table may have been sent without its folder or under another name, and images may have other tables
    // beside them.
    const [name = place] = tables.has(place) ? [place] : usable;
    const table = tables.get(name);
    if (table) {
      const rows = table.rows.filter(
        ({ patient, original }) => patients.includes(patient) || originals.includes(original),
      );
      const spare = table.rows.length - rows.length;
      if (spare > 0)
        problems.push({
          code: 'LINK_ROW',
          file: name,
          detail: `${spare} row(s) name folders that are not in this upload`,
        });
      adjusted.set(place, { ...table, rows });
    } else if (table === undefined && patients.length === 1 && originals.length === 1)
      adjusted.set(place, {
        rows: [{ patient: patients[0]!, original: originals[0]!, line: 0 }],
        problems: [],
      });
  }
  return adjusted;
}

const NOT_NAMED =
  'other files are named as contours and it is not, so it is taken for another text; a contour is named IM-0001-NNNN-Xcontour-manual.txt';

interface LooseImage {
  readonly name: string;
  readonly number: number | null;
  readonly instanceNumber: number | null;
}

/**
 * Makes one study of all these images, numbered, with the contours that name them; `ownProblems` are the
 * problems of the contours.
 */
function pairLoose(
  studies: readonly StudyFiles[],
  contours: readonly string[],
  found: ReadonlyMap<string, UploadedFile>,
  id: StudyId,
): StudyFiles & { readonly ownProblems: readonly Problem[] } {
  const files = studies.flatMap(({ images }) => images);
  const objects = studies.flatMap((study) => study.objects);
  const unread = [...new Set(studies.flatMap((study) => study.unread ?? []))];
  // In an upload the images of all patients are one study.
  const problems = studies.flatMap((study) => study.problems).filter(({ code }) => code !== 'PATIENTS_MIXED');
  // What cannot be read has no slice, and is told of.
  const isImage = ({ path }: ImageFile) => found.get(path)?.kind === 'image';
  const images = files
    .filter(isImage)
    .map(
      ({ path }): LooseImage => ({
        name: path,
        number: imageName(path)?.number ?? null,
        instanceNumber: found.get(path)?.instanceNumber ?? null,
      }),
    )
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const numbers = numberSlices(images);
  const named = new LooseImages(images);
  // One image and one text belong together whatever they are called; beside named contours a text may be any.
  const isForNamedAlone = images.length === 1 && [...found.keys()].some((path) => contourName(path) !== null);
  const kept = new Map<string, ContourFile>();
  const doubtful: ContourFile[] = [];
  const ownProblems: Problem[] = [];
  for (const file of contours.map((path) => found.get(path)!).sort(copiesLast)) {
    const { path } = file;
    if (isForNamedAlone && !named.isNamedBy(path)) {
      ownProblems.push({ code: 'NOT_A_CONTOUR', file: path, detail: NOT_NAMED });
      continue;
    }
    const image = named.find(path, file.unusable?.beginsLikeContour ?? true);
    if (typeof image === 'string') {
      ownProblems.push(withoutImage(file, image));
      for (const each of named.candidates(path))
        doubtful.push({ path, number: numbers.get(each.name)!, structure: structureOf(path, each) });
      continue;
    }
    const number = numbers.get(image.name)!;
    const structure = structureOf(path, image);
    const key = `${number}/${structure}`;
    if (kept.has(key))
      ownProblems.push({
        code: 'CONTOUR_TWICE',
        file: path,
        detail: 'an earlier file outlines the same structure; that one is used',
      });
    else {
      kept.set(key, { path, number, structure });
      appendAll(ownProblems, copyProblem(path));
    }
  }
  const ordered = [...numbers]
    .map(([path, number]): ImageFile => ({ path, number }))
    .sort((a, b) => a.number! - b.number!);
  const refused = files.filter((file) => !isImage(file));
  return {
    id,
    rule: 'numbers',
    images: [...ordered, ...refused],
    contours: [...kept.values()],
    ...(doubtful.length > 0 ? { doubtful } : {}),
    objects,
    ...(unread.length > 0 ? { unread } : {}),
    problems,
    ownProblems,
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

/** Images by all that a contour may name them by. */
class LooseImages {
  readonly all: readonly LooseImage[];
  #byStem = new Map<string, LooseImage[]>();
  #byNumber = new Map<number, LooseImage[]>();
  #byInstance = new Map<number, LooseImage[]>();

  constructor(images: readonly LooseImage[]) {
    this.all = images;
    for (const image of images) {
      emplace(this.#byStem, stemOf(image.name), () => []).push(image);
      if (image.number !== null) emplace(this.#byNumber, image.number, () => []).push(image);
      else if (image.instanceNumber !== null)
        emplace(this.#byInstance, image.instanceNumber, () => []).push(image);
    }
  }

  /**
   * Returns the image that a contour was drawn on, or why there is none. If there is only one image, it takes
   * a contour (`isContour`) that names none.
   */
  find(name: string, isContour: boolean): LooseImage | string {
    const sameName = this.#byStem.get(stemOf(name)) ?? [];
    if (sameName.length === 1) return sameName[0]!;
    const number = numberOf(name);
    const candidates = this.#numbered(number);
    const [only, ...more] = candidates;
    if (more.length > 0)
      return `${candidates.length} images have the number ${number}: send the files in folders dicoms/ and contourfiles/`;
    if (only) return only;
    const [single, ...others] = this.all;
    const isOnly = single !== undefined && others.length === 0;
    if (isOnly && isContour && (number === null || single.number === null)) return single;
    if (number === null) return 'its name does not say which image it was drawn on';
    return isOnly && single.number !== null
      ? `its name says image ${number}, and the name of the only image says ${single.number}: give both one number`
      : `there is no image ${number} in the upload`;
  }

  /** Whether a text is named as a contour, by its folder too, as an image, or by a number. */
  isNamedBy(name: string): boolean {
    return numberOf(name) !== null || CONTOUR_FOLDER.test(name) || this.#byStem.has(stemOf(name));
  }

  /** Returns the images that an ambiguous contour may mean. */
  candidates(name: string): readonly LooseImage[] {
    const sameName = this.#byStem.get(stemOf(name)) ?? [];
    return sameName.length > 0 ? sameName : this.#numbered(numberOf(name));
  }

  #numbered(number: number | null): readonly LooseImage[] {
    return number === null ? [] : (this.#byNumber.get(number) ?? this.#byInstance.get(number) ?? []);
  }
}

/** Returns the image number in a contour's name. */
function numberOf(name: string): number | null {
  const [, plain] = PLAIN_NUMBER.exec(stemOf(name)) ?? [];
  return contourName(name)?.number ?? (plain === undefined ? null : Number(plain));
}

function structureOf(name: string, image: LooseImage): string {
  const told = contourName(name)?.structure;
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
