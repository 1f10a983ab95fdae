import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { chooseCodec } from '../codecs/codec.js';
import { CODECS } from '../codecs/codecs.js';
import { parseContour } from '../core/contour.js';
import type { ImageHeader } from '../core/dicom.js';
import { parseLinkTable } from '../core/link-table.js';
import { isGoneError, type SourceFile, scratchBytes, withSourceFile } from './files.js';
import { framePlaces, openImage, readPlaces } from './image.js';
import type { LoaderLimits, ScanFinding, ScanUnit, Task } from './messages.js';

/** More text than the points a contour may have can need. */
const CONTOUR_POINT_BYTES = 64;
const TABLE_BYTES = 16 * 1024 * 1024;

/** Reads the files of a scan: headers up to their pixels, contours, link tables. What is wrong with one stays with that one. */
export function scan(task: Task<'scan'>, limits: LoaderLimits): ScanFinding[] {
  return task.units.map((unit) => {
    try {
      return withSourceFile(task.root, unit.path, (file) => {
        if (file.sizeBytes > limits.fileBytes)
          return {
            kind: 'refused',
            code: 'LIMIT_EXCEEDED',
            detail: `the file is over ${limits.fileBytes} bytes`,
          };
        return read(unit, file, limits);
      });
    } catch (error) {
      if (isGoneError(error))
        return { kind: 'refused', code: 'FILE_UNREADABLE', detail: 'it went away during the scan' };
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EACCES' || code === 'EPERM' || code === 'EIO' || code === 'ESTALE')
        return { kind: 'refused', code: 'FILE_UNREADABLE', detail: `it cannot be read (${code})` };
      throw error;
    }
  });
}

function read(unit: ScanUnit, file: SourceFile, limits: LoaderLimits): ScanFinding {
  switch (unit.kind) {
    case 'image':
      return readImage(file, limits, unit.withChecksums);
    case 'contour': {
      const { contourPoints } = limits;
      const text = readText(file, contourPoints * CONTOUR_POINT_BYTES);
      if (text === null)
        return {
          kind: 'refused',
          code: 'CONTOUR_TOO_MANY_POINTS',
          detail: `longer than ${contourPoints} points can be`,
        };
      return { kind: 'contour', contour: parseContour(text, { maxPoints: contourPoints }) };
    }
    case 'table': {
      const text = readText(file, TABLE_BYTES);
      if (text === null)
        return { kind: 'refused', code: 'LIMIT_EXCEEDED', detail: `it is over ${TABLE_BYTES} bytes` };
      return { kind: 'table', table: parseLinkTable(text) };
    }
    case 'any':
      return readAny(unit, file, limits);
    default:
      throw new Error(`unknown kind of file ${JSON.stringify(unit.kind satisfies never)}`);
  }
}

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
  if (!opened.header) return { kind: 'refused', ...opened.problem };
  const { header, data } = opened;
  const { problem: refused } = chooseCodec(CODECS, header);
  if (refused) return { kind: 'refused', ...refused };
  const head = scratchBytes(header.headerBytes);
  data.read(head, 0, header.headerBytes);
  const headerDigest = sha256(head);
  return {
    kind: 'image',
    // The patient's id names a person: it leaves this process as a hash alone.
    header: { ...header, patientId: null },
    patient: header.patientId === null ? null : sha256(header.patientId),
    headerDigest,
    checksums: withChecksums ? frameChecksums(data, header, limits) : null,
    // Of the opening: content that changes while it is read then lies under an older guard, which a load does not trust.
    guard: file.guard,
  };
}

function frameChecksums(data: SourceFile, header: ImageHeader, limits: LoaderLimits): number[] {
  return Array.from({ length: header.frames }, (_, frame) =>
    crc32(readPlaces(data, framePlaces(data, header, frame), limits)),
  );
}

function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
