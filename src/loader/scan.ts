import { crc32 } from 'node:zlib';
import { chooseCodec } from '../codecs/codec.js';
import { CODECS } from '../codecs/codecs.js';
import { parseContour } from '../core/contour.js';
import type { ImageHeader, ObjectIdentity } from '../core/dicom.js';
import { identityOf } from '../core/dicom-attributes.js';
import { drawnSegmentation, drawnStructureSet } from '../core/drawn-object.js';
import { parseLinkTable } from '../core/link-table.js';
import { PixelError } from '../core/pixels.js';
import type { ProblemCode } from '../core/problem.js';
import { sha256 } from '../sha256.js';
import { isGoneError, type SourceFile, SourceUnreadable, scratchBytes, withSourceFile } from './files.js';
import { framePlaces, openImage, readPlaces } from './image.js';
import { frameNotes } from './inspect.js';
import type { LoaderLimits, ScanFinding, ScanUnit, Task } from './messages.js';
import { hashedPatient, readSegments, readStructures } from './outlines.js';

/** More text than the points a contour may have can need. */
const CONTOUR_POINT_BYTES = 64;
const TABLE_BYTES = 16 * 1024 * 1024;

/**
 * Reads the files of a scan: headers up to their pixels, structure sets and segmentations whole, contours, link tables. What is wrong
 * with one stays with that one.
 */
export async function scan(task: Task<'scan'>, limits: LoaderLimits): Promise<ScanFinding[]> {
  const findings: ScanFinding[] = [];
  for (const unit of task.units) {
    const found = faultless(null, () =>
      withSourceFile(task.root, unit.path, (file) =>
        file.sizeBytes > limits.fileBytes ? refuseLarge(file, limits) : read(unit, file, limits),
      ),
    );
    findings.push(await withContours(found, task.root, unit.path, limits));
  }
  return findings;
}

/** Reads on where a file turned out to hold contours. */
async function withContours(
  found: ScanFinding,
  root: string,
  path: string,
  limits: LoaderLimits,
): Promise<ScanFinding> {
  if (found.kind !== 'object' && found.kind !== 'refused') return found;
  const { object } = found;
  if (object?.kind === 'RTSTRUCT' && found.kind === 'object')
    return faultless(object, () =>
      withSourceFile(root, path, (file) => ({
        kind: 'drawn',
        drawn: drawnStructureSet(readStructures(file, limits)),
      })),
    );
  // One that is refused as an image may have more frames than an image may.
  if (object?.kind !== 'SEG' || (found.kind === 'refused' && found.code !== 'LIMIT_EXCEEDED')) return found;
  try {
    return { kind: 'drawn', drawn: drawnSegmentation(await readSegments(root, path, limits)) };
  } catch (error) {
    return faultOf(error, object);
  }
}

function faultless(object: ObjectIdentity | null, work: () => ScanFinding): ScanFinding {
  try {
    return work();
  } catch (error) {
    return faultOf(error, object);
  }
}

/** What is wrong with a file, from the error that reading it ended with; throws what says nothing of the file. */
export function faultOf(
  error: unknown,
  object: ObjectIdentity | null,
): Extract<ScanFinding, { kind: 'refused' }> {
  if (error instanceof PixelError) return refused(error.code, error.message, object);
  if (isGoneError(error)) return refused('FILE_UNREADABLE', 'it went away during the scan');
  if (error instanceof SourceUnreadable)
    return refused('FILE_UNREADABLE', `it cannot be read (${error.errno})`);
  throw error;
}

function refused(
  code: ProblemCode,
  detail: string,
  object: ObjectIdentity | null = null,
): Extract<ScanFinding, { kind: 'refused' }> {
  return { kind: 'refused', code, detail, object };
}

const PART_10_START = 132;

/** A large file that does not start like one of DICOM is none: volumes and archives lie beside images. */
function refuseLarge(file: SourceFile, limits: LoaderLimits): ScanFinding {
  const start = scratchBytes(PART_10_START);
  file.read(start, 0, PART_10_START);
  return start.toString('latin1').endsWith('DICM')
    ? refused('LIMIT_EXCEEDED', `the file is over ${limits.fileBytes} bytes`)
    : refused('NOT_DICOM', 'it does not start like a DICOM file');
}

function read(unit: ScanUnit, file: SourceFile, limits: LoaderLimits): ScanFinding {
  switch (unit.kind) {
    case 'image':
      return readImage(file, limits, unit.withChecksums);
    case 'contour': {
      const { contourPoints } = limits;
      const text = readText(file, contourPoints * CONTOUR_POINT_BYTES);
      if (text === null)
        return refused('CONTOUR_TOO_MANY_POINTS', `longer than ${contourPoints} points can be`);
      return { kind: 'contour', contour: parseContour(text, { maxPoints: contourPoints }) };
    }
    case 'table': {
      const text = readText(file, TABLE_BYTES);
      if (text === null) return refused('LIMIT_EXCEEDED', `it is over ${TABLE_BYTES} bytes`);
      return { kind: 'table', table: parseLinkTable(text) };
    }
    case 'any':
      return readAny(unit, file, limits);
    default:
      throw new Error(`unknown kind of file ${JSON.stringify(unit.kind satisfies never)}`);
  }
}

/**
 * Each frame is a slice in the catalogue and takes a kilobyte there. A file may have `FREE_FRAMES`, and one
 * more for every `BYTES_PER_FRAME` of its size.
 */
const FREE_FRAMES = 32;
const BYTES_PER_FRAME = 64;

const PREAMBLE_BYTES = 128;
const DICOM_MARK = 'DICM';
const ZIP_MARKS = ['PK\u0003\u0004', 'PK\u0005\u0006'];
const LOOKED_AT_BYTES = 512;

/** Reads a file whose name does not say what it is: a zip by its mark, text as a contour, everything else as an image. */
function readAny(unit: ScanUnit, file: SourceFile, limits: LoaderLimits): ScanFinding {
  const bytes = scratchBytes(Math.min(LOOKED_AT_BYTES, file.sizeBytes));
  file.read(bytes, 0, bytes.length);
  const start = bytes.toString('latin1');
  if (ZIP_MARKS.some((mark) => start.startsWith(mark))) return { kind: 'zip' };
  const isImage =
    start.startsWith(DICOM_MARK, PREAMBLE_BYTES) || !/^(\u00ef\u00bb\u00bf)?[\t\n\r\x20-\x7e]+$/.test(start);
  return read({ ...unit, kind: isImage ? 'image' : 'contour' }, file, limits);
}

/** The whole file as text, or null where it is over the limit: a part of it would say something else. */
function readText(file: SourceFile, limitBytes: number): string | null {
  if (file.sizeBytes > limitBytes) return null;
  const bytes = scratchBytes(file.sizeBytes);
  file.read(bytes, 0, file.sizeBytes);
  return bytes.toString('utf8');
}

function readImage(file: SourceFile, limits: LoaderLimits, withChecksums: boolean): ScanFinding {
  const opened = openImage(file, limits);
  if (!opened.header) {
    const { problem, object } = opened;
    if (problem.code === 'NO_PIXELS' && object !== null) return { kind: 'object', object, ...problem };
    return refused(problem.code, problem.detail, object);
  }
  const { header, timing, frames, data } = opened;
  const object = identityOf(header);
  if (object.kind !== null) {
    const detail = `the file is a ${object.kind}, which is no image`;
    return { kind: 'object', object, code: 'NOT_AN_IMAGE', detail };
  }
  const mostFrames = FREE_FRAMES + Math.floor(file.sizeBytes / BYTES_PER_FRAME);
  if (header.frames > mostFrames)
    return refused(
      'LIMIT_EXCEEDED',
      `${header.frames} frames in ${file.sizeBytes} bytes: more than ${FREE_FRAMES} and one for each ${BYTES_PER_FRAME}`,
      object,
    );
  const { problem } = chooseCodec(CODECS, header);
  if (problem) return refused(problem.code, problem.detail, object);
  let notes: ImageHeader['notes'];
  try {
    notes = [...header.notes, ...frameNotes(data, header, limits)];
  } catch (error) {
    return faultOf(error, object);
  }
  const head = scratchBytes(header.headerBytes);
  data.read(head, 0, header.headerBytes);
  const headerDigest = sha256(head);
  // Without an identifier of its own, an image is told from others by its pixels too.
  const isNamed = object.sopInstanceUid !== '';
  return {
    kind: 'image',
    header: { ...header, notes, patientId: null },
    timing,
    frames,
    patient: hashedPatient(header.patientId),
    headerDigest,
    checksums: withChecksums || !isNamed ? frameChecksums(data, header, limits) : null,
    // Of the opening: content that changes while it is read then lies under an older guard, which a load does not trust.
    guard: file.guard,
  };
}

function frameChecksums(data: SourceFile, header: ImageHeader, limits: LoaderLimits): number[] {
  return Array.from({ length: header.frames }, (_, frame) =>
    crc32(readPlaces(data, framePlaces(data, header, frame), limits)),
  );
}
