import { isUtf8 } from 'node:buffer';
import { accessSync, type BigIntStats, constants, statSync } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { contourName } from '../core/contour-name.js';
import { guardOf } from '../core/guard.js';
import { appendAll } from '../core/long-lists.js';
import type { ProblemCode } from '../core/problem.js';
import { type LayoutLink, layoutLinks } from './layout-links.js';

/** A file of a source; `path` is relative to its root, parts joined by `/`. */
export interface SourceEntry {
  readonly path: string;
  readonly guard: string;
}

/** A file or folder that is left out of a walk. */
export interface WalkFault {
  readonly code: Extract<ProblemCode, 'FILE_UNREADABLE' | 'FOLDER_TWICE' | 'NAME_NOT_UTF8'>;
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

interface Folder {
  readonly path: string;
  readonly depth: number;
}

/**
 * Returns the files below a root in lots: the files of a folder before its subfolders, both in order of their
 * names, without names that begin with a dot. Links are followed after everything in the root itself; a
 * folder is read once, however many ways lead to it: at the link by which a layout names it, else where it lies. A folder or file that is left out becomes a fault and
 * the walk goes on; a fault of the root throws. Folders in `without` (relative to the root) are not entered.
 */
export async function* walkFolder(
  root: string,
  faults: WalkFault[],
  without: readonly string[] = [],
): AsyncGenerator<SourceEntry[]> {
  const known = new KnownFolders(root);
  await known.exclude(without);
  for (const link of await layoutLinks(root, without, MAX_DEPTH)) await known.reserve(link);
  const waiting: Folder[] = [{ path: '', depth: 0 }];
  const linked: Folder[] = [];
  for (let next = waiting.pop(); next; next = waiting.pop() ?? linked.shift()) {
    const { path: folder, depth } = next;
    if (!(await known.enter(folder, faults))) continue;
    const entries = await readEntries(root, folder, faults);
    const folders: Folder[] = [];
    for (let from = 0; from < entries.length; from += SIDE_BY_SIDE) {
      const lot = entries.slice(from, from + SIDE_BY_SIDE);
      const looked = await Promise.all(lot.map((entry) => look(root, entry)));
      yield looked.filter((one) => 'guard' in one);
      for (const [at, one] of looked.entries()) {
        if ('detail' in one) faults.push(one);
        if (!('isFolder' in one)) continue;
        if (contourName(one.path) !== null)
          faults.push({
            code: 'FILE_UNREADABLE',
            path: one.path,
            detail: 'it is no file, but is named as a text',
          });
        if (!one.isFolder) continue;
        if (depth < MAX_DEPTH)
          (lot[at]!.isLink ? linked : folders).push({ path: one.path, depth: depth + 1 });
        else
          faults.push({
            code: 'FILE_UNREADABLE',
            path: one.path,
            detail: `more than ${MAX_DEPTH} folders deep`,
          });
      }
    }
    appendAll(waiting, folders.reverse());
  }
}

/** Folders by device and inode, not by the path that leads to them. */
class KnownFolders {
  #root: string;
  /** The path by which each folder was reached first; null: it is left out. */
  #paths = new Map<string, string | null>();
  #reserved = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
  }

  async exclude(folders: readonly string[]): Promise<void> {
    const root = await this.#identity('');
    for (const path of folders) {
      const identity = await this.#identity(path).catch(() => null);
      // A missing folder has no files. The root is always asked for by name.
      if (identity !== null && identity !== root) this.#paths.set(identity, null);
    }
  }

  /** Has a folder read at the link by which a layout names it, and nowhere else. */
  async reserve({ path, target }: LayoutLink): Promise<void> {
    const identity = await this.#identity(target).catch(() => null);
    if (identity !== null) this.#reserved.set(identity, path);
  }

  /** Whether to read a folder; reports where it was read already. Throws if the root can't be looked at. */
  async enter(path: string, faults: WalkFault[]): Promise<boolean> {
    let identity: string;
    try {
      identity = await this.#identity(path);
    } catch (error) {
      if (path === '') throw error;
      faults.push(unreadable(path, error));
      return false;
    }
    const known = this.#paths.get(identity);
    const reserved = this.#reserved.get(identity) ?? path;
    if (known === undefined && reserved === path) {
      this.#paths.set(identity, path);
      return true;
    }
    const first = known === undefined ? reserved : known;
    if (first !== null) {
      const detail = `it leads to ${first === '' ? 'the data folder itself' : first}, where it is read`;
      faults.push({ code: 'FOLDER_TWICE', path, detail });
    }
    return false;
  }

  async #identity(path: string): Promise<string> {
    const { dev, ino } = await stat(join(this.#root, path), { bigint: true });
    // Some file systems give no inode numbers.
    return ino === 0n ? realpath(join(this.#root, path)) : `${dev}:${ino}`;
  }
}

interface FolderEntry {
  readonly path: string;
  readonly isLink: boolean;
}

async function readEntries(root: string, folder: string, faults: WalkFault[]): Promise<FolderEntry[]> {
  const below = (name: string) => (folder === '' ? name : `${folder}/${name}`);
  try {
    const found: FolderEntry[] = [];
    const entries = await readdir(join(root, folder), { withFileTypes: true, encoding: 'buffer' });
    for (const entry of entries) {
      const name = entry.name.toString('utf8');
      if (name.startsWith('.')) continue;
      const path = below(name);
      // No path made of characters could open it.
      if (isUtf8(entry.name)) found.push({ path, isLink: entry.isSymbolicLink() });
      else faults.push({ code: 'NAME_NOT_UTF8', path, detail: NAME_DETAIL });
    }
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  } catch (error) {
    if (folder === '') throw error;
    const detail = `the folder cannot be read (${(error as NodeJS.ErrnoException).code})`;
    faults.push({ code: 'FILE_UNREADABLE', path: folder, detail });
    return [];
  }
}

const NAME_DETAIL =
  'its name is no UTF-8, so that it cannot be opened: rename it (convmv does whole folders)';

/**
 * Tells whether an entry of a folder is a file, with its guard, a folder, or neither; or why that is unknown.
 */
async function look(
  root: string,
  { path }: FolderEntry,
): Promise<SourceEntry | WalkFault | { readonly path: string; readonly isFolder: boolean }> {
  let status: BigIntStats;
  try {
    status = await stat(join(root, path), { bigint: true });
  } catch (error) {
    return unreadable(path, error);
  }
  return status.isFile() ? { path, guard: guardOf(status) } : { path, isFolder: status.isDirectory() };
}

function unreadable(path: string, error: unknown): WalkFault {
  return {
    code: 'FILE_UNREADABLE',
    path,
    detail: `it cannot be read (${(error as NodeJS.ErrnoException).code})`,
  };
}
