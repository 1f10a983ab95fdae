import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { isRoomError } from './files.js';
import type { Task, Unpacked, UnpackedFile, UnpackUnit } from './messages.js';
import { type OpenZip, withZip, type ZipEntry, ZipRefusal } from './zip-directory.js';

/** A task ends after so many bytes or entries, so that others get their turn. */
const TASK_BYTES = 32 * 1024 * 1024;
const TASK_ENTRIES = 250;

/**
 * Expands a part of a zip into numbered files of a folder: from entry `from` on, until the task is long enough. No name of the
 * zip becomes a path.
 */
export async function unpack(task: Task<'unpack'>): Promise<Unpacked[]> {
  const outcomes: Unpacked[] = [];
  for (const unit of task.units) {
    try {
      outcomes.push(await unpackPart(unit));
    } catch (error) {
      if (isRoomError(error)) throw error;
      lastRead = null;
      outcomes.push(
        error instanceof ZipRefusal
          ? { kind: 'refused', isLimit: error.isLimit, detail: error.message }
          : // What the zip's reader says of it may quote a name.
            { kind: 'refused', isLimit: false, detail: 'the zip is damaged or contradicts itself' },
      );
    }
  }
  return outcomes;
}

/**
 * The directory of the zip that is expanded part by part. The zip is closed between two parts, because the
 * next one may never be asked for.
 */
let lastRead: { readonly path: string; readonly entries: readonly ZipEntry[] } | null = null;

function unpackPart(unit: UnpackUnit): Promise<Unpacked> {
  const path = join(unit.folder, String(unit.zip));
  return withZip(path, async (zip) => {
    if (lastRead?.path !== path) lastRead = { path, entries: await zip.entries(unit.filesLeft) };
    const { entries } = lastRead;
    const files: UnpackedFile[] = [];
    let bytes = 0;
    let at = unit.from;
    for (; at < entries.length && bytes < TASK_BYTES && files.length < TASK_ENTRIES; at++) {
      const file = await unpackEntry(zip, entries[at]!, unit, unit.number + files.length, bytes);
      files.push(file);
      bytes += file.sizeBytes;
    }
    const next = at < entries.length ? at : null;
    if (next === null) lastRead = null;
    return { kind: 'unpacked', files, next };
  });
}

async function unpackEntry(
  zip: OpenZip,
  entry: ZipEntry,
  unit: UnpackUnit,
  number: number,
  bytesBefore: number,
): Promise<UnpackedFile> {
  const fd = openSync(join(unit.folder, String(number)), 'w', 0o600);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let crc = 0;
  try {
    for await (const chunk of await zip.read(entry)) {
      sizeBytes += chunk.length;
      if (bytesBefore + sizeBytes > unit.bytesLeft) throw new ZipRefusal(unit.limitDetail, true);
      hash.update(chunk);
      crc = crc32(chunk, crc);
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done, chunk.length - done);
    }
    if (crc !== entry.crc32) throw new ZipRefusal('an entry of the zip does not have its checksum', false);
    if (unit.durable) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return { number, name: entry.name, sizeBytes, sha256: hash.digest('hex') };
}
