import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { closeSqlite, type Database, openSqlite } from '../sqlite.js';
import { FORMAT, migrate } from './migrations.js';

/** The file in the state folder that holds catalogue and sessions; the sqlite3 shell opens it. */
export const DATABASE_FILE = 'slicefeed.db';

const TABLES = `
  -- What the last scan read of each file, so that the next one reads only what changed.
  CREATE TABLE file (
    path TEXT PRIMARY KEY,
    guard TEXT NOT NULL,
    -- What pairing wants to know of it.
    kind TEXT NOT NULL,
    study TEXT,
    -- SeriesInstanceUIDs, as JSON.
    series TEXT NOT NULL,
    patient TEXT,
    finding TEXT NOT NULL,
    -- For each frame the generation of its pixels, as JSON.
    generations TEXT,
    -- The points of a text contour.
    numbers BLOB
  ) STRICT, WITHOUT ROWID;

  -- An immutable state of a study, named by a digest of its content.
  CREATE TABLE revision (
    -- Never given again: what is remembered of a revision in memory may outlive it.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    digest TEXT NOT NULL UNIQUE,
    study TEXT NOT NULL,
    -- SHA-256 of the patient's id, for splits; of several patients each, with spaces between.
    patient TEXT,
    slices INTEGER NOT NULL,
    pairs INTEGER NOT NULL,
    structures TEXT NOT NULL,
    rows INTEGER,
    columns INTEGER,
    complete INTEGER NOT NULL DEFAULT 0,
    -- Structures that several sources outline on one series (src/core/contests.ts), as JSON; NULL: none.
    contests TEXT
  ) STRICT;

  -- With a rowid, like all whose rows are long: SQLite keeps little of a row in an index, the rest in pages of its own.
  CREATE TABLE slice (
    revision INTEGER NOT NULL REFERENCES revision ON DELETE CASCADE,
    ord INTEGER NOT NULL,
    slice TEXT NOT NULL,
    path TEXT NOT NULL,
    guard TEXT NOT NULL,
    frame INTEGER NOT NULL,
    header TEXT NOT NULL,
    header_digest TEXT NOT NULL,
    -- CRC-32 of the frame's pixel bytes, once they were read.
    checksum INTEGER,
    -- The checksum that tells these pixels from earlier ones under the same header; part of the revision's name.
    generation INTEGER,
    structures TEXT NOT NULL,
    -- Structures that are drawn on it and cannot be used there in full, as JSON.
    unusable TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (revision, ord)
  ) STRICT;
  CREATE UNIQUE INDEX slice_by_id ON slice (revision, slice);
  CREATE INDEX slice_by_path ON slice (path);
  CREATE INDEX slice_unread ON slice (revision, ord) WHERE checksum IS NULL;

  -- Slices that have the same traits, as JSON: places as uint32, the first of them beside.
  CREATE TABLE slice_group (
    revision INTEGER NOT NULL REFERENCES revision ON DELETE CASCADE,
    first INTEGER NOT NULL,
    traits TEXT NOT NULL,
    ordinals BLOB NOT NULL,
    PRIMARY KEY (revision, first)
  ) STRICT, WITHOUT ROWID;

  -- A part of a structure on a slice, packed (src/core/packed-part.ts). text, closed, xor: a closed polygon in pixel coordinates; those
  -- of an ROI have its number. raster: runs of pixels on a grid.
  CREATE TABLE contour (
    revision INTEGER NOT NULL REFERENCES revision ON DELETE CASCADE,
    ord INTEGER NOT NULL,
    structure TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    roi INTEGER NOT NULL,
    points BLOB NOT NULL,
    -- The place of the file that it comes from among the sources of the study.
    source INTEGER NOT NULL DEFAULT 0,
    -- How far it lies off the plane of the image that it names, in mm; 0 within the tolerance.
    off_mm REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (revision, ord, structure, number)
  ) STRICT;
  CREATE INDEX contour_off_plane ON contour (revision, ord, structure, off_mm) WHERE off_mm > 0;

  -- Which contours are the same: equal digests. A revision whose contours all have one is in shaped.
  CREATE TABLE shape (
    revision INTEGER NOT NULL REFERENCES revision ON DELETE CASCADE,
    ord INTEGER NOT NULL,
    structure TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (revision, ord, structure)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX shape_by_digest ON shape (digest);
  CREATE TABLE shaped (
    revision INTEGER PRIMARY KEY REFERENCES revision ON DELETE CASCADE
  ) STRICT;

  -- What the quality report measured of each slice with contours, as JSON, and of which revisions it measured all; key: how.
  CREATE TABLE measure (
    revision INTEGER NOT NULL REFERENCES revision ON DELETE CASCADE,
    ord INTEGER NOT NULL,
    measures TEXT NOT NULL,
    PRIMARY KEY (revision, ord)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE measured (
    revision INTEGER PRIMARY KEY REFERENCES revision ON DELETE CASCADE,
    key TEXT NOT NULL,
    done INTEGER NOT NULL
  ) STRICT;

  -- The present state of each study.
  CREATE TABLE study (
    id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL REFERENCES revision,
    -- What a scan made it of: its files, as pairing joined them, and their guards, as a digest; NULL for one that was sent.
    content TEXT
  ) STRICT, WITHOUT ROWID;

  -- Studies that were sent: the folder that each is in, and the digest of its files.
  CREATE TABLE upload (
    study TEXT PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    digest TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- Where the structures of the present state come from; structures and copies as JSON, made as in src/core/dicom-made.ts.
  CREATE TABLE source (
    study TEXT NOT NULL,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    file TEXT NOT NULL,
    structures TEXT NOT NULL,
    parts INTEGER NOT NULL,
    series TEXT,
    made TEXT,
    copies TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (study, number)
  ) STRICT, WITHOUT ROWID;

  -- study is '' for what belongs to none.
  CREATE TABLE problem (
    study TEXT NOT NULL,
    number INTEGER NOT NULL,
    code TEXT NOT NULL,
    file TEXT,
    detail TEXT NOT NULL,
    PRIMARY KEY (study, number)
  ) STRICT, WITHOUT ROWID;

  -- The slices of a revision that fit a selection (its SHA-256), as uint32 places in it; ordinals NULL: all of them.
  CREATE TABLE selection (
    revision INTEGER NOT NULL REFERENCES revision ON DELETE CASCADE,
    selection TEXT NOT NULL,
    pairs INTEGER NOT NULL,
    digest TEXT NOT NULL,
    ordinals BLOB,
    summary TEXT NOT NULL,
    -- Structures of sources that are not used (src/core/contests.ts), as JSON; NULL: none.
    dropped TEXT,
    PRIMARY KEY (revision, selection)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX selection_by_digest ON selection (selection);

  CREATE TABLE snapshot (
    digest TEXT PRIMARY KEY,
    selection TEXT NOT NULL,
    -- Names its rows in selection.
    selection_digest TEXT NOT NULL,
    pairs INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    -- The bytes version of the release that read its files.
    bytes_version TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX snapshot_by_selection ON snapshot (selection_digest);
  CREATE INDEX snapshot_by_use ON snapshot (used_at);

  CREATE TABLE snapshot_study (
    snapshot TEXT NOT NULL REFERENCES snapshot ON DELETE CASCADE,
    number INTEGER NOT NULL,
    revision INTEGER NOT NULL REFERENCES revision,
    PRIMARY KEY (snapshot, number)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX snapshot_study_by_revision ON snapshot_study (revision);

  CREATE TABLE session (
    -- Another session that takes the name of one that was deleted has another incarnation.
    incarnation INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    -- SHA-256 of the request that opened it.
    request TEXT NOT NULL,
    spec TEXT NOT NULL,
    snapshot TEXT NOT NULL REFERENCES snapshot,
    bytes_version TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    -- As in answered; NULL where an earlier format did not say.
    spec_digest TEXT,
    -- A keyed hash of the token that opened it; NULL where none was needed, or an earlier format did not say.
    owner TEXT
  ) STRICT;
  CREATE INDEX session_by_owner ON session (owner);
  CREATE INDEX session_by_snapshot ON session (snapshot, spec_digest);

  CREATE TABLE cursor (
    incarnation INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    rank INTEGER NOT NULL,
    step INTEGER NOT NULL,
    PRIMARY KEY (incarnation, rank)
  ) STRICT, WITHOUT ROWID;

  -- Steps whose body was sent whole: 2048 a row, a bit each (src/core/step-bits.ts).
  CREATE TABLE delivery (
    incarnation INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
    rank INTEGER NOT NULL,
    number INTEGER NOT NULL,
    steps BLOB NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (incarnation, rank, number)
  ) STRICT, WITHOUT ROWID;

  -- Pairs that ended their loader, alone and twice; a file with another header is another chance.
  CREATE TABLE quarantine (
    study TEXT NOT NULL,
    slice TEXT NOT NULL,
    header_digest TEXT NOT NULL,
    file TEXT NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (study, slice, header_digest)
  ) STRICT, WITHOUT ROWID;

  -- Sessions with onError mask whose answers verdict and given hold: by what they read, and when one of them was in use last.
  CREATE TABLE answered (
    snapshot TEXT NOT NULL,
    spec_digest TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (snapshot, spec_digest)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX answered_by_use ON answered (used_at);

  -- What batches of sessions with onError mask said of their slots: said once, it stays said.
  CREATE TABLE verdict (
    snapshot TEXT NOT NULL,
    spec_digest TEXT NOT NULL,
    rank INTEGER NOT NULL,
    step INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    pair TEXT NOT NULL,
    code TEXT NOT NULL,
    file TEXT,
    detail TEXT NOT NULL,
    PRIMARY KEY (snapshot, spec_digest, rank, step, slot)
  ) STRICT, WITHOUT ROWID;

  -- Steps of such sessions that were answered, kept as those of delivery: a slot that was sent whole is never masked later.
  CREATE TABLE given (
    snapshot TEXT NOT NULL,
    spec_digest TEXT NOT NULL,
    rank INTEGER NOT NULL,
    number INTEGER NOT NULL,
    steps BLOB NOT NULL,
    PRIMARY KEY (snapshot, spec_digest, rank, number)
  ) STRICT, WITHOUT ROWID;
`;

// Of this connection alone: tells whether the list of present studies is still the one that was read.
const WATCH = `
  CREATE TEMP TABLE study_version (version INTEGER NOT NULL);
  INSERT INTO study_version VALUES (0);
  CREATE TEMP TRIGGER study_added AFTER INSERT ON main.study BEGIN UPDATE study_version SET version = version + 1; END;
  CREATE TEMP TRIGGER study_moved AFTER UPDATE ON main.study BEGIN UPDATE study_version SET version = version + 1; END;
  CREATE TEMP TRIGGER study_removed AFTER DELETE ON main.study BEGIN UPDATE study_version SET version = version + 1; END;
`;

/**
 * Opens the database of a state folder: makes a missing one, and brings one of an earlier release to the
 * present format. Throws an error for people if it is of a later release.
 */
export function openDatabase(stateFolder: string): Database {
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  const path = join(stateFolder, DATABASE_FILE);
  const db = openSqlite(path);
  try {
    prepareDatabase(db, stateFolder, path);
  } catch (error) {
    closeSqlite(db);
    throw error;
  }
  return db;
}

function prepareDatabase(db: Database, stateFolder: string, path: string): void {
  db.exec(
    'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA cache_size = -4096',
  );
  // Those of an earlier release may be readable to others.
  for (const ending of ['', '-wal', '-shm']) {
    const path = join(stateFolder, DATABASE_FILE + ending);
    if (existsSync(path)) chmodSync(path, 0o600);
  }
  const { user_version: format } = db.prepare('PRAGMA user_version').get() as { user_version: number };
  if (format === 0) db.exec(`BEGIN; ${TABLES}; PRAGMA user_version = ${FORMAT}; COMMIT`);
  else migrate(db, path);
  // What a stop in the middle of a scan left unfinished.
  db.exec('DELETE FROM revision WHERE complete = 0');
  db.exec(WATCH);
}
