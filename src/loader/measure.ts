import { paddedPixels } from '../core/padding.js';
import { PixelError } from '../core/pixels.js';
import { shown } from '../core/shown.js';
import { measureStructures } from '../core/structure-measures.js';
import { toChannels, valuesOf } from '../core/values.js';
import type { DecodedCache } from './decoded-cache.js';
import { isGoneError, SourceUnreadable } from './files.js';
import { readFrame } from './load.js';
import type { LoaderLimits, MeasureOutcome, MeasureUnit, PairSource, Task } from './messages.js';
import { decodeFrame } from './read-frame.js';

/** Measures the structures of slices against their images; what is wrong with one image stays with that one. */
export async function measure(
  task: Task<'measure'>,
  limits: LoaderLimits,
  cache: DecodedCache | null,
): Promise<MeasureOutcome[]> {
  const outcomes: MeasureOutcome[] = [];
  for (const unit of task.units) outcomes.push(await measureSlice(unit, task.containments, limits, cache));
  return outcomes;
}

async function measureSlice(
  { source, structures }: MeasureUnit,
  containments: Task<'measure'>['containments'],
  limits: LoaderLimits,
  cache: DecodedCache | null,
): Promise<MeasureOutcome> {
  const image = await readValues(source, limits, cache);
  if (image === 'changed') return { kind: 'changed' };
  const { header } = source;
  const values = image instanceof Float64Array ? image : null;
  return {
    kind: 'measured',
    structures: measureStructures(structures, containments, values, header),
    unread: image instanceof Float64Array ? null : image.unread,
  };
}

/** The image's modality values in one plane; padding is NaN, which no measure counts. */
async function readValues(
  source: PairSource,
  limits: LoaderLimits,
  cache: DecodedCache | null,
): Promise<Float64Array | { readonly unread: string } | 'changed'> {
  try {
    const read = readFrame(source, 'rescaled', limits, cache);
    if (read === null) return 'changed';
    const decoded = read.decoded ?? (await decodeFrame(read.bytes, source.header, source.frame));
    const told = { ...decoded, ...shown(decoded, source.header, read.tables) };
    const values = toChannels(valuesOf(told.values, told.header, 'rescaled'), told.channels, 1);
    paddedPixels(decoded.values, source.header)?.forEach((isPadded, at) => {
      if (isPadded === 1) values[at] = Number.NaN;
    });
    return values;
  } catch (error) {
    // The file may be there, or readable, the next time.
    if (isGoneError(error) || error instanceof SourceUnreadable) return 'changed';
    if (error instanceof PixelError) return { unread: `${error.code}: ${error.message}` };
    throw error;
  }
}
