import { contourName, copiesLast, copyProblem } from './contour-name.js';
import type { LinkTable } from './link-table.js';
import { appendAll } from './long-lists.js';
import type { Problem } from './problem.js';
import { byCodeUnit, type Draft, type Drafts, emplace, type FoundFile } from './study-files.js';

/** Contours that an expert drew on one patient's images, and where they lie. */
interface Case {
  /** The folder's name; null for the root. */
  readonly name: string | null;
  readonly folders: Set<string>;
  /** Whether the folder says by its layout that all in it is one patient's. */
  readonly isPatient: boolean;
  readonly contours: FoundFile[];
  readonly odd: FoundFile[];
}

const EXPERT = /^(?:(.*)\/)?contours-manual\/[^/]+\/[^/]+$/i;
/** How the challenge names its cases and patients; any other folder's name may be that of a person and becomes no id. */
const CHALLENGE_CASE = /^(SC-[A-Z]{1,3}(-[A-Z]{1,2})?-\d{1,4}|SCD\d{7})$/;

/** Whether a file lies where experts' contours do: `CASE/contours-manual/EXPERT/`. */
export function isExpertContour(path: string): boolean {
  return EXPERT.test(path);
}

/** Returns the form of a case's name that is compared: `SC-HF-I-01` and `SC-HF-I-1` are the same case. */
export function caseName(name: string): string {
  return name.replace(/(^|-)0+(?=\d+(-|$))/g, '$1');
}

/** The folder that a contour lies in, or the one above where that is for contours of one structure alone. */
function besides(path: string): string {
  const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
  return folder.toLowerCase().endsWith('-contours')
    ? folder.slice(0, Math.max(0, folder.lastIndexOf('/')))
    : folder;
}

function baseName(folder: string): string {
  return folder.slice(folder.lastIndexOf('/') + 1);
}

/**
 * Pairs contours as the challenge gives them out, `CASE/contours-manual/EXPERT/IM-0001-NNNN-Xcontour-manual.txt`, and contour files that
 * simply lie beside images, with the images of their case: those below CASE, else below another folder of that name, else
 * below the folder that a link table names for it, else those whose patient's id is CASE, else the only other study there is beside it.
 * Which image of them is number NNNN is told by what is in them.
 */
export function pairExperts(
  files: readonly FoundFile[],
  tables: ReadonlyMap<string, LinkTable | null>,
  hash: (text: string) => string,
): Drafts {
  const cases = findCases(files);
  const claimed = new Set<string>();
  const problems: Problem[] = [];
  const studies: Draft[] = [];
  if (cases.length === 0) return { studies, claimed, problems };
  const patients = new Map<string, string>();
  for (const table of tables.values())
    for (const { patient, original } of table?.rows ?? []) patients.set(caseName(original), patient);
  const images = new ImageIndex(files, cases, patients);
  for (const found of cases) {
    const patient = found.name === null ? undefined : patients.get(caseName(found.name));
    const all = images.find(found, patient, cases.length === 1, hash);
    const isLinked = patient !== undefined && all !== null && images.isNamed(all, patient);
    const own = all?.filter(({ path }) => !claimed.has(path)) ?? [];
    const told = hasImages(own) ? own : null;
    for (const { path } of found.contours) claimed.add(path);
    for (const { path } of found.odd) claimed.add(path);
    const folder = [...found.folders].sort(byCodeUnit)[0]!;
    if (told === null) {
      problems.push({
        code: 'CONTOUR_WITHOUT_IMAGE',
        file: folder === '' ? null : folder,
        detail: `no images were found for this folder; its ${found.contours.length} contour file(s) are left out`,
      });
      continue;
    }
    for (const { path } of told) claimed.add(path);
    studies.push(draftOf(found, told, isLinked ? patient : found.name));
  }
  return { studies, claimed, problems };
}

/** Whether a file is a contour: one that could not be read is so by its name. */
function isContour({ path, kind }: FoundFile): boolean {
  return kind === 'contour' || (kind === 'refused' && contourName(path) !== null);
}

function findCases(files: readonly FoundFile[]): Case[] {
  const cases = new Map<string, Case>();
  for (const file of files) {
    const expert = EXPERT.exec(file.path);
    if (!expert && !isContour(file)) continue;
    const folder = expert ? (expert[1] ?? '') : besides(file.path);
    const name = folder === '' ? null : baseName(folder);
    const key =
      expert && name !== null && CHALLENGE_CASE.test(name)
        ? caseName(name)
        : `/${expert ? 'patient' : 'loose'}/${folder}`;
    const found = emplace(cases, key, () => ({
      name,
      folders: new Set<string>(),
      isPatient: expert !== null,
      contours: [],
      odd: [],
    }));
    found.folders.add(folder);
    if (isContour(file)) found.contours.push(file);
    else if (file.kind === 'foreign') found.odd.push(file);
  }
  return [...cases.values()].filter(({ contours }) => contours.length > 0);
}

/** Images and the objects beside them by the folders that could be a case's. */
class ImageIndex {
  readonly #below = new Map<string, FoundFile[]>();
  readonly #named = new Map<string, FoundFile[]>();
  readonly #all: readonly FoundFile[];

  constructor(files: readonly FoundFile[], cases: readonly Case[], patients: ReadonlyMap<string, string>) {
    this.#all = files.filter(
      (file) =>
        (file.kind === 'image' || file.kind === 'object' || file.kind === 'refused') && !isContour(file),
    );
    const folders = new Set(cases.flatMap((each) => [...each.folders]));
    const names = new Set([
      ...cases.flatMap(({ name }) => (name === null ? [] : [caseName(name)])),
      ...patients.values(),
    ]);
    for (const file of this.#all) {
      let isBelow = false;
      for (let end = file.path.lastIndexOf('/'); ; end = file.path.lastIndexOf('/', end - 1)) {
        const folder = end < 0 ? '' : file.path.slice(0, end);
        // The innermost case takes it.
        if (!isBelow && folders.has(folder)) {
          emplace(this.#below, folder, () => []).push(file);
          isBelow = true;
        }
        if (end < 0) break;
        const name = baseName(folder);
        for (const each of new Set([name, caseName(name)]))
          if (names.has(each)) emplace(this.#named, each, () => []).push(file);
      }
    }
  }

  isNamed(files: readonly FoundFile[], name: string): boolean {
    return this.#named.get(name) === files;
  }

  find(
    found: Case,
    patient: string | undefined,
    isOnly: boolean,
    hash: (text: string) => string,
  ): readonly FoundFile[] | null {
    const below = [...found.folders].flatMap((folder) => this.#below.get(folder) ?? []);
    if (hasImages(below)) return found.isPatient ? below : oneStudy(below);
    const { name } = found;
    if (name !== null && found.isPatient) {
      const named = this.#named.get(caseName(name)) ?? [];
      if (hasImages(named)) return named;
      const linked = patient === undefined ? [] : (this.#named.get(patient) ?? []);
      if (hasImages(linked)) return linked;
      const digests = [...new Set([name, caseName(name)])].map(hash);
      const own = this.#all.filter((file) => digests.some((digest) => file.patient?.startsWith(digest)));
      if (hasImages(own)) return own;
    }
    if (!isOnly) return null;
    const [folder = ''] = found.folders;
    const around = folder.includes('/') ? folder.slice(0, folder.lastIndexOf('/') + 1) : '';
    return oneStudy(this.#all.filter(({ path }) => path.startsWith(around)));
  }
}

function hasImages(files: readonly FoundFile[]): boolean {
  return files.some(({ kind }) => kind === 'image');
}

/** The files where all images among them are of one study. */
function oneStudy(files: readonly FoundFile[]): readonly FoundFile[] | null {
  const studies = new Set(files.flatMap(({ kind, study }) => (kind === 'image' ? [study] : [])));
  return studies.size === 1 ? files : null;
}

function draftOf(found: Case, files: readonly FoundFile[], name: string | null): Draft {
  const problems: Problem[] = found.odd.map(({ path }) => ({
    code: 'CONTOUR_NAME',
    file: path,
    detail: 'a contour is named IM-0001-NNNN-Xcontour-manual.txt',
  }));
  const contours = new Map<string, Draft['contours'][number]>();
  for (const { path } of [...found.contours].sort(copiesLast)) {
    const { number, structure } = contourName(path)!;
    const key = `${number}/${structure}`;
    if (contours.has(key))
      problems.push({
        code: 'CONTOUR_TWICE',
        file: path,
        detail: 'an earlier file outlines the same structure; that one is used',
      });
    else {
      contours.set(key, { path, number, structure });
      appendAll(problems, copyProblem(path));
    }
  }
  return {
    name: name !== null && CHALLENGE_CASE.test(name) ? name : null,
    apart: null,
    rule: 'geometry',
    images: files.filter(({ kind }) => kind !== 'object').map(({ path }) => ({ path, number: null })),
    contours: [...contours.values()],
    objects: files.filter(({ kind }) => kind === 'object').map(({ path }) => path),
    problems,
  };
}
