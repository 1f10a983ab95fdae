import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { type Database, transact } from '../sqlite.js';

/** The format of the state folder that this release writes; `PRAGMA user_version` of its database. */
export const FORMAT = 9;

/** For each format that was ever released, the step that makes the next one of it. */
const STEPS: Readonly<Record<number, (db: Database) => void>> = { 8: toFormat9 };

/**
 * Brings a database to `FORMAT`, one step a format, all of them in one transaction. The file as it was is kept beside it first, as
 * `PATH.format-N`. Throws an error for people where the database is of a later release, or of one that no step begins at.
 */
export function migrate(db: Database, path: string): void {
  const { user_version: format } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (format === FORMAT) return;
  if (format > FORMAT)
    throw new Error(
      `the state folder was written by a later release (format ${format}, this one reads up to ${FORMAT}): ` +
        'start that release, or name another folder with --state',
    );
  for (let at = format; at < FORMAT; at++)
    if (!STEPS[at])
      throw new Error(
        `the state folder is of format ${format}, which no release wrote: name another folder with --state`,
      );
  keepCopy(db, `${path}.format-${format}`);
  transact(db, () => {
    for (let at = format; at < FORMAT; at++) STEPS[at]!(db);
    db.exec(`PRAGMA user_version = ${FORMAT}`);
  });
}

/** Copies a database whole; a copy that is there already was finished by an earlier try and stays. */
function keepCopy(db: Database, path: string): void {
  if (existsSync(path)) return;
  const unfinished = `${path}.part`;
  rmSync(unfinished, { force: true });
  db.prepare('VACUUM INTO ?').run(unfinished);
  chmodSync(unfinished, 0o600);
  renameSync(unfinished, path);
}

/**
 * Format 9 reads files otherwise than format 8, so nothing that a scan found is kept: the next scan reads every file and every
 * upload again. Sessions, cursors, deliveries, verdicts, and the revisions that their snapshots stand on stay.
 */
function toFormat9(db: Database): void {
  db.exec(`
    DELETE FROM file;
    DELETE FROM file_numbers;
    DELETE FROM problem;
    DELETE FROM source;
    DELETE FROM study;
    DELETE FROM upload;
    ALTER TABLE snapshot ADD COLUMN bytes_version TEXT NOT NULL DEFAULT '1';
  `);
}
