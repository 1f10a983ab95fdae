import { basename, dirname, join } from 'node:path';
import { leftProblems } from '../catalog/loose-files.js';
import type { FoundStudies } from '../catalog/scan.js';
import { caseName } from '../core/expert-folder.js';
import { guardedSizeBytes } from '../core/guard.js';
import { isId } from '../core/ids.js';
import { isLinkTable, type LinkRow, type LinkTable } from '../core/link-table.js';
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
  /** Files and folders that should have been sent and were not. */
  readonly left: readonly PushRemark[];
  /** Remarks on things that no study loses anything by. */
  readonly notes: readonly PushRemark[];
}

const LINK_TABLE = 'link.csv';
/** An id that was made from a study's name that is no valid id. */
const MADE_ID = /^study-[0-9a-f]{16}$/;

/**
 * Divides a folder into the studies that a service reads in it, each with its contours and a link table of
 * the rows about it. A file that is part of no study goes with the study beside it. Ids are those that a
 * service gives; but if there is no layout and only one study, its id is the folder's name, if that is a
 * valid id.
 */
export function parcelsOf(folder: string, studies: FoundStudies): Parcels {
  const { pairing, guards, tables, files, found, loose } = studies;
  const fileAt = (path: string): ParcelFile => ({
    name: path,
    sizeBytes: guardedSizeBytes(guards.get(path)!),
    content: { path: join(folder, path) },
  });
  const paths = pairing.studies.map((study) => new Set(pathsOf(study).filter((path) => guards.has(path))));
  const beside = besideStudies(paths);
  const alone: string[] = [];
  for (const path of pairing.left) {
    if (isLinkTable(path)) continue;
    const study = beside(path);
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
  // No file is missing if a row is about folders that are not there, or if a folder is sent under another
  // path.
  const isNote = ({ code, file }: { readonly code: string; readonly file: string | null }) =>
    file === null || code === 'FOLDER_TWICE' || isLinkTable(file);
  const left = told.filter((problem) => !isNote(problem));
  const named = new Set(left.map(({ file }) => file));
  const unnamed = alone.filter((path) => !named.has(path)).length;
  const notes: PushRemark[] = told.filter(isNote);
  if (unnamed > 0)
    notes.push({ file: null, detail: `${unnamed} file(s) belong to no study and are not sent` });
  return { parcels, left, notes };
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
