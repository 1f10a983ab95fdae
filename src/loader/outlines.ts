import { chooseCodec } from '../codecs/codec.js';
import { CODECS } from '../codecs/codecs.js';
import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { frameStrideBytes, frameStrides } from '../core/dicom-description.js';
import { DEFLATED_LITTLE_ENDIAN, isNative } from '../core/dicom-uids.js';
import { PixelError } from '../core/pixels.js';
import { runsOfBits } from '../core/runs.js';
import { type Segmentation, SegmentRasters } from '../core/segment-rasters.js';
import { readSegmentation, type SegmentationHeader } from '../core/segmentation.js';
import { readStructureSet, type StructureSet } from '../core/structure-set.js';
import { sha256 } from '../sha256.js';
import { type SourceFile, scratchBytes, withSourceFile } from './files.js';
import { dataOf, framePlaces, inflated, openImage, readPlaces } from './image.js';
import type { LoaderLimits } from './messages.js';
import { decodeFrame } from './read-frame.js';

/** Reads an RT structure set whole. Throws `PixelError` where it cannot be used at all. */
export function readStructures(file: SourceFile, limits: LoaderLimits): StructureSet {
  const whole = (data: SourceFile): Uint8Array => {
    if (data.sizeBytes > limits.headerBytes)
      throw new PixelError('HEADER_TOO_LARGE', `a structure set of over ${limits.headerBytes} bytes`);
    const bytes = scratchBytes(data.sizeBytes);
    data.read(bytes, 0, data.sizeBytes);
    return bytes;
  };
  let read = readStructureSet(whole(file), limits);
  if (read.kind === 'deflated')
    read = readStructureSet(whole(inflated(file, read.offset, limits)), limits, true);
  if (read.kind === 'structures')
    return { ...read.structures, patient: hashedPatient(read.structures.patient) };
  const { code, detail } = read.kind === 'refused' ? read.problem : BROKEN;
  throw new PixelError(code, detail);
}

/** A segmentation has a frame for each segment on an image; so many times as many as an image may have are read. */
const FRAMES_PER_IMAGE_FRAME = 8;
const BROKEN: HeaderProblem = { code: 'HEADER_BROKEN', detail: 'the deflated data set cannot be read' };

/** Reads a segmentation with the pixels of all its frames. Throws `PixelError` where it cannot be used at all. */
export async function readSegments(root: string, path: string, limits: LoaderLimits): Promise<Segmentation> {
  const { header, head } = withSourceFile(root, path, (file) => openSegmentation(file, limits));
  const rasters = new SegmentRasters(head, limits.segmentFraction);
  const check = (): void => {
    if (rasters.sizeBytes > limits.headerBytes)
      throw new PixelError('LIMIT_EXCEEDED', `the runs of its pixels are over ${limits.headerBytes} bytes`);
  };
  if (header.bitsAllocated === 1 && isNative(header.transferSyntax))
    withSourceFile(root, path, (file) => {
      const data = dataOf(file, header, limits);
      for (let frame = 0; frame < header.frames; frame++) {
        const bytes = readPlaces(data, framePlaces(data, header, frame), limits);
        rasters.addRuns(frame, runsOfFrame(bytes, header, frame));
        check();
      }
    });
  else
    for (let frame = 0; frame < header.frames; frame++) {
      const bytes = withSourceFile(root, path, (file) => {
        const data = dataOf(file, header, limits);
        return readPlaces(data, framePlaces(data, header, frame), limits);
      });
      rasters.addValues(frame, (await decodeFrame(bytes, header, frame)).values);
      check();
    }
  const { sopInstanceUid, studyUid, seriesUid, frameOfReferenceUid, rows, columns } = header;
  const found = rasters.finish();
  return {
    ...head,
    ...found,
    problems: [...header.notes, ...head.problems, ...found.problems],
    sopInstanceUid,
    studyUid,
    seriesUid,
    patient: hashedPatient(header.patientId),
    frameOfReferenceUid,
    rows,
    columns,
    threshold: head.type === 'fractional' ? limits.segmentFraction : null,
  };
}

/** The patient's id identifies a person: only its hash leaves this process. */
export function hashedPatient(patientId: string | null): string | null {
  return patientId === null ? null : sha256(patientId);
}

function openSegmentation(
  file: SourceFile,
  limits: LoaderLimits,
): { readonly header: ImageHeader; readonly head: SegmentationHeader } {
  const opened = openImage(file, { ...limits, maxFrames: FRAMES_PER_IMAGE_FRAME * limits.maxFrames });
  if (!opened.header) throw new PixelError(opened.problem.code, opened.problem.detail);
  const { header, data } = opened;
  if (header.frames > 1 && isNative(header.transferSyntax) && frameStrides(header).length === 0)
    throw new PixelError(
      'PIXELS_LONG',
      'the pixel data is longer than all frames, filled up or not: where each begins is unknown; write the file again without a fill',
    );
  const { problem } = chooseCodec(CODECS, header);
  if (problem) throw new PixelError(problem.code, problem.detail);
  const bytes = scratchBytes(header.headerBytes);
  data.read(bytes, 0, header.headerBytes);
  const read = readSegmentation(bytes, header, limits, header.transferSyntax === DEFLATED_LITTLE_ENDIAN);
  if (read.kind === 'refused') throw new PixelError(read.problem.code, read.problem.detail);
  return { header, head: read.segmentation };
}

/**
 * Reads a frame of single bits. Such frames follow each other without a gap, so one may begin inside a byte
 * (DICOM PS3.5, section 8.1.1).
 */
function runsOfFrame(bytes: Uint8Array, header: ImageHeader, frame: number): Uint32Array {
  const { rows, columns } = header;
  return runsOfBits(bytes, (frame * frameStrideBytes(header) * 8) % 8, rows * columns);
}
