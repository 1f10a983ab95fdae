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

/**
 * Every file below a root, folders in order of their names; names with a leading dot are left out. Links are followed.
 * A folder or file that can't be looked at becomes a fault and the walk goes on; the root itself throws.
 */
export async function* walkFolder(root: string, faults: WalkFault[]): AsyncGenerator<SourceEntry> {
  yield* walk(root, '', 0, faults);
}

async function* walk(
  root: string,
  folder: string,
  depth: number,
  faults: WalkFault[],
): AsyncGenerator<SourceEntry> {
  let entries: Dirent[];
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    if (folder === '') throw error;
    faults.push({
      path: folder,
      detail: `the folder cannot be read (${(error as NodeJS.ErrnoException).code})`,
    });
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    try {
      const status = entry.isDirectory() ? null : await stat(join(root, path), { bigint: true });
      if (status?.isFile()) yield { path, guard: guardOf(status) };
      else if (status === null || status.isDirectory()) {
        if (depth < MAX_DEPTH) yield* walk(root, path, depth + 1, faults);
        else faults.push({ path, detail: `more than ${MAX_DEPTH} folders deep` });
      }
    } catch (error) {
      faults.push({ path, detail: `it cannot be read (${(error as NodeJS.ErrnoException).code})` });
    }
  }
}
