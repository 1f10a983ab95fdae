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

/**
 * Returns the windows that can be applied: their width is valid for the function (DICOM PS3.3, sections
 * C.11.2.1.2 and C.11.2.1.3).
 */
function windowsOf(header: Windowed): readonly Windowed['window'][number][] {
  const least = (header.voiFunction ?? 'LINEAR') === 'LINEAR' ? 1 : Number.MIN_VALUE;
  return header.samplesPerPixel === 1 ? header.window.filter(({ width }) => width >= least) : [];
}

/** Returns the first window, if it can be applied. */
function windowOf(header: Windowed): Windowed['window'][number] | null {
  const [voi] = windowsOf(header);
  return voi === header.window[0] ? (voi ?? null) : null;
}

/**
 * Returns, for each window of a header, the modality values that become black and white. A LINEAR window
 * covers [center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2] (DICOM PS3.3, section
 * C.11.2.1.2.1); LINEAR_EXACT, and roughly SIGMOID, cover [center - width / 2, center + width / 2] (section
 * C.11.2.1.3).
 */
export function windowRanges(header: Windowed): { readonly low: number; readonly high: number }[] {
  return windowsOf(header).map((voi) => rangeOf(voi, header));
}

function rangeOf(
  { center, width }: Windowed['window'][number],
  { voiFunction = 'LINEAR' }: Windowed,
): { readonly low: number; readonly high: number } {
  const isLinear = voiFunction === 'LINEAR';
  const middle = isLinear ? center - 0.5 : center;
  const half = isLinear ? (width - 1) / 2 : width / 2;
  return { low: middle - half, high: middle + half };
}

/**
 * The display range of an image: that of its first window, else the full range that its header declares.
 * MONOCHROME1 is inverted (section C.7.6.3.1.2); colour has no VOI.
 */
export function displayRange(header: Windowed): DisplayRange {
  const inverted = header.photometric === 'MONOCHROME1';
  const voi = windowOf(header);
  if (voi) return { ...rangeOf(voi, header), inverted };
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
