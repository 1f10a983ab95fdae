import { createHash } from 'node:crypto';
import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { headerOfFrame } from '../core/dicom-frames.js';
import { elementBytes } from '../core/layout.js';
import { autoDtype, declaredRange, PixelError, type StoredValues, writeValues } from '../core/pixels.js';
import { type ImageTables, shown } from '../core/shown.js';
import { type Values, valuesOf } from '../core/values.js';
import { SourceUnreadable, withSourceFile } from './files.js';
import { framePlaces, openImage, readPlaces } from './image.js';
import type { DecodeFinding, DecodeUnit, LoaderLimits, Task } from './messages.js';
import { decodeFrame } from './read-frame.js';
import { readTables } from './tables.js';

/** Decodes single frames, header and all, from nothing but their files. */
export async function decode(task: Task<'decode'>, limits: LoaderLimits): Promise<DecodeFinding[]> {
  const findings: DecodeFinding[] = [];
  for (const unit of task.units) findings.push(await decodeUnit(unit, limits));
  return findings;
}

interface Opened {
  readonly header: ImageHeader;
  readonly tables: ImageTables;
  readonly bytes: Uint8Array;
}

async function decodeUnit(unit: DecodeUnit, limits: LoaderLimits): Promise<DecodeFinding> {
  try {
    const { header, tables, bytes } = open(unit, limits);
    const decoded = await decodeFrame(bytes, header, unit.frame);
    const { channels, values } =
      unit.values === 'stored' ? decoded : { ...decoded, ...shown(decoded, header, tables) };
    const planes = unit.values === 'stored' ? values : converted(decoded, header, tables, unit.values);
    const ordered = byPixel(planes, channels);
    const view = new Uint8Array(ordered.buffer, ordered.byteOffset, ordered.byteLength);
    return {
      kind: 'decoded',
      shape: [header.rows, header.columns, ...(channels === 3 ? [3] : [])],
      dtype: DTYPES.get(ordered.constructor)!,
      ...extremes(ordered),
      sha256: createHash('sha256').update(view).digest('hex'),
      frames: header.frames,
      transferSyntax: header.transferSyntax,
      problems: [...header.notes, ...(decoded.notes ?? [])] satisfies HeaderProblem[],
      values: unit.withValues ? view : null,
    };
  } catch (error) {
    if (error instanceof PixelError) return { kind: 'refused', code: error.code, detail: error.message };
    if (error instanceof SourceUnreadable)
      return { kind: 'refused', code: 'FILE_UNREADABLE', detail: `it cannot be read (${error.errno})` };
    throw error;
  }
}

function open(unit: DecodeUnit, limits: LoaderLimits): Opened {
  return withSourceFile(unit.root, unit.path, (file) => {
    if (file.sizeBytes > limits.fileBytes)
      throw new PixelError('LIMIT_EXCEEDED', `the file is over ${limits.fileBytes} bytes`);
    const opened = openImage(file, limits);
    if (!opened.header) throw new PixelError(opened.problem.code, opened.problem.detail);
    const { data } = opened;
    const header = headerOfFrame(opened.header, opened.frames, unit.frame);
    if (unit.frame >= header.frames)
      throw new PixelError(
        'PIXELS_SHORT',
        `there is no frame ${unit.frame}; the file has ${header.frames}, from 0`,
      );
    const tables = readTables(() => data, header, unit.values);
    return { header, tables, bytes: readPlaces(data, framePlaces(data, header, unit.frame), limits) };
  });
}

/** Rescaled values in the first type that the header's range fits, windowed ones as float32. */
function converted(
  decoded: Awaited<ReturnType<typeof decodeFrame>>,
  header: ImageHeader,
  tables: ImageTables,
  values: Exclude<Values, 'stored'>,
): StoredValues {
  const told = shown(decoded, header, tables);
  if (values === 'windowed') return Float32Array.from(valuesOf(told.values, told.header, values, tables.voi));
  const dtype = autoDtype([declaredRange(told.header, values)]);
  const out = new Uint8Array(told.values.length * elementBytes(dtype));
  writeValues(told.values, told.header, { values, dtype }, out);
  const { buffer } = out;
  if (dtype === 'int16') return new Int16Array(buffer);
  if (dtype === 'uint16') return new Uint16Array(buffer);
  return dtype === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer);
}

const DTYPES = new Map<unknown, string>([
  [Uint8Array, 'uint8'],
  [Int8Array, 'int8'],
  [Uint16Array, 'uint16'],
  [Int16Array, 'int16'],
  [Uint32Array, 'uint32'],
  [Int32Array, 'int32'],
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
]);

/** Planes as pixels, a copy where there is more than one plane. */
function byPixel(planes: StoredValues, channels: 1 | 3): StoredValues {
  if (channels === 1) return planes;
  const out = planes.slice();
  const pixels = planes.length / channels;
  for (let channel = 0, from = 0; channel < channels; channel++)
    for (let to = channel; from < (channel + 1) * pixels; from++, to += channels) out[to] = planes[from]!;
  return out;
}

function extremes(values: StoredValues): { min: number; max: number } {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}
