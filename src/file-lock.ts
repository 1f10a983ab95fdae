import { createRequire } from 'node:module';
import type Koffi from 'koffi';

// Numbers of Linux's own headers: asm-generic/fcntl.h, and sys/file.h, where other systems have the same.
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const LOCK_EXCLUSIVE_NOW = 6;

interface Calls {
  /** Both answer 0, or -1 and leave a number in `errno`. */
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
 * Takes flock's exclusive lock of what a descriptor leads to, a folder too; false while another descriptor
 * holds it. The kernel gives it back with the last copy of the descriptor, however its process ends. On a
 * network's disk it may hold on this machine alone.
 */
export function tryFlock(fd: number): boolean {
  return isTaken(library().flock(fd, LOCK_EXCLUSIVE_NOW));
}

/**
 * Takes the exclusive lock of a whole file that is open for writing, until its descriptor is closed; false
 * while another holds one. On Linux it is one that SQLite's locks meet, which earlier releases took, and that
 * holds over a network's disk.
 */
export function tryLockFile(fd: number): boolean {
  if (process.platform !== 'linux') return tryFlock(fd);
  // struct flock: type, whence, start, length (0: to the end, wherever that is), and a process id, which has
  // to be 0.
  const lock = Buffer.alloc(32);
  lock.writeInt16LE(F_WRLCK, 0);
  return isTaken(library().setLock(fd, lock));
}
