import type { SliceId, StudyId } from './ids.js';
import type { LinkRow } from './link-table.js';
import type { Problem, ProblemCode } from './problem.js';

/** An image file and the slice it becomes; `order` is its place in the canonical order of the study. */
export interface ImageFile {
  readonly path: string;
  readonly slice: SliceId;
  readonly order: number;
}

/** A contour file, the slice it was drawn on and what it outlines. */
export interface ContourFile {
  readonly path: string;
  readonly slice: SliceId;
  readonly structure: string;
}

/** The files of one study before any of them is read, images in canonical order. */
export interface StudyFiles {
  readonly folder: string;
  readonly id: StudyId;
  readonly images: readonly ImageFile[];
  readonly contours: readonly ContourFile[];
  readonly problems: readonly Problem[];
}

/** The studies of a source, and what belongs to none of them. */
export interface Pairing {
  readonly studies: readonly StudyFiles[];
  readonly problems: readonly Problem[];
}

const IMAGE = /^dicoms\/([^/]+)\/([^/]+)$/;
const IMAGE_NUMBER = /^0*(\d{1,15})\.dcm$/i;
const CONTOUR = /^contourfiles\/([^/]+)\/([^/]+)-contours\/([^/]+)$/;
const CONTOUR_NAME = /^IM-\d+-0*(\d{1,15})-([A-Za-z0-9]{1,16})contour-manual\.txt$/;

/** What a path of the challenge layout is, told by its name alone; null for files that are none of ours. */
export function kindOf(path: string): 'image' | 'contour' | 'table' | null {
  if (path === 'link.csv') return 'table';
  if (IMAGE.test(path)) return IMAGE_NUMBER.test(path.slice(path.lastIndexOf('/') + 1)) ? 'image' : null;
  const [, , , name] = CONTOUR.exec(path) ?? [];
  return name !== undefined && CONTOUR_NAME.test(name) ? 'contour' : null;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Pairs the files of the challenge layout by their names: `dicoms/PATIENT/N.dcm`,
 * `contourfiles/ORIGINAL/{i,o}-contours/IM-0001-NNNN-{i,o}contour-manual.txt` (NNNN is N), and a link table
 * that joins PATIENT and ORIGINAL. `nameStudy` gives a folder its study id. Whatever finds no partner is a problem.
 */
export function pairByNames(
  paths: readonly string[],
  links: readonly LinkRow[],
  nameStudy: (folder: string) => StudyId,
): Pairing {
  const loose: Problem[] = [];
  const images = new Map<string, Map<number, ImageFile>>();
  const problems = new Map<string, Problem[]>();
  const contours = new Map<string, { path: string; number: number; structure: string }[]>();
  const oddContours = new Map<string, string[]>();
  for (const path of [...paths].sort(byCodeUnit)) {
    const [, folder, name] = IMAGE.exec(path) ?? [];
    if (folder !== undefined && name !== undefined) {
      const slices = emplace(images, folder, () => new Map<number, ImageFile>());
      const number = Number(IMAGE_NUMBER.exec(name)?.[1] ?? Number.NaN);
      const odd = (detail: string) =>
        emplace(problems, folder, () => []).push({ code: 'IMAGE_NAME', file: path, detail });
      if (Number.isNaN(number)) odd('an image is named NUMBER.dcm');
      else if (slices.has(number)) odd('another file of the study has this number; that one is used');
      else slices.set(number, { path, slice: String(number) as SliceId, order: number });
      continue;
    }
    const [, original, group, file] = CONTOUR.exec(path) ?? [];
    if (original === undefined || file === undefined) continue;
    const [, number, structure] = CONTOUR_NAME.exec(file) ?? [];
    if (number === undefined || structure === undefined || structure !== group)
      emplace(oddContours, original, () => []).push(path);
    else emplace(contours, original, () => []).push({ path, number: Number(number), structure });
  }
  const originalOf = new Map<string, string>();
  const linked = new Set<string>();
  const oddRow = (row: LinkRow, what: string) =>
    loose.push({ code: 'LINK_ROW', file: 'link.csv', detail: `line ${row.line}: ${what}` });
  for (const row of links) {
    if (!images.has(row.patient)) oddRow(row, 'there is no such folder below dicoms/');
    else if (originalOf.has(row.patient))
      oddRow(row, 'its patient_id stands in an earlier line; that one is used');
    else if (linked.has(row.original))
      oddRow(row, 'its original_id stands in an earlier line; that one is used');
    else {
      originalOf.set(row.patient, row.original);
      linked.add(row.original);
      if (!contours.has(row.original) && !oddContours.has(row.original))
        oddRow(row, 'there is no contour below contourfiles/ for its original_id');
    }
  }
  for (const original of new Set([...contours.keys(), ...oddContours.keys()])) {
    const count = (contours.get(original)?.length ?? 0) + (oddContours.get(original)?.length ?? 0);
    if (!linked.has(original))
      loose.push({
        code: 'LINK_ROW',
        file: `contourfiles/${original}`,
        detail: `no row of link.csv names this folder; its ${count} contour file(s) are left out`,
      });
  }
  const studies = [...images.keys()].map((folder): StudyFiles => {
    const slices = images.get(folder) ?? new Map<number, ImageFile>();
    const found: Problem[] = [...(problems.get(folder) ?? [])];
    const report = (code: ProblemCode, file: string, detail: string) => found.push({ code, file, detail });
    const original = originalOf.get(folder);
    const kept = new Map<string, ContourFile>();
    for (const { path, number, structure } of original === undefined ? [] : (contours.get(original) ?? [])) {
      const image = slices.get(number);
      const key = `${number}/${structure}`;
      if (!image) report('CONTOUR_WITHOUT_IMAGE', path, `there is no image ${number}.dcm in the study`);
      else if (kept.has(key))
        report('CONTOUR_TWICE', path, 'an earlier file outlines the same structure; that one is used');
      else kept.set(key, { path, slice: image.slice, structure });
    }
    for (const path of original === undefined ? [] : (oddContours.get(original) ?? []))
      report(
        'CONTOUR_NAME',
        path,
        'a contour is named IM-0001-NNNN-Xcontour-manual.txt in a folder X-contours',
      );
    return {
      folder,
      id: nameStudy(folder),
      images: [...slices.values()].sort((a, b) => a.order - b.order),
      contours: [...kept.values()],
      problems: found,
    };
  });
  return { studies, problems: loose };
}

function emplace<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const present = map.get(key);
  if (present !== undefined) return present;
  const made = make();
  map.set(key, made);
  return made;
}
