import type { DecodedFrame } from '../codecs/codec.js';
import type { ImageHeader } from '../core/dicom.js';
import { coverExtent, type Extent, fillExtent } from '../core/extent.js';
import { affineOf, type Fitting, fitExtent, fitMask, fitting, fitValues, type Size } from '../core/fit.js';
import { normalizeValues } from '../core/normalize.js';
import { paddedPixels } from '../core/padding.js';
import { writeValues } from '../core/pixels.js';
import type { BinaryRule } from '../core/rasterize.js';
import { type ImageTables, shown } from '../core/shown.js';
import { toChannels, valuesOf } from '../core/values.js';
import type { Recipe } from './messages.js';
import type { SlotWriter } from './slots.js';

const IDENTITY = { slope: 1, intercept: 0 } as const;

/** Turns a decoded frame into the slot's image: values, channels, normalize, fit, dtype. Throws `PixelError`. */
export function convertImage(
  decoded: DecodedFrame,
  stored: ImageHeader,
  tables: ImageTables,
  slot: number,
  slots: SlotWriter,
  recipe: Recipe,
): void {
  const { values, normalize, dtype, fit, fill } = recipe;
  const { rows, columns, channels } = slots.shape;
  const frame = {
    ...decoded,
    ...(values === 'stored' ? { header: stored } : shown(decoded, stored, tables)),
  };
  const { header } = frame;
  const asIs = frame.rows === rows && frame.columns === columns && frame.channels === channels;
  // Between whole values a resized image has others; in an integer type they are rounded, as every resize does.
  const rounds = fit === 'resize' && dtype !== 'float32' && dtype !== 'float16';
  if (asIs && !rounds && values !== 'windowed' && normalize === 'none') {
    writeValues(frame.values, header, { values, dtype }, slots.images(slot));
    return;
  }
  let planes = toChannels(valuesOf(frame.values, header, values, tables.voi), frame.channels, channels);
  normalizeValues(planes, normalize, normalize === 'none' ? null : paddedPixels(decoded.values, stored));
  if (frame.rows !== rows || frame.columns !== columns)
    planes = fitValues(planes, channels, fitting(fit, frame, slots.shape), fill);
  if (rounds) planes = planes.map(Math.round);
  writeValues(planes, { rescale: IDENTITY }, { values: 'stored', dtype }, slots.images(slot));
}

/** Draws the slot's masks; the parts of a structure are joined. */
export function convertMasks(
  extents: readonly Extent[],
  source: Size,
  slot: number,
  slots: SlotWriter,
  { rule, fit }: Recipe,
): void {
  const fitted = fitting(fit, source, slots.shape);
  extents.forEach((extent, structure) => {
    if (rule === 'coverage') measureShares(extent, source, fitted, slots.shares(slot, structure));
    else drawMask(rule, extent, source, fitted, slots.mask(slot, structure));
  });
}

let drawn = new Uint8Array(0);

/** At the source's size, then fitted like the image, by the nearest pixel. */
function drawMask(
  rule: BinaryRule,
  extent: Extent,
  source: Size,
  fitted: Fitting,
  { mask, offset }: { readonly mask: Uint8Array; readonly offset: number },
): void {
  if (isAsIs(fitted)) {
    fillExtent(rule, extent, source.rows, source.columns, mask, offset);
    return;
  }
  const size = source.rows * source.columns;
  if (drawn.length < size) drawn = new Uint8Array(size);
  drawn.fill(0, 0, size);
  fillExtent(rule, extent, source.rows, source.columns, drawn, 0);
  fitMask(drawn, fitted, mask, offset);
}

let measured = new Float32Array(0);

/**
 * A resized mask has the shares of its own pixels: polygons are measured at its own size, rasters go by the nearest pixel. The
 * others are fitted like the image.
 */
function measureShares(
  extent: Extent,
  source: Size,
  fitted: Fitting,
  { mask, offset }: { readonly mask: Float32Array; readonly offset: number },
): void {
  if (fitted.fit === 'resize' || isAsIs(fitted)) {
    const { rows, columns } = fitted;
    coverExtent(
      isAsIs(fitted) ? extent : fitExtent(extent, fitted),
      rows.target,
      columns.target,
      mask,
      offset,
    );
    return;
  }
  const size = source.rows * source.columns;
  if (measured.length < size) measured = new Float32Array(size);
  measured.fill(0, 0, size);
  coverExtent(extent, source.rows, source.columns, measured, 0);
  fitMask(measured, fitted, mask, offset);
}

function isAsIs({ rows, columns }: Fitting): boolean {
  return rows.source === rows.target && columns.source === columns.target;
}

/** The slot's affine: from its pixels back to the source's. */
export function slotAffine(source: ImageHeader, slots: SlotWriter, recipe: Recipe): number[] {
  return affineOf(fittingOf(source, slots, recipe));
}

function fittingOf(source: Size, slots: SlotWriter, { fit }: Recipe): Fitting {
  return fitting(fit, source, slots.shape);
}
