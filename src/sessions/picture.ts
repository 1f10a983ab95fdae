import type { ImageHeader } from '../core/dicom.js';
import { SlfError } from '../errors.js';
import { MAX_PICTURE_PIXELS } from '../pictures/canvas.js';

/** Throws `SLF_PICTURE_TOO_LARGE` if an image at this scale has more pixels than a picture may have. */
export function checkPicture({ rows, columns }: Pick<ImageHeader, 'rows' | 'columns'>, scale: number): void {
  if (rows * columns * scale ** 2 <= MAX_PICTURE_PIXELS) return;
  const largest = Math.floor(Math.sqrt(MAX_PICTURE_PIXELS / (rows * columns)));
  throw new SlfError(
    'SLF_PICTURE_TOO_LARGE',
    largest >= 1
      ? `an image of ${rows} × ${columns} has overlays up to scale ${largest}`
      : `an image of ${rows} × ${columns} has no overlay: a picture has up to ${MAX_PICTURE_PIXELS} pixels`,
    { field: 'scale' },
  );
}
