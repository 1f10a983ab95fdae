import { accessSync, constants, type Dirent, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { guardOf } from '../core/guard.js';

/** A file of a source; `path` is relative to its root, parts joined by `/`. */
export interface SourceEntry {
  readonly path: string;
  readonly guard: string;
}

/** What could not be looked at on the way. */
export interface WalkFault {
  readonly path: string;
  readonly detail: string;
}

const MAX_DEPTH = 12;

/** Throws an error for people when a data folder cannot be served. */
export function checkFolder(root: string): void {
  const hint = 'name a folder that this user may read with --data FOLDER or SLICEFEED_DATA';
  try {
    if (!statSync(root).isDirectory()) throw new Error(`the data folder ${root} is a file: ${hint}`);
    accessSync(root, constants.R_OK | constants.X_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    const why =
      code === 'ENOENT'
        ? 'does not exist'
        : code === 'EACCES'
          ? 'may not be read'
          : `cannot be read (${code})`;
    throw new Error(`the data folder ${root} ${why}: ${hint}`);
  }
}

/** Files that are looked at side by side: enough to keep a slow disk or a network busy. */
const SIDE_BY_SIDE = 32;

/**
 * The files below a root in lots, those of a folder before its folders, both in order of their names; names with a leading dot are left out. Links are followed.
 * A folder or file that can't be looked at becomes a fault and the walk goes on; the root itself throws. Folders `without` (relative to the
 * root) are not gone into.
 */
export async function* walkFolder(
  root: string,
  faults: WalkFault[],
  without: readonly string[] = [],
): AsyncGenerator<SourceEntry[]> {
  const waiting = [{ folder: '', depth: 0 }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { folder, depth } = next;
    const entries = await readEntries(root, folder, faults);
    const folders: string[] = [];
    for (let from = 0; from < entries.length; from += SIDE_BY_SIDE) {
      const lot = entries.slice(from, from + SIDE_BY_SIDE);
      const looked = await Promise.all(lot.map((entry) => look(root, folder, entry)));
      yield looked.filter((one) => 'guard' in one);
      for (const one of looked)
        if ('detail' in one) faults.push(one);
        else if (!('guard' in one) && one.isFolder && !without.includes(one.path)) folders.push(one.path);
    }
    for (const path of folders.reverse())
      if (depth < MAX_DEPTH) waiting.push({ folder: path, depth: depth + 1 });
      else faults.push({ path, detail: `more than ${MAX_DEPTH} folders deep` });
  }
}

async function readEntries(root: string, folder: string, faults: WalkFault[]): Promise<Dirent[]> {
  try {
    const entries = await readdir(join(root, folder), { withFileTypes: true });
    const shown = entries.filter(({ name }) => !name.startsWith('.'));
    return shown.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    if (folder === '') throw error;
    const detail = `the folder cannot be read (${(error as NodeJS.ErrnoException).code})`;
    faults.push({ path: folder, detail });
    return [];
  }
}

/** What an entry of a folder is: a file with its guard, or a folder, or neither; or why that cannot be told. */
async function look(
  root: string,
  folder: string,
  entry: Dirent,
): Promise<SourceEntry | WalkFault | { readonly path: string; readonly isFolder: boolean }> {
  const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
  if (entry.isDirectory()) return { path, isFolder: true };
  try {
    const status = await stat(join(root, path), { bigint: true });
    return status.isFile() ? { path, guard: guardOf(status) } : { path, isFolder: status.isDirectory() };
  } catch (error) {
    return { path, detail: `it cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}
