import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { DATABASE_FILE } from '../catalog/schema.js';
import { Progress } from '../progress.js';
import { uploadFolders } from '../sources/place.js';
import { copySqlite, openSqlite } from '../sqlite.js';
import { VERSION } from '../version.js';
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
  uploadKeys,
} from './contents.js';

/** The most attempts: when a study is deleted while its files are copied, everything is copied again. */
const TRIES = 3;

/**
 * Copies the lasting part of a state folder to a new folder, whether or not a service uses it: the database
 * and the deliveries that are not in it yet, both as they are at one moment, and the files of every uploaded
 * study. The folder appears whole or not at all. Throws an error for people.
 */
export async function backUp(state: string, target: string): Promise<BackupSummary> {
  if (!existsSync(join(state, DATABASE_FILE)))
    throw new Error(`there is no state in ${state}: name its folder with --state`);
  if (existsSync(target)) throw new Error(`${target} is there already: name a folder that is not`);
  const whole = resolve(target);
  await mkdir(dirname(whole), { recursive: true });
  const part = await mkdtemp(join(dirname(whole), `.${basename(whole)}-`));
  try {
    const summary = await fill(part, state);
    await rename(part, whole);
    await syncPath(dirname(whole));
    return summary;
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw error;
  }
}

async function fill(part: string, state: string): Promise<BackupSummary> {
  for (let tries = 1; ; tries++) {
    await copyDatabase(part, state);
    const copied = await copyUploads(part, state);
    const db = openSqlite(join(part, DATABASE_FILE));
    try {
      checkDatabase(db, join(part, DATABASE_FILE));
      // One file, which can be read where nobody may write.
      db.exec('PRAGMA journal_mode = DELETE');
      const known = uploadKeys(db);
      const isWhole = known.every((key) => copied.keys.has(key));
      if (!isWhole && tries < TRIES) continue;
      if (!isWhole)
        throw new Error('uploaded studies are deleted while they are copied: try again when that is done');
      const summary = { sessions: countSessions(db), uploadedStudies: known.length, bytes: copied.bytes };
      await describe(part, state);
      return summary;
    } finally {
      db.close();
    }
  }
}

/**
 * Copies the database and the deliveries of one moment: deliveries move from one to the other at any time.
 */
async function copyDatabase(part: string, state: string): Promise<void> {
  const copy = join(part, DATABASE_FILE);
  for (const ending of ['', '-wal', '-shm']) rmSync(copy + ending, { force: true });
  const deliveries = join(state, DELIVERIES_FILE);
  await copySqlite(join(state, DATABASE_FILE), copy, () => {
    const bytes = existsSync(deliveries) ? readFileSync(deliveries) : Buffer.alloc(0);
    writeFileSync(join(part, DELIVERIES_FILE), bytes, { mode: 0o600 });
  });
}

/**
 * The folders of uploads that exist and are not copied yet. A folder never changes; it is only removed as a
 * whole.
 */
async function copyUploads(
  part: string,
  state: string,
): Promise<{ readonly keys: ReadonlySet<string>; readonly bytes: number }> {
  const { kept } = uploadFolders(state);
  const { kept: copies } = uploadFolders(part);
  await rm(copies, { recursive: true, force: true });
  await mkdir(copies, { recursive: true, mode: 0o700 });
  const present = existsSync(kept) ? await readdir(kept) : [];
  const keys = new Set<string>();
  const progress = new Progress(process.stderr);
  let bytes = 0;
  for (const [at, key] of present.entries()) {
    progress.show('uploaded studies', `${at} of ${present.length}`, at, present.length);
    try {
      bytes += await copyFiles(join(kept, key), join(copies, key));
      keys.add(key);
    } catch (error) {
      progress.clear();
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // The upload was deleted while it was copied.
      await rm(join(copies, key), { recursive: true, force: true });
    }
  }
  progress.clear();
  return { keys, bytes };
}

async function describe(part: string, state: string): Promise<void> {
  const key = join(state, LOG_KEY_FILE);
  if (existsSync(key)) await copyFile(key, join(part, LOG_KEY_FILE));
  const description: BackupDescription = {
    format: BACKUP_FORMAT,
    release: VERSION,
    madeAt: new Date().toISOString(),
  };
  await syncPath(join(part, DATABASE_FILE));
  writeFileSync(join(part, BACKUP_FILE), `${JSON.stringify(description)}\n`, { mode: 0o600 });
  await syncPath(join(part, BACKUP_FILE));
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
