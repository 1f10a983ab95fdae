import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { pairIdsOf, readBatch } from '../fixtures/batch.js';
import { type Answer, ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { refused } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 2, slices: 2, phases: 5, rows: 32, columns: 32 });
const server = await startTestServer(t, folder);
await server.ready();

/** The 8 pairs of `i` in catalogue order: of each position the first phase and the third. */
const ORDER = ['PHANTOM001', 'PHANTOM002'].flatMap((study) =>
  ['1', '3', '6', '8'].map((n) => `${study}/${n}`),
);

async function open(spec: object): Promise<string> {
  return `${server.url}/v1/sessions/${(await openSession(server.url, { structures: ['i'], ...spec })).id}`;
}

async function idsAt(url: string, step: number, rank = 0): Promise<(string | null)[]> {
  return pairIdsOf(readBatch(await getBody(`${url}/batches/${step}?rank=${rank}`)));
}

t.test('a batch has the headers of the contract', async (t) => {
  const url = await open({ batchSize: 3, epochs: 2 });
  const id = url.split('/').at(-1)!;
  const answer = await ask(`${url}/batches/4`);
  const header = (name: string) => answer.headers.get(name) ?? '';
  t.equal(answer.status, 200);
  t.equal(header('content-type'), 'application/x-safetensors');
  t.equal(header('transfer-encoding'), 'chunked');
  t.match(header('etag'), /^"[^"]+"$/, 'a strong tag');
  t.strictSame(
    ['session', 'step', 'epoch', 'rank', 'bytes', 'warm'].map((name) => header(`slicefeed-${name}`)),
    [id, '4', '1', '0', String(answer.body.length), 'miss'],
  );
  t.match(header('server-timing'), /^wait;dur=\d+(\.\d+)?$/);
  t.match(header('content-disposition'), /^attachment; filename="[\w.-]+\.safetensors"$/);
  const [, next = ''] = /^<([^>]+)>; rel="next"$/.exec(header('link')) ?? [];
  const following = await ask(new URL(next, server.url).href);
  t.equal(following.headers.get('slicefeed-step'), '5');
  t.equal(following.headers.get('link'), null, 'nothing follows the last');
});

t.test('a batch body says what it is', async (t) => {
  const answer = await ask(`${server.url}/v1/sessions`, {
    method: 'POST',
    body: { structures: ['o', 'i'], batchSize: 3, shuffle: false, epochs: 1, mask: { rule: 'pil' } },
  });
  const session = JSON.parse(answer.body.toString());
  const { metadata, tensors } = readBatch(await getBody(`${server.url}/v1/sessions/${session.id}/batches/1`));
  t.strictSame(metadata, {
    snapshot: session.snapshot,
    specDigest: session.specDigest,
    bytesVersion: session.bytesVersion,
    step: '1',
    epoch: '0',
    rank: '0',
    pairIds: '["PHANTOM002/6"]',
    structures: '["o","i"]',
    rule: 'pil',
    problems: '[]',
  });
  t.equal(tensors.pairs!.bytes.readBigInt64LE(0), 3n);
  t.strictSame(tensors.masks!.shape, [1, 2, 32, 32]);
  t.strictSame([...tensors.valid!.bytes], [1]);
});

t.test('without shuffle the pairs come in catalogue order, each epoch', async (t) => {
  const url = await open({ batchSize: 3, shuffle: false, epochs: 2 });
  const seen = [];
  for (let step = 0; step < 6; step++) seen.push(await idsAt(url, step));
  t.strictSame(seen.slice(0, 3), [ORDER.slice(0, 3), ORDER.slice(3, 6), ORDER.slice(6)]);
  t.strictSame(seen.slice(3), seen.slice(0, 3));
  await refused(t, `${url}/batches/6`, {}, 404, 'SLF_STEP_PAST_END');
});

t.test('shuffled, every epoch has every pair once and an order of its own', async (t) => {
  const url = await open({ batchSize: 3, epochs: 3 });
  const epochs: string[] = [];
  for (let epoch = 0; epoch < 3; epoch++) {
    const ids = [];
    for (let step = 3 * epoch; step < 3 * epoch + 3; step++) ids.push(...(await idsAt(url, step)));
    t.strictSame([...ids].sort(), ORDER);
    epochs.push(ids.join());
  }
  t.equal(new Set([...epochs, ORDER.join()]).size, 4);
  const [one, two] = [await open({ seed: 1, batchSize: 8 }), await open({ seed: 2, batchSize: 8 })];
  t.notSame(await idsAt(one, 0), await idsAt(two, 0), 'another seed, another order');
});

t.test('the last batch is short with keep and left out with drop', async (t) => {
  const keep = await open({ batchSize: 3, epochs: 2, lastBatch: 'keep' });
  t.match(await getJson(keep), { stepsPerEpoch: 3, steps: 6 });
  t.equal((await idsAt(keep, 2)).length, 2);
  const drop = await open({ batchSize: 3, epochs: 2, lastBatch: 'drop' });
  t.match(await getJson(drop), { stepsPerEpoch: 2, steps: 4 });
  t.equal((await idsAt(drop, 1)).length, 3);
  t.equal((await ask(`${drop}/batches/3`)).headers.get('slicefeed-epoch'), '1');
  await refused(t, `${drop}/batches/4`, {}, 404, 'SLF_STEP_PAST_END');
});

t.test('a session without end goes on', async (t) => {
  const url = await open({ batchSize: 8 });
  t.match(await getJson(url), { steps: null });
  const answer = await ask(`${url}/batches/1000000`);
  t.strictSame([answer.status, answer.headers.get('slicefeed-epoch')], [200, '1000000']);
});

t.test('ranks share a global batch without overlap', async (t) => {
  const url = await open({ batchSize: 4, worldSize: 2, epochs: 1, shuffle: false });
  t.strictSame(
    [await idsAt(url, 0, 0), await idsAt(url, 0, 1), await idsAt(url, 1, 0), await idsAt(url, 1, 1)],
    [ORDER.slice(0, 2), ORDER.slice(2, 4), ORDER.slice(4, 6), ORDER.slice(6)],
  );
  const body = { rank: await ask(`${url}/batches/0?rank=1`) };
  t.equal(body.rank.headers.get('slicefeed-rank'), '1');
  t.match(await refused(t, `${url}/batches/0?rank=2`, {}, 400, 'SLF_INVALID'), { field: 'rank' });
});

t.test('the same URL gives the same bytes, and its tag spares them', async (t) => {
  const url = `${await open({ batchSize: 4 })}/batches/1`;
  const first = await ask(url);
  const again = await ask(url);
  t.ok(first.body.equals(again.body));
  const etag = first.headers.get('etag') ?? '';
  t.equal(again.headers.get('etag'), etag);
  for (const known of [etag, `"other", ${etag}`, '*', `W/${etag}`]) {
    const spared = await ask(url, { headers: { 'if-none-match': known } });
    t.strictSame([spared.status, spared.body.length, spared.headers.get('etag')], [304, 0, etag], known);
  }
  t.equal((await ask(url, { headers: { 'if-none-match': '"other"' } })).status, 200);
  const npz = await ask(`${url}?format=npz`, { headers: { 'if-none-match': etag } });
  t.equal(npz.status, 200, 'the tag of one format is not that of the other');
});

t.test('format wins over Accept, and what neither offers is refused', async (t) => {
  const url = `${await open({ batchSize: 2 })}/batches/0`;
  const type = async (path: string, accept?: string) =>
    (await ask(url + path, accept === undefined ? {} : { headers: { accept } })).headers.get('content-type');
  t.equal(await type(''), 'application/x-safetensors');
  t.equal(await type('', '*/*'), 'application/x-safetensors');
  t.equal(await type('', 'application/x-npz'), 'application/x-npz');
  t.equal(await type('', 'application/x-safetensors;q=0.4, application/x-npz;q=0.9'), 'application/x-npz');
  t.equal(await type('', 'text/html, application/x-npz;q=0.9, */*;q=0.1'), 'application/x-npz');
  t.equal(await type('?format=npz', 'application/x-safetensors'), 'application/x-npz');
  t.equal(await type('?format=safetensors', 'application/x-npz'), 'application/x-safetensors');
  for (const accept of ['text/html', 'image/png', 'application/x-npz;q=0'])
    await refused(t, url, { headers: { accept } }, 406, 'SLF_NOT_ACCEPTABLE');
  t.match(await refused(t, `${url}?format=pickle`, {}, 400, 'SLF_INVALID'), { field: 'format' });
});

t.test('a step or rank that is none is refused by its name', async (t) => {
  const url = await open({ batchSize: 4 });
  for (const step of ['-1', 'x', '1.5', 'NaN'])
    t.match(await refused(t, `${url}/batches/${step}`, {}, 400, 'SLF_INVALID'), { field: 'step' });
  for (const rank of ['-1', '1', 'x'])
    t.match(await refused(t, `${url}/batches/0?rank=${rank}`, {}, 400, 'SLF_INVALID'), { field: 'rank' });
  t.match(await refused(t, `${url}/batches/0?stpe=1`, {}, 400, 'SLF_INVALID'), { field: 'stpe' });
  await refused(t, `${server.url}/v1/sessions/nobody/batches/0`, {}, 404, 'SLF_SESSION_UNKNOWN');
  t.equal((await ask(`${url}/batches/0`, { method: 'HEAD' })).status, 404, 'HEAD is not offered');
});

t.test('next moves the cursor behind each batch, and ends with 204', async (t) => {
  const url = await open({ batchSize: 3, epochs: 1 });
  const next = (query = ''): Promise<Answer> => ask(`${url}/next${query}`, { method: 'POST' });
  const cursors = async () => (await getJson<{ cursors: number[] }>(url)).cursors;
  const steps = [];
  for (let n = 0; n < 3; n++) {
    const answer = await next();
    steps.push(answer.headers.get('slicefeed-step'));
    t.ok(answer.body.equals(await getBody(`${url}/batches/${n}`)), 'the bytes of the step');
    t.strictSame(await cursors(), [n + 1]);
  }
  t.strictSame(steps, ['0', '1', '2']);
  for (let n = 0; n < 2; n++) {
    const end = await next();
    t.strictSame([end.status, end.body.length], [204, 0]);
  }
  await refused(t, `${server.url}/v1/sessions/nobody/next`, { method: 'POST' }, 404, 'SLF_SESSION_UNKNOWN');
});

t.test('next?after=K gives the batch K+1, as often as asked', async (t) => {
  const url = await open({ batchSize: 3, epochs: 1 });
  const next = (query: string) => ask(`${url}/next?${query}`, { method: 'POST' });
  for (const [after, step] of [
    [-1, 0],
    [0, 1],
    [0, 1],
    [1, 2],
  ]) {
    const answer = await next(`after=${after}`);
    t.strictSame([answer.status, answer.headers.get('slicefeed-step')], [200, String(step)]);
    t.ok(answer.body.equals(await getBody(`${url}/batches/${step}`)));
  }
  t.equal((await next('after=2')).status, 204);
  t.match(await refused(t, `${url}/next?after=x`, { method: 'POST' }, 400, 'SLF_INVALID'), {
    field: 'after',
  });
  t.equal((await next('after=0&format=npz')).headers.get('content-type'), 'application/x-npz');
});

t.test('each rank has a cursor of its own', async (t) => {
  const url = await open({ batchSize: 4, worldSize: 2, epochs: 1 });
  const next = (rank: number) => ask(`${url}/next?rank=${rank}`, { method: 'POST' });
  t.equal((await next(1)).headers.get('slicefeed-step'), '0');
  t.equal((await next(1)).headers.get('slicefeed-step'), '1');
  t.match(await getJson(url), { cursors: [0, 2] });
  t.equal((await next(1)).status, 204);
  t.equal((await next(0)).headers.get('slicefeed-step'), '0');
});
