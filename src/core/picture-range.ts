import type { ImageHeader } from './dicom.js';
import { declaredRange } from './pixels.js';
import type { Values } from './values.js';
import { windowRanges } from './window.js';

/**
 * How a picture shows the values of an image. One slice looks the same whichever kind of values it is drawn
 * from.
 */
export interface PictureRange {
  /**
   * Values that become black and white, best first: a picture takes the first pair that shows something; if
   * none does, a range of the values themselves.
   */
  readonly windows: readonly { readonly low: number; readonly high: number }[];
  /** Whether low values are white. */
  readonly inverted: boolean;
}

/** Soft tissue, in Hounsfield units: a range between air and bone. */
const SOFT_TISSUE = { low: 40 - 200, high: 40 + 200 };

type Shown = Parameters<typeof windowRanges>[0] &
  Pick<ImageHeader, 'modality' | 'voiTable' | 'modalityTable'>;

/**
 * The kind of values that a picture of one pair is drawn from: modality values, or display values if the VOI
 * is a table or a curve.
 */
export function pictureValues({
  voiTable,
  voiFunction,
}: Pick<ImageHeader, 'voiTable' | 'voiFunction'>): Values {
  return voiTable !== null || voiFunction === 'SIGMOID' ? 'windowed' : 'rescaled';
}

/**
 * Returns the range for the values of an image: its VOI windows (DICOM PS3.3, section C.11.2); for a CT
 * without one, that of soft tissue. `values` are as `valuesOf` returns them, not normalised. MONOCHROME1 is
 * inverted.
 */
export function pictureRange(header: Shown, values: Values): PictureRange {
  if (header.samplesPerPixel !== 1) return { windows: [], inverted: false };
  const inverted = header.photometric === 'MONOCHROME1';
  const own = windowRanges(header);
  const hasVoi = own.length > 0 || header.voiTable !== null;
  const windows = hasVoi ? own : header.modality === 'CT' ? [SOFT_TISSUE] : [];
  if (values === 'windowed') {
    const shares = hasVoi ? [{ low: 0, high: 1 }] : windows.map((window) => shareOf(window, header));
    return { windows: shares.filter(isRange), inverted: false };
  }
  if (values === 'rescaled') return { windows: windows.filter(isRange), inverted };
  const { slope, intercept } = header.rescale;
  if (slope === 0 || header.modalityTable !== null) return { windows: [], inverted };
  const stored = windows.map(({ low, high }) => {
    const ends = [(low - intercept) / slope, (high - intercept) / slope] as const;
    return slope > 0 ? { low: ends[0], high: ends[1] } : { low: ends[1], high: ends[0] };
  });
  return { windows: stored.filter(isRange), inverted: slope > 0 ? inverted : !inverted };
}

/**
 * Converts a window of modality values to windowed values, which are shares of the header's full range and
 * already inverted.
 */
function shareOf(
  { low, high }: PictureRange['windows'][number],
  header: Shown,
): PictureRange['windows'][number] {
  const { min, max } = declaredRange(header, 'rescaled');
  const [from, to] = [(low - min) / (max - min), (high - min) / (max - min)];
  return header.photometric === 'MONOCHROME1' ? { low: 1 - to, high: 1 - from } : { low: from, high: to };
}

function isRange({ low, high }: { readonly low: number; readonly high: number }): boolean {
  return low < high;
}
