import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { copyFile, mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FORMAT } from '../catalog/migrations.js';
import { DATABASE_FILE } from '../catalog/schema.js';
import { guardOf } from '../core/guard.js';
import { Progress } from '../progress.js';
import { uploadedPath, uploadFolders } from '../sources/place.js';
import { KeptUploads } from '../sources/upload.js';
import { closeSqlite, type Database, openSqlite, transact } from '../sqlite.js';
import { takeStateFolder } from '../state-folder.js';
import {
  BACKUP_FILE,
  BACKUP_FORMAT,
  type BackupDescription,
  type BackupSummary,
  checkDatabase,
  copyFiles,
  countSessions,
  DELIVERIES_FILE,
  LOG_KEY_FILE,
} from './contents.js';

export interface RestoreSummary extends BackupSummary {
  /** Uploaded studies with a file whose digest is wrong, or with a manifest that cannot be read. */
  readonly damaged: readonly string[];
}

/** The new folder is put together here and then moved to its place. */
const PART = 'restore.part';
/** A state folder with no other entries counts as empty. */
const NOTHING = new Set(['lock', 'lost+found', PART]);

/**
 * Makes a state folder from a backup. The target folder is empty or missing. Each file of an upload is
 * compared with its digest of the time it was sent; a file that differs is reported, and restored all the
 * same. Throws an error for people.
 */
export async function restore(from: string, state: string): Promise<RestoreSummary> {
  readDescription(from);
  const lock = takeStateFolder(state, { warn: () => {} });
  try {
    const present = readdirSync(state).filter((name) => !NOTHING.has(name));
    if (present.length > 0)
      throw new Error(
        `the state folder ${state} is not empty (${present.slice(0, 3).join(', ')}): name another with --state`,
      );
    const part = join(state, PART);
    rmSync(part, { recursive: true, force: true });
    try {
      const summary = await fill(part, from);
      const { kept } = uploadFolders(state);
      // The database comes last: a service takes no folder without it for a whole one.
      renameSync(dirname(uploadFolders(part).kept), dirname(kept));
      for (const name of [LOG_KEY_FILE, DELIVERIES_FILE, DATABASE_FILE])
        if (existsSync(join(part, name))) renameSync(join(part, name), join(state, name));
      return summary;
    } finally {
      rmSync(part, { recursive: true, force: true });
    }
  } finally {
    lock.release();
  }
}

function readDescription(from: string): void {
  let description: BackupDescription;
  try {
    description = JSON.parse(readFileSync(join(from, BACKUP_FILE), 'utf8'));
  } catch {
    throw new Error(`${from} is no backup, or one that was not finished: it has no ${BACKUP_FILE}`);
  }
  if (description.format !== BACKUP_FORMAT)
    throw new Error(
      `the backup was made by release ${description.release}, in another form: restore it with that release`,
    );
}

async function fill(part: string, from: string): Promise<RestoreSummary> {
  await mkdir(part, { mode: 0o700 });
  for (const name of [DATABASE_FILE, DELIVERIES_FILE, LOG_KEY_FILE])
    if (existsSync(join(from, name))) await copyFile(join(from, name), join(part, name));
  const path = join(part, DATABASE_FILE);
  if (!existsSync(path)) throw new Error(`the backup ${from} has no ${DATABASE_FILE}`);
  const db = openSqlite(path);
  try {
    checkDatabase(db, join(from, DATABASE_FILE));
    const { user_version: format } = db.prepare('PRAGMA user_version').get() as { user_version: number };
    if (format > FORMAT)
      throw new Error(
        `the backup is of a later release (state format ${format}, this one reads up to ${FORMAT}): use that release`,
      );
    return { sessions: countSessions(db), ...(await restoreUploads(db, part, from)) };
  } finally {
    closeSqlite(db);
  }
}

async function restoreUploads(
  db: Database,
  part: string,
  from: string,
): Promise<Omit<RestoreSummary, 'sessions'>> {
  const { kept: source } = uploadFolders(from);
  const kept = new KeptUploads(uploadFolders(part).kept);
  const keys = existsSync(source) ? await readdir(source) : [];
  const damaged: string[] = [];
  const progress = new Progress(process.stderr);
  let bytes = 0;
  for (const [at, key] of keys.entries()) {
    progress.show('uploaded studies', `${at} of ${keys.length}`, at, keys.length);
    bytes += await copyFiles(join(source, key), kept.pathOf(key));
    const bad = await checkUpload(db, kept, key);
    if (bad !== null) damaged.push(bad);
  }
  progress.clear();
  return { uploadedStudies: keys.length, bytes, damaged };
}

/**
 * Compares the files of an upload with their digests. For each file that is right it writes the new times and
 * inode to the catalogue, so that the file counts as the one that was read. Returns the name of the study if
 * a file differs.
 */
async function checkUpload(db: Database, kept: KeptUploads, key: string): Promise<string | null> {
  const manifest = await kept.manifest(key).catch(() => null);
  if (!manifest) return key;
  let isRight = true;
  const guards: (readonly [guard: string, path: string])[] = [];
  for (const { number, name, sha256 } of manifest.files) {
    const path = join(kept.pathOf(key), String(number));
    if (existsSync(path) && (await sha256Of(path)) === sha256)
      guards.push([guardOf(statSync(path, { bigint: true })), uploadedPath(key, number, name)]);
    else isRight = false;
  }
  const update = db.prepare('UPDATE slice SET guard = ? WHERE path = ?');
  transact(db, () => {
    for (const [guard, path] of guards) update.run(guard, path);
  });
  return isRight ? null : manifest.study;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
