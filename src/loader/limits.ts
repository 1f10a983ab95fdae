import { DEFAULT_LIMITS } from '../core/dicom.js';
import type { LoaderLimits } from './messages.js';

const FILE_BYTES = 2 * 1024 ** 3;
export const SEGMENT_FRACTION = 0.5;
const CONTOUR_POINTS = 100_000;
const MOST_KEPT_BYTES = 16 * 1024 ** 2;

/** The limits of a loader that may use so much memory: a quarter of it for a header, an inflated data set and a frame each. */
export function loaderLimits(memoryBytes: number): LoaderLimits {
  const quarter = Math.floor(memoryBytes / 4);
  return {
    ...DEFAULT_LIMITS,
    headerBytes: quarter,
    frameBytes: quarter,
    fileBytes: FILE_BYTES,
    contourPoints: CONTOUR_POINTS,
    // Opened they take a few times as much.
    keptBytes: Math.min(MOST_KEPT_BYTES, Math.floor(memoryBytes / 32)),
    segmentFraction: SEGMENT_FRACTION,
  };
}
