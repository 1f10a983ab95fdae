import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { DecodedFrame } from '../codecs/codec.js';
import { guardedSizeBytes } from '../core/guard.js';
import { batchLayout } from '../core/layout.js';
import { PixelError } from '../core/pixels.js';
import type { ImageTables } from '../core/shown.js';
import type { Values } from '../core/values.js';
import { convertImage, convertMasks, slotAffine } from './convert.js';
import type { DecodedCache, DecodedKey } from './decoded-cache.js';
import { isGoneError, readAtRest, type SourceFile, SourceUnreadable, scratchBytes } from './files.js';
import { dataOf, framePlaces, readPlaces } from './image.js';
import type { LoaderLimits, LoadOutcome, LoadUnit, PairSource, Recipe, Task } from './messages.js';
import { decodeFrame } from './read-frame.js';
import { KeptSources, type SlotSource } from './sealed.js';
import type { MappedSegments } from './segments.js';
import { SlotWriter } from './slots.js';
import { readTables } from './tables.js';

/**
 * Loads a run of consecutive slots of a batch into their places in the segment. A slot that can't be loaded is zeros, not valid,
 * and its outcome says why; only what concerns the machine throws.
 */
export async function load(
  task: Task<'load'>,
  limits: LoaderLimits,
  cache: DecodedCache | null = null,
  kept: KeptSources = new KeptSources(limits),
  segments: MappedSegments | null = null,
): Promise<LoadOutcome[]> {
  // All of them, also where the task fails at the first: the parent counts on it.
  const sources = task.units.map(({ source }) => source && kept.open(source));
  const layout = batchLayout(task.shape);
  const segment = segments?.open(task.segment, layout.sizeBytes) ?? null;
  const slots = new SlotWriter(layout, task.units[0]?.slot ?? 0, task.units.length, segment);
  const outcomes: LoadOutcome[] = [];
  for (const [at, unit] of task.units.entries())
    outcomes.push(await loadSlot(unit, sources[at] ?? null, slots, task.recipe, limits, cache));
  slots.flush(task.segment);
  return outcomes;
}

async function loadSlot(
  unit: LoadUnit,
  from: SlotSource | null,
  slots: SlotWriter,
  recipe: Recipe,
  limits: LoaderLimits,
  cache: DecodedCache | null,
): Promise<LoadOutcome> {
  slots.begin(unit.slot, unit.place);
  if (!from) {
    slots.blank(unit.slot);
    return { kind: 'empty' };
  }
  try {
    const { source, extents } = from;
    const read = readFrame(source, recipe.values, limits, cache);
    if (read === null) {
      slots.blank(unit.slot);
      return { kind: 'changed' };
    }
    const { header } = source;
    const frame = read.decoded ?? (await decodeFrame(read.bytes, header, source.frame));
    if (read.decoded === null && read.key !== null) cache?.keep(read.key, frame);
    convertImage(frame, header, read.tables, unit.slot, slots, recipe);
    convertMasks(extents, header, unit.slot, slots, recipe);
    slots.describe(unit.slot, header, slotAffine(header, slots, recipe));
    return { kind: 'loaded', checksum: read.checksum, guard: read.guard };
  } catch (error) {
    slots.begin(unit.slot, unit.place);
    slots.blank(unit.slot);
    if (isGoneError(error)) return { kind: 'changed' };
    if (error instanceof SourceUnreadable) return { kind: 'unreadable', errno: error.errno };
    if (error instanceof PixelError)
      return error.code === 'VALUE_RANGE'
        ? { kind: 'range', detail: error.message }
        : { kind: 'broken', code: error.code, detail: error.message };
    throw error;
  }
}

/** A frame as its file stores it, or as it was decoded before. */
type FrameRead = {
  readonly tables: ImageTables;
  readonly checksum: number | null;
  readonly guard: string | null;
} & (
  | { readonly decoded: DecodedFrame }
  /** `bytes` last until the next read; `key`: what it is kept under once it is decoded. */
  | { readonly decoded: null; readonly bytes: Uint8Array; readonly key: DecodedKey | null }
);

/**
 * A frame's bytes as the file stores them, or null where the file's content is not that of the snapshot. A file whose guard
 * differs is compared by content: its header with the digest of the scan, its pixels with the checksum of their first load.
 * Only a file that is known untouched, and whose pixels were read once, gives the frame that was decoded before.
 */
export function readFrame(
  source: PairSource,
  values: Values,
  limits: LoaderLimits,
  cache: DecodedCache | null,
): FrameRead | null {
  const { header } = source;
  return readAtRest(source.root, source.path, (file) => {
    const touched = file.guard !== source.guard;
    // The size is part of the revision's name; '' stands for a guard that nobody has taken yet.
    if (touched && source.guard !== '' && file.sizeBytes !== guardedSizeBytes(source.guard)) return null;
    const key = source.isPassing ? null : (cache?.keyOf(source, file.guard) ?? null);
    if (key && !touched && source.checksum !== null) {
      const tables = readTables(() => dataOf(file, header, limits), header, values);
      const decoded = cache?.find(key, header);
      if (decoded) return { decoded, tables, checksum: null, guard: null };
    }
    return readBytes(source, file, values, limits, key);
  });
}

function readBytes(
  source: PairSource,
  file: SourceFile,
  values: Values,
  limits: LoaderLimits,
  key: DecodedKey | null,
): FrameRead | null {
  const { header } = source;
  const touched = file.guard !== source.guard;
  let bytes: Uint8Array;
  let tables: ImageTables;
  try {
    const data = dataOf(file, header, limits);
    if (touched) {
      const head = scratchBytes(header.headerBytes);
      data.read(head, 0, header.headerBytes);
      if (createHash('sha256').update(head).digest('hex') !== source.headerDigest) return null;
    }
    tables = readTables(() => data, header, values);
    bytes = readPlaces(data, framePlaces(data, header, source.frame), limits);
  } catch (error) {
    // What cannot be found any more in a file that was written to since tells of the writing, not of the image.
    if (touched && error instanceof PixelError) return null;
    throw error;
  }
  const checksum = touched || source.checksum === null ? crc32(bytes) : null;
  if (touched && checksum !== source.checksum) return null;
  return {
    decoded: null,
    bytes,
    key,
    tables,
    checksum: source.checksum === null ? checksum : null,
    guard: touched ? file.guard : null,
  };
}
