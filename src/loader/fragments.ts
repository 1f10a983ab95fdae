import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { RLE_LOSSLESS } from '../core/dicom-uids.js';
import { type Fragment, groupFragments } from '../core/encapsulation.js';
import { PixelError } from '../core/pixels.js';
import type { SourceFile } from './files.js';

const ITEM = 0xfffee000;
const SEQUENCE_END = 0xfffee0dd;
const UNDEFINED = 0xffffffff;
/** A frame is seldom in more than a handful; more than this in a file are an attack on time. */
const MAX_FRAGMENTS = 65_536;

export interface FoundFrames {
  /** For each frame the places of its fragments, offset and length in turn. */
  readonly frames: readonly (readonly number[])[];
  readonly notes: readonly HeaderProblem[];
}

/** Finds the frames of encapsulated pixel data by the heads of its items. Throws `PixelError`. */
export function findFrames(file: SourceFile, header: ImageHeader): FoundFrames {
  const notes: HeaderProblem[] = [];
  const head = Buffer.alloc(8);
  const fragments: Fragment[] = [];
  let first: Fragment | null = null;
  let position = header.pixelData.offset;
  for (;;) {
    if (position + 8 > file.sizeBytes) {
      notes.push({
        code: 'HEADER_REPAIRED',
        detail: 'the fragments have no end; they were read up to that of the file',
      });
      break;
    }
    file.read(head, position, 8);
    const tag = head.readUInt16LE(0) * 0x10000 + head.readUInt16LE(2);
    const length = head.readUInt32LE(4);
    if (tag === SEQUENCE_END) break;
    if ((tag !== ITEM || length === UNDEFINED) && fragments.length >= header.frames) {
      notes.push({
        code: 'HEADER_REPAIRED',
        detail: 'something that is no fragment follows the last one; it is not read',
      });
      break;
    }
    if (tag !== ITEM || length === UNDEFINED)
      throw new PixelError(
        'HEADER_BROKEN',
        `the pixel data holds something that is no fragment (at byte ${position})`,
      );
    position += 8;
    if (position + length > file.sizeBytes) {
      const end = findEnd(file, position);
      if (end === null || first === null)
        throw new PixelError(
          'PIXELS_SHORT',
          `a fragment has ${length} bytes, the file ends after ${file.sizeBytes - position}`,
        );
      fragments.push({ offset: position, length: end - position });
      notes.push({
        code: 'HEADER_REPAIRED',
        detail:
          'the last fragment says that it is longer than the file; it was read up to the end of the fragments',
      });
      break;
    }
    if (first === null) first = { offset: position, length };
    else fragments.push({ offset: position, length });
    if (fragments.length > MAX_FRAGMENTS)
      throw new PixelError('LIMIT_EXCEEDED', `the pixel data is in more than ${MAX_FRAGMENTS} fragments`);
    position += length;
  }
  const table = first === null ? [] : readTable(file, first.offset, first.length);
  const isTable = table.length === header.frames;
  if (first !== null && first.length > 0 && fragments.length === header.frames - 1 && !isTable) {
    fragments.unshift(first);
    notes.push({
      code: 'HEADER_REPAIRED',
      detail: 'the fragments have no offset table in front, not even an empty one',
    });
  }
  const found = groupFragments(fragments, header.frames, table, ({ offset, length }) => {
    // A frame of RLE is one fragment (DICOM PS3.5, section A.4.2).
    if (header.transferSyntax === RLE_LOSSLESS) return true;
    if (length < 4) return false;
    file.read(head, offset, 4);
    return isStart(head);
  });
  if (found === null) {
    const code = fragments.length < header.frames ? 'PIXELS_SHORT' : 'HEADER_BROKEN';
    throw new PixelError(
      code,
      `${header.frames} frames in ${fragments.length} fragments, with no table that tells which`,
    );
  }
  if (found.isMore)
    notes.push({
      code: 'HEADER_REPAIRED',
      detail: `there are fragments of more frames than the ${header.frames} of the header; those are not read`,
    });
  return { frames: found.frames, notes };
}

const CHUNK_BYTES = 65_536;

/** Where the item that ends fragments begins, from a position on; null where the file has none. */
function findEnd(file: SourceFile, from: number): number | null {
  const end = Buffer.of(0xfe, 0xff, 0xdd, 0xe0);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  // Chunks overlap, for an item that lies across two.
  for (let at = from; at + end.length <= file.sizeBytes; at += CHUNK_BYTES - end.length + 1) {
    const length = Math.min(CHUNK_BYTES, file.sizeBytes - at);
    file.read(chunk, at, length);
    const found = chunk.subarray(0, length).indexOf(end);
    if (found >= 0) return at + found;
  }
  return null;
}

/** Whether a JPEG or JPEG-LS image or a JPEG 2000 codestream begins so. */
function isStart(bytes: Buffer): boolean {
  return (
    (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) ||
    (bytes[0] === 0xff && bytes[1] === 0x4f && bytes[2] === 0xff && bytes[3] === 0x51)
  );
}

/** The offsets of what may be a basic offset table, none where it is none. */
function readTable(file: SourceFile, offset: number, length: number): number[] {
  if (length % 4 !== 0 || length > 4 * MAX_FRAGMENTS) return [];
  const bytes = Buffer.alloc(length);
  file.read(bytes, offset, length);
  return Array.from({ length: length / 4 }, (_, frame) => bytes.readUInt32LE(4 * frame));
}
