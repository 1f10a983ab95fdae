import { createRequire } from 'node:module';
import type Koffi from 'koffi';

// Numbers of Linux's headers asm-generic/fcntl.h and sys/file.h; other systems have the same in sys/file.h.
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const LOCK_EXCLUSIVE_NOW = 6;

interface Calls {
  /** Both return 0, or -1 with a number in `errno`. */
  readonly flock: (fd: number, operation: number) => number;
  readonly setLock: (fd: number, lock: Buffer) => number;
  readonly errno: () => number;
  readonly numbers: Readonly<Record<string, number>>;
}

let calls: Calls | null = null;

function library(): Calls {
  if (calls) return calls;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
    const c = koffi.load(null);
    const fcntl = c.func('int fcntl(int, int, ...)');
    calls = {
      flock: c.func('int flock(int, int)') as Calls['flock'],
      setLock: (fd, lock) => fcntl(fd, F_OFD_SETLK, 'void *', lock) as number,
      errno: () => koffi.errno(),
      numbers: koffi.os.errno as Readonly<Record<string, number>>,
    };
    return calls;
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0];
    throw new Error(
      `no file can be locked, because the package koffi cannot be used (${reason}): install it with its build for this system`,
    );
  }
}

function isTaken(result: number): boolean {
  if (result === 0) return true;
  const { errno, numbers } = library();
  const number = errno();
  if (number === numbers.EAGAIN || number === numbers.EACCES || number === numbers.EWOULDBLOCK) return false;
  const code = Object.keys(numbers).find((name) => numbers[name] === number) ?? `errno ${number}`;
  throw Object.assign(new Error(`a lock: ${code}`), { code });
}

/**
 * Takes flock's exclusive lock on a file or folder that a descriptor has open; returns false while another
 * descriptor holds it. The kernel releases it with the last copy of the descriptor, however the process ends.
 * On a network disk it may hold on this machine only.
 */
export function tryFlock(fd: number): boolean {
  return isTaken(library().flock(fd, LOCK_EXCLUSIVE_NOW));
}

/**
 * Takes the exclusive lock on a whole file that is open for writing, until its descriptor is closed; returns
 * false while another descriptor holds one. On Linux it excludes SQLite's locks, which earlier releases took,
 * and it holds over a network disk.
 */
export function tryLockFile(fd: number): boolean {
  if (process.platform !== 'linux') return tryFlock(fd);
  // struct flock: type, whence, start, length (0: to the end of the file), and a process id, which must be 0.
  const lock = Buffer.alloc(32);
  lock.writeInt16LE(F_WRLCK, 0);
  return isTaken(library().setLock(fd, lock));
}
