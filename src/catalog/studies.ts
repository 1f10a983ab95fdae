import type { StudyId } from '../core/ids.js';
import type { Problem, ProblemCode } from '../core/problem.js';
import { type Database, prepare } from '../sqlite.js';
import { groupsOf, isWhere, type Where } from './groups.js';

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

interface StudyRow {
  readonly id: string;
  readonly slices: number;
  readonly pairs: number;
  readonly structures: string;
  readonly rows: number | null;
  readonly columns: number | null;
  readonly problems: number;
}

const STUDY = `
  SELECT s.id, r.slices, r.pairs, r.structures, r.rows, r.columns,
    (SELECT count(*) FROM problem p WHERE p.study = s.id) AS problems
  FROM study s JOIN revision r ON r.id = s.revision`;

function studyOf(row: StudyRow): Study {
  return { ...row, id: row.id as StudyId, structures: JSON.parse(row.structures) };
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

/**
 * Counts the problems of the catalogue by code; counts anew only if the catalogue changed since the last
 * call.
 */
export function problemCounts(db: Database): ReadonlyMap<string, number> {
  const version = studiesVersion(db);
  const known = problemsCounted.get(db);
  if (known?.version === version) return known.counts;
  const rows = prepare(db, 'SELECT code, count(*) AS count FROM problem GROUP BY code').all() as {
    code: string;
    count: number;
  }[];
  const counts = new Map(rows.map(({ code, count }) => [code, count]));
  problemsCounted.set(db, { version, counts });
  return counts;
}

const problemsCounted = new WeakMap<Database, { version: string; counts: ReadonlyMap<string, number> }>();

/** Counts, for each structure, the slices of these studies that match `where` and carry it. */
export function structureCounts(
  db: Database,
  studies: readonly StudyState[],
  where: Where = {},
): ReadonlyMap<string, number> {
  if (where.modality || where.series) return countWhere(db, studies, where);
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

function countWhere(db: Database, studies: readonly StudyState[], where: Where): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { revision } of studies)
    for (const { traits, ordinals } of groupsOf(db, revision))
      for (const name of isWhere(traits, where) ? traits.structures : [])
        counts.set(name, (counts.get(name) ?? 0) + ordinals.length);
  return counts;
}

/** The patients of a state of a study, as hashes; empty if its files name none. */
export function patientsOf(db: Database, revision: number): readonly string[] {
  const row = prepare(db, 'SELECT patient FROM revision WHERE id = ?').get(revision);
  return (row as { patient: string | null } | undefined)?.patient?.split(' ') ?? [];
}

/** The patients of every present study, by revision. Returns the same map until a study changes. */
export function presentPatients(db: Database): ReadonlyMap<number, readonly string[]> {
  const studies = presentStudies(db);
  let known = patients.get(studies);
  if (!known) {
    const rows = prepare(
      db,
      'SELECT r.id, r.patient FROM study s JOIN revision r ON r.id = s.revision',
    ).all() as { id: number; patient: string | null }[];
    known = new Map(rows.map(({ id, patient }) => [id, patient?.split(' ') ?? []]));
    patients.set(studies, known);
  }
  return known;
}

const patients = new WeakMap<readonly StudyState[], ReadonlyMap<number, readonly string[]>>();

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
