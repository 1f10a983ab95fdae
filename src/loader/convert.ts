import type { DecodedFrame } from '../codecs/codec.js';
import type { ImageHeader } from '../core/dicom.js';
import { affineOf, type Fitting, fitMask, fitting, fitValues } from '../core/fit.js';
import { normalizeValues } from '../core/normalize.js';
import { writeValues } from '../core/pixels.js';
import { rasterize } from '../core/rasterize.js';
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
  normalizeValues(planes, normalize);
  if (frame.rows !== rows || frame.columns !== columns)
    planes = fitValues(planes, channels, fitting(fit, frame, slots.shape), fill);
  if (rounds) planes = planes.map(Math.round);
  writeValues(planes, { rescale: IDENTITY }, { values: 'stored', dtype }, slots.images(slot));
}

let drawn = new Uint8Array(0);

/** Draws the slot's masks: at the source's size, then fitted like the image, by the nearest pixel. */
export function convertMasks(
  polygons: readonly (readonly Float64Array[])[],
  source: { readonly rows: number; readonly columns: number },
  slot: number,
  slots: SlotWriter,
  recipe: Recipe,
): void {
  const { rows, columns } = slots.shape;
  const asIs = source.rows === rows && source.columns === columns;
  polygons.forEach((parts, structure) => {
    const { mask, offset } = slots.mask(slot, structure);
    if (asIs) {
      for (const part of parts)
        rasterize(recipe.rule, shifted(part, recipe.originShift), rows, columns, mask, offset);
      return;
    }
    const size = source.rows * source.columns;
    if (drawn.length < size) drawn = new Uint8Array(size);
    drawn.fill(0, 0, size);
    for (const part of parts)
      rasterize(recipe.rule, shifted(part, recipe.originShift), source.rows, source.columns, drawn, 0);
    fitMask(drawn, fittingOf(source, slots, recipe), mask, offset);
  });
}

/** The slot's affine: from its pixels back to the source's. */
export function slotAffine(source: ImageHeader, slots: SlotWriter, recipe: Recipe): number[] {
  return affineOf(fittingOf(source, slots, recipe));
}

function fittingOf(
  source: { readonly rows: number; readonly columns: number },
  slots: SlotWriter,
  { fit }: Recipe,
): Fitting {
  return fitting(fit, source, slots.shape);
}

function shifted(polygon: Float64Array, by: number): Float64Array {
  return by === 0 ? polygon : polygon.map((coordinate) => coordinate + by);
}
