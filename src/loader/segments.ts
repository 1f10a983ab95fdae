import { closeSync, fstatSync, openSync } from 'node:fs';
import { Recent } from '../recent.js';
import { type SharedMemory, WORTH_MAPPING_BYTES } from './shared-memory.js';

/** A segment's file is gone: somebody removed it. */
export class SegmentGone extends Error {
  override readonly name = 'SegmentGone';
}

/** Opens a segment. Throws `SegmentGone` if somebody removed it. */
export function openSegment(path: string, flags: 'r' | 'r+'): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new SegmentGone('a segment was removed');
    throw error;
  }
}

/** Mappings cost addresses; the memory behind them is the spool's. */
const REMEMBERED = 1024;

/** The segments that a loader wrote to last, mapped: a path is never another segment's. A first use costs more than a load. */
export class MappedSegments {
  #memory: SharedMemory;
  #segments = new Recent<string, Buffer | null>(REMEMBERED);

  constructor(memory: SharedMemory) {
    this.#memory = memory;
  }

  /** A segment's bytes, for a batch of `sizeBytes`; null where they have to be written. Throws with `ENOSPC` where memory has no room. */
  open(path: string, sizeBytes: number): Buffer | null {
    return sizeBytes < WORTH_MAPPING_BYTES ? null : this.#segments.get(path, () => this.#map(path));
  }

  #map(path: string): Buffer | null {
    const fd = openSegment(path, 'r+');
    try {
      const { size } = fstatSync(fd);
      this.#memory.allocate(fd, size);
      return this.#memory.map(fd, size);
    } finally {
      closeSync(fd);
    }
  }
}
