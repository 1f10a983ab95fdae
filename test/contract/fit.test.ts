import { join } from 'node:path';
import t, { type Test } from 'tap';
import { maskOf, pairIdsOf, type ReadBatch, readBatch } from '../fixtures/batch.js';
import { getBody } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { openFeed } from '../fixtures/feed.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { numbersOf, rint } from '../fixtures/numbers.js';
import { refused } from '../fixtures/problem.js';
import { resample } from '../fixtures/resample.js';
import { temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';

const folder = join(temporaryFolder(t), 'data');
const truth = makeMixedFolder(folder);
const server = await startClosable(t, folder);

/** Three shapes of grey images with whole values: 24 × 20, 20 × 27, 30 × 31. */
const SPEC = { studies: ['ANN-1', 'ANN-2', 'BOB'], structures: ['i'], batchSize: 5, epochs: 1, seed: 6 };
const FILL = -2000;

interface Source {
  readonly rows: number;
  readonly columns: number;
  readonly image: Float64Array;
  /** By structure. */
  readonly masks: ReadonlyMap<string, Buffer>;
}

const sources = new Map<string, Source>();

/** A pair as it is outside any session. */
async function sourceOf(url: string, id: string): Promise<Source> {
  const known = sources.get(id);
  if (known) return known;
  const [study, slice] = id.split('/');
  const batch = readBatch(await getBody(`${url}/v1/studies/${study}/pairs/${slice}`));
  const [rows, columns] = numbersOf(batch.tensors.sourceShape!) as unknown as [number, number];
  const structures = JSON.parse(batch.metadata.structures!) as string[];
  const masks = new Map(structures.map((name, at) => [name, maskOf(batch.tensors.masks!, 0, at)]));
  const source = { rows, columns, image: numbersOf(batch.tensors.images!), masks };
  sources.set(id, source);
  return source;
}

/** The source pixel of each target pixel by a slot's affine, -1 beyond the source's edges. */
function home({ tensors }: ReadBatch, slot: number, { rows, columns }: Source): Int32Array {
  const [a, b, c, d, e, f] = numbersOf(tensors.affine!, slot) as unknown as number[] & { length: 6 };
  const [, , height, width] = tensors.images!.shape as [number, number, number, number];
  return Int32Array.from({ length: height * width }, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const y = rint(a! * row + b! * column + c!);
    const x = rint(d! * row + e! * column + f!);
    return y >= 0 && y < rows && x >= 0 && x < columns ? y * columns + x : -1;
  });
}

interface Fit {
  readonly fit: 'pad' | 'crop' | 'resize';
  readonly rows?: number;
  readonly columns?: number;
}

/** Checks every pixel of every pair of a session against its source; answers how many pairs it saw. */
async function checkFit(t: Test, url: string, spec: object, shape: Fit, dtype: string): Promise<number> {
  const feed = await openFeed(url, { ...spec, shape: { ...shape, fill: FILL }, image: { dtype } });
  const structures = feed.opened.spec.structures as string[];
  let [seen, wrongMasks, wrongPixels, worst] = [0, 0, 0, 0];
  for (let step = 0; step < feed.opened.steps!; step++) {
    const batch = await feed.batch(step);
    const { images, masks, sourceShape, valid } = batch.tensors;
    const [, , rows, columns] = images!.shape as [number, number, number, number];
    for (const [slot, id] of pairIdsOf(batch).entries()) {
      const source = await sourceOf(url, id!);
      t.equal(valid!.bytes[slot], 1);
      t.strictSame([...numbersOf(sourceShape!, slot)], [source.rows, source.columns], `${id}: sourceShape`);
      const places = home(batch, slot, source);
      if (shape.fit === 'resize') t.notOk(places.includes(-1), `${id}: every pixel has a source`);
      for (const [at, name] of structures.entries()) {
        const mask = maskOf(masks!, slot, at);
        const original = source.masks.get(name)!;
        wrongMasks += places.filter((place, i) => mask[i] !== (place < 0 ? 0 : original[place])).length;
        t.ok(mask.includes(1), `${id}: the mask is still there`);
      }
      const image = numbersOf(images!, slot);
      if (shape.fit !== 'resize')
        wrongPixels += places.filter(
          (place, i) => image[i] !== (place < 0 ? FILL : source.image[place]),
        ).length;
      else {
        const expected = resample(source.image, source, { rows, columns });
        const range = Math.max(...source.image) - Math.min(...source.image);
        for (const [i, value] of image.entries())
          worst = Math.max(worst, Math.abs(value - expected[i]!) / range);
      }
      seen++;
    }
  }
  const what = `${shape.fit} to ${feed.opened.batch.images!.shape.slice(2).join(' × ')}`;
  t.equal(wrongMasks, 0, `${what}: masks`);
  t.equal(wrongPixels, 0, `${what}: images`);
  t.ok(worst < 1e-5, `${what}: off by ${worst} of the range`);
  return seen;
}

const FITS: readonly Fit[] = [
  { fit: 'pad' },
  { fit: 'pad', rows: 41, columns: 38 },
  { fit: 'crop' },
  { fit: 'crop', rows: 15, columns: 18 },
  { fit: 'crop', rows: 22, columns: 40 },
  { fit: 'resize' },
  { fit: 'resize', rows: 13, columns: 11 },
  { fit: 'resize', rows: 47, columns: 64 },
  { fit: 'resize', rows: 25, columns: 25 },
  { fit: 'resize', rows: 12, columns: 54 },
];

for (const shape of FITS) {
  const to = shape.rows ? `${shape.rows} × ${shape.columns}` : 'the largest of each side';
  t.test(`${shape.fit} to ${to}: the affine takes every pixel home`, async (t) => {
    const pairs = await checkFit(t, server.url, SPEC, shape, shape.fit === 'resize' ? 'float32' : 'auto');
    t.equal(pairs, 4 + 3 + 3);
  });
}

t.test('without a shape the largest of each side is taken', async (t) => {
  for (const fit of ['pad', 'crop', 'resize']) {
    const { opened } = await openFeed(server.url, { ...SPEC, shape: { fit } });
    t.strictSame(opened.batch.images!.shape, [5, 1, 30, 31], fit);
    t.match(opened.spec.shape, { fit, rows: 30, columns: 31, fill: 0 });
  }
});

t.test('all structures are fitted alike', async (t) => {
  const spec = { studies: ['ANN-1'], structures: ['o', 'i'], batchSize: 2, epochs: 1 };
  for (const shape of [
    { fit: 'crop', rows: 17, columns: 30 },
    { fit: 'resize', rows: 31, columns: 16 },
  ] as Fit[])
    t.equal(await checkFit(t, server.url, spec, shape, 'float32'), 2);
});

t.test('each channel of colour is fitted alone', async (t) => {
  const spec = {
    studies: ['EVE'],
    batchSize: 2,
    shuffle: false,
    shape: { fit: 'resize', rows: 10, columns: 21 },
  };
  const feed = await openFeed(server.url, { ...spec, image: { dtype: 'float32' } });
  const { images } = (await feed.batch(0)).tensors;
  t.strictSame(images!.shape, [2, 3, 10, 21]);
  const slices = truth.filter(({ id }) => id.startsWith('EVE/'));
  for (const [slot, { stored, rows, columns }] of slices.entries()) {
    const planes = [0, 1, 2].map((channel) =>
      resample(
        stored.subarray(channel * rows * columns, (channel + 1) * rows * columns),
        { rows, columns },
        { rows: 10, columns: 21 },
      ),
    );
    const expected = planes.flatMap((plane) => [...plane]);
    t.ok(numbersOf(images!, slot).every((value, at) => Math.abs(value - expected[at]!) < 255e-5));
  }
});

t.test('normalized values are those of the source, and the fill stays as it is said', async (t) => {
  const shape = { fit: 'pad', rows: 32, columns: 40, fill: -3 };
  const feed = await openFeed(server.url, { ...SPEC, shape, image: { normalize: 'minmax' }, shuffle: false });
  const batch = await feed.batch(0);
  for (const [slot, id] of pairIdsOf(batch).entries()) {
    const source = await sourceOf(server.url, id!);
    const [low, high] = [Math.min(...source.image), Math.max(...source.image)];
    const places = home(batch, slot, source);
    const image = numbersOf(batch.tensors.images!, slot);
    const expected = Float64Array.from(places, (place) =>
      place < 0 ? -3 : Math.fround((source.image[place]! - low) / (high - low)),
    );
    t.ok(
      image.every((value, at) => value === expected[at]),
      id!,
    );
  }
});

t.test('shapes that differ are refused without a fit, and listed', async (t) => {
  const options = { method: 'POST', body: SPEC };
  const problem = await refused(t, `${server.url}/v1/sessions`, options, 422, 'SLF_SHAPES_DIFFER');
  t.match(problem, { field: 'shape.fit', detail: /24 × 20.*20 × 27.*30 × 31/ });
});

t.test('with exact and batchSize 1 each pair has its own shape', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, batchSize: 1 });
  t.strictSame(feed.opened.batch.images?.shape, [1, 1, -1, -1]);
  for (let step = 0; step < 10; step++) {
    const batch = await feed.batch(step);
    const [id] = pairIdsOf(batch);
    const source = await sourceOf(server.url, id!);
    t.strictSame(batch.tensors.images!.shape, [1, 1, source.rows, source.columns], id!);
    t.strictSame([...numbersOf(batch.tensors.images!)], [...source.image], id!);
    t.ok(maskOf(batch.tensors.masks!, 0, 0).equals(source.masks.get('i')!), id!);
    t.strictSame([...numbersOf(batch.tensors.affine!)].map(Math.abs), [1, 0, 0, 0, 1, 0]);
  }
});

const real = sharedData('sunnybrook');
const skip = real === null && 'shared/data/sunnybrook is missing';

t.test('masks and images of sunnybrook come home', { skip }, async (t) => {
  const sunnybrook = await startClosable(t, real!);
  const spec = { structures: ['i', 'o'], batchSize: 8, epochs: 1 };
  for (const shape of [
    { fit: 'pad', rows: 301, columns: 256 },
    { fit: 'crop', rows: 181, columns: 200 },
    { fit: 'resize', rows: 100, columns: 150 },
    { fit: 'resize', rows: 300, columns: 333 },
  ] as Fit[])
    t.ok((await checkFit(t, sunnybrook.url, spec, shape, 'float32')) > 10);
});
