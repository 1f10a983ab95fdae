import { closeSync, constants, fstatSync, openSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { tryFlock, tryLockFile } from './file-lock.js';

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** Whether a path leads to nothing, or to another file than the open one. */
function isGone(path: string, fd: number): boolean {
  try {
    return !isSame(statSync(path), fstatSync(fd));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return true;
    // If the disk does not answer, this is unknown.
    return false;
  }
}

function isSame(a: Stats, b: Stats): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/**
 * Locks a file in a folder and returns its descriptor; null while another process, or another lock of this
 * one, holds it.
 */
function lockFile(path: string): number | null {
  // Follow no link, and do not wait for the other end of a pipe that somebody put there.
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
  /** The name of the file in the folder that is locked too. */
  readonly file: string;
  /** Whether to refuse a link, and a folder that belongs to another user or that others may enter. */
  readonly ownOnly?: boolean;
}

/**
 * A folder that one process has for itself until it ends, however it ends. There are two locks: one on the
 * folder's descriptor, which lasts whatever is removed from the folder, and one on an empty file, which also
 * holds against other machines that share the disk.
 */
export class FolderLock {
  /** The descriptor of the folder, even if its path leads elsewhere. */
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

  /** Locks an existing folder; returns null while another process has it. Throws if it can't be opened. */
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
   * Whether the path still leads to this folder and nobody else has it. Called at intervals; makes and locks
   * the file again if it was removed.
   */
  holds(): boolean {
    if (!this.#held || isGone(this.#path, this.fd)) return false;
    if (this.#file !== null && !isGone(this.#filePath, this.#file)) return true;
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    try {
      this.#file = lockFile(this.#filePath);
    } catch {
      // No room, or no descriptors: the folder's own lock still holds, and the next call tries again.
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
