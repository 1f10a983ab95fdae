import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { chooseCodec } from '../codecs/codec.js';
import { CODECS } from '../codecs/codecs.js';
import { frameRange } from '../codecs/native.js';
import { parseContour } from '../core/contour.js';
import { type ImageHeader, readHeader } from '../core/dicom.js';
import { parseLinkTable } from '../core/link-table.js';
import { isGoneError, type SourceFile, scratchBytes, withSourceFile } from './files.js';
import type { LoaderLimits, ScanFinding, ScanUnit, Task } from './messages.js';

const FIRST_BYTES = 65_536;
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
    default:
      throw new Error(`unknown kind of file ${JSON.stringify(unit.kind satisfies never)}`);
  }
}

/** The whole file as text, or null where it is over the limit: a part of it would say something else. */
function readText(file: SourceFile, limitBytes: number): string | null {
  if (file.sizeBytes > limitBytes) return null;
  const bytes = scratchBytes(file.sizeBytes);
  file.read(bytes, 0, file.sizeBytes);
  return bytes.toString('utf8');
}

function readImage(file: SourceFile, limits: LoaderLimits, withChecksums: boolean): ScanFinding {
  let wanted = Math.min(FIRST_BYTES, file.sizeBytes);
  for (;;) {
    const prefix = scratchBytes(wanted);
    file.read(prefix, 0, wanted);
    const found = readHeader(prefix, file.sizeBytes, limits);
    if (found.kind === 'more') {
      wanted = found.atLeastBytes;
      continue;
    }
    if (found.kind === 'refused') return { kind: 'refused', ...found.problem };
    const { header } = found;
    const { problem } = chooseCodec(CODECS, header);
    if (problem) return { kind: 'refused', ...problem };
    const headerDigest = sha256(prefix.subarray(0, header.headerBytes));
    return {
      kind: 'image',
      // The patient's id names a person: it leaves this process as a hash alone.
      header: { ...header, patientId: null },
      patient: header.patientId === null ? null : sha256(header.patientId),
      headerDigest,
      checksums: withChecksums ? frameChecksums(file, header) : null,
      // Of the opening: content that changes while it is read then lies under an older guard, which a load does not trust.
      guard: file.guard,
    };
  }
}

function frameChecksums(file: SourceFile, header: ImageHeader): number[] {
  return Array.from({ length: header.frames }, (_, frame) => {
    const { offset, length } = frameRange(header, frame);
    const bytes = scratchBytes(length);
    file.read(bytes, offset, length);
    return crc32(bytes);
  });
}

function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
