import { basename, dirname, join } from 'node:path';
import { leftProblems } from '../catalog/loose-files.js';
import type { FoundStudies } from '../catalog/scan.js';
import { caseName } from '../core/expert-folder.js';
import { guardedSizeBytes } from '../core/guard.js';
import { isId } from '../core/ids.js';
import { isLinkTable, type LinkRow, type LinkTable } from '../core/link-table.js';
import type { ProblemCode } from '../core/problem.js';
import { byCodeUnit, emplace, type StudyFiles } from '../core/study-files.js';

/** A file to send: bytes of its own, or those of a file on disk. */
export interface ParcelFile {
  /** Its path below the folder, parts joined by `/`. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly content: Buffer | { readonly path: string };
}

/** What is sent as one study. */
export interface Parcel {
  readonly id: string;
  readonly files: readonly ParcelFile[];
}

/**
 * A remark on a folder that is sent; `file` is a path below it, null if the remark is about several files.
 */
export interface PushRemark {
  readonly file: string | null;
  readonly detail: string;
}

export interface Parcels {
  readonly parcels: readonly Parcel[];
  /** Files and folders that a study may lack: they could not be read, or make a study that cannot be sent. */
  readonly missed: readonly PushRemark[];
  /** Files and folders that no study is made of. */
  readonly left: readonly PushRemark[];
  /** Remarks on things that are not left out. */
  readonly notes: readonly PushRemark[];
}

const LINK_TABLE = 'link.csv';
/** The problems of a folder by which a study may lack something. */
const MISSED: ReadonlySet<ProblemCode> = new Set(['FILE_UNREADABLE', 'NAME_NOT_UTF8', 'STUDY_TWICE']);
const FOREIGN = 'it is no DICOM, and its name is not that of a contour (IM-0001-0048-icontour-manual.txt)';
/** An id that was made from a study's name that is no valid id. */
const MADE_ID = /^study-[0-9a-f]{16}$/;

/**
 * Divides a folder into the studies that a service reads in it, each with its contours and a link table of
 * the rows about it. A DICOM file or contour that is part of no study goes with the study beside it; what is
 * neither stays. Ids are those that a service gives; but if there is no layout and only one study, its id is
 * the folder's name, if that is a valid id.
 */
export function parcelsOf(folder: string, studies: FoundStudies): Parcels {
  const { pairing, guards, tables, files, found, loose } = studies;
  const fileAt = (path: string): ParcelFile => ({
    name: path,
    sizeBytes: guardedSizeBytes(guards.get(path)!),
    content: { path: join(folder, path) },
  });
  const paths = pairing.studies.map((study) => new Set(pathsOf(study).filter((path) => guards.has(path))));
  const kinds = new Map(found.map(({ path, kind }) => [path, kind]));
  const isUnreadable = (path: string) => {
    const finding = kinds.get(path) === 'refused' ? files.get(path)?.finding : null;
    return finding?.kind === 'refused' && finding.code === 'FILE_UNREADABLE';
  };
  const beside = besideStudies(paths);
  const alone: string[] = [];
  for (const path of pairing.left) {
    if (isLinkTable(path)) continue;
    const study = kinds.get(path) === 'foreign' || isUnreadable(path) ? null : beside(path);
    if (study === null) alone.push(path);
    else paths[study]!.add(path);
  }
  const rows = [...tables.values()].flatMap((table: LinkTable | null) => table?.rows ?? []);
  const [only, ...others] = pairing.studies;
  const name = basename(folder);
  // The study has no name from a folder of a layout.
  const isUnnamed =
    only !== undefined && (MADE_ID.test(only.id) || found.some(({ study }) => study === only.id));
  const ownName = isUnnamed && others.length === 0 && isId(name) ? name : null;
  const parcels = pairing.studies.map(({ id, rule, contours }, at): Parcel => {
    const sorted = [...paths[at]!].sort(byCodeUnit);
    const table = rule === 'numbers' || contours.length > 0 ? linkTable(rows, sorted) : null;
    return { id: ownName ?? id, files: [...(table ? [table] : []), ...sorted.map(fileAt)] };
  });
  const told = [...loose, ...leftProblems(alone, files)];
  const named = new Set(told.map(({ file }) => file));
  const left: PushRemark[] = alone
    .filter((path) => !named.has(path))
    .map((file) => ({ file, detail: kinds.get(file) === 'foreign' ? FOREIGN : 'it is part of no study' }));
  const missed: PushRemark[] = [];
  const notes: PushRemark[] = [];
  for (const problem of told) {
    const { code, file } = problem;
    // The files that a count is about are named one by one.
    if (code === 'NOT_DICOM' && file === null) continue;
    if (MISSED.has(code)) missed.push(problem);
    // A row may be about folders that are not there, and a folder may be sent under another path.
    else if (file === null || code === 'FOLDER_TWICE' || isLinkTable(file)) notes.push(problem);
    else left.push(problem);
  }
  left.sort((a, b) => byCodeUnit(a.file ?? '', b.file ?? ''));
  return { parcels, missed, left, notes };
}

/** All files of a study, unusable ones too: the service tells why it can't use them. */
function pathsOf({ images, contours, objects, problems }: StudyFiles): string[] {
  const named = problems.flatMap(({ file }) => file ?? []);
  return [...images.map(({ path }) => path), ...contours.map(({ path }) => path), ...objects, ...named];
}

/**
 * Returns a function that finds the study a path lies beside: the one with files in the nearest folder above
 * the path that has files of any study in or below it. Null if several studies have.
 */
function besideStudies(paths: readonly ReadonlySet<string>[]): (path: string) => number | null {
  const inside = new Map<string, Set<number>>();
  for (const [study, own] of paths.entries())
    for (const path of own)
      for (let at = dirname(path); ; at = dirname(at)) {
        const present = emplace(inside, at, () => new Set<number>());
        // The folders above have the study already.
        if (present.has(study)) break;
        present.add(study);
        if (at === '.') break;
      }
  return (path) => {
    for (let at = dirname(path); ; at = dirname(at)) {
      const [study, ...others] = inside.get(at) ?? [];
      if (study !== undefined) return others.length === 0 ? study : null;
      if (at === '.') return null;
    }
  };
}

/** Returns a table of the rows whose two folders are both in `paths`; null if there is none. */
function linkTable(rows: readonly LinkRow[], paths: readonly string[]): ParcelFile | null {
  const folders = new Set(paths.flatMap((path) => path.split('/').slice(0, -1)));
  const cases = new Set([...folders].map(caseName));
  const own = rows.filter(({ patient, original }) => folders.has(patient) && cases.has(caseName(original)));
  if (own.length === 0) return null;
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const lines = own.map(({ patient, original }) => `${quoted(patient)},${quoted(original)}\n`);
  const content = Buffer.from(`patient_id,original_id\n${lines.join('')}`);
  return { name: LINK_TABLE, sizeBytes: content.length, content };
}
