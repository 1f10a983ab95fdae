import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import type { DecodedFrame } from '../../src/codecs/codec.js';
import { type BatchShape, batchLayout } from '../../src/core/layout.js';
import { DecodedCache } from '../../src/loader/decoded-cache.js';
import { load } from '../../src/loader/load.js';
import type { LoadOutcome, PairSource } from '../../src/loader/messages.js';
import { bigSource } from '../fixtures/decoded-frames.js';
import { temporaryFolder } from '../helper.js';
import { run } from './processes.js';
import { LIMITS } from './scripted.js';
import { guardAt, recipe, sealed, tensorValues, writeImage } from './sources.js';

const RLE = '1.2.840.10008.1.2.5';
const SHAPE = {
  slots: 1,
  channels: 1,
  rows: 1,
  columns: 4,
  structures: 0,
  imageDtype: 'uint16',
  maskDtype: 'bool',
} as const satisfies BatchShape;

/** An RLE frame of one segment that repeats a value four times. */
function repeated(value: number): Uint8Array {
  const head = new Uint32Array(16);
  head.set([1, 64]);
  return Uint8Array.from([...new Uint8Array(head.buffer), 253, value]);
}

function rleImage(value: number) {
  return { rows: 1, columns: 4, bitsAllocated: 8, pixels: { frames: [[repeated(value)]] } };
}

function cacheIn(folder: string): DecodedCache {
  const state = join(folder, 'decoded');
  mkdirSync(state, { recursive: true });
  return new DecodedCache(state);
}

/** The files of a cache that are whole, by their paths. */
function keptFiles({ folder }: DecodedCache): string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .flatMap((shard) => readdirSync(join(folder, shard)).map((name) => join(folder, shard, name)));
}

async function loadOne(
  folder: string,
  source: PairSource,
  cache: DecodedCache | null,
): Promise<{ outcome: LoadOutcome; values: number[] }> {
  const layout = batchLayout(SHAPE);
  const segment = join(folder, 'segment');
  writeFileSync(segment, Buffer.alloc(layout.sizeBytes, 7));
  const task = { kind: 'load', segment, shape: SHAPE, recipe: recipe({ dtype: 'uint16' }) } as const;
  const units = [{ slot: 0, place: 0, source: sealed({ source, extents: [] }) }];
  const [outcome] = await load({ ...task, units }, LIMITS, cache);
  return { outcome: outcome!, values: tensorValues(layout, readFileSync(segment), 'images') };
}

t.test('a frame is decoded once, and then read as it was decoded', async (t) => {
  const folder = temporaryFolder(t);
  const cache = cacheIn(folder);
  const source = writeImage(folder, 'a.dcm', rleImage(9), RLE);
  const first = await loadOne(folder, source, cache);
  t.strictSame(first.values, [9, 9, 9, 9]);
  t.strictSame(cache.takeTally(), { hits: 0, misses: 1, writtenBytes: 4096 });
  const checksum = (first.outcome as { checksum: number }).checksum;
  t.equal(checksum, crc32(repeated(9)));
  const second = await loadOne(folder, { ...source, checksum }, cache);
  t.strictSame(second, { outcome: { kind: 'loaded', checksum: null, guard: null }, values: [9, 9, 9, 9] });
  t.strictSame(cache.takeTally(), { hits: 1, misses: 0, writtenBytes: 0 });
  t.equal(cache.takeTally(), null);
  t.equal(statSync(keptFiles(cache)[0]!).mode & 0o777, 0o600);
});

t.test('plain pixels are not kept', async (t) => {
  const folder = temporaryFolder(t);
  const cache = cacheIn(folder);
  const pixels = Uint16Array.of(1, 2, 3, 4);
  await loadOne(folder, writeImage(folder, 'a.dcm', { rows: 1, columns: 4, pixels }), cache);
  t.equal(cache.takeTally(), null);
  t.strictSame(keptFiles(cache), []);
});

t.test('a source that changed is no hit, and not loaded', async (t) => {
  const folder = temporaryFolder(t);
  const cache = cacheIn(folder);
  const source = { ...writeImage(folder, 'a.dcm', rleImage(9), RLE), checksum: crc32(repeated(9)) };
  await loadOne(folder, source, cache);
  writeImage(folder, 'a.dcm', rleImage(8), RLE);
  const { outcome, values } = await loadOne(folder, source, cache);
  t.strictSame(outcome, { kind: 'changed' });
  t.strictSame(values, [0, 0, 0, 0]);
  // The new content under its own guard is another frame.
  const fresh = { ...source, guard: guardAt(folder, 'a.dcm'), checksum: crc32(repeated(8)) };
  t.strictSame((await loadOne(folder, fresh, cache)).values, [8, 8, 8, 8]);
});

t.test('a source that was only touched is compared by content, and kept again', async (t) => {
  const folder = temporaryFolder(t);
  const cache = cacheIn(folder);
  const source = { ...writeImage(folder, 'a.dcm', rleImage(9), RLE), checksum: crc32(repeated(9)) };
  await loadOne(folder, source, cache);
  cache.takeTally();
  utimesSync(join(folder, 'a.dcm'), 5, 5);
  const { outcome, values } = await loadOne(folder, source, cache);
  t.strictSame(outcome, { kind: 'loaded', checksum: null, guard: guardAt(folder, 'a.dcm') });
  t.strictSame(values, [9, 9, 9, 9]);
  t.match(cache.takeTally(), { hits: 0, misses: 1 });
});

t.test('whatever is wrong with a kept frame, it is decoded and kept anew', async (t) => {
  const folder = temporaryFolder(t);
  const cache = cacheIn(folder);
  const checked = (value: number) => ({ checksum: crc32(repeated(value)) });
  const source = { ...writeImage(folder, 'a.dcm', rleImage(9), RLE), ...checked(9) };
  const other = { ...writeImage(folder, 'b.dcm', rleImage(5), RLE), ...checked(5) };
  await loadOne(folder, source, cache);
  const [path] = keptFiles(cache);
  await loadOne(folder, other, cache);
  const [foreign] = keptFiles(cache).filter((name) => name !== path);
  const good = readFileSync(path!);
  const flipped = (at: number) => {
    const bytes = Buffer.from(good);
    bytes[at]! ^= 1;
    return bytes;
  };
  const wrong: [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['its head alone', good.subarray(0, 40)],
    ['cut off', good.subarray(0, -1)],
    ['too long', Buffer.concat([good, Buffer.alloc(1)])],
    ['much too long', Buffer.alloc(100_000)],
    ["another file's", readFileSync(foreign!)],
    ...Array.from({ length: good.length }, (_, at): [string, Buffer] => [`byte ${at}`, flipped(at)]),
  ];
  for (const [what, bytes] of wrong) {
    writeFileSync(path!, bytes);
    cache.takeTally();
    t.strictSame((await loadOne(folder, source, cache)).values, [9, 9, 9, 9], what);
    t.match(cache.takeTally(), { hits: 0, misses: 1 }, what);
    t.ok(readFileSync(path!).equals(good), `${what} is replaced`);
  }
});

t.test('without a folder, with a file in its place, the frame is decoded all the same', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'file'), '');
  const source = { ...writeImage(folder, 'a.dcm', rleImage(9), RLE), checksum: crc32(repeated(9)) };
  for (const place of ['nothing', 'file']) {
    const cache = new DecodedCache(join(folder, place));
    t.strictSame((await loadOne(folder, source, cache)).values, [9, 9, 9, 9]);
    t.strictSame(cache.takeTally(), { hits: 0, misses: 1, writtenBytes: 0 });
  }
});

t.test('a frame that cannot be decoded is not kept', async (t) => {
  const folder = temporaryFolder(t);
  const cache = cacheIn(folder);
  const image = { ...rleImage(1), pixels: { frames: [[repeated(1).subarray(0, 64)]] } };
  const { outcome } = await loadOne(folder, writeImage(folder, 'a.dcm', image, RLE), cache);
  t.match(outcome, { kind: 'broken', code: 'PIXELS_SHORT' });
  t.strictSame(keptFiles(cache), []);
});

t.test('colour, signs, floats and notes come back as they were', async (t) => {
  const cache = cacheIn(temporaryFolder(t));
  const note = { code: 'PIXELS_LONG', detail: 'more than there should be' } as const;
  const frames: DecodedFrame[] = [
    { values: Uint8Array.of(1, 2, 3, 4, 5, 6), channels: 3, rows: 1, columns: 2, photometric: 'RGB' },
    { values: Int16Array.of(-5, 5), channels: 1, rows: 2, columns: 1, notes: [note] },
    { values: Uint32Array.of(2 ** 32 - 1), channels: 1, rows: 1, columns: 1, notes: [] },
    { values: Float64Array.of(0.1, -0.2), channels: 1, rows: 1, columns: 2 },
  ];
  frames.forEach((frame, at) => {
    const { rows, columns, channels } = frame;
    const header = { ...bigSource.header, rows, columns, samplesPerPixel: channels };
    const key = cache.keyOf({ ...bigSource, header, frame: at }, 'guard')!;
    t.equal(cache.find(key, header), null);
    cache.keep(key, frame);
    t.strictSame(cache.find(key, header), frame);
  });
});

t.test('a loader that is killed while it writes leaves nothing that is wrong', async (t) => {
  const cache = cacheIn(temporaryFolder(t));
  for (let round = 0; round < 3; round++) {
    const writers = await Promise.all([0, 1].map(() => run(t, 'decoded-writer', cache.folder)));
    await Promise.all(writers.map((writer) => writer.kill()));
    for (let frame = 0; frame < 64; frame++) {
      const source = { ...bigSource, frame };
      const found = cache.find(cache.keyOf(source, source.guard)!, source.header);
      t.ok(found?.values.every((value) => value === frame));
    }
    t.equal(keptFiles(cache).length, 64);
  }
  t.match(cache.takeTally(), { hits: 3 * 64 });
});
