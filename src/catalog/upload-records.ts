import type { SessionId, StudyId } from '../core/ids.js';
import type { Problem } from '../core/problem.js';
import { type Database, prepare, transact } from '../sqlite.js';
import { writeSources } from './contour-sources.js';
import type { ContourSource } from './outlines.js';
import { writeProblems } from './problems.js';
import type { FoundSlice } from './revision.js';
import { forgetSlices, writeLearned } from './slices.js';
import { dropAnswers } from './snapshot.js';
import { othersTurn } from './turns.js';

/** A study that was sent: the key of its folder and the digest of its content. */
export interface UploadRecord {
  readonly study: StudyId;
  readonly key: string;
  readonly digest: string;
}

export function findUpload(db: Database, study: string): UploadRecord | null {
  const row = prepare(db, 'SELECT study, key, digest FROM upload WHERE study = ?').get(study);
  return (row as UploadRecord | undefined) ?? null;
}

export function listUploads(db: Database): UploadRecord[] {
  return prepare(
    db,
    'SELECT study, key, digest FROM upload ORDER BY study',
  ).all() as unknown as UploadRecord[];
}

/** Makes a revision that is written the present state of an uploaded study; all of it or nothing. */
export function recordUpload(
  db: Database,
  { study, key, digest }: UploadRecord,
  revision: number,
  {
    problems,
    sources,
  }: { readonly problems: readonly Problem[]; readonly sources: readonly ContourSource[] },
): void {
  transact(db, () => {
    prepare(db, 'INSERT OR REPLACE INTO study (id, revision) VALUES (?, ?)').run(study, revision);
    prepare(db, 'INSERT OR REPLACE INTO upload (study, key, digest) VALUES (?, ?, ?)').run(
      study,
      key,
      digest,
    );
    writeProblems(db, study, problems);
    writeSources(db, study, sources);
  });
}

/** The sessions that stand on any state of a study. */
export function sessionsOn(db: Database, study: string): SessionId[] {
  const rows = prepare(
    db,
    `SELECT DISTINCT session.id FROM session
       JOIN snapshot_study s ON s.snapshot = session.snapshot JOIN revision r ON r.id = s.revision
       WHERE r.study = ? ORDER BY session.id`,
  ).all(study);
  return (rows as { id: string }[]).map(({ id }) => id as SessionId);
}

/** Takes an uploaded study out of the catalogue, with the snapshots that it was part of and that no session stands on. */
export function forgetUpload(db: Database, study: StudyId): void {
  transact(db, () => {
    const snapshots = prepare(
      db,
      `SELECT DISTINCT s.snapshot FROM snapshot_study s JOIN revision r ON r.id = s.revision
         WHERE r.study = ? AND s.snapshot NOT IN (SELECT snapshot FROM session)`,
    ).all(study) as { snapshot: string }[];
    for (const { snapshot } of snapshots) {
      prepare(db, 'DELETE FROM snapshot WHERE digest = ?').run(snapshot);
      dropAnswers(db, snapshot);
    }
    prepare(db, 'DELETE FROM study WHERE id = ?').run(study);
    prepare(db, 'DELETE FROM upload WHERE study = ?').run(study);
    prepare(db, 'DELETE FROM quarantine WHERE study = ?').run(study);
    writeProblems(db, study, []);
    writeSources(db, study, []);
  });
}

/** Rows a transaction deletes before it lets the event loop turn. */
const ROWS_PER_TURN = 200;

/** Deletes the states of a study that is no more, but those that a snapshot still needs; in small transactions. */
export async function dropRevisions(db: Database, study: StudyId): Promise<void> {
  const unneeded = `study = ? AND id NOT IN (SELECT revision FROM study) AND id NOT IN (SELECT revision FROM snapshot_study)`;
  const rows = prepare(db, `SELECT id, slices FROM revision WHERE ${unneeded}`).all(study) as {
    id: number;
    slices: number;
  }[];
  for (const { id, slices } of rows) {
    for (let ord = slices; ord > 0; ord -= ROWS_PER_TURN) {
      // Looked at again each time: a new upload of the same content may stand on it by now.
      const still = prepare(db, `SELECT 1 FROM revision WHERE id = ? AND ${unneeded}`).get(id, study);
      if (!still) return;
      prepare(db, 'UPDATE revision SET complete = 0 WHERE id = ?').run(id);
      transact(db, () => {
        for (const table of ['contour', 'slice'])
          prepare(db, `DELETE FROM ${table} WHERE revision = ? AND ord >= ?`).run(id, ord - ROWS_PER_TURN);
      });
      await othersTurn();
    }
    prepare(db, `DELETE FROM revision WHERE id = ? AND ${unneeded}`).run(id, study);
  }
  forgetSlices(db);
}

/** Whether a study's present state holds exactly these slices: ids, headers, contours by their number, and pixels by their checksums. */
export function isPresentContent(db: Database, study: string, slices: readonly FoundSlice[]): boolean {
  writeLearned(db);
  const rows = prepare(
    db,
    'SELECT l.slice, l.header_digest, l.checksum FROM study s JOIN slice l ON l.revision = s.revision WHERE s.id = ? ORDER BY l.ord',
  ).all(study) as { slice: string; header_digest: string; checksum: number | null }[];
  return (
    rows.length === slices.length &&
    slices.every(({ slice, headerDigest, checksum }, ord) => {
      const row = rows[ord]!;
      return (
        row.slice === slice &&
        row.header_digest === headerDigest &&
        checksum !== null &&
        row.checksum === checksum
      );
    })
  );
}
