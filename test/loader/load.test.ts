import {
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { type BatchLayout, type BatchShape, batchLayout } from '../../src/core/layout.js';
import { LoaderChild } from '../../src/loader/child.js';
import type { DecodedCache } from '../../src/loader/decoded-cache.js';
import { isRoomError } from '../../src/loader/files.js';
import { load, readFrame } from '../../src/loader/load.js';
import { measure } from '../../src/loader/measure.js';
import type { LoadOutcome, LoadUnit, PairSource, Recipe, Task } from '../../src/loader/messages.js';
import { scan } from '../../src/loader/scan.js';
import { temporaryFolder } from '../helper.js';
import { LIMITS } from './scripted.js';
import { dicomFile, guardAt, recipe, sealed, tensorValues, writeImage } from './sources.js';

const SHAPE = {
  slots: 1,
  channels: 1,
  rows: 2,
  columns: 3,
  structures: 1,
  imageDtype: 'int16',
  maskDtype: 'bool',
} as const satisfies BatchShape;
const IMAGE = { rows: 2, columns: 3, pixels: Uint16Array.of(1, 2, 3, 4, 5, 6) };
const CRC = crc32(Buffer.from(IMAGE.pixels.buffer));
const OTHER = Uint16Array.of(9, 2, 3, 4, 5, 6);
/** Around the two middle columns of the first row. */
const RECTANGLE = Float64Array.of(0.5, -0.5, 2.5, -0.5, 2.5, 0.5, 0.5, 0.5);

interface Loaded {
  readonly outcomes: LoadOutcome[];
  values(name: Parameters<typeof tensorValues>[2]): number[];
}

function unit(source: PairSource, slot = 0, polygons: readonly (readonly Float64Array[])[] = [[]]): LoadUnit {
  const extents = polygons.map((each) => ({ regions: each.map((polygon) => [polygon]), rasters: [] }));
  return { slot, place: 100 + slot, source: sealed({ source, extents }) };
}

/** Loads units into a segment whose every byte was 7 before. */
async function loadInto(
  folder: string,
  units: readonly LoadUnit[],
  shape: BatchShape = SHAPE,
  how: Recipe = recipe(),
): Promise<Loaded & { layout: BatchLayout }> {
  const layout = batchLayout(shape);
  const segment = join(folder, 'segment');
  if (!existsSync(segment)) writeFileSync(segment, Buffer.alloc(layout.sizeBytes, 7));
  const outcomes = await load({ kind: 'load', segment, shape, recipe: how, units }, LIMITS);
  const values: Loaded['values'] = (name) => tensorValues(layout, readFileSync(segment), name);
  return { outcomes, values, layout };
}

function isZeros(values: readonly number[]): boolean {
  return values.every((value) => value === 0);
}

t.test('a pair lies in the segment with everything that is known of it', async (t) => {
  const folder = temporaryFolder(t);
  const source = writeImage(folder, 'a.dcm', { ...IMAGE, spacingMm: [1.25, 0.75] });
  const { outcomes, values } = await loadInto(folder, [unit(source, 0, [[RECTANGLE]])]);
  t.strictSame(outcomes, [{ kind: 'loaded', checksum: CRC, guard: null }]);
  t.strictSame(values('images'), [1, 2, 3, 4, 5, 6]);
  t.strictSame(values('masks'), [0, 1, 1, 0, 0, 0]);
  t.strictSame(values('valid'), [1]);
  t.strictSame(values('pairs'), [100]);
  t.strictSame(values('spacing'), [1.25, 0.75]);
  t.strictSame(values('sourceShape'), [2, 3]);
  t.strictSame(values('affine'), [1, 0, 0, 0, 1, 0]);
});

t.test('what the file does not say is not a number', async (t) => {
  const folder = temporaryFolder(t);
  const { values } = await loadInto(folder, [unit(writeImage(folder, 'a.dcm', IMAGE))]);
  t.strictSame(values('spacing'), [Number.NaN, Number.NaN]);
});

t.test('values are rescaled where that is asked for', async (t) => {
  const folder = temporaryFolder(t);
  const source = writeImage(folder, 'a.dcm', { ...IMAGE, rescaleSlope: 2, rescaleIntercept: -10 });
  const stored = await loadInto(folder, [unit(source)]);
  t.strictSame(stored.values('images'), [1, 2, 3, 4, 5, 6]);
  const rescaled = await loadInto(folder, [unit(source)], SHAPE, recipe({ values: 'rescaled' }));
  t.strictSame(rescaled.values('images'), [-8, -6, -4, -2, 0, 2]);
});

t.test('contours of one structure are joined, structures have planes of their own', async (t) => {
  const folder = temporaryFolder(t);
  const source = writeImage(folder, 'a.dcm', IMAGE);
  const left = Float64Array.of(-0.5, -0.5, 1.5, -0.5, 1.5, 0.5, -0.5, 0.5);
  const { values } = await loadInto(folder, [unit(source, 0, [[RECTANGLE, left], [], [left]])], {
    ...SHAPE,
    structures: 3,
  });
  t.strictSame(values('masks'), [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]);
});

t.test('images alone have no masks', async (t) => {
  const folder = temporaryFolder(t);
  const { outcomes, values } = await loadInto(folder, [unit(writeImage(folder, 'a.dcm', IMAGE), 0, [])], {
    ...SHAPE,
    structures: 0,
  });
  t.match(outcomes, [{ kind: 'loaded' }]);
  t.strictSame(values('masks'), []);
  t.strictSame(values('images'), [1, 2, 3, 4, 5, 6]);
  t.strictSame(values('valid'), [1]);
});

t.test('a padded slot is zeros, not valid, of no pair', async (t) => {
  const folder = temporaryFolder(t);
  const { outcomes, values } = await loadInto(folder, [{ slot: 0, place: -1, source: null }]);
  t.strictSame(outcomes, [{ kind: 'empty' }]);
  t.ok(isZeros([...values('images'), ...values('masks'), ...values('valid'), ...values('sourceShape')]));
  t.strictSame(values('pairs'), [-1]);
  t.strictSame(values('spacing'), [Number.NaN, Number.NaN]);
  t.strictSame(values('affine'), [1, 0, 0, 0, 1, 0]);
});

t.test('a run of slots leaves those of other loaders alone', async (t) => {
  const folder = temporaryFolder(t);
  const shape = { ...SHAPE, slots: 4 };
  const [a, b] = [
    writeImage(folder, 'a.dcm', IMAGE),
    writeImage(folder, 'b.dcm', { ...IMAGE, pixels: OTHER }),
  ];
  const { outcomes, values } = await loadInto(folder, [unit(a, 1, [[RECTANGLE]]), unit(b, 2)], shape);
  t.equal(outcomes.length, 2);
  const untouched = Array(6).fill(0x0707);
  t.strictSame(values('images'), [...untouched, 1, 2, 3, 4, 5, 6, 9, 2, 3, 4, 5, 6, ...untouched]);
  t.strictSame(values('valid'), [7, 1, 1, 7]);
  t.strictSame(values('masks').slice(6, 18), [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  await loadInto(folder, [unit(b, 0)], shape);
  const { values: whole } = await loadInto(folder, [{ slot: 3, place: -1, source: null }], shape);
  t.strictSame(whole('images'), [9, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 9, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]);
  t.strictSame(whole('pairs'), [100, 101, 102, -1]);
  t.strictSame(whole('valid'), [1, 1, 1, 0]);
});

t.test('a slot after one that failed holds nothing of it', async (t) => {
  const folder = temporaryFolder(t);
  const gone = { ...writeImage(folder, 'a.dcm', IMAGE), path: 'gone.dcm' };
  const { outcomes, values } = await loadInto(
    folder,
    [unit(gone, 0, [[RECTANGLE]]), unit(writeImage(folder, 'b.dcm', IMAGE), 1)],
    { ...SHAPE, slots: 2 },
  );
  t.match(outcomes, [{ kind: 'changed' }, { kind: 'loaded' }]);
  t.strictSame(values('images'), [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
  t.ok(isZeros(values('masks')));
  t.strictSame(values('valid'), [0, 1]);
  t.strictSame(values('pairs'), [100, 101]);
});

t.test('a checksum that is known is not worked out again under an equal guard', async (t) => {
  const folder = temporaryFolder(t);
  const source = { ...writeImage(folder, 'a.dcm', IMAGE), checksum: 12345 };
  const { outcomes } = await loadInto(folder, [unit(source)]);
  t.strictSame(outcomes, [{ kind: 'loaded', checksum: null, guard: null }]);
});

t.test('a file that was touched goes on, and its new guard is learned', async (t) => {
  const folder = temporaryFolder(t);
  const source = { ...writeImage(folder, 'a.dcm', IMAGE), checksum: CRC };
  utimesSync(join(folder, 'a.dcm'), 1, 1);
  const guard = guardAt(folder, 'a.dcm');
  t.not(guard, source.guard);
  const { outcomes, values } = await loadInto(folder, [unit(source)]);
  t.strictSame(outcomes, [{ kind: 'loaded', checksum: null, guard }]);
  t.strictSame(values('images'), [1, 2, 3, 4, 5, 6]);
});

t.test('a file that is touched while it is read goes on', (t) => {
  const folder = temporaryFolder(t);
  const source = { ...writeImage(folder, 'a.dcm', IMAGE), checksum: CRC };
  let looks = 0;
  // Asked for in the middle of a read: the moment to touch the file.
  const cache = {
    keyOf() {
      if (looks++ === 0) utimesSync(join(folder, 'a.dcm'), 1, 1);
      return null;
    },
  } as unknown as DecodedCache;
  const read = readFrame(source, 'stored', LIMITS, cache);
  t.match(read, { checksum: null, guard: guardAt(folder, 'a.dcm') });
  t.equal(looks, 2);
  t.end();
});

t.test('a file that was replaced by an equal copy goes on', async (t) => {
  const folder = temporaryFolder(t);
  const source = { ...writeImage(folder, 'a.dcm', IMAGE), checksum: CRC };
  writeImage(folder, 'b.dcm', IMAGE);
  renameSync(join(folder, 'b.dcm'), join(folder, 'a.dcm'));
  const { outcomes } = await loadInto(folder, [unit(source)]);
  t.strictSame(outcomes, [{ kind: 'loaded', checksum: null, guard: guardAt(folder, 'a.dcm') }]);
});

t.test('a file of other content is not the one of the snapshot', async (t) => {
  const folder = temporaryFolder(t);
  const known = () => ({ ...writeImage(folder, 'a.dcm', IMAGE), checksum: CRC });
  const change = {
    'other pixels': () => writeFileSync(join(folder, 'a.dcm'), dicomFile({ ...IMAGE, pixels: OTHER })),
    'another header of the same size': () =>
      writeFileSync(join(folder, 'a.dcm'), dicomFile({ ...IMAGE, seed: 'other' })),
    'a longer header': () =>
      writeFileSync(join(folder, 'a.dcm'), dicomFile({ ...IMAGE, patientName: 'Somebody^Else' })),
    'another image': () => writeFileSync(join(folder, 'a.dcm'), Buffer.alloc(10_000, 1)),
    'a shorter file': () => truncateSync(join(folder, 'a.dcm'), known().header.headerBytes + 11),
    'an empty file': () => truncateSync(join(folder, 'a.dcm'), 0),
    'no file': () => rmSync(join(folder, 'a.dcm')),
  };
  for (const [what, happen] of Object.entries(change)) {
    const source = known();
    happen();
    if (what !== 'no file') utimesSync(join(folder, 'a.dcm'), 1, 1);
    const { outcomes, values } = await loadInto(folder, [unit(source, 0, [[RECTANGLE]])]);
    t.strictSame(outcomes, [{ kind: 'changed' }], what);
    t.ok(isZeros([...values('images'), ...values('masks'), ...values('valid')]), what);
  }
});

t.test('a touched file whose pixels nobody ever read may hold anything', async (t) => {
  const folder = temporaryFolder(t);
  const source = writeImage(folder, 'a.dcm', IMAGE);
  utimesSync(join(folder, 'a.dcm'), 1, 1);
  t.strictSame((await loadInto(folder, [unit(source)])).outcomes, [{ kind: 'changed' }]);
});

t.test("a folder of the file's name is no file", async (t) => {
  const folder = temporaryFolder(t);
  const source = { ...writeImage(folder, 'a.dcm', IMAGE), path: '' };
  await t.rejects(loadInto(folder, [unit(source)]), RangeError);
  const { outcomes } = await loadInto(folder, [unit({ ...source, path: 'a.dcm/b.dcm' })]);
  t.strictSame(outcomes, [{ kind: 'changed' }]);
});

t.test('a path that leaves its source is never opened', async (t) => {
  const folder = temporaryFolder(t);
  const source = writeImage(folder, 'a.dcm', IMAGE);
  for (const path of ['../a.dcm', '/etc/hostname', 'b/../../a.dcm'])
    await t.rejects(loadInto(folder, [unit({ ...source, path })]), { message: 'the path leaves its source' });
});

t.test('a value that the type cannot hold is said, and leaves a slot of zeros', async (t) => {
  const folder = temporaryFolder(t);
  const pixels = Uint16Array.of(1, 2, 3, 4, 5, 40_000);
  const source = writeImage(folder, 'a.dcm', { ...IMAGE, pixels });
  const { outcomes, values } = await loadInto(folder, [unit(source, 0, [[RECTANGLE]])]);
  t.strictSame(outcomes, [
    { kind: 'range', detail: 'a value does not fit int16: ask for image.dtype float32 or auto' },
  ]);
  t.ok(isZeros([...values('images'), ...values('masks'), ...values('valid')]));
});

t.test('a frame over the limit is broken, and nothing is allocated for it', async (t) => {
  const folder = temporaryFolder(t);
  const source = writeImage(folder, 'a.dcm', IMAGE);
  const task: Task<'load'> = {
    kind: 'load',
    segment: join(folder, 'segment'),
    shape: SHAPE,
    recipe: recipe(),
    units: [unit(source)],
  };
  writeFileSync(task.segment, Buffer.alloc(batchLayout(SHAPE).sizeBytes));
  t.match(await load(task, { ...LIMITS, frameBytes: 11 }), [{ kind: 'broken', code: 'LIMIT_EXCEEDED' }]);
  t.match(await load(task, { ...LIMITS, frameBytes: 12 }), [{ kind: 'loaded' }]);
});

t.test('the frame that is asked for', async (t) => {
  const folder = temporaryFolder(t);
  const pixels = Uint16Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16);
  const source = { ...writeImage(folder, 'a.dcm', { ...IMAGE, frames: 2, pixels }), frame: 1 };
  const { outcomes, values } = await loadInto(folder, [unit(source)]);
  t.strictSame(values('images'), [11, 12, 13, 14, 15, 16]);
  t.match(outcomes, [{ checksum: crc32(Buffer.from(pixels.buffer, 12)) }]);
});

t.test('colour lies in planes', async (t) => {
  const folder = temporaryFolder(t);
  const pixels = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const source = writeImage(folder, 'a.dcm', { rows: 1, columns: 2, samplesPerPixel: 3, pixels });
  const shape = { ...SHAPE, channels: 3, rows: 1, columns: 2 } as const;
  const { values } = await loadInto(folder, [unit(source)], shape);
  t.strictSame(values('images'), [1, 4, 2, 5, 3, 6]);
});

t.test(
  'a palette and a modality table are stored as numbers and rescaled to what they stand for',
  async (t) => {
    const folder = temporaryFolder(t);
    const size = { rows: 1, columns: 2, pixels: Uint8Array.of(0, 1) };
    const table = (tag: string, ...entries: number[]) => [
      { tag: `002811${tag}`, vr: 'US', value: [2, 0, 16] },
      { tag: `002812${tag}`, vr: 'OW', value: Uint16Array.from(entries) },
    ];
    const extra = [...table('01', 10, 20), ...table('02', 30, 40), ...table('03', 50, 60)];
    const palette = unit(writeImage(folder, 'a.dcm', { ...size, photometric: 'PALETTE COLOR', extra }));
    const shape = { ...SHAPE, channels: 3, rows: 1, columns: 2 } as const;
    const loaded = await loadInto(folder, [palette], shape, recipe({ values: 'rescaled' }));
    t.strictSame(loaded.values('images'), [10, 20, 30, 40, 50, 60]);
    const grey = { ...shape, channels: 1 } as const;
    t.strictSame((await loadInto(folder, [palette], grey)).values('images'), [0, 1]);

    const item = [
      { tag: '00283002', vr: 'US', value: [2, 0, 16] },
      { tag: '00283006', vr: 'OW', value: Uint16Array.of(700, 900) },
    ];
    const modality = { tag: '00283000', vr: 'SQ', value: [item] };
    const source = unit(writeImage(folder, 'b.dcm', { ...size, extra: [modality] }));
    t.strictSame((await loadInto(folder, [source], grey)).values('images'), [0, 1]);
    const rescaled = await loadInto(folder, [source], grey, recipe({ values: 'rescaled' }));
    t.strictSame(rescaled.values('images'), [700, 900]);
  },
);

t.test('luminance and chroma are stored as they are and rescaled to red, green and blue', async (t) => {
  const folder = temporaryFolder(t);
  const size = { rows: 1, columns: 1, samplesPerPixel: 3, photometric: 'YBR_FULL' };
  const source = unit(writeImage(folder, 'a.dcm', { ...size, pixels: Uint8Array.of(76, 85, 255) }));
  const shape = { ...SHAPE, channels: 3, rows: 1, columns: 1 } as const;
  t.strictSame((await loadInto(folder, [source], shape)).values('images'), [76, 85, 255]);
  const rescaled = await loadInto(folder, [source], shape, recipe({ values: 'rescaled' }));
  t.strictSame(rescaled.values('images'), [254, 0, 0]);
});

t.test(
  "a full disk is the machine's, not the file's",
  { skip: !existsSync('/dev/full') && 'no /dev/full' },
  async (t) => {
    const folder = temporaryFolder(t);
    const units = [unit(writeImage(folder, 'a.dcm', IMAGE))];
    const task: Task<'load'> = { kind: 'load', segment: '/dev/full', shape: SHAPE, recipe: recipe(), units };
    const error = await load(task, LIMITS).then(
      () => null,
      (error) => error,
    );
    t.match(error, { code: 'ENOSPC' });
    t.equal(isRoomError(error), true);
    const child = new LoaderChild({ limits: LIMITS, memoryBytes: 1024 ** 3 });
    t.teardown(() => child.kill('closing'));
    await child.ready;
    await t.rejects(child.run(task, 10_000), { name: 'NoRoom', message: /^ENOSPC/ });
  },
);

t.test('a segment that is gone is no verdict on a file', async (t) => {
  const folder = temporaryFolder(t);
  const units = [unit(writeImage(folder, 'a.dcm', IMAGE))];
  const segment = join(folder, 'nothing');
  const task: Task<'load'> = { kind: 'load', segment, shape: SHAPE, recipe: recipe(), units };
  await t.rejects(load(task, LIMITS), { name: 'SegmentGone' });
});

t.test('a file that cannot be read fails only its own pair', async (t) => {
  const folder = temporaryFolder(t);
  const good = writeImage(folder, 'good.dcm', IMAGE);
  const bad = writeImage(folder, 'bad.dcm', IMAGE);
  rmSync(join(folder, 'bad.dcm'));
  // A link to itself, which every user is refused.
  symlinkSync('bad.dcm', join(folder, 'bad.dcm'));
  const shape = { ...SHAPE, slots: 2 };
  const { outcomes, values } = await loadInto(folder, [unit(bad), unit(good, 1)], shape);
  t.match(outcomes, [{ kind: 'unreadable', errno: 'ELOOP' }, { kind: 'loaded' }]);
  t.strictSame(values('valid'), [0, 1]);
  t.ok(isZeros(values('images').slice(0, 6)));
  const measured = await measure(
    { kind: 'measure', containments: [], units: [{ source: bad, structures: [] }] },
    LIMITS,
    null,
  );
  t.strictSame(measured, [{ kind: 'changed' }]);
  const found = await scan(
    {
      kind: 'scan',
      root: folder,
      units: [{ path: 'bad.dcm', kind: 'image', sizeBytes: 0, withChecksums: false }],
    },
    LIMITS,
  );
  t.match(found, [{ kind: 'refused', code: 'FILE_UNREADABLE', detail: 'it cannot be read (ELOOP)' }]);
});

t.test("which errors are the machine's", async (t) => {
  const error = (code: string) => Object.assign(new Error(code), { code });
  for (const code of ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EIO'])
    t.equal(isRoomError(error(code)), true, code);
  for (const code of ['ENOENT', 'EISDIR', 'ERR_OUT_OF_RANGE']) t.equal(isRoomError(error(code)), false, code);
  for (const odd of [null, undefined, 'ENOSPC', new Error('ENOSPC')]) t.equal(isRoomError(odd), false);
});
