import type { ImageHeader } from '../core/dicom.js';
import type { SliceId, StudyId } from '../core/ids.js';
import type { Problem, ProblemCode } from '../core/problem.js';
import { Recent } from '../recent.js';
import { shownName } from '../sources/place.js';
import { type Database, prepare, transact } from '../sqlite.js';

/** A study as the catalogue presents it; rows and columns are null where its slices differ. */
export interface Study {
  readonly id: StudyId;
  readonly slices: number;
  readonly pairs: number;
  readonly structures: Readonly<Record<string, number>>;
  readonly rows: number | null;
  readonly columns: number | null;
  readonly problems: number;
}

/** A slice of a study; `path` is its file in the catalogue, `file` what people call it. */
export interface Slice {
  readonly ordinal: number;
  readonly revision: number;
  readonly slice: SliceId;
  readonly path: string;
  readonly file: string;
  readonly guard: string;
  readonly frame: number;
  readonly header: ImageHeader;
  readonly headerDigest: string;
  readonly checksum: number | null;
  readonly structures: readonly string[];
}

interface StudyRow {
  readonly id: string;
  readonly slices: number;
  readonly pairs: number;
  readonly structures: string;
  readonly rows: number | null;
  readonly columns: number | null;
  readonly problems: number;
}

interface SliceRow {
  readonly revision: number;
  readonly ord: number;
  readonly slice: string;
  readonly path: string;
  readonly guard: string;
  readonly frame: number;
  readonly header: string;
  readonly header_digest: string;
  readonly checksum: number | null;
  readonly structures: string;
}

const STUDY = `
  SELECT s.id, r.slices, r.pairs, r.structures, r.rows, r.columns,
    (SELECT count(*) FROM problem p WHERE p.study = s.id) AS problems
  FROM study s JOIN revision r ON r.id = s.revision`;

function studyOf(row: StudyRow): Study {
  return { ...row, id: row.id as StudyId, structures: JSON.parse(row.structures) };
}

function sliceOf(row: SliceRow): Slice {
  return {
    ordinal: row.ord,
    revision: row.revision,
    slice: row.slice as SliceId,
    path: row.path,
    file: shownName(row.path),
    guard: row.guard,
    frame: row.frame,
    header: JSON.parse(row.header),
    headerDigest: row.header_digest,
    checksum: row.checksum,
    structures: JSON.parse(row.structures),
  };
}

/** The studies behind `after` in order of their ids. */
export function listStudies(db: Database, after: string, limit: number): Study[] {
  const rows = prepare(db, `${STUDY} WHERE s.id > ? ORDER BY s.id LIMIT ?`).all(after, limit);
  return (rows as unknown as StudyRow[]).map(studyOf);
}

export function findStudy(db: Database, id: string): Study | null {
  const row = prepare(db, `${STUDY} WHERE s.id = ?`).get(id) as unknown as StudyRow | undefined;
  return row ? studyOf(row) : null;
}

/** A study and the state of it that counts. */
export interface StudyState {
  readonly study: StudyId;
  readonly revision: number;
}

/** The state of a study that counts; null where there is no such study. */
export function presentRevision(db: Database, study: string): number | null {
  const row = prepare(db, 'SELECT revision FROM study WHERE id = ?').get(study);
  return (row as { revision: number } | undefined)?.revision ?? null;
}

/** All present studies, in order of their ids: the same list until one of them changes, so that what is made of it can be remembered. */
export function presentStudies(db: Database): readonly StudyState[] {
  const version = studiesVersion(db);
  let known = present.get(db);
  if (known?.version !== version) {
    const rows = prepare(db, 'SELECT id AS study, revision FROM study ORDER BY id').all();
    known = { version, studies: rows as unknown as StudyState[] };
    present.set(db, known);
  }
  return known.studies;
}

const present = new WeakMap<
  Database,
  { readonly version: string; readonly studies: readonly StudyState[] }
>();

/** Changes whenever a study does: by this connection, and by a person's or a script's own. */
function studiesVersion(db: Database): string {
  const { version } = prepare(db, 'SELECT version FROM study_version').get() as { version: number };
  const { data_version: others } = prepare(db, 'PRAGMA data_version').get() as { data_version: number };
  return `${version}/${others}`;
}

/** How many slices of these studies carry each structure. */
export function structureCounts(db: Database, studies: readonly StudyState[]): ReadonlyMap<string, number> {
  let counts = counted.get(studies);
  if (!counts) {
    counts = countStructures(db, studies);
    counted.set(studies, counts);
  }
  return counts;
}

/** Revisions never change, so that what was counted of a list stays right. */
const counted = new WeakMap<readonly StudyState[], ReadonlyMap<string, number>>();

function countStructures(db: Database, studies: readonly StudyState[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { revision } of studies) {
    const { structures } = prepare(db, 'SELECT structures FROM revision WHERE id = ?').get(revision) as {
      structures: string;
    };
    for (const [name, count] of Object.entries(JSON.parse(structures) as Record<string, number>))
      counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return counts;
}

/** The patient of a state of a study, as a hash; null where its files name none. */
export function patientOf(db: Database, revision: number): string | null {
  const row = prepare(db, 'SELECT patient FROM revision WHERE id = ?').get(revision);
  return (row as { patient: string | null } | undefined)?.patient ?? null;
}

/** The digest that names a state of a study. */
export function revisionName(db: Database, revision: number): string {
  return (prepare(db, 'SELECT digest FROM revision WHERE id = ?').get(revision) as { digest: string }).digest;
}

/** The problems of a study in the order in which they were found; of none ('') those that belong to no study. */
export function listProblems(db: Database, study: string): Problem[] {
  const rows = prepare(db, 'SELECT code, file, detail FROM problem WHERE study = ? ORDER BY number').all(
    study,
  );
  return (rows as { code: string; file: string | null; detail: string }[]).map(({ code, file, detail }) => ({
    code: code as ProblemCode,
    file,
    detail,
  }));
}

/** The slices of a study's present state behind place `after`, in canonical order; `all`: also those without a contour. */
export function listSlices(db: Database, study: string, after: number, limit: number, all: boolean): Slice[] {
  const rows = prepare(
    db,
    `SELECT l.* FROM study s JOIN slice l ON l.revision = s.revision
       WHERE s.id = ? AND l.ord > ? AND (? OR l.structures <> '[]') ORDER BY l.ord LIMIT ?`,
  ).all(study, after, all ? 1 : 0, limit);
  return (rows as unknown as SliceRow[]).map(sliceOf);
}

/** A slice of a study's present state by its id. */
export function findSlice(db: Database, study: string, slice: string): Slice | null {
  const row = prepare(
    db,
    'SELECT l.* FROM study s JOIN slice l ON l.revision = s.revision WHERE s.id = ? AND l.slice = ?',
  ).get(study, slice) as unknown as SliceRow | undefined;
  return row ? sliceOf(row) : null;
}

/** A slice of any kept state by its place. */
export function sliceAt(db: Database, revision: number, ordinal: number): Slice {
  return recent(db).slices.get(`${revision}/${ordinal}`, () => readSlice(db, revision, ordinal));
}

/** The same, past the slices that are remembered. */
export function readSlice(db: Database, revision: number, ordinal: number): Slice {
  const row = prepare(db, 'SELECT * FROM slice WHERE revision = ? AND ord = ?').get(revision, ordinal);
  if (!row) throw new Error('a slice of a kept revision is gone');
  return sliceOf(row as unknown as SliceRow);
}

/** What a load found out about a slice's source: the checksum of its pixel bytes, a guard of equal content. */
export interface Learned {
  readonly slice: Pick<Slice, 'revision' | 'ordinal'>;
  readonly checksum: number | null;
  readonly guard: string | null;
}

/** Takes in what loads found out; it counts from now on, and is written down by the next `writeLearned`. */
export function learnSources(db: Database, learned: readonly Learned[]): void {
  const known = recent(db);
  for (const each of learned) {
    const { slice, checksum, guard } = each;
    known.unwritten.push(each);
    known.slices.replace(`${slice.revision}/${slice.ordinal}`, (before) => ({
      ...before,
      checksum: before.checksum ?? checksum,
      guard: guard ?? before.guard,
    }));
  }
  known.version++;
}

/** Writes down what was learned since the last time: in the transaction around it, where there is one. */
export function writeLearned(db: Database): void {
  const known = recent(db);
  if (known.unwritten.length === 0) return;
  const update = prepare(
    db,
    'UPDATE slice SET checksum = coalesce(checksum, ?), guard = coalesce(?, guard) WHERE revision = ? AND ord = ?',
  );
  const write = () => {
    for (const { slice, checksum, guard } of known.unwritten)
      update.run(checksum, guard, slice.revision, slice.ordinal);
  };
  if (db.isTransaction) write();
  else transact(db, write);
  known.unwritten = [];
}

const SLICES_REMEMBERED = 4096;

interface Remembered {
  readonly slices: Recent<string, Slice>;
  version: number;
  /** What was learned and is not written down yet. */
  unwritten: Learned[];
}

const remembered = new WeakMap<Database, Remembered>();

function recent(db: Database): Remembered {
  let known = remembered.get(db);
  if (!known) {
    known = { slices: new Recent(SLICES_REMEMBERED), version: 0, unwritten: [] };
    remembered.set(db, known);
  }
  return known;
}

/** Changes whenever rows of slices do: what was looked up under another one may have older guards and checksums. */
export function slicesVersion(db: Database): number {
  return recent(db).version;
}

/** To be called when rows of slices were changed: their guards and checksums are looked up again. */
export function forgetSlices(db: Database): void {
  writeLearned(db);
  const known = recent(db);
  known.slices.clear();
  known.version++;
}
