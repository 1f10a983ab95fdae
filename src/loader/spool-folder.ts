import { randomBytes } from 'node:crypto';
import { mkdirSync, openSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FolderLock } from '../lock.js';

const NAMED = /^\.?slicefeed-spool-[0-9a-f]{16}$/;
const ALIVE = { file: 'alive', ownOnly: true };
/** Attempts: another process may sweep the folder away between its making and its locking. */
const TRIES = 10;

/** No file can be made in the folder; the message says why, without a path. */
export class NoSegment extends Error {
  override readonly name = 'NoSegment';
}

/**
 * A folder with a random name for the files of one process. A later start tells by its lock whether it was
 * left behind, and sweeps it then. If somebody removes the folder, a new one is made.
 */
export class SpoolFolder {
  #base: string;
  #lock: FolderLock;
  #path: string;
  #problem: string | null = null;

  /**
   * Makes the folder below `base` and removes the folders of processes that have ended. Throws if it can't be
   * made.
   */
  constructor(base: string) {
    this.#base = base;
    mkdirSync(base, { recursive: true });
    for (const name of readdirSync(base)) if (NAMED.test(name)) sweep(join(base, name));
    [this.#path, this.#lock] = make(base);
  }

  get path(): string {
    return this.#path;
  }

  /** The reason why no file can be made in the folder; null if all is well. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Makes a file for reading and writing, in a new folder if this one was removed. Throws `NoSegment`. */
  open(name: string): { readonly path: string; readonly fd: number } {
    try {
      return this.#openHere(name);
    } catch (error) {
      this.look();
      if (this.#problem !== null) throw new NoSegment(this.#problem);
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR')
        throw new NoSegment(`no file can be made for the batch (${code})`);
    }
    return this.#openHere(name);
  }

  /** Makes the folder again if it was removed; `problem` tells if that fails. */
  look(): void {
    this.#problem = this.#lock.holds() ? null : this.#makeAgain();
  }

  /** Removes the folder with all that is in it. */
  close(): void {
    try {
      if (this.#lock.holds()) rmSync(this.#path, { recursive: true, force: true });
    } finally {
      this.#lock.release();
    }
  }

  #openHere(name: string): { readonly path: string; readonly fd: number } {
    const path = join(this.#path, name);
    return { path, fd: openSync(path, 'wx+', 0o600) };
  }

  /** Makes the folder again. Returns the reason if it cannot be made, else null. */
  #makeAgain(): string | null {
    try {
      mkdirSync(this.#base, { recursive: true });
      const [path, lock] = make(this.#base);
      this.#lock.release();
      [this.#path, this.#lock] = [path, lock];
      return null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return `the folder for warm batches was removed and cannot be made again (${code}): see SLICEFEED_SPOOL`;
    }
  }
}

function make(base: string): [path: string, lock: FolderLock] {
  for (let left = TRIES; ; left--) {
    const path = join(base, `slicefeed-spool-${randomBytes(8).toString('hex')}`);
    mkdirSync(path, { mode: 0o700 });
    try {
      const lock = FolderLock.take(path, ALIVE);
      if (lock) return [path, lock];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    if (left === 1) throw new Error(`another process removes the folders that are made in ${base}`);
  }
}

/**
 * Removes a folder whose process has ended. It leaves the locked folder of a running process. It also leaves
 * a folder that belongs to another user, is open to others, or is reached by a link, and opens nothing in it.
 */
function sweep(path: string): void {
  try {
    const lock = FolderLock.take(path, ALIVE);
    if (!lock) return;
    try {
      // Use the folder's own descriptor where possible: the path may lead elsewhere by this time.
      const inside = process.platform === 'linux' ? `/proc/self/fd/${lock.fd}` : path;
      for (const name of readdirSync(inside)) rmSync(join(inside, name));
      rmdirSync(path);
    } finally {
      lock.release();
    }
  } catch {
    // It is not ours to remove, or another start is sweeping it.
  }
}
