import { contourName, copiesLast, copyProblem, imageName } from './contour-name.js';
import { isExpertContour } from './expert-folder.js';
import { type LinkRow, type LinkTable, linkTableOf } from './link-table.js';
import { appendAll } from './long-lists.js';
import type { Problem, ProblemCode } from './problem.js';
import {
  type ContourFile,
  type Draft,
  type Drafts,
  emplace,
  type FoundFile,
  type ImageFile,
} from './study-files.js';

// Disks of Windows may give names in capitals.
const IMAGE = /^dicoms\/([^/]+)\/([^/]+)$/i;
const IMAGE_FILE = /^\d+\.dcm$/i;
const CONTOUR = /^contourfiles\/([^/]+)\/([^/]+)-contours\/([^/]+)$/i;
const PART = /^(dicoms\/|contourfiles\/|link\.csv$)/i;
const ROOT = /^(.*\/)?(link\.csv|dicoms\/[^/]+\/[^/]+|contourfiles\/[^/]+\/[^/]+-contours\/[^/]+)$/i;

/**
 * The folders, `''` or with a slash at the end, that are laid out as the challenge's pipeline has them: contours below
 * `contourfiles/`, or a link table beside `dicoms/` where no expert's contours are what it joins.
 */
export function challengeRoots(files: readonly FoundFile[]): string[] {
  const hasExperts = files.some(({ path, kind }) => kind === 'contour' && isExpertContour(path));
  const parts = new Map<string, Set<string>>();
  for (const { path } of files) {
    const [, root = '', part] = ROOT.exec(path) ?? [];
    if (part !== undefined) emplace(parts, root, () => new Set()).add(part.split('/')[0]!.toLowerCase());
  }
  return [...parts]
    .filter(
      ([, found]) =>
        found.has('contourfiles') || (found.has('link.csv') && found.has('dicoms') && !hasExperts),
    )
    .map(([root]) => root);
}

/**
 * Pairs the files of one such folder by their names: `dicoms/PATIENT/N.dcm`,
 * `contourfiles/ORIGINAL/{i,o}-contours/IM-0001-NNNN-{i,o}contour-manual.txt` (NNNN is N), and a link table
 * that joins PATIENT and ORIGINAL. PATIENT is the study's id. Whatever finds no partner is a problem.
 */
export function pairChallenge(
  root: string,
  files: readonly FoundFile[],
  tables: ReadonlyMap<string, LinkTable | null>,
): Drafts {
  const claimed = new Set<string>();
  const loose: Problem[] = [];
  const images = new Map<string, Map<number, ImageFile>>();
  const objects = new Map<string, string[]>();
  const problems = new Map<string, Problem[]>();
  const contours = new Map<string, ContourFile[]>();
  const oddContours = new Map<string, string[]>();
  for (const { path, kind } of files) {
    if (!path.startsWith(root)) continue;
    const below = path.slice(root.length);
    if (!PART.test(below)) continue;
    claimed.add(path);
    const [, folder, name] = IMAGE.exec(below) ?? [];
    const [, original, group, file] = CONTOUR.exec(below) ?? [];
    if (folder !== undefined && name !== undefined) {
      const slices = emplace(images, folder, () => new Map<number, ImageFile>());
      const number = IMAGE_FILE.test(name) ? imageName(name)?.number : undefined;
      const odd = (detail: string) =>
        emplace(problems, folder, () => []).push({ code: 'IMAGE_NAME', file: path, detail });
      // One that could not be read and has no image's name may hold contours.
      if (kind === 'object' || (kind === 'refused' && number === undefined))
        emplace(objects, folder, () => []).push(path);
      else if (number === undefined) odd('an image is named NUMBER.dcm');
      else if (slices.has(number)) odd('another file of the study has this number; that one is used');
      else slices.set(number, { path, number });
    } else if (original !== undefined && file !== undefined) {
      const told = contourName(file);
      if (told === null || told.structure.toLowerCase() !== group?.toLowerCase())
        emplace(oddContours, original, () => []).push(path);
      else
        emplace(contours, original, () => []).push({ path, number: told.number, structure: told.structure });
    } else if (kind === 'image' || kind === 'contour') {
      const place = kind === 'image' ? 'dicoms/PATIENT/' : 'contourfiles/ORIGINAL/X-contours/';
      loose.push({
        code: kind === 'image' ? 'IMAGE_NAME' : 'CONTOUR_NAME',
        file: path,
        detail: `the folder has its ${kind}s in ${place}; this one is left out`,
      });
    }
  }
  const tablePath = linkTableOf(root, tables.keys()) ?? `${root}link.csv`;
  const table = tables.get(tablePath);
  for (const path of claimed)
    if (path !== tablePath && linkTableOf(root, [path]) !== undefined)
      loose.push({ code: 'LINK_TABLE', file: path, detail: `${tablePath} is read in its place` });
  if (table === undefined)
    loose.push({
      code: 'LINK_TABLE',
      file: tablePath,
      detail: 'there is no link.csv: no contour can be joined to its images',
    });
  const originalOf = new Map<string, string>();
  const linked = new Set<string>();
  const oddRow = (row: LinkRow, what: string) =>
    loose.push({ code: 'LINK_ROW', file: tablePath, detail: `line ${row.line}: ${what}` });
  for (const row of table?.rows ?? []) {
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
    if (linked.has(original)) continue;
    const paths = [
      ...(contours.get(original) ?? []).map(({ path }) => path),
      ...(oddContours.get(original) ?? []),
    ];
    loose.push({
      code: 'LINK_ROW',
      file: paths[0]!.slice(0, root.length + 'contourfiles/'.length + original.length),
      detail: `no row of link.csv names this folder; its ${paths.length} contour file(s) are left out`,
    });
  }
  const studies = [...images].map(([folder, slices]): Draft => {
    const found: Problem[] = [...(problems.get(folder) ?? [])];
    const report = (code: ProblemCode, file: string, detail: string) => found.push({ code, file, detail });
    const original = originalOf.get(folder);
    const kept = new Map<string, ContourFile>();
    const own = original === undefined ? [] : (contours.get(original) ?? []);
    for (const contour of [...own].sort(copiesLast)) {
      const { path, number, structure } = contour;
      const key = `${number}/${structure}`;
      if (!slices.has(number))
        report('CONTOUR_WITHOUT_IMAGE', path, `there is no image ${number}.dcm in the study`);
      else if (kept.has(key))
        report('CONTOUR_TWICE', path, 'an earlier file outlines the same structure; that one is used');
      else {
        kept.set(key, contour);
        appendAll(found, copyProblem(path));
      }
    }
    const doubtful: ContourFile[] = [];
    for (const path of original === undefined ? [] : (oddContours.get(original) ?? [])) {
      const told = contourName(path);
      const group = CONTOUR.exec(path.slice(root.length))?.[2];
      // The file's name and its folder name different structures, and either may be right.
      for (const structure of told && group ? [told.structure, group] : [])
        doubtful.push({ path, number: told!.number, structure });
      report(
        'CONTOUR_NAME',
        path,
        'a contour is named IM-0001-NNNN-Xcontour-manual.txt in a folder X-contours',
      );
    }
    return {
      name: folder,
      apart: null,
      rule: 'numbers',
      images: [...slices.values()].sort((a, b) => a.number! - b.number!),
      contours: [...kept.values()],
      ...(doubtful.length > 0 ? { doubtful } : {}),
      objects: objects.get(folder) ?? [],
      problems: found,
    };
  });
  return { studies, claimed, problems: loose };
}
