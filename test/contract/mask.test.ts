import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { maskOf, pairIdsOf, type ReadBatch, readBatch, slotOf } from '../fixtures/batch.js';
import { ask, getBody, getJson } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { openFeed, splitBodies } from '../fixtures/feed.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { numbersOf } from '../fixtures/numbers.js';
import { refused } from '../fixtures/problem.js';
import { type TestServer, temporaryFolder } from '../helper.js';

/** FAY/2 alone of these five has values over 255. */
const SPEC = {
  studies: ['FAY', 'EVE'],
  structures: ['i'],
  shape: { fit: 'pad' },
  image: { channels: 3, dtype: 'uint8' },
};
const WIDE = { ...SPEC, image: { channels: 3, dtype: 'uint16' } };
const GREY = {
  studies: ['FAY'],
  batchSize: 3,
  shuffle: false,
  image: { dtype: 'uint8' },
  onError: 'mask',
  epochs: 2,
};
const FILE = 'dicoms/FAY/2.dcm';

async function serve(t: Test, settings: object = {}): Promise<{ server: TestServer; folder: string }> {
  const folder = join(temporaryFolder(t), 'data');
  makeMixedFolder(folder);
  return { server: await startClosable(t, folder, settings), folder };
}

/** For what changes no file. */
const { server: shared } = await serve(t);

interface Said {
  readonly code: string;
  readonly pair: string;
  readonly file: string;
  readonly detail: string;
}

const problemsOf = ({ metadata }: ReadBatch) => JSON.parse(metadata.problems!) as Said[];
const isZero = (bytes: Buffer) => bytes.every((byte) => byte === 0);

t.test(
  'a pair that cannot be had is a slot of zeros that says why, and the others are as ever',
  async (t) => {
    const batch = await (await openFeed(shared.url, GREY)).batch(0);
    const { pairs, valid, images, masks, spacing } = batch.tensors;
    t.strictSame(pairIdsOf(batch), ['FAY/1', 'FAY/2', 'FAY/3'], 'it keeps its name');
    t.strictSame([...numbersOf(pairs!)], [0, 1, 2], 'and its place');
    t.strictSame([...valid!.bytes], [1, 0, 1]);
    t.ok(isZero(slotOf(images!, 1)) && isZero(maskOf(masks!, 1, 0)));
    t.strictSame([...numbersOf(spacing!, 1)], [Number.NaN, Number.NaN]);
    const problems = problemsOf(batch);
    t.match(problems, [{ code: 'VALUE_RANGE', pair: 'FAY/2', file: FILE, detail: /uint8/ }]);
    t.equal(problems.length, 1);
    const wide = await (await openFeed(shared.url, { ...GREY, image: {} })).batch(0);
    t.strictSame([...wide.tensors.valid!.bytes], [1, 1, 1]);
    for (const slot of [0, 2]) {
      t.strictSame([...numbersOf(images!, slot)], [...numbersOf(wide.tensors.images!, slot)]);
      t.ok(maskOf(masks!, slot, 0).equals(maskOf(wide.tensors.masks!, slot, 0)));
    }
  },
);

t.test('without it that batch is refused, and names the pair', async (t) => {
  const { url } = await openFeed(shared.url, { ...GREY, onError: 'fail' });
  for (let n = 0; n < 2; n++)
    t.match(await refused(t, `${url}/batches/0`, {}, 422, 'SLF_VALUE_RANGE'), { pair: 'FAY/2', file: FILE });
});

t.test('what was said stays said: in any session and form, after a restart, elsewhere', async (t) => {
  const state = temporaryFolder(t);
  const { server, folder } = await serve(t, { STATE: state });
  const first = await openFeed(server.url, GREY);
  const body = await first.body(1);
  const npz = await first.body(1, 0, 'format=npz');
  for (const prefetch of [0, 3]) {
    const feed = await openFeed(server.url, { ...GREY, prefetch });
    const bodies = splitBodies(await getBody(`${feed.url}/stream`));
    t.ok(bodies[1]!.equals(body), 'stream');
    t.ok((await feed.next('after=0')).body.equals(body), 'next');
    t.ok((await feed.body(1, 0, 'format=npz')).equals(npz), 'npz');
  }
  const other = await startClosable(t, cpTo(t, folder), { LOADERS: '2' });
  t.ok((await (await openFeed(other.url, GREY)).body(1)).equals(body), 'a state folder made anew');
  await server.close();
  const again = await startClosable(t, folder, { STATE: state });
  t.ok((await getBody(`${again.url}/v1/sessions/${first.id}/batches/1`)).equals(body), 'after a restart');
});

function cpTo(t: Test, folder: string): string {
  const copy = join(temporaryFolder(t), 'copy');
  cpSync(folder, copy, { recursive: true });
  return copy;
}

t.test('the tag of a masked batch is its own, and spares its bytes', async (t) => {
  const spec = { ...GREY, seed: 5 };
  const feed = await openFeed(shared.url, spec);
  const early = await ask(`${feed.url}/batches/0`, { headers: { 'if-none-match': '*' } });
  t.equal(early.status, 200, 'what nobody looked at yet cannot be known');
  const first = await ask(`${feed.url}/batches/0`);
  t.ok(first.body.equals(early.body));
  const etag = first.headers.get('etag') ?? '';
  t.equal(early.headers.get('etag'), etag, 'the first answer has the tag of all');
  const second = await openFeed(shared.url, { ...spec, prefetch: 5 });
  for (const url of [feed.url, second.url]) {
    const spared = await ask(`${url}/batches/0`, { headers: { 'if-none-match': etag } });
    t.strictSame([spared.status, spared.headers.get('etag')], [304, etag]);
  }
  const elsewhere = await ask(`${feed.url}/batches/1`, { headers: { 'if-none-match': etag } });
  t.equal(elsewhere.status, 200);
});

t.test('a masked pair is not looked for again, a changed one is a 409 and never masked', async (t) => {
  const { server, folder } = await serve(t);
  const feed = await openFeed(server.url, GREY);
  const body = await feed.body(0);
  rmSync(join(folder, FILE));
  t.ok((await feed.body(0)).equals(body), 'gone, and still as it was said');
  const path = join(folder, 'dicoms/FAY/3.dcm');
  const changed = readFileSync(path);
  changed[changed.length - 2]! ^= 1;
  writeFileSync(path, changed);
  t.match(await refused(t, `${feed.url}/batches/0`, {}, 409, 'SLF_SOURCE_CHANGED'), { pair: 'FAY/3' });
});

interface Audit {
  readonly pairs: number;
  readonly delivered: number;
  readonly missing: { readonly count: number };
  readonly masked: { readonly count: number; readonly pairs: readonly string[] };
}

t.test('the audit names what was masked, in the epoch in which it was delivered', async (t) => {
  const feed = await openFeed(shared.url, {
    ...SPEC,
    batchSize: 2,
    worldSize: 2,
    onError: 'mask',
    epochs: 2,
  });
  const audit = (epoch: number) => getJson<Audit>(`${feed.url}/audit?epoch=${epoch}`);
  let masked = 0;
  for (let step = 0; step < 3; step++)
    for (const rank of [0, 1]) {
      const batch = readBatch(await feed.body(step, rank));
      const said = problemsOf(batch);
      masked += said.length;
      t.equal(batch.tensors.valid!.bytes[0], Number(said.length === 0 && pairIdsOf(batch)[0] !== null));
    }
  t.equal(masked, 1, 'once, by the rank that has it');
  t.match(await audit(0), {
    pairs: 5,
    delivered: 5,
    missing: { count: 0 },
    masked: { count: 1, pairs: ['FAY/2'] },
  });
  t.match(await audit(1), { delivered: 0, masked: { count: 0, pairs: [] } });
  const whole = await openFeed(shared.url, { ...WIDE, batchSize: 5, onError: 'mask' });
  t.strictSame(problemsOf(await whole.batch(0)), []);
  t.match(await getJson<Audit>(`${whole.url}/audit`), { delivered: 5, masked: { count: 0 } });
});

t.test('a batch of nothing but what cannot be had is all zeros', async (t) => {
  const feed = await openFeed(shared.url, {
    studies: ['DAN'],
    structures: ['lv'],
    batchSize: 4,
    lastBatch: 'pad',
    image: { dtype: 'int16' },
    onError: 'mask',
  });
  const batch = await feed.batch(0);
  t.strictSame([...batch.tensors.valid!.bytes], [0, 0, 0, 0]);
  t.strictSame(pairIdsOf(batch).slice(2), [null, null]);
  t.strictSame(
    problemsOf(batch)
      .map(({ pair }) => pair)
      .sort(),
    ['DAN/1', 'DAN/2'],
    'padding is no problem',
  );
  t.ok(isZero(batch.tensors.images!.bytes) && isZero(batch.tensors.masks!.bytes));
  t.strictSame([...numbersOf(batch.tensors.pairs!)].slice(2), [-1, -1]);
});
