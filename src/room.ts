import { SlfError } from './errors.js';

const CODES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE', 'EROFS']);

/**
 * Result codes of SQLite (sqlite.org/rescode.html): full, a file that can't be opened (also for lack of
 * descriptors), a read-only disk, and failures to write, truncate or share memory, which full disks and
 * quotas cause.
 */
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_READONLY = 8;
const SQLITE_IOERR_OF_WRITING: ReadonlySet<number> = new Set([778, 1034, 1290, 1546, 4618, 4874, 5386]);

/** Whether an error means that this machine has no room to write: a full disk, or too many open files. */
export function isOutOfRoom(error: unknown): boolean {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (typeof errcode !== 'number') return CODES.has(code);
  return (
    [SQLITE_FULL, SQLITE_CANTOPEN, SQLITE_READONLY].includes(errcode & 0xff) ||
    SQLITE_IOERR_OF_WRITING.has(errcode)
  );
}

/** The answer to an error of no room on this machine: 503, try again. Null for any other error. */
export function refuseRoom(error: unknown): SlfError | null {
  return isOutOfRoom(error)
    ? new SlfError('SLF_ROOM', 'the disk is full, or too many files are open: see the log', {
        retryAfterS: 5,
      })
    : null;
}
