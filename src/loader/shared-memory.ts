import { statfsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type Koffi from 'koffi';

// Numbers of Linux's own headers: asm/mman-common.h, linux/falloc.h, linux/magic.h.
const READ_WRITE = 0x3;
const SHARED = 0x1;
const PUNCH_HOLE_KEEP_SIZE = 0x3;
const TMPFS = 0x01021994;

/** Less is copied faster than it is mapped. */
export const WORTH_MAPPING_BYTES = 64 * 1024;

/** The calls of the C library that Node does not make: files in memory as bytes of this process, shared with others that map them. */
export class SharedMemory {
  #mmap: (at: null, length: number, protection: number, flags: number, fd: number, offset: number) => bigint;
  #fallocate: (fd: number, mode: number, offset: number, length: number) => number;
  #viewOf: (address: bigint, length: number) => ArrayBuffer;
  #error: () => Error;
  /** A mapping ends with the last view of it: what a connection may still be writing from stays where it is. */
  #unmapping: FinalizationRegistry<{ readonly address: bigint; readonly length: number }>;

  constructor(koffi: typeof Koffi) {
    const library = koffi.load(null);
    this.#mmap = library.func('void *mmap(void *, size_t, int, int, int, int64_t)');
    this.#fallocate = library.func('int fallocate(int, int, int64_t, int64_t)');
    const munmap = library.func('int munmap(void *, size_t)');
    this.#unmapping = new FinalizationRegistry(({ address, length }) => munmap(address, length));
    this.#viewOf = (address, length) => koffi.view(address, length);
    const names = Object.entries(koffi.os.errno);
    this.#error = () => {
      const number = koffi.errno();
      const code = names.find(([, known]) => known === number)?.[0] ?? `errno ${number}`;
      return Object.assign(new Error(`a file in memory: ${code}`), { code });
    };
  }

  /** The bytes of a file that has been allocated whole; null where the kernel refuses another mapping. */
  map(fd: number, sizeBytes: number): Buffer | null {
    const address = this.#mmap(null, sizeBytes, READ_WRITE, SHARED, fd, 0);
    if (BigInt.asIntN(64, address) === -1n) return null;
    const view = this.#viewOf(address, sizeBytes);
    this.#unmapping.register(view, { address, length: sizeBytes });
    return Buffer.from(view);
  }

  /** Gives every byte of a file its memory, so that none of a mapping is ever out of reach. Throws with `ENOSPC` where there is no room. */
  allocate(fd: number, sizeBytes: number): void {
    this.#change(fd, 0, sizeBytes);
  }

  /** Gives the memory of a file back, whoever has it mapped: they see zeros. */
  free(fd: number, sizeBytes: number): void {
    this.#change(fd, PUNCH_HOLE_KEEP_SIZE, sizeBytes);
  }

  #change(fd: number, mode: number, sizeBytes: number): void {
    while (this.#fallocate(fd, mode, 0, sizeBytes) !== 0) {
      const error = this.#error();
      if ((error as NodeJS.ErrnoException).code !== 'EINTR') throw error;
    }
  }
}

/** Null on systems that it can't be had on. */
export function sharedMemory(): SharedMemory | null {
  if (process.platform !== 'linux') return null;
  try {
    return new SharedMemory(createRequire(import.meta.url)('koffi') as typeof Koffi);
  } catch {
    // No build for this processor, or a C library that lacks one of the calls.
    return null;
  }
}

/** Whether files of a folder lie in memory and nowhere else. */
export function isInMemory(folder: string): boolean {
  return process.platform === 'linux' && statfsSync(folder).type === TMPFS;
}
