import type { ImageHeader } from './dicom.js';
import type { StoredValues } from './pixels.js';

type Padded = Pick<ImageHeader, 'paddingValue' | 'samplesPerPixel' | 'photometric'> &
  Partial<Pick<ImageHeader, 'paddingLimit'>>;

/**
 * Marks the pixels of a frame that are padding, by their stored values: those from PixelPaddingValue to
 * PixelPaddingRangeLimit, if there is one (DICOM PS3.3, section C.7.5.1.1.2). Returns null if no pixel is
 * padding.
 */
export function paddedPixels(stored: StoredValues, header: Padded): Uint8Array | null {
  const { paddingValue: value, paddingLimit: limit, samplesPerPixel, photometric } = header;
  if (value === null || samplesPerPixel !== 1 || photometric === 'PALETTE COLOR') return null;
  const low = Math.min(value, limit ?? value);
  const high = Math.max(value, limit ?? value);
  const marks = new Uint8Array(stored.length);
  let count = 0;
  for (let i = 0; i < stored.length; i++) {
    if (!(stored[i]! >= low && stored[i]! <= high)) continue;
    marks[i] = 1;
    count++;
  }
  return count > 0 ? marks : null;
}
