import { fromLuminance, fromPalette, type LookupTable, throughTable } from './colour.js';
import type { ImageHeader } from './dicom.js';
import type { StoredValues } from './pixels.js';

/** The tables of an image, read; null where it has none of a kind. */
export interface ImageTables {
  readonly palette: readonly LookupTable[] | null;
  readonly modality: LookupTable | null;
  readonly voi: LookupTable | null;
}

export const NO_TABLES: ImageTables = { palette: null, modality: null, voi: null };

/** A frame's values with the header that describes them. */
export interface Shown {
  readonly values: StoredValues;
  readonly channels: 1 | 3;
  readonly header: ImageHeader;
}

/**
 * What is rescaled and windowed instead of stored values: red, green and blue for any kind of colour, and the modality
 * table's entries where an image has one (DICOM PS3.3, sections C.7.6.3.1.2, C.7.9 and C.11.1). The header that comes
 * with them says what they are now.
 */
export function shown(
  frame: { readonly values: StoredValues; readonly channels: 1 | 3; readonly photometric?: string },
  header: ImageHeader,
  { palette, modality }: ImageTables,
): Shown {
  const { values, channels } = frame;
  const photometric = frame.photometric ?? header.photometric;
  if (channels === 3) {
    const rgb = photometric.startsWith('YBR_')
      ? fromLuminance(values, header.bitsStored, photometric.startsWith('YBR_PARTIAL'))
      : values;
    return { values: rgb, channels, header: { ...header, photometric: 'RGB' } };
  }
  const plain = { rescale: { slope: 1, intercept: 0 }, signed: false } as const;
  if (photometric === 'PALETTE COLOR' && palette) {
    const rgb = fromPalette(values, palette);
    const bitsStored = 8 * rgb.BYTES_PER_ELEMENT;
    return {
      values: rgb,
      channels: 3,
      header: { ...header, ...plain, photometric: 'RGB', samplesPerPixel: 3, bitsStored },
    };
  }
  if (modality) {
    const out = new Uint16Array(values.length);
    throughTable(values, modality, out);
    return { values: out, channels, header: { ...header, ...plain, bitsStored: modality.bits } };
  }
  return { values, channels, header };
}
