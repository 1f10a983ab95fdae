import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { readBatch } from '../fixtures/batch.js';
import { ask, getJson, openSession } from '../fixtures/client.js';
import { holdTasks } from '../fixtures/hold.js';
import { openedSince, openFiles } from '../fixtures/open-files.js';
import { type RawConnection, rawConnection } from '../fixtures/raw-http.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

/** Bodies of about 50 MB: far more than the buffers of two sockets hold. */
const LARGE = temporaryFolder(t);
writeFiles(LARGE, { 'link.csv': linkTable(['A', 'a']) });
for (const number of [1, 2, 3, 4, 5, 6])
  writeFiles(LARGE, {
    [imagePath('A', number)]: imageFile(number, { rows: 2048, columns: 2048 }),
    [contourPath('a', number)]: squareContour(2, 900),
  });
const SPEC = { batchSize: 4, prefetch: 0, lastBatch: 'drop', shuffle: false };

interface Serving {
  readonly server: TestServer;
  readonly id: string;
  readonly segmentBytes: number;
  path(step: number, query?: string): string;
}

/** A service whose budget holds one segment, with a session whose first batch is loaded. */
async function serveOne(t: Test): Promise<Serving> {
  const server = await startTestServer(t, LARGE, { MEMORY_BUDGET: '60MiB' });
  await server.ready();
  const { id, batchBytes } = await openSession(server.url, SPEC);
  await server.logged(({ msg, session }) => msg === 'load done' && session === id);
  return {
    server,
    id,
    segmentBytes: batchBytes,
    path: (step, query = '') => `/v1/sessions/${id}/batches/${step}${query}`,
  };
}

/** Whether a segment of a batch's size is free, or the budget has room for it. */
function isFree({ server, segmentBytes }: Serving): boolean {
  const { spool } = server.service;
  const segment = spool.tryTake(segmentBytes);
  if (segment) spool.give(segment);
  return segment !== null;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

function sending({ server, id }: Serving): number {
  return server.service.sessions.get(id).sending;
}

t.test('a reader that leaves in the middle of a body gives its segment back', async (t) => {
  const serving = await serveOne(t);
  const connection = await rawConnection(t, serving.server.url);
  connection.get(serving.path(0));
  await connection.some(100_000);
  t.equal(sending(serving), 1);
  t.notOk(isFree(serving), 'held while it is being sent');
  connection.socket.destroy();
  const left = await serving.server.logged(({ msg }) => /left|not taken/.test(msg));
  t.match(left, { session: serving.id, step: 0 });
  await until(() => sending(serving) === 0);
  t.ok(isFree(serving));
  t.match(await getJson(`${serving.server.url}/v1/sessions/${serving.id}`), { delivered: 0, cursors: [0] });
  t.equal((await ask(serving.server.url + serving.path(0))).status, 200, 'the same step again');
});

t.test('next moves no cursor for a body that was not read whole', async (t) => {
  const serving = await serveOne(t);
  const { server, id } = serving;
  const connection = await rawConnection(t, server.url);
  connection.socket.write(`POST /v1/sessions/${id}/next HTTP/1.1\r\nHost: x\r\n\r\n`);
  await connection.some(100_000);
  connection.socket.destroy();
  await until(() => sending(serving) === 0);
  t.match(await getJson(`${server.url}/v1/sessions/${id}`), { delivered: 0, cursors: [0] });
  const again = await ask(`${server.url}/v1/sessions/${id}/next`, { method: 'POST' });
  t.equal(again.headers.get('slicefeed-step'), '0');
  t.match(await getJson(`${server.url}/v1/sessions/${id}`), { delivered: 1, cursors: [1] });
});

t.test('many readers that leave leak nothing', async (t) => {
  const serving = await serveOne(t);
  const before = openFiles();
  for (let n = 0; n < 12; n++) {
    const connection = await rawConnection(t, serving.server.url);
    connection.get(serving.path(0, n % 2 === 0 ? '' : '?format=npz'));
    await connection.some(n * 20_000 + 1);
    if (n % 3 === 0) connection.socket.resetAndDestroy();
    else connection.socket.destroy();
    await until(() => sending(serving) === 0);
  }
  t.ok(isFree(serving));
  t.equal(serving.server.service.spool.usedBytes, serving.segmentBytes, 'one segment, used again and again');
  t.strictSame(openedSince(before), []);
});

t.test('a reader that leaves while its batch loads is waited for no longer', async (t) => {
  const hold = holdTasks(t);
  const server = await startTestServer(
    t,
    LARGE,
    { PAIR_SECONDS: '60', MEMORY_BUDGET: '120MiB' },
    hold.options,
  );
  t.teardown(() => hold.releaseAll());
  await server.ready();
  const { id } = await openSession(server.url, SPEC);
  await hold.waiting(0);
  const connection = await rawConnection(t, server.url);
  connection.get(`/v1/sessions/${id}/batches/0`);
  const session = server.service.sessions.get(id);
  await until(() => session.sending === 1);
  connection.socket.destroy();
  await until(() => session.sending === 0);
  hold.releaseAll();
  const answer = await ask(`${server.url}/v1/sessions/${id}/batches/0`);
  t.equal(answer.status, 200);
  t.equal(readBatch(answer.body).metadata.step, '0');
});

async function steps(connection: RawConnection, count: number): Promise<(string | undefined)[]> {
  const seen = [];
  for (let n = 0; n < count; n++) {
    const { status, headers, body } = await connection.answer();
    seen.push(status === 200 ? headers['slicefeed-step'] : String(status));
    const bytes = headers['slicefeed-bytes'];
    if (bytes !== undefined && Number(bytes) !== body.length) seen.push('short');
  }
  return seen;
}

t.test('pipelined requests are answered in their order, each whole', async (t) => {
  const server = await startTestServer(t, LARGE);
  await server.ready();
  const { id } = await openSession(server.url, { batchSize: 1, shuffle: false });
  const path = (step: number) => `/v1/sessions/${id}/batches/${step}`;
  const connection = await rawConnection(t, server.url);
  connection.get(path(2), path(0), '/livez', path(1), `/v1/sessions/nobody`, path(2));
  t.strictSame(await steps(connection, 6), ['2', '0', undefined, '1', '404', '2']);
  t.equal(server.service.sessions.get(id).sending, 0);
});

t.test('a reader that leaves the first of two pipelined answers leaks neither', async (t) => {
  const serving = await serveOne(t);
  const before = openFiles();
  for (const query of ['', '?format=npz']) {
    const connection = await rawConnection(t, serving.server.url);
    connection.get(serving.path(0), serving.path(0, query));
    await connection.some(100_000);
    connection.socket.destroy();
    await until(() => sending(serving) === 0);
    t.ok(isFree(serving));
  }
  t.strictSame(openedSince(before), []);
  t.equal((await ask(serving.server.url + serving.path(0))).status, 200);
});

t.test('more than two at a time wait for one rank, and are answered in the end', async (t) => {
  const server = await startTestServer(t, LARGE);
  await server.ready();
  const { id } = await openSession(server.url, { batchSize: 1, prefetch: 0 });
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, n) => ask(`${server.url}/v1/sessions/${id}/batches/${n % 4}`)),
  );
  t.ok(answers.every(({ status }) => status === 200));
  t.equal(server.service.sessions.get(id).sending, 0);
});

t.test('a slow reader of one session does not hold up another', async (t) => {
  const server = await startTestServer(t, LARGE);
  await server.ready();
  const slow = await openSession(server.url, SPEC);
  const connection = await rawConnection(t, server.url);
  connection.get(`/v1/sessions/${slow.id}/batches/0`);
  await connection.some(1000);
  const quick = await openSession(server.url, { ...SPEC, batchSize: 1, seed: 1 });
  t.equal((await ask(`${server.url}/v1/sessions/${quick.id}/batches/0`)).status, 200);
  t.equal(server.service.sessions.get(slow.id).sending, 1, 'still on its way');
});

t.test('connections that were left stay open no longer than their readers', async (t) => {
  const serving = await serveOne(t);
  const open = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  const before = open();
  for (let n = 0; n < 5; n++) {
    const connection = await rawConnection(t, serving.server.url);
    connection.get(serving.path(0));
    await connection.some(1000);
    connection.socket.destroy();
  }
  await until(() => open() <= before);
  t.equal(sending(serving), 0);
});
