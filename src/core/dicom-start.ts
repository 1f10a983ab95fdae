import { type DicomCursor, HeaderStop, isVr, refusal } from './dicom-cursor.js';
import type { Notes } from './dicom-notes.js';
import {
  DEFLATED_LITTLE_ENDIAN,
  EXPLICIT_BIG_ENDIAN,
  EXPLICIT_LITTLE_ENDIAN,
  IMPLICIT_LITTLE_ENDIAN,
  transferSyntaxName,
} from './dicom-uids.js';
import type { DicomValues } from './dicom-values.js';

const PREAMBLE = 128;
const TRANSFER_SYNTAX = 0x00020010;
/** Bytes of a first element (a group length or a character set) that is looked behind to tell DICOM from noise. */
const LONGEST_FIRST = 1024;

/**
 * Finds where the file starts, keeps the elements of its meta group (DICOM PS3.10, section 7.1), and sets the
 * cursor to the first element of the data set with its encoding; returns the transfer syntax. A file without the
 * preamble or without the meta group is taken when its first element looks like one of group 0002 or 0008. Throws
 * `HeaderStop` with `deflated` before a deflated data set, unless it is told that the bytes are inflated already.
 */
export function startDataSet(
  cursor: DicomCursor,
  values: DicomValues,
  notes: Notes,
  isInflated: boolean,
): string {
  cursor.position = findStart(cursor, notes);
  while (groupAt(cursor, cursor.position) === 2) {
    const element = cursor.next(true);
    values.keep(element);
    cursor.skip(element);
  }
  skipZeros(cursor, notes);
  const declared = values.text(TRANSFER_SYNTAX);
  const explicit = hasVr(cursor, cursor.position);
  if (declared === null) {
    notes.add('TRANSFER_SYNTAX_ODD', 'the file names no transfer syntax; it was told from its first element');
    cursor.explicit = explicit;
    return explicit ? EXPLICIT_LITTLE_ENDIAN : IMPLICIT_LITTLE_ENDIAN;
  }
  const name = transferSyntaxName(declared);
  if (name === null) {
    throw refusal(
      'TRANSFER_SYNTAX_UNSUPPORTED',
      'the transfer syntax is private or unknown; convert the file',
    );
  }
  if (declared === DEFLATED_LITTLE_ENDIAN && !isInflated && !explicit)
    throw new HeaderStop({ kind: 'deflated', offset: cursor.position });
  if (declared === EXPLICIT_BIG_ENDIAN) cursor.useBigEndian();
  cursor.explicit = explicit;
  const atEnd = cursor.position >= cursor.fileSizeBytes;
  if (!atEnd && explicit !== (declared !== IMPLICIT_LITTLE_ENDIAN)) {
    notes.add(
      'TRANSFER_SYNTAX_ODD',
      `the file says ${name} but its data set has ${explicit ? '' : 'no '}VRs`,
    );
  }
  return declared;
}

/** Some writers fill up the room behind the meta group. */
function skipZeros(cursor: DicomCursor, notes: Notes): void {
  const start = cursor.position;
  const isZero = (): boolean =>
    groupAt(cursor, cursor.position) === 0 &&
    cursor.uint16(cursor.position + 2) === 0 &&
    cursor.uint32(cursor.position + 4) === 0;
  while (cursor.position - start < LONGEST_FIRST && isZero()) cursor.position += 8;
  cursor.need(cursor.position);
  if (cursor.position > start)
    notes.add('HEADER_REPAIRED', 'zeros between the meta group and the data set were skipped');
}

function findStart(cursor: DicomCursor, notes: Notes): number {
  cursor.need(Math.min(cursor.fileSizeBytes, PREAMBLE + 16));
  const magic = cursor.prefix.length >= PREAMBLE + 4 && cursor.text(PREAMBLE, 4) === 'DICM';
  const body = PREAMBLE + 4;
  if (magic && groupAt(cursor, body) === 2) return body;
  if (looksLikeDataSet(cursor, 0)) {
    notes.add('HEADER_REPAIRED', 'the file has no preamble');
    return 0;
  }
  if (magic && looksLikeDataSet(cursor, body)) return body;
  if (groupAt(cursor, body) === 2 && hasVr(cursor, body)) {
    notes.add('HEADER_REPAIRED', 'the preamble lacks its DICM');
    return body;
  }
  throw magic
    ? refusal('HEADER_BROKEN', 'no data set follows the preamble')
    : refusal('NOT_DICOM', 'neither a preamble nor a first element of group 0002 or 0008');
}

function looksLikeDataSet(cursor: DicomCursor, offset: number): boolean {
  const group = groupAt(cursor, offset);
  if (group !== 2 && group !== 8) return false;
  if (hasVr(cursor, offset)) return true;
  if (group === 2) return false;
  // Without a VR, a plausible length is one that leads to a later tag of a standard group.
  const length = cursor.uint32(offset + 4);
  if (length > LONGEST_FIRST) return false;
  const next = offset + 8 + length;
  const nextGroup = groupAt(cursor, next);
  if (nextGroup === null) return false;
  return nextGroup > group ? nextGroup <= 0x28 : cursor.uint16(next + 2) > cursor.uint16(offset + 2);
}

function hasVr(cursor: DicomCursor, offset: number): boolean {
  return offset + 8 <= cursor.prefix.length && isVr(cursor.text(offset + 4, 2));
}

/** The little-endian group number there, null where fewer than 8 bytes are left in the file. */
function groupAt(cursor: DicomCursor, offset: number): number | null {
  if (offset + 8 > cursor.fileSizeBytes) return null;
  cursor.need(offset + 8);
  return cursor.uint16(offset);
}
