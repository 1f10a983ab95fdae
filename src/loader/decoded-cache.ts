import { hash, randomBytes } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  futimesSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statfsSync,
  unlinkSync,
  writevSync,
} from 'node:fs';
import { join } from 'node:path';
import type { DecodedFrame } from '../codecs/codec.js';
import { DECODED_VERSION } from '../codecs/decoded-version.js';
import type { ImageHeader } from '../core/dicom.js';
import { DEFLATED_LITTLE_ENDIAN, ENCAPSULATED_UNCOMPRESSED, isNative } from '../core/dicom-uids.js';
import { VERSION } from '../version.js';
import { decodedFileLimit, encodeDecoded, parseDecoded } from './decoded-file.js';
import type { DecodeTally, PairSource } from './messages.js';

/** A use is written down when the last one that was is so long ago: eviction asks for no more. */
const USE_GRAIN_MS = 60_000;
/** Bytes that are left free for whoever else writes to the disk, the catalogue first of all. */
const LEFT_FREE_BYTES = 256 * 1024 ** 2;
/** A frame over this costs a loader more memory to keep than the time it saves is worth. */
const MAX_KEPT_BYTES = 64 * 1024 ** 2;

/** What one file that is being written is called until it is whole; the keeper sweeps those that were left behind. */
export const UNBORN_PREFIX = '.';

/** The first part of the names of all frames of a file, so that the keeper can tell whose they are. */
export function sourceName(root: string, path: string): string {
  return hash('sha256', `${root}\0${path}`, 'hex').slice(0, 24);
}

/** What a file of this size takes of a disk. */
export function onDiskBytes(sizeBytes: number): number {
  return Math.ceil(sizeBytes / 4096) * 4096;
}

/** The frame that is looked for, by name and by what it must say of itself. */
export interface DecodedKey {
  readonly name: string;
  readonly text: string;
}

/** Whether decoding an image costs more than reading its decoded frame. */
function isWorthKeeping({ transferSyntax }: ImageHeader): boolean {
  if (transferSyntax === ENCAPSULATED_UNCOMPRESSED) return false;
  return !isNative(transferSyntax) || transferSyntax === DEFLATED_LITTLE_ENDIAN;
}

/**
 * Decoded frames of compressed sources on disk, one file each, used by all loaders at once. A frame is written under a name of
 * its own and renamed when it is whole, and checked when it is read: one that is cut off, turned or another's is as if it
 * were not there. A disk that fails costs the cache, never the frame.
 */
export class DecodedCache {
  #hits = 0;
  #misses = 0;
  #writtenBytes = 0;
  #room = Buffer.alloc(0);

  constructor(readonly folder: string) {}

  /**
   * The key of a source's frame under the guard that its file has now, null where decoding is cheap. The image
   * description is part of it, because what it says decides what a decoder's samples become.
   */
  keyOf({ root, path, header, frame }: PairSource, guard: string): DecodedKey | null {
    if (!isWorthKeeping(header)) return null;
    const { transferSyntax, rows, columns, samplesPerPixel, photometric, planar } = header;
    const { bitsAllocated, bitsStored, highBit, signed, pixelKind } = header;
    const text = JSON.stringify([
      [VERSION, DECODED_VERSION],
      [guard, frame],
      [transferSyntax, rows, columns, samplesPerPixel, photometric, planar],
      [bitsAllocated, bitsStored, highBit, signed, pixelKind],
    ]);
    const name = `${sourceName(root, path)}-${hash('sha256', text, 'hex').slice(0, 40)}`;
    return { name, text: hash('sha256', `${name}${text}`, 'hex') };
  }

  /** The frame of a key, or null; its values last until the next call. */
  find(key: DecodedKey, header: ImageHeader): DecodedFrame | null {
    const found = this.#read(key, header);
    if (found) this.#hits += 1;
    return found;
  }

  /** Keeps a frame that had to be decoded, unless the disk has no room. */
  keep(key: DecodedKey, frame: DecodedFrame): void {
    this.#misses += 1;
    const [head, values] = encodeDecoded(key.text, frame);
    const size = head.length + values.length;
    if (size > MAX_KEPT_BYTES) return;
    const place = this.#path(key);
    const unborn = join(this.folder, `${UNBORN_PREFIX}${randomBytes(12).toString('hex')}`);
    try {
      const { bavail, bsize } = statfsSync(this.folder);
      if (bavail * bsize < size + LEFT_FREE_BYTES) return;
      const fd = openSync(unborn, 'wx', 0o600);
      try {
        if (writevSync(fd, [head, values], 0) !== size) throw new Error('the disk took a part of the frame');
      } finally {
        closeSync(fd);
      }
      renameInto(unborn, place);
      this.#writtenBytes += onDiskBytes(size);
    } catch {
      // A full disk, a folder that was taken away: the frame is decoded, and decoded again the next time.
      remove(unborn);
    }
  }

  /** What was found, decoded and written since the last call. */
  takeTally(): DecodeTally | null {
    if (this.#hits + this.#misses === 0) return null;
    const tally = { hits: this.#hits, misses: this.#misses, writtenBytes: this.#writtenBytes };
    this.#hits = 0;
    this.#misses = 0;
    this.#writtenBytes = 0;
    return tally;
  }

  #path({ name }: DecodedKey): string {
    return join(this.folder, name.slice(0, 2), name);
  }

  #read(key: DecodedKey, header: ImageHeader): DecodedFrame | null {
    const path = this.#path(key);
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch {
      return null;
    }
    try {
      const { size, mtimeMs } = fstatSync(fd);
      const isPossible = size <= Math.min(decodedFileLimit(header), MAX_KEPT_BYTES);
      const found = isPossible ? parseDecoded(this.#bytes(fd, size), key.text, header) : null;
      if (!found) remove(path);
      else if (Date.now() - mtimeMs > USE_GRAIN_MS) touch(fd);
      return found;
    } catch {
      remove(path);
      return null;
    } finally {
      closeSync(fd);
    }
  }

  #bytes(fd: number, size: number): Buffer {
    if (this.#room.length < size) this.#room = Buffer.allocUnsafeSlow(Math.ceil(size / 65_536) * 65_536);
    const bytes = this.#room.subarray(0, size);
    for (let done = 0; done < size; ) {
      const got = readSync(fd, bytes, done, size - done, done);
      // The checksum tells of bytes that are not there; none of a frame before may stand for them.
      if (got === 0) return bytes.subarray(0, done);
      done += got;
    }
    return bytes;
  }
}

function renameInto(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(join(to, '..'), { recursive: true, mode: 0o700 });
    renameSync(from, to);
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed it.
  }
}

/** The time of its last use is that of its last change: the times of reading are often not kept. */
function touch(fd: number): void {
  try {
    const now = new Date();
    futimesSync(fd, now, now);
  } catch {
    // Then it goes a little earlier than others.
  }
}
