import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { tryFlock, tryLockFile } from './file-lock.js';

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Whether a path leads to nothing, or to something else than what was opened there. */
function isGone(path: string, fd: number): boolean {
  try {
    return !isSame(statSync(path), fstatSync(fd));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return true;
    // A disk that does not answer now tells nothing.
    return false;
  }
}

function isSame(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** A lock of a file in a folder: null while another process, or another lock of this one, holds it. */
function lockFile(path: string): number | null {
  // No link is followed, and a pipe that somebody put there keeps nobody waiting.
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    if (!fstatSync(fd).isFile()) throw new Error(`${path} is no file: remove it`);
    if (tryLockFile(fd)) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return null;
}

export interface FolderLockOptions {
  /** The name of the file in it that is locked too. */
  readonly file: string;
  /**
   * Whether a folder of somebody else, one that others may enter, and a link count as one that can't be had.
   */
  readonly ownOnly?: boolean;
}

/**
 * A folder that one holder has to itself, until its process ends, however it ends. Two locks: that of the
 * folder's own descriptor, which lasts whatever is removed from it, and that of an empty file, which also
 * holds against other machines that share the disk.
 */
export class FolderLock {
  /** The folder itself, also while its path leads elsewhere. */
  readonly fd: number;
  #path: string;
  #filePath: string;
  #file: number | null;
  #held = true;

  private constructor(path: string, filePath: string, fd: number, file: number) {
    this.#path = path;
    this.#filePath = filePath;
    this.fd = fd;
    this.#file = file;
  }

  /** Takes a folder that is there; null while somebody else has it. Throws where it can't be opened. */
  static take(path: string, { file: name, ownOnly = false }: FolderLockOptions): FolderLock | null {
    const fd = openSync(path, O_RDONLY | O_DIRECTORY | (ownOnly ? O_NOFOLLOW : 0));
    const filePath = join(path, name);
    try {
      if (ownOnly && !isPrivate(fstatSync(fd)))
        throw new Error('the folder belongs to another user, or others may enter it');
      const file = tryFlock(fd) && !isGone(path, fd) ? lockFile(filePath) : null;
      if (file !== null) return new FolderLock(path, filePath, fd, file);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
    return null;
  }

  /**
   * Whether the path still leads to this folder and nobody else has it: to be asked from time to time. A file
   * that was removed is made and locked again.
   */
  holds(): boolean {
    if (!this.#held || isGone(this.#path, this.fd)) return false;
    if (this.#file !== null && !isGone(this.#filePath, this.#file)) return true;
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    try {
      this.#file = lockFile(this.#filePath);
    } catch {
      // Want of room, or of descriptors: the folder's own lock holds meanwhile, and the next look tries
      // again.
      return true;
    }
    return this.#file !== null;
  }

  /** Gives the folder back; a second call does nothing. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    if (this.#file !== null) closeSync(this.#file);
    closeSync(this.fd);
  }
}

/** Whether a folder is this user's and closed to all others. */
function isPrivate({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & 0o077) === 0;
}
