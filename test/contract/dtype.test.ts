import { join } from 'node:path';
import t from 'tap';
import { ask } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { openFeed } from '../fixtures/feed.js';
import { MIXED, type MixedSlice, makeMixedFolder, study } from '../fixtures/mixed-folder.js';
import { halfOf } from '../fixtures/numbers.js';
import { pixelCheck, rescaled, windowed } from '../fixtures/pixel-check.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import { temporaryFolder } from '../helper.js';
import { python, withoutPython } from '../python.js';

const FALLING = { bitsStored: 10, rescaleSlope: -2, rescaleIntercept: 100 };
const folder = join(temporaryFolder(t), 'data');
const slices = makeMixedFolder(folder, [...MIXED, study('FALL', 'fall', 12, 10, 2, FALLING)]);
const truth = new Map(slices.map((slice) => [slice.id, slice]));
const server = await startClosable(t, folder);
const { check } = pixelCheck(server.url, slices);

t.test('each dtype holds the values that fit it', async (t) => {
  const value = (_: MixedSlice, stored: number) => stored;
  for (const [dtype, name] of Object.entries({ int16: 'I16', uint16: 'U16', int32: 'I32', float32: 'F32' }))
    await check(t, 'ANN-1', { dtype }, name, value);
  await check(t, 'EVE', { dtype: 'uint8' }, 'U8', value);
  await check(t, 'FAY', { dtype: 'uint16', values: 'stored' }, 'U16', value);
});

/** Every finite half-precision number that is not negative, ascending. */
const HALVES = Float64Array.from({ length: 0x7c00 }, (_, bits) => halfOf(bits));

/** The nearest half-precision number; of two equally near the one whose last bit is 0. */
function toHalf(value: number): number {
  const size = Math.abs(value);
  let [low, high] = [0, HALVES.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (HALVES[middle]! <= size) low = middle;
    else high = middle;
  }
  const [under, over] = [size - HALVES[low]!, HALVES[high]! - size];
  const nearest = under === over ? (low % 2 === 0 ? low : high) : under < over ? low : high;
  return Math.sign(value) * HALVES[nearest]!;
}

t.test('float16 is the nearest there is, ties to even', async (t) => {
  t.strictSame(
    [2049, 2051, 0.1, 65_519].map(toHalf),
    [2048, 2052, 0.0999755859375, 65_504],
    'the test’s own',
  );
  // Of 12 bits, so that most values over 2048 fall between two.
  await check(t, 'ANN-1', { dtype: 'float16' }, 'F16', (_, stored) => toHalf(stored));
  await check(t, 'DAN', { dtype: 'float16' }, 'F16', (slice, stored) => toHalf(rescaled(slice, stored)));
  await check(t, 'FAY', { dtype: 'float16' }, 'F16', (_, stored) => toHalf(stored));
  await check(
    t,
    'CYD',
    { dtype: 'float16', values: 'windowed' },
    'F16',
    (slice, stored) => toHalf(windowed(slice, stored)),
    2 ** -12,
  );
  await check(t, 'FALL', { dtype: 'float16' }, 'F16', (slice, stored) => toHalf(rescaled(slice, stored)));
});

const NUMPY = `
import sys, urllib.request, json, numpy
def tensor(url):
    body = urllib.request.urlopen(url).read()
    start = 8 + int.from_bytes(body[:8], 'little')
    entry = json.loads(body[8:start])['images']
    kind = {'F16': '<f2', 'F32': '<f4', 'F64': '<f8'}[entry['dtype']]
    a, b = entry['data_offsets']
    return numpy.frombuffer(body[start + a:start + b], kind)
half, full = tensor(sys.argv[1]), tensor(sys.argv[2])
print(json.dumps([half.dtype.name, half.size, int((half.view('<u2') != full.astype('<f2').view('<u2')).sum())]))
`;

t.test(
  'float16 is what numpy makes of float32',
  { skip: withoutPython('numpy', 'python3-numpy') },
  async (t) => {
    for (const studyId of ['ANN-1', 'DAN', 'FAY', 'FALL']) {
      const spec = {
        studies: [studyId],
        structures: studyId === 'DAN' ? ['lv'] : ['i'],
        batchSize: 2,
        shuffle: false,
      };
      const urls = [];
      for (const dtype of ['float16', 'float32'])
        urls.push(`${(await openFeed(server.url, { ...spec, image: { dtype } })).url}/batches/0`);
      const [name, size, wrong] = JSON.parse(await python(NUMPY, ...urls));
      t.strictSame([name, size > 0, wrong], ['float16', true, 0], studyId);
    }
  },
);

t.test('auto is told by the headers of all pairs, never by their pixels', async (t) => {
  const dtype = async (spec: object) => (await openFeed(server.url, spec)).opened.batch.images!.dtype;
  const fit = { shape: { fit: 'pad' } };
  t.equal(await dtype({ studies: ['GUS'] }), 'int16');
  t.equal(await dtype({ studies: ['FAY'] }), 'uint16', '16 bits, though most of its values are small');
  t.equal(await dtype({ studies: ['BOB'] }), 'int32', '16 bits signed, 1024 lower');
  t.equal(await dtype({ studies: ['BOB', 'FAY'], ...fit }), 'int32');
  t.equal(await dtype({ studies: ['DAN'] }), 'float32', 'halves');
  t.equal(await dtype({ studies: ['ANN-1', 'DAN'], structures: [] }), 'float32');
  t.equal(await dtype({ studies: ['ANN-1', 'FAY'] }), 'uint16');
  t.equal(await dtype({ studies: ['ANN-1'], image: { values: 'windowed' } }), 'float32');
});

t.test('a value that its dtype cannot hold is refused by name, and never wrapped', async (t) => {
  const feed = await openFeed(server.url, {
    studies: ['FAY'],
    batchSize: 1,
    shuffle: false,
    image: { dtype: 'uint8' },
  });
  t.equal((await ask(`${feed.url}/batches/0`)).status, 200);
  const answer = await ask(`${feed.url}/batches/1`);
  t.match(checkProblem(t, answer, 422, 'SLF_VALUE_RANGE'), { pair: 'FAY/2', file: truth.get('FAY/2')!.file });
  t.match(await feed.look(), { delivered: 1 });
  t.equal((await ask(`${feed.url}/batches/2`)).status, 200, 'the next one goes on');
  const each = { shuffle: false, batchSize: 1 };
  for (const [studyId, dtype] of [
    ['BOB', 'uint16'],
    ['BOB', 'int16'],
    ['FALL', 'uint8'],
    ['FAY', 'int16'],
  ] as const) {
    const { url } = await openFeed(server.url, { studies: [studyId], ...each, image: { dtype } });
    const answers = [];
    for (let step = 0; step < 2; step++) answers.push(await ask(`${url}/batches/${step}`));
    const out = answers.find(({ status }) => status !== 200);
    if (out) t.match(checkProblem(t, out, 422, 'SLF_VALUE_RANGE').pair, new RegExp(`^${studyId}/`));
    else t.fail(`${studyId} as ${dtype} was not refused`);
  }
});

t.test('fractions are refused in an integer type', async (t) => {
  const { url } = await openFeed(server.url, {
    studies: ['DAN'],
    structures: ['lv'],
    batchSize: 2,
    image: { dtype: 'int16' },
  });
  await refused(t, `${url}/batches/0`, {}, 422, 'SLF_VALUE_RANGE');
  for (const image of [{ values: 'windowed' }, { normalize: 'minmax' }, { normalize: 'zscore' }])
    for (const dtype of ['uint8', 'int16', 'uint16', 'int32']) {
      const body = { studies: ['ANN-1'], image: { ...image, dtype } };
      const problem = await refused(
        t,
        `${server.url}/v1/sessions`,
        { method: 'POST', body },
        422,
        'SLF_SPEC_CONFLICT',
      );
      t.match(problem, { field: 'image.dtype' });
    }
});
