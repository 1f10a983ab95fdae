import type { LookupTable } from './colour.js';
import type { ImageHeader } from './dicom.js';
import { declaredRange, type StoredValues } from './pixels.js';

type Windowed = Pick<
  ImageHeader,
  'window' | 'rescale' | 'photometric' | 'bitsStored' | 'signed' | 'pixelKind' | 'samplesPerPixel'
> &
  Partial<Pick<ImageHeader, 'voiFunction'>>;

/** The modality values that become 0 and 1, and whether 0 is white. */
export interface DisplayRange {
  readonly low: number;
  readonly high: number;
  readonly inverted: boolean;
}

/** The window that is applied: the first, of a width that its function has (DICOM PS3.3, sections C.11.2.1.2 and C.11.2.1.3). */
function windowOf(header: Windowed): Windowed['window'][number] | null {
  const [voi] = header.window;
  const least = (header.voiFunction ?? 'LINEAR') === 'LINEAR' ? 1 : Number.MIN_VALUE;
  return voi && voi.width >= least && header.samplesPerPixel === 1 ? voi : null;
}

/**
 * The display range of an image: its first VOI window, as a linear function over [center - 0.5 - (width - 1) / 2,
 * center - 0.5 + (width - 1) / 2] (DICOM PS3.3, section C.11.2.1.2.1) or, for LINEAR_EXACT and roughly for SIGMOID, over
 * [center - width / 2, center + width / 2] (section C.11.2.1.3), else the full range that its header declares.
 * MONOCHROME1 is inverted (section C.7.6.3.1.2); colour has no VOI.
 */
export function displayRange(header: Windowed): DisplayRange {
  const inverted = header.photometric === 'MONOCHROME1';
  const voi = windowOf(header);
  if (voi) {
    const isLinear = (header.voiFunction ?? 'LINEAR') === 'LINEAR';
    const middle = isLinear ? voi.center - 0.5 : voi.center;
    const half = isLinear ? (voi.width - 1) / 2 : voi.width / 2;
    return { low: middle - half, high: middle + half, inverted };
  }
  const { min, max } = declaredRange(header, 'rescaled');
  return { low: min, high: max, inverted };
}

/** Values for display, 0 to 1, by the VOI table where there is one, else by the window; a window of width 1 is a threshold. */
export function windowValues(
  stored: StoredValues,
  header: Windowed,
  table: LookupTable | null = null,
): Float64Array {
  const { low, high, inverted } = displayRange(header);
  const { slope, intercept } = header.rescale;
  const out = new Float64Array(stored.length);
  const share = table
    ? throughVoi(table)
    : header.voiFunction === 'SIGMOID'
      ? sigmoid(windowOf(header))
      : null;
  for (let i = 0; i < out.length; i++) {
    const value = slope * stored[i]! + intercept;
    const part = share ? share(value) : value <= low ? 0 : value > high ? 1 : (value - low) / (high - low);
    out[i] = inverted ? 1 - part : part;
  }
  return out;
}

/** A table's entry as a share of the greatest one that its bits allow; modality values are rounded to the next place. */
function throughVoi({ first, bits, entries }: LookupTable): (value: number) => number {
  const last = entries.length - 1;
  const top = 2 ** bits - 1;
  return (value) => {
    const index = Math.round(value) - first;
    return Math.min(1, entries[index < 0 ? 0 : index > last ? last : index]! / top);
  };
}

/** Section C.11.2.1.3.1. */
function sigmoid(voi: Windowed['window'][number] | null): ((value: number) => number) | null {
  return voi && ((value) => 1 / (1 + Math.exp((-4 * (value - voi.center)) / voi.width)));
}
