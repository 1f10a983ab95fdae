import {
  FRAME_END_BYTES,
  FRAME_START_BYTES,
  type InspectedFrame,
  inspectFrame,
} from '../codecs/inspection.js';
import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { isNative } from '../core/dicom-uids.js';
import { PixelError } from '../core/pixels.js';
import type { SourceFile } from './files.js';
import { framePlaces, placesBytes, readPlaces } from './image.js';
import type { LoaderLimits } from './messages.js';

/**
 * Returns where the first compressed frame describes itself otherwise than the header. Throws `PixelError` if
 * no frame of the file can be decoded; if only the first one can't, that is a note.
 */
export function frameNotes(
  data: SourceFile,
  header: ImageHeader,
  limits: LoaderLimits,
): readonly HeaderProblem[] {
  if (isNative(header.transferSyntax)) return [];
  try {
    return inspectFrame(frameOf(data, header, 0, limits), header);
  } catch (error) {
    if (!(error instanceof PixelError)) throw error;
    for (let frame = 1; frame < header.frames; frame++)
      if (mayBeRead(data, header, frame, limits))
        return [{ code: error.code, detail: `frame 1: ${error.message}` }];
    throw error;
  }
}

/** Thrown if only reading the whole frame could decide: such a frame counts as one that may be read. */
class Undecided extends Error {}

function mayBeRead(data: SourceFile, header: ImageHeader, frame: number, limits: LoaderLimits): boolean {
  const whole = (): never => {
    throw new Undecided();
  };
  try {
    inspectFrame({ ...frameOf(data, header, frame, limits), whole }, header);
    return true;
  } catch (error) {
    if (error instanceof PixelError) return false;
    if (error instanceof Undecided) return true;
    throw error;
  }
}

function frameOf(data: SourceFile, header: ImageHeader, frame: number, limits: LoaderLimits): InspectedFrame {
  const places = framePlaces(data, header, frame);
  const sizeBytes = placesBytes(places);
  if (sizeBytes > limits.frameBytes) throw new PixelError('LIMIT_EXCEEDED', `a frame of ${sizeBytes} bytes`);
  return {
    sizeBytes,
    start: () => readPart(data, places, 0, Math.min(sizeBytes, FRAME_START_BYTES)),
    end: () => readPart(data, places, Math.max(0, sizeBytes - FRAME_END_BYTES), sizeBytes),
    whole: () => readPlaces(data, places, limits),
  };
}

/** Returns the bytes [from, to) of a frame, which may lie in several fragments. */
function readPart(data: SourceFile, places: readonly number[], from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from);
  for (let i = 0, start = 0; i < places.length && start < to; start += places[i + 1]!, i += 2) {
    const first = Math.max(from, start);
    const length = Math.min(to, start + places[i + 1]!) - first;
    if (length > 0) data.read(bytes.subarray(first - from), places[i]! + first - start, length);
  }
  return bytes;
}
