import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { resolve, sep } from 'node:path';
import { guardOf } from '../core/guard.js';

const ROOM = new Set([
  'ENOSPC',
  'EDQUOT',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EIO',
  'ESTALE',
  'EACCES',
  'EPERM',
  'EROFS',
]);
const GONE = new Set(['ENOENT', 'ENOTDIR', 'EISDIR']);
/** These codes mean that this machine has run out of something, whichever file was asked for. */
const RUN_OUT = new Set(['EMFILE', 'ENFILE', 'ENOMEM']);

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | null)?.code ?? '');
}

/**
 * Whether an error is about the machine: too many open files, no memory, or a full folder of the service. A
 * fault of a source file is a `SourceUnreadable` and not one of these.
 */
export function isRoomError(error: unknown): boolean {
  return ROOM.has(codeOf(error));
}

/** The file became shorter while it was read. */
export class ShortRead extends Error {
  override readonly name = 'ShortRead';
}

/** The system cannot read a source file: it is missing, forbidden, or its storage fails. */
export class SourceUnreadable extends Error {
  override readonly name = 'SourceUnreadable';
  /** `errno`: the system's name of the error, such as `EACCES`. */
  constructor(readonly errno: string) {
    super(`the file cannot be read (${errno})`);
  }
}

/** Whether an error tells that a file is not there any more, or not all of it. */
export function isGoneError(error: unknown): boolean {
  return error instanceof ShortRead || (error instanceof SourceUnreadable && GONE.has(error.errno));
}

/** Runs a system call on a source file. Throws `SourceUnreadable` if that file is at fault. */
function ofSource<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const code = codeOf(error);
    if (RUN_OUT.has(code) || !/^E[A-Z0-9]+$/.test(code)) throw error;
    throw new SourceUnreadable(code);
  }
}

/** An open file of a source; every read is positioned and complete or throws. */
export interface SourceFile {
  readonly sizeBytes: number;
  /** The file's guard when it was opened. */
  readonly guard: string;
  /** Names this file as it was when it was opened, by its path and its guard. */
  readonly identity: string;
  /** Whether the file is the one that was opened, untouched. */
  isUntouched(): boolean;
  /** Reads `length` bytes at `offset` into the start of `into`; throws `ShortRead` where the file ends before. */
  read(into: Uint8Array, offset: number, length: number): void;
}

/**
 * Opens a file below a root while `work` runs. The path comes from the catalogue and may not leave the root.
 * Throws `SourceUnreadable`, also from the reads of `work`.
 */
export function withSourceFile<T>(root: string, path: string, work: (file: SourceFile) => T): T {
  const whole = resolve(root, path);
  if (!whole.startsWith(root.endsWith(sep) ? root : root + sep))
    throw new RangeError('the path leaves its source');
  const fd = ofSource(() => openSync(whole, 'r'));
  try {
    const statusOf = () => ofSource(() => fstatSync(fd, { bigint: true }));
    const status = statusOf();
    const guard = guardOf(status);
    return work({
      sizeBytes: Number(status.size),
      guard,
      identity: `${whole}\0${guard}`,
      isUntouched: () => guardOf(statusOf()) === guard,
      read(into, offset, length) {
        let done = 0;
        while (done < length) {
          const got = ofSource(() => readSync(fd, into, done, length - done, offset + done));
          if (got === 0) throw new ShortRead('the file ends before its data');
          done += got;
        }
      },
    });
  } finally {
    closeSync(fd);
  }
}

/** So often a file is looked at that is touched each time while it is read. */
const LOOKS = 3;

/**
 * Reads a file below a root all at once: what `work` made of it, or null where somebody touched it each time meanwhile, so that
 * its bytes may be of two contents.
 */
export function readAtRest<T>(root: string, path: string, work: (file: SourceFile) => T): T | null {
  for (let look = 0; look < LOOKS; look++) {
    const read = withSourceFile(root, path, (file) => {
      try {
        const value = work(file);
        return file.isUntouched() ? { value } : null;
      } catch (error) {
        // What was found in a file that changed meanwhile says nothing of what it holds now.
        if (file.isUntouched()) throw error;
        return null;
      }
    });
    if (read) return read.value;
  }
  return null;
}

let scratch = Buffer.alloc(0);

/** One buffer that this process uses again and again; its content lasts until the next call. */
export function scratchBytes(length: number): Buffer {
  if (scratch.length < length) scratch = Buffer.allocUnsafeSlow(Math.ceil(length / 65536) * 65536);
  return scratch.subarray(0, length);
}
