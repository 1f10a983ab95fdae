import { createHash, randomInt } from 'node:crypto';
import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import { addStep, countSteps, emptySteps, rowOfStep } from '../core/step-bits.js';
import { type Database, transact } from '../sqlite.js';
import { selectionDigest } from './selection.js';

/** The format of the state folder that this release writes; `PRAGMA user_version` of its database. */
export const FORMAT = 9;

/** For each format that was ever released, the step to the next one. */
const STEPS: Readonly<Record<number, (db: Database) => void>> = { 8: toFormat9 };

/**
 * Brings a database to `FORMAT`, one step for each format, all in one transaction. First it keeps a copy of
 * the file as `PATH.format-N`. Throws an error for people if the database is of a later release, or of a
 * format without a step.
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

/** Copies a whole database; an existing copy was finished by an earlier attempt and stays. */
function keepCopy(db: Database, path: string): void {
  if (existsSync(path)) return;
  const unfinished = `${path}.part`;
  rmSync(unfinished, { force: true });
  db.prepare('VACUUM INTO ?').run(unfinished);
  chmodSync(unfinished, 0o600);
  renameSync(unfinished, path);
}

/**
 * Format 9 reads files differently from format 8, so nothing that a scan found is kept: the next scan reads
 * every file and every upload again. Sessions, cursors, deliveries, verdicts, and the revisions of their
 * snapshots stay.
 */
function toFormat9(db: Database): void {
  db.exec(`
    DELETE FROM file;
    DROP TABLE file_numbers;
    ALTER TABLE file DROP COLUMN numbers_key;
    ALTER TABLE contour ADD COLUMN off_mm REAL NOT NULL DEFAULT 0;
    CREATE INDEX contour_off_plane ON contour (revision, ord, structure, off_mm) WHERE off_mm > 0;
    DELETE FROM problem;
    DELETE FROM source;
    DELETE FROM study;
    DELETE FROM upload;
    ALTER TABLE snapshot ADD COLUMN bytes_version TEXT NOT NULL DEFAULT '1';
    ALTER TABLE slice ADD COLUMN unusable TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE revision ADD COLUMN contests TEXT;
    ALTER TABLE contour ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE snapshot ADD COLUMN selection_digest TEXT NOT NULL DEFAULT '';
    CREATE INDEX snapshot_by_selection ON snapshot (selection_digest);
    CREATE INDEX snapshot_by_use ON snapshot (used_at);
    CREATE INDEX snapshot_study_by_revision ON snapshot_study (revision);
    CREATE INDEX selection_by_digest ON selection (selection);
    CREATE TABLE answered (
      snapshot TEXT NOT NULL, spec_digest TEXT NOT NULL, used_at INTEGER NOT NULL, PRIMARY KEY (snapshot, spec_digest)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX answered_by_use ON answered (used_at);
    INSERT INTO answered (snapshot, spec_digest, used_at)
      SELECT snapshot, spec_digest, 0 FROM given UNION SELECT snapshot, spec_digest, 0 FROM verdict;
    ALTER TABLE selection ADD COLUMN dropped TEXT;
    ALTER TABLE source ADD COLUMN series TEXT;
    ALTER TABLE source ADD COLUMN made TEXT;
    ALTER TABLE source ADD COLUMN copies TEXT NOT NULL DEFAULT '[]';
  `);
  toIncarnations(db);
  toStepBits(db);
  const selections = db.prepare('SELECT DISTINCT selection FROM selection').all() as { selection: string }[];
  const rename = db.prepare('UPDATE selection SET selection = ? WHERE selection = ?');
  for (const { selection } of selections) rename.run(sha256(selection), selection);
  const snapshots = db.prepare('SELECT digest, selection FROM snapshot').all() as {
    digest: string;
    selection: string;
  }[];
  const name = db.prepare('UPDATE snapshot SET selection_digest = ? WHERE digest = ?');
  for (const { digest, selection } of snapshots) name.run(selectionDigest(JSON.parse(selection)), digest);
}

/** An incarnation identifies a session, because another session may take its name. */
function toIncarnations(db: Database): void {
  db.exec(`
    ALTER TABLE session RENAME TO old_session;
    ALTER TABLE cursor RENAME TO old_cursor;
    ALTER TABLE delivery RENAME TO old_delivery;
    CREATE TABLE session (
      incarnation INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, request TEXT NOT NULL, spec TEXT NOT NULL,
      snapshot TEXT NOT NULL REFERENCES snapshot, bytes_version TEXT NOT NULL, opened_at INTEGER NOT NULL, spec_digest TEXT, owner TEXT
    ) STRICT;
    CREATE INDEX session_by_owner ON session (owner);
    CREATE INDEX session_by_snapshot ON session (snapshot, spec_digest);
    CREATE TABLE cursor (
      incarnation INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, rank INTEGER NOT NULL, step INTEGER NOT NULL,
      PRIMARY KEY (incarnation, rank)
    ) STRICT, WITHOUT ROWID;
  `);
  const sessions = db.prepare('SELECT * FROM old_session').all() as {
    id: string;
    request: string;
    spec: string;
    snapshot: string;
    bytes_version: string;
    opened_at: number;
  }[];
  const insert = db.prepare(
    'INSERT INTO session (incarnation, id, request, spec, snapshot, bytes_version, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  for (const { id, request, spec, snapshot, bytes_version, opened_at } of sessions)
    insert.run(randomInt(2 ** 47), id, sha256(request), spec, snapshot, bytes_version, opened_at);
  db.exec(`
    INSERT INTO cursor (incarnation, rank, step)
      SELECT incarnation, rank, step FROM old_cursor JOIN session ON session.id = old_cursor.session;
    DROP TABLE old_cursor;
  `);
}

/** Steps become bits in rows of a fixed size, because JSON ranges grow with every gap. */
function toStepBits(db: Database): void {
  db.exec(`
    ALTER TABLE given RENAME TO old_given;
    CREATE TABLE delivery (
      incarnation INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, rank INTEGER NOT NULL, number INTEGER NOT NULL,
      steps BLOB NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (incarnation, rank, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE given (
      snapshot TEXT NOT NULL, spec_digest TEXT NOT NULL, rank INTEGER NOT NULL, number INTEGER NOT NULL,
      steps BLOB NOT NULL, PRIMARY KEY (snapshot, spec_digest, rank, number)
    ) STRICT, WITHOUT ROWID;
  `);
  const ranks = db
    .prepare(
      `SELECT incarnation, rank, json_group_array(json(steps)) AS epochs
         FROM old_delivery JOIN session ON session.id = old_delivery.session GROUP BY incarnation, rank`,
    )
    .all() as { incarnation: number; rank: number; epochs: string }[];
  const deliver = db.prepare(
    'INSERT INTO delivery (incarnation, rank, number, steps, count) VALUES (?, ?, ?, ?, ?)',
  );
  for (const { incarnation, rank, epochs } of ranks)
    for (const [number, row] of rowsOf((JSON.parse(epochs) as Ranges[]).flat()))
      deliver.run(incarnation, rank, number, row, countSteps(row));
  const answered = db.prepare('SELECT snapshot, spec_digest, rank, steps FROM old_given').all() as {
    snapshot: string;
    spec_digest: string;
    rank: number;
    steps: string;
  }[];
  const give = db.prepare(
    'INSERT INTO given (snapshot, spec_digest, rank, number, steps) VALUES (?, ?, ?, ?, ?)',
  );
  for (const { snapshot, spec_digest, rank, steps } of answered)
    for (const [number, row] of rowsOf(JSON.parse(steps) as Ranges))
      give.run(snapshot, spec_digest, rank, number, row);
  db.exec('DROP TABLE old_delivery; DROP TABLE old_given; DROP TABLE old_session');
}

/** Ranges [from, to) of steps, the form of format 8. */
type Ranges = readonly (readonly [from: number, to: number])[];

function rowsOf(ranges: Ranges): Map<number, Uint8Array> {
  const rows = new Map<number, Uint8Array>();
  for (const [from, to] of ranges)
    for (let step = from; step < to; step++) {
      const number = rowOfStep(step);
      const row = rows.get(number) ?? emptySteps();
      rows.set(number, row);
      addStep(row, step);
    }
  return rows;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
