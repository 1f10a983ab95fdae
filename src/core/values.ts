import type { LookupTable } from './colour.js';
import type { ImageHeader } from './dicom.js';
import type { StoredValues, ValueKind } from './pixels.js';
import { windowValues } from './window.js';

/** `stored`: as in the file; `rescaled`: modality values; `windowed`: for display, 0 to 1. */
export type Values = ValueKind | 'windowed';

/** What the luminance of a colour pixel is made of (Rec. ITU-R BT.601). */
const LUMINANCE = [0.299, 0.587, 0.114] as const;

/** An image's values in double precision, in the order of `stored`. */
export function valuesOf(
  stored: StoredValues,
  header: ImageHeader,
  values: Values,
  voi: LookupTable | null = null,
): Float64Array {
  if (values === 'windowed') return windowValues(stored, header, voi);
  const out = Float64Array.from(stored);
  const { slope, intercept } = header.rescale;
  if (values === 'rescaled' && (slope !== 1 || intercept !== 0))
    for (let i = 0; i < out.length; i++) out[i] = slope * out[i]! + intercept;
  return out;
}

/** Planes of one number of channels as planes of another: grey three times, or colour's luminance. */
export function toChannels(planes: Float64Array, from: 1 | 3, to: 1 | 3): Float64Array {
  if (from === to) return planes;
  if (to === 3) {
    const out = new Float64Array(planes.length * 3);
    for (let channel = 0; channel < 3; channel++) out.set(planes, channel * planes.length);
    return out;
  }
  const size = planes.length / 3;
  const out = new Float64Array(size);
  LUMINANCE.forEach((weight, channel) => {
    for (let i = 0; i < size; i++) out[i]! += weight * planes[channel * size + i]!;
  });
  return out;
}
