import type { HeaderProblem, ImageHeader } from './dicom.js';
import { filledNote, frameSizeBytes, frameStrides } from './dicom-description.js';

/** Reads bytes of the pixel data, from its first one on. */
type ReadPixels = (offset: number, length: number) => Uint8Array;

/**
 * Settles where frames of single bits begin if their pixel data is as long with a fill behind each frame as without: a fill is of
 * zeros alone, as is what lies behind the last frame (DICOM PS3.5, section 8.1.1). If the bits fit both readings, or none, that of
 * the standard holds, and a note tells it. Null where the length alone tells.
 */
export function settlePacking(
  header: ImageHeader,
  read: ReadPixels,
): { readonly strideBytes: number; readonly note: HeaderProblem | null } | null {
  const { frames, bitsAllocated } = header;
  const { length } = header.pixelData;
  const strides = bitsAllocated === 1 && frames > 1 ? frameStrides(header) : [];
  const [standard] = strides;
  if (standard === undefined || strides.length === 1 || length === null) return null;
  const frameBits = 8 * frameSizeBytes(header);
  const fitting = strides.filter((stride) => {
    for (let frame = 0; frame < frames; frame++) {
      const next = frame + 1 === frames ? length : (frame + 1) * stride;
      if (!areZeros(read, frame * stride * 8 + frameBits, next * 8)) return false;
    }
    return true;
  });
  const [only, other] = fitting;
  if (only !== undefined && other === undefined)
    return { strideBytes: only, note: only === standard ? null : filledNote(only) };
  const detail =
    'the pixel data is as long with each frame filled up as without, and its bits do not tell; frames are read without a gap. If masks come out shifted, write the file again without a fill';
  return { strideBytes: standard, note: { code: 'PIXELS_PACKING', detail } };
}

/** Whether bits [from, to) are all 0, the least significant of a byte first. */
function areZeros(read: ReadPixels, from: number, to: number): boolean {
  const first = Math.floor(from / 8);
  if (from >= to) return true;
  return read(first, Math.ceil(to / 8) - first).every((byte, at) => {
    const start = 8 * (first + at);
    const [low, high] = [Math.max(0, from - start), Math.min(8, to - start)];
    return (byte >> low) % 2 ** (high - low) === 0;
  });
}
