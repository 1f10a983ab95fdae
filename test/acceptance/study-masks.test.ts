import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pairIdsOf, type ReadBatch, readBatch } from '../fixtures/batch.js';
import { ask, getBody, getJson } from '../fixtures/client.js';
import { openFeed, splitBodies, until } from '../fixtures/feed.js';
import { refused } from '../fixtures/problem.js';
import { rawConnection } from '../fixtures/raw-http.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  startWorkbench,
  writeFiles,
} from '../fixtures/study-folder.js';
import type { TestServer } from '../helper.js';

const bench = await startWorkbench(t);
const { server } = bench;
const { url } = server;

/** Study A: five images, the contour `i` on each but the last, `o` on 2 and 3, none on 6. */
const FILES = {
  'link.csv': linkTable(['A', 'a']),
  ...Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [imagePath('A', n), imageFile(n)])),
  ...Object.fromEntries([1, 2, 3, 4].map((n) => [contourPath('a', n), squareContour(2, 4 + n)])),
  ...Object.fromEntries([2, 3, 5].map((n) => [contourPath('a', n, 'o'), squareContour(1, 6 + n)])),
};

async function bodiesOf(query = ''): Promise<ReadBatch[]> {
  return splitBodies(await getBody(`${url}/v1/studies/A/masks${query}`)).map(readBatch);
}

const idsOf = (bodies: readonly ReadBatch[]) => bodies.map((body) => pairIdsOf(body).join());

t.test('every pair of a study comes in catalogue order, so many a body', async (t) => {
  await bench.lay(FILES);
  t.strictSame(idsOf(await bodiesOf()), ['A/1,A/2,A/3,A/4']);
  t.strictSame(idsOf(await bodiesOf('?batchSize=3')), ['A/1,A/2,A/3', 'A/4']);
  t.strictSame(idsOf(await bodiesOf('?batchSize=1')), ['A/1', 'A/2', 'A/3', 'A/4']);
  t.strictSame(idsOf(await bodiesOf('?structures=o')), ['A/2,A/3,A/5']);
  t.strictSame(idsOf(await bodiesOf('?structures=o,i')), ['A/2,A/3']);
  t.strictSame(idsOf(await bodiesOf('?structures=&batchSize=4')), ['A/1,A/2,A/3,A/4', 'A/5,A/6']);
  const answer = await ask(`${url}/v1/studies/A/masks?batchSize=3`);
  t.match(Object.fromEntries(answer.headers), {
    'content-type': 'application/x-safetensors',
    'transfer-encoding': 'chunked',
    'slicefeed-pairs': '4',
  });
});

t.test('the tensors are those of a session of the study, and of its pairs', async (t) => {
  const { opened, batch } = await openFeed(url, { studies: ['A'], batchSize: 3, shuffle: false, epochs: 1 });
  const bodies = await bodiesOf('?batchSize=3');
  t.equal(bodies.length, opened.steps);
  for (const [step, { tensors }] of bodies.entries()) {
    const { pairs: _, ...theirs } = (await batch(step)).tensors;
    const { pairs: __, ...ours } = tensors;
    t.strictSame(ours, theirs, `step ${step}`);
  }
  const [, second] = await bodiesOf('?batchSize=1&structures=o&values=windowed&rule=pil');
  const pair = readBatch(await getBody(`${url}/v1/studies/A/pairs/3?structures=o&values=windowed&rule=pil`));
  t.strictSame(second, pair);
});

t.test('what cannot be sent is refused before it begins', async (t) => {
  const masks = `${url}/v1/studies/A/masks`;
  await refused(t, `${url}/v1/studies/B/masks`, {}, 404, 'SLF_STUDY_UNKNOWN');
  const none = await refused(t, `${masks}?structures=i,x`, {}, 422, 'SLF_NO_PAIRS');
  t.match(none, { field: 'structures', detail: 'the study carries i, o, not "x"' });
  await refused(t, `${masks}?format=npz`, {}, 406, 'SLF_NOT_ACCEPTABLE');
  await refused(t, masks, { headers: { accept: 'application/x-npz' } }, 406, 'SLF_NOT_ACCEPTABLE');
  for (const query of ['batchSize=0', 'batchSize=65537', 'batchSize=x', 'rule=none', 'value=stored'])
    await refused(t, `${masks}?${query}`, {}, 400, 'SLF_INVALID');
  t.equal((await ask(masks, { method: 'HEAD' })).status, 404);
});

t.test('a body ends before a pair of another shape; all have one dtype', async (t) => {
  const wide = { rows: 20, columns: 24 };
  const steep = { rescaleSlope: 100, rescaleIntercept: 0 };
  await bench.lay({
    ...FILES,
    [imagePath('A', 3)]: imageFile(3, wide),
    [imagePath('A', 4)]: imageFile(4, steep),
  });
  const bodies = await bodiesOf();
  t.strictSame(idsOf(bodies), ['A/1,A/2', 'A/3', 'A/4']);
  t.strictSame(
    bodies.map(({ tensors: { images } }) => [images!.dtype, images!.shape]),
    [
      ['I32', [2, 1, 16, 16]],
      ['I32', [1, 1, 20, 24]],
      ['I32', [1, 1, 16, 16]],
    ],
  );
});

t.test('a pair that fails on the way ends the answer with a body that says so', async (t) => {
  await bench.lay(FILES);
  rmSync(join(server.config.data, imagePath('A', 3)));
  const bodies = await bodiesOf('?batchSize=2');
  t.strictSame(idsOf(bodies), ['A/1,A/2', 'A/3,A/4']);
  const last = bodies[1]!;
  t.strictSame(last.tensors, {});
  t.match(JSON.parse(last.metadata.problems!), [
    { code: 'SLF_SOURCE_CHANGED', pair: 'A/3', file: imagePath('A', 3) },
  ]);
  rmSync(join(server.config.data, imagePath('A', 1)));
  await refused(t, `${url}/v1/studies/A/masks`, {}, 409, 'SLF_SOURCE_CHANGED');
});

/** A study whose bodies are each larger than what a connection takes without a reader. */
function largeFiles(first: number): Record<string, string | Uint8Array> {
  const side = { rows: 1200, columns: 1200 };
  return {
    'link.csv': linkTable(['A', 'a']),
    ...Object.fromEntries([1, 2, 3, 4].map((n) => [imagePath('A', n), imageFile(first + n, side)])),
    ...Object.fromEntries([1, 2, 3, 4].map((n) => [contourPath('a', n), squareContour(2, first + n + 4)])),
  };
}

function heldBytes({ service: { spool } }: TestServer): number {
  const segment = spool.tryTake(spool.budgetBytes);
  if (!segment) return spool.usedBytes;
  spool.give(segment);
  return 0;
}

t.test('a reader that stands still holds two bodies, and nothing when it leaves', async (t) => {
  await bench.lay(largeFiles(0));
  const readers = [];
  for (let n = 0; n < 4; n++) {
    const reader = await rawConnection(t, url);
    reader.get('/v1/studies/A/masks?batchSize=1');
    await reader.some(1);
    readers.push(reader);
  }
  const bodyBytes = 1200 * 1200 * 3 + 1024;
  t.ok(
    server.service.spool.usedBytes <= 4 * (2 * bodyBytes + 2 * 1024 * 1024),
    'two each, and a send buffer',
  );
  const later = ask(`${url}/v1/studies/A/masks?batchSize=4`);
  readers[0]!.socket.destroy();
  t.equal((await later).status, 200, 'one more waits for its turn');
  for (const { socket } of readers) socket.destroy();
  await until(() => heldBytes(server) === 0);
});

t.test('a study that a scan finds changed on the way ends the answer', async (t) => {
  await bench.lay(largeFiles(0));
  const reader = await rawConnection(t, url);
  const before = server.log.length;
  reader.get('/v1/studies/A/masks?batchSize=1');
  await server.logged((line) => line.msg === 'load done' && server.log.indexOf(line) >= before);
  writeFiles(server.config.data, largeFiles(100));
  t.equal((await ask(`${url}/v1/scan`, { method: 'POST' })).status, 202);
  const { status, body } = await reader.answer();
  t.equal(status, 200);
  const bodies = splitBodies(body).map(readBatch);
  const last = bodies.at(-1)!;
  t.ok(bodies.length < 5, `${bodies.length} bodies`);
  t.strictSame(last.tensors, {});
  t.match(JSON.parse(last.metadata.problems!), [{ code: 'SLF_SOURCE_CHANGED' }]);
  const { pairs } = await getJson<{ pairs: number }>(`${url}/v1/studies/A`);
  t.equal(pairs, 4);
  t.equal((await bodiesOf()).length, 1, 'and who asks again gets what is there now');
});
