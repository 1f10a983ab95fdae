import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, getBody, getJson } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { type Feed, openFeed, splitBodies, until } from '../fixtures/feed.js';
import { holdTasks } from '../fixtures/hold.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { refused } from '../fixtures/problem.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { type TestServer, temporaryFolder } from '../helper.js';
import { within } from '../loader/processes.js';

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder);
const server = await startClosable(t, folder);

/** Ten pairs of one shape. */
const SPEC = { studies: ['ANN-1', 'CYD', 'FAY', 'GUS'], batchSize: 2, epochs: 2, seed: 1 };
/** Each batch is larger than what a connection takes without a reader. */
const LARGE = {
  ...SPEC,
  batchSize: 1,
  shape: { fit: 'pad', rows: 1200, columns: 1200 },
  prefetch: 2,
  epochs: 1,
};

const stepsOf = (bodies: readonly Buffer[]) => bodies.map((body) => Number(readBatch(body).metadata.step));

/** Bytes of the batches that somebody holds: what is left when all that is free was put to another use. */
function heldBytes({ service: { spool } }: TestServer): number {
  const segment = spool.tryTake(spool.budgetBytes);
  if (!segment) return spool.usedBytes;
  spool.give(segment);
  return 0;
}

t.test('a stream goes from a step up to, not with, another', async (t) => {
  const feed = await openFeed(server.url, SPEC);
  const steps = async (query: string) => stepsOf(splitBodies(await getBody(`${feed.url}/stream${query}`)));
  t.strictSame(await steps(''), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'all there is');
  t.strictSame(await steps('?from=2&to=5'), [2, 3, 4]);
  t.strictSame(await steps('?from=7'), [7, 8, 9]);
  t.strictSame(await steps('?to=1'), [0]);
  t.strictSame(await steps('?from=9&to=1000'), [9], 'never past the end');
  const answer = await ask(`${feed.url}/stream?from=3&to=4`);
  t.equal(answer.headers.get('content-type'), 'application/x-safetensors');
  t.equal(answer.headers.get('transfer-encoding'), 'chunked');
  t.strictSame(
    ['session', 'rank'].map((name) => answer.headers.get(`slicefeed-${name}`)),
    [feed.id, '0'],
  );
});

t.test('a session without end streams as far as it is told', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, epochs: null });
  t.strictSame(stepsOf(splitBodies(await getBody(`${feed.url}/stream?from=998&to=1001`))), [998, 999, 1000]);
});

t.test('each rank streams its own share', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, worldSize: 2, epochs: 1 });
  const ids = [];
  for (const rank of [0, 1]) {
    const bodies = splitBodies(await getBody(`${feed.url}/stream?rank=${rank}`)).map(readBatch);
    t.strictSame(
      bodies.map(({ metadata }) => [metadata.rank, metadata.epoch]),
      Array(5).fill([String(rank), '0']),
    );
    ids.push(...bodies.flatMap(pairIdsOf));
  }
  t.equal(new Set(ids).size, 10, 'together every pair once');
});

t.test('what cannot be streamed is refused before it begins', async (t) => {
  const { url } = await openFeed(server.url, SPEC);
  await refused(t, `${url}/stream?from=10`, {}, 404, 'SLF_STEP_PAST_END');
  t.match(await refused(t, `${url}/stream?from=5&to=4`, {}, 400, 'SLF_INVALID'), { field: 'to' });
  t.match(await refused(t, `${url}/stream?from=-1`, {}, 400, 'SLF_INVALID'), { field: 'from' });
  await refused(t, `${server.url}/v1/sessions/nobody/stream`, {}, 404, 'SLF_SESSION_UNKNOWN');
  await refused(t, `${url}/stream?format=npz`, {}, 406, 'SLF_NOT_ACCEPTABLE');
  await refused(t, `${url}/stream`, { headers: { accept: 'application/x-npz' } }, 406, 'SLF_NOT_ACCEPTABLE');
});

t.test('what was streamed is delivered, and moves no cursor', async (t) => {
  const feed = await openFeed(server.url, SPEC);
  await getBody(`${feed.url}/stream?from=1&to=6`);
  t.match(await feed.look(), { delivered: 5, cursors: [0] });
  const missing = async (epoch: number) =>
    (await getJson<{ missing: { count: number } }>(`${feed.url}/audit?epoch=${epoch}`)).missing.count;
  t.strictSame([await missing(0), await missing(1)], [2, 8]);
});

/** The steps that were loaded for a session. */
function loaded({ log }: TestServer, { id }: Feed): unknown[] {
  return log.filter((line) => line.msg === 'load started' && line.session === id).map((line) => line.step);
}

t.test('a reader that stops reading holds its window and no more, and then gets the rest', async (t) => {
  const feed = await openFeed(server.url, LARGE);
  const session = server.service.sessions.get(feed.id);
  const connection = await rawConnection(t, server.url);
  connection.get(new URL(`${feed.url}/stream`).pathname);
  await until(() => session.sending === 1 && session.warmCount === LARGE.prefetch);
  // How long it stands still is the point: nothing may move.
  await sleep(300);
  const { delivered, warm } = await feed.look();
  t.ok(delivered < 7, `stopped after ${delivered} of 10`);
  t.equal(warm, LARGE.prefetch);
  t.strictSame(
    loaded(server, feed),
    Array.from({ length: delivered + 1 + LARGE.prefetch }, (_, step) => step),
  );
  const window = (1 + LARGE.prefetch) * feed.opened.batchBytes;
  const { usedBytes } = server.service.spool;
  t.ok(usedBytes >= window && usedBytes <= window + 4 * 1024 ** 2, `${usedBytes} for a window of ${window}`);
  const answer = await connection.answer();
  const bodies = splitBodies(answer.body);
  t.strictSame(stepsOf(bodies), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const step of [0, 4, 9]) t.ok(bodies[step]!.equals(await feed.body(step)), `step ${step}`);
  t.match(await feed.look(), { delivered: 10 });
});

t.test('a reader that leaves gives back what was being sent, which is not delivered', async (t) => {
  const feed = await openFeed(server.url, { ...LARGE, seed: 2 });
  const session = server.service.sessions.get(feed.id);
  const connection = await rawConnection(t, server.url);
  connection.get(new URL(`${feed.url}/stream`).pathname);
  await until(() => session.sending === 1 && session.warmCount === LARGE.prefetch);
  await sleep(100);
  const { delivered } = await feed.look();
  connection.socket.destroy();
  await until(() => session.sending === 0);
  t.match(await feed.look(), { delivered, warm: LARGE.prefetch });
  await ask(feed.url, { method: 'DELETE' });
});

t.test('a session that is deleted under its stream leaves nothing warm behind', async (t) => {
  const own = await startClosable(t, folder);
  const feed = await openFeed(own.url, LARGE);
  const session = own.service.sessions.get(feed.id);
  const connection = await rawConnection(t, own.url);
  connection.get(`${new URL(feed.url).pathname}/stream?to=8`);
  await until(() => session.sending === 1 && session.warmCount === LARGE.prefetch);
  t.equal((await ask(feed.url, { method: 'DELETE' })).status, 204);
  const { status } = await connection.answer();
  t.equal(status, 200);
  connection.socket.destroy();
  await until(() => session.sending === 0);
  // A warm-up that was under way is given back when it ends.
  await until(() => heldBytes(own) === 0);
  t.equal(heldBytes(own), 0, 'nothing is held');
});

t.test('a file that changes on the way ends the stream with a body that says so', async (t) => {
  const data = join(temporaryFolder(t), 'data');
  const [, second] = makeMixedFolder(data);
  const hold = holdTasks(t);
  const own = await startClosable(t, data, { PAIR_SECONDS: '60' }, hold.options);
  const feed = await openFeed(own.url, { studies: ['ANN-1'], batchSize: 1, shuffle: false, prefetch: 0 });
  for (const task of [0, 1, 2]) hold.release(task);
  const [before, after] = [await feed.body(0), await feed.body(1)];
  const streaming = getBody(`${feed.url}/stream`);
  await hold.waiting(3);
  const path = join(data, second!.file);
  const original = readFileSync(path);
  const changed = Buffer.from(original);
  changed[changed.length - 1]! ^= 1;
  writeFileSync(path, changed);
  hold.releaseAll();
  const bodies = splitBodies(await streaming);
  t.equal(bodies.length, 2, 'and the answer ends');
  t.ok(bodies[0]!.equals(before));
  const { tensors, metadata } = readBatch(bodies[1]!);
  t.strictSame(tensors, {});
  t.match(metadata, {
    step: '1',
    epoch: '0',
    rank: '0',
    snapshot: feed.opened.snapshot,
    pairIds: '["ANN-1/2"]',
  });
  t.match(JSON.parse(metadata.problems ?? ''), [
    { code: 'SLF_SOURCE_CHANGED', pair: 'ANN-1/2', file: second!.file, detail: /./ },
  ]);
  t.match(await feed.look(), { delivered: 2 }, 'steps 0 and 1, as they were asked for before');
  const options = { pair: 'ANN-1/2', file: second!.file };
  t.match(
    await refused(t, `${feed.url}/stream?from=1`, {}, 409, 'SLF_SOURCE_CHANGED'),
    options,
    'from there: a problem',
  );
  writeFileSync(path, original);
  const rest = splitBodies(await getBody(`${feed.url}/stream?from=1&to=3`));
  t.equal(rest.length, 2);
  t.ok(rest[0]!.equals(after), 'with its content back it goes on');
});

t.test('a body is there to its last byte while the next one is still loaded', async (t) => {
  const hold = holdTasks(t);
  const own = await startClosable(t, folder, { PAIR_SECONDS: '60' }, hold.options);
  const feed = await openFeed(own.url, { ...SPEC, prefetch: 0 });
  for (const task of [0, 1]) hold.release(task);
  const first = await feed.body(0);
  const answer = await fetch(`${feed.url}/stream?to=2`);
  const reader = answer.body!.getReader();
  const got: Uint8Array[] = [];
  const length = () => got.reduce((sum, { length }) => sum + length, 0);
  await hold.waiting(2);
  while (length() < first.length) got.push((await within(reader.read(), 60_000, 'the last byte')).value!);
  t.ok(Buffer.concat(got).equals(first));
  hold.releaseAll();
  for (let read = await reader.read(); !read.done; read = await reader.read()) got.push(read.value);
  t.ok(
    Buffer.concat(got)
      .subarray(first.length)
      .equals(await feed.body(1)),
  );
});

t.test('closing the service ends a stream between two bodies', async (t) => {
  const own = await startClosable(t, folder);
  const feed = await openFeed(own.url, LARGE);
  const session = own.service.sessions.get(feed.id);
  const connection = await rawConnection(t, own.url);
  connection.get(`${new URL(feed.url).pathname}/stream`);
  await until(() => session.sending === 1 && session.warmCount === LARGE.prefetch);
  await sleep(50);
  const closed = own.close();
  const { body } = await connection.answer();
  connection.socket.destroy();
  await closed;
  const bodies = splitBodies(body).map(readBatch);
  t.ok(bodies.length < 10);
  const last = bodies.at(-1)!;
  t.strictSame(last.tensors, {});
  t.match(JSON.parse(last.metadata.problems ?? ''), [{ code: 'SLF_CLOSING' }]);
  t.strictSame(
    bodies.map(({ metadata }) => Number(metadata.step)),
    bodies.map((_, step) => step),
  );
});
