import type { ImageHeader } from './dicom.js';
import { declaredRange, type StoredValues } from './pixels.js';

type Windowed = Pick<
  ImageHeader,
  'window' | 'rescale' | 'photometric' | 'bitsStored' | 'signed' | 'pixelKind' | 'samplesPerPixel'
>;

/** The modality values that become 0 and 1, and whether 0 is white. */
export interface DisplayRange {
  readonly low: number;
  readonly high: number;
  readonly inverted: boolean;
}

/**
 * The display range of an image: its first VOI window, as a linear function over [center - 0.5 - (width - 1) / 2,
 * center - 0.5 + (width - 1) / 2] (DICOM PS3.3, section C.11.2.1.2.1), else the full range that its header declares.
 * MONOCHROME1 is inverted (section C.7.6.3.1.2); colour has no VOI.
 */
export function displayRange(header: Windowed): DisplayRange {
  const inverted = header.photometric === 'MONOCHROME1';
  const [voi] = header.window;
  if (voi && voi.width >= 1 && header.samplesPerPixel === 1) {
    const middle = voi.center - 0.5;
    const half = (voi.width - 1) / 2;
    return { low: middle - half, high: middle + half, inverted };
  }
  const { min, max } = declaredRange(header, 'rescaled');
  return { low: min, high: max, inverted };
}

/** Values for display, 0 to 1; a window of width 1 is a threshold. */
export function windowValues(stored: StoredValues, header: Windowed): Float64Array {
  const { low, high, inverted } = displayRange(header);
  const { slope, intercept } = header.rescale;
  const out = new Float64Array(stored.length);
  for (let i = 0; i < out.length; i++) {
    const value = slope * stored[i]! + intercept;
    const share = value <= low ? 0 : value > high ? 1 : (value - low) / (high - low);
    out[i] = inverted ? 1 - share : share;
  }
  return out;
}
