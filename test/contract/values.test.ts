import { join } from 'node:path';
import t from 'tap';
import { startClosable } from '../fixtures/closable.js';
import { openFeed } from '../fixtures/feed.js';
import { MIXED, type MixedSlice, makeMixedFolder, study } from '../fixtures/mixed-folder.js';
import { numbersOf } from '../fixtures/numbers.js';
import { pixelCheck, rescaled, windowed } from '../fixtures/pixel-check.js';
import { refused } from '../fixtures/problem.js';
import { temporaryFolder } from '../helper.js';

const WINDOWS = { photometric: 'MONOCHROME1', windowCenter: 1500.5, windowWidth: 800.25 };
const PADDING = { signed: true, bitsStored: 16, extra: [{ tag: '00280120', vr: 'US', value: 63_536 }] };
const FALLING = { bitsStored: 10, rescaleSlope: -2, rescaleIntercept: 100 };
const folder = join(temporaryFolder(t), 'data');
const slices = makeMixedFolder(folder, [
  ...MIXED,
  study('WIN', 'win', 12, 10, 2, WINDOWS),
  study('FALL', 'fall', 12, 10, 2, FALLING),
  {
    ...study('PAD', 'pad', 12, 10, 2, PADDING),
    stored: (_, __, row, column) => (row < 3 ? -2000 : 100 + 10 * row + column),
  },
]);
const truth = new Map(slices.map((slice) => [slice.id, slice]));
const server = await startClosable(t, folder);
const { check, batchOf } = pixelCheck(server.url, slices);

t.test('stored values are those of the file', async (t) => {
  const stored = { values: 'stored' };
  for (const [id, dtype] of [
    ['ANN-1', 'I16'],
    ['BOB', 'I16'],
    ['CYD', 'I16'],
    ['DAN', 'I16'],
    ['EVE', 'I16'],
    ['FAY', 'U16'],
    ['WIN', 'I16'],
  ] as const)
    await check(t, id, stored, dtype, (_, value) => value);
});

t.test('rescaled values are slope times value plus intercept', async (t) => {
  await check(t, 'BOB', {}, 'I32', rescaled);
  await check(t, 'DAN', {}, 'F32', rescaled);
  await check(t, 'FALL', {}, 'I16', rescaled);
  await check(t, 'ANN-1', { values: 'rescaled' }, 'I16', rescaled);
  await check(t, 'CYD', {}, 'I16', rescaled);
});

t.test('windowed values follow the window of the file, or the header’s full range', async (t) => {
  for (const id of ['ANN-1', 'BOB', 'CYD', 'DAN', 'EVE', 'FAY', 'GUS', 'WIN', 'FALL'])
    await check(t, id, { values: 'windowed' }, 'F32', windowed, 1e-6);
  t.strictSame(
    ['ANN-1', 'BOB', 'CYD', 'WIN'].map((id) => [
      truth.get(`${id}/1`)!.window !== null,
      truth.get(`${id}/1`)!.inverted,
    ]),
    [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ],
    'with a window and without, inverted and not',
  );
});

t.test('normalize works on each slice alone', async (t) => {
  const statistics = (slice: MixedSlice) => {
    const values = Array.from(slice.stored, (stored) => rescaled(slice, stored));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return { mean, deviation: Math.sqrt(variance), low: Math.min(...values), high: Math.max(...values) };
  };
  for (const id of ['ANN-1', 'BOB', 'EVE', 'FAY']) {
    const known = new Map([...truth.values()].map((slice) => [slice, statistics(slice)]));
    await check(
      t,
      id,
      { normalize: 'minmax' },
      'F32',
      (slice, stored) => {
        const { low, high } = known.get(slice)!;
        return (rescaled(slice, stored) - low) / (high - low);
      },
      1e-6,
    );
    await check(
      t,
      id,
      { normalize: 'zscore' },
      'F32',
      (slice, stored) => {
        const { mean, deviation } = known.get(slice)!;
        return (rescaled(slice, stored) - mean) / deviation;
      },
      1e-5,
    );
  }
  for (const normalize of ['minmax', 'zscore'])
    for (const values of ['stored', 'windowed']) await check(t, 'GUS', { normalize, values }, 'F32', () => 0);
});

t.test('normalize measures values without padding', async (t) => {
  // Without padding the least value is 130 and the greatest 219; the image has rows 3 to 11 and columns 0 to
  // 9.
  const rest = Array.from({ length: 90 }, (_, at) => 130 + at);
  const mean = rest.reduce((sum, value) => sum + value, 0) / 90;
  const deviation = Math.sqrt(rest.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 90);
  const least = (_: MixedSlice, stored: number) => (stored === -2000 ? 0 : (stored - 130) / 89);
  await check(t, 'PAD', { normalize: 'minmax' }, 'F32', least, 1e-6);
  await check(t, 'PAD', { normalize: 'minmax', values: 'stored' }, 'F32', least, 1e-6);
  await check(t, 'PAD', { normalize: 'zscore' }, 'F32', (_, stored) => (stored - mean) / deviation, 1e-4);
  await check(t, 'PAD', {}, 'I16', (_, stored) => stored);
});

t.test('grey becomes three equal channels', async (t) => {
  const { images } = (await batchOf('ANN-1', { channels: 3 })).tensors;
  t.strictSame(images!.shape, [4, 3, 24, 20]);
  for (const slot of [0, 3]) {
    const { stored } = truth.get(`ANN-1/${slot + 1}`)!;
    t.strictSame([...numbersOf(images!, slot)], [...stored, ...stored, ...stored]);
  }
});

t.test('colour becomes one channel between its darkest and its brightest', async (t) => {
  const { images } = (await batchOf('EVE', { channels: 1 })).tensors;
  t.strictSame([images!.dtype, images!.shape], ['F32', [2, 1, 18, 16]]);
  const { stored, rows, columns } = truth.get('EVE/1')!;
  const size = rows * columns;
  const values = numbersOf(images!, 0);
  const outside = [...values].filter((value, at) => {
    const colours = [stored[at]!, stored[at + size]!, stored[at + 2 * size]!];
    return value < Math.min(...colours) - 1e-3 || value > Math.max(...colours) + 1e-3;
  });
  t.strictSame(outside, []);
});

t.test('files that disagree on channels are refused, and told what to say', async (t) => {
  const body = { studies: ['ANN-1', 'EVE'], shape: { fit: 'pad' }, batchSize: 6 };
  const refusal = await refused(
    t,
    `${server.url}/v1/sessions`,
    { method: 'POST', body },
    422,
    'SLF_CHANNELS_DIFFER',
  );
  t.match(refusal, { field: 'image.channels', detail: /1 or 3/ });
  for (const channels of [1, 3]) {
    const feed = await openFeed(server.url, { ...body, image: { channels } });
    t.strictSame((await feed.batch(0)).tensors.images!.shape, [6, channels, 24, 20]);
  }
});
