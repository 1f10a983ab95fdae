import { writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { encode } from 'fast-png';
import type { Values } from './core/values.js';
import { LoaderChild, LoaderDeath } from './loader/child.js';
import { loaderLimits } from './loader/limits.js';
import type { DecodeFinding, DecodeUnit } from './loader/messages.js';

export interface DecodeOptions {
  /** Counted from 0. */
  readonly frame: number;
  readonly values: Values;
  /** Where to write the values as a NumPy array, null for nowhere. */
  readonly npy: string | null;
  /** Where to write a picture of the windowed values, null for nowhere. */
  readonly png: string | null;
  readonly memoryBytes: number;
  readonly deadlineMs: number;
}

type Decoded = Extract<DecodeFinding, { kind: 'decoded' }>;

/** NumPy's names of the element types, little-endian. */
const DESCRIPTORS: Readonly<Record<string, string>> = {
  uint8: '|u1',
  int8: '|i1',
  uint16: '<u2',
  int16: '<i2',
  uint32: '<u4',
  int32: '<i4',
  float32: '<f4',
  float64: '<f8',
};

/** Decodes one frame in a loader and prints what came of it; false, with a line on stderr, where the file is refused. */
export async function decodeFile(file: string, options: DecodeOptions): Promise<boolean> {
  const { frame, values, npy, png, memoryBytes, deadlineMs } = options;
  const path = resolve(file);
  const unit = { root: dirname(path), path: basename(path), frame };
  const child = new LoaderChild({ limits: loaderLimits(memoryBytes), memoryBytes });
  const refused = (code: string, detail: string): false => {
    console.error(`slicefeed: ${file}: ${code}: ${detail}`);
    return false;
  };
  try {
    await child.ready;
    const ask = async (wanted: DecodeUnit): Promise<DecodeFinding> => {
      const [finding] = await child.run({ kind: 'decode', units: [wanted] }, deadlineMs);
      return finding as DecodeFinding;
    };
    const found = await ask({ ...unit, values, withValues: npy !== null });
    if (found.kind === 'refused') return refused(found.code, found.detail);
    if (npy !== null) await writeFile(npy, npyFile(found));
    if (png !== null) {
      const picture = await ask({ ...unit, values: 'windowed', withValues: true });
      if (picture.kind === 'refused') return refused(picture.code, picture.detail);
      await writeFile(png, pngFile(picture));
    }
    const { kind: _, values: __, ...told } = found;
    console.log(JSON.stringify(told));
    return true;
  } catch (error) {
    if (error instanceof LoaderDeath) return refused('LOADER_ENDED', DEATHS[error.death]);
    throw error;
  } finally {
    child.kill('closing');
    await child.exited;
  }
}

const DEATHS: Readonly<Record<LoaderDeath['death'], string>> = {
  crash: 'reading it ended its loader',
  deadline: 'reading it took longer than its time',
  memory: 'reading it took more memory than a loader has',
  outside: 'its loader was ended from outside',
  closing: 'its loader was ended',
};

/** A file of NumPy's format, version 1.0. */
function npyFile({ shape, dtype, values }: Decoded): Uint8Array {
  const sides = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = `{'descr': '${DESCRIPTORS[dtype]}', 'fortran_order': False, 'shape': (${sides}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.alloc(10 + length, ' ');
  head.write('\x93NUMPY\x01\x00', 0, 'latin1');
  head.writeUInt16LE(length, 8);
  head.write(text, 10, 'latin1');
  head.write('\n', 9 + length, 'latin1');
  return Buffer.concat([head, values!]);
}

/** Windowed values as 8 bits of grey or colour. */
function pngFile({ shape, values }: Decoded): Uint8Array {
  const floats = new Float32Array(values!.slice().buffer);
  const data = Uint8Array.from(floats, (value) => Math.round(255 * value));
  return encode({
    height: shape[0]!,
    width: shape[1]!,
    data,
    channels: shape.length === 3 ? 3 : 1,
    depth: 8,
  });
}
