import { constants } from 'node:fs';
import { copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from '../sqlite.js';

/** This file is written last: a backup without it was not finished. */
export const BACKUP_FILE = 'backup.json';
export const BACKUP_FORMAT = 1;

/** Files that a backup has beside the database and the uploaded studies. */
export const DELIVERIES_FILE = 'deliveries';
export const LOG_KEY_FILE = 'log.key';

/** The manifest of a backup. */
export interface BackupDescription {
  readonly format: number;
  readonly release: string;
  /** ISO 8601. */
  readonly madeAt: string;
}

/** The result of a backup or a restore. */
export interface BackupSummary {
  readonly sessions: number;
  readonly uploadedStudies: number;
  readonly bytes: number;
}

/**
 * Copies a folder of plain files and returns their bytes. It never makes hard links: a new link changes a
 * file's change time, and a running service takes a file with other times for one with other content. File
 * systems that can share blocks do so.
 */
export async function copyFiles(from: string, to: string): Promise<number> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  let bytes = 0;
  for (const name of await readdir(from)) {
    const copy = join(to, name);
    await copyFile(join(from, name), copy, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    bytes += (await stat(copy)).size;
  }
  return bytes;
}

/** Throws an error for people where a database is damaged. */
export function checkDatabase(db: Database, path: string): void {
  const [row] = db.prepare('PRAGMA quick_check(1)').all() as { quick_check: string }[];
  if (row?.quick_check !== 'ok') throw new Error(`the database ${path} is damaged: ${row?.quick_check}`);
}

export function countSessions(db: Database): number {
  return (db.prepare('SELECT count(*) AS count FROM session').get() as { count: number }).count;
}

/** Returns the folders of all uploaded studies that a database knows. */
export function uploadKeys(db: Database): string[] {
  return (db.prepare('SELECT key FROM upload ORDER BY key').all() as { key: string }[]).map(({ key }) => key);
}
