import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';
import { below, seededRandom } from '../soak/random.js';

/** How many readers leave in the middle; for more of them run this file with node and SLICEFEED_TEST_ABORTS=10000. */
const ABORTS = Number(process.env.SLICEFEED_TEST_ABORTS ?? 150);
const LIMIT_MS = 110_000 + 200 * ABORTS;
t.setTimeout(LIMIT_MS);
const LEAVING_AT_ONCE = 8;
const MIB = 1024 * 1024;

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 4, phases: 2, rows: 32, columns: 32 });

/** A spec whose batches have `slots` pairs of 768 KiB of image and mask each, more than sockets hold between them where there are many. */
function large(slots: number) {
  return { batchSize: slots, lastBatch: 'pad', shape: { fit: 'pad', rows: 512, columns: 512 } };
}

/** Resolves as soon as it holds; for what the service has no event. */
async function until(holds: () => boolean, limitMs = 60_000): Promise<boolean> {
  for (const end = Date.now() + limitMs; Date.now() < end; await sleep(5)) if (holds()) return true;
  return holds();
}

function sendingOf({ service }: TestServer, id: string): number {
  return service.sessions.get(id).sending;
}

t.test('a reader that stops reading holds its window and nothing else, and then goes on', async (t) => {
  const server = await startTestServer(t, folder, { MEMORY_BUDGET: '256MiB' });
  await server.ready();
  const stalled = await openSession(server.url, { ...large(12), seed: 1, prefetch: 2 });
  const path = `/v1/sessions/${stalled.id}/stream?to=4`;
  const reader = await rawConnection(t, server.url);
  reader.get(path);
  await reader.some(1);
  const window = 3 * stalled.batchBytes;
  t.ok(
    await until(() => server.service.sessions.get(stalled.id).warmCount === 2),
    'its two next batches are warm',
  );
  const other = await openSession(server.url, { batchSize: 2, seed: 2, prefetch: 1 });
  let most = 0;
  for (let step = 0; step < 100; step++) {
    const answer = await ask(`${server.url}/v1/sessions/${other.id}/batches/${step}`);
    if (answer.status !== 200) t.fail(`step ${step}: ${answer.status} ${answer.body}`);
    most = Math.max(most, server.service.spool.usedBytes);
  }
  // Beside the window: send buffers of 2 MiB, and the other session's few small batches.
  t.ok(most <= window + 6 * MIB, `at most ${most} bytes, its window has ${window}`);
  t.equal(sendingOf(server, stalled.id), 1, 'it is in the middle of a body still');
  const seen = await getJson(`${server.url}/v1/sessions/${stalled.id}`);
  t.match(seen, { delivered: 0, warm: 2 }, 'nothing is counted that it has not read');
  reader.socket.destroy();
  t.ok(await until(() => sendingOf(server, stalled.id) === 0), 'when it leaves, it holds nothing');

  const undisturbed = createHash('sha256')
    .update(await getBody(server.url + path))
    .digest('hex');
  const again = await rawConnection(t, server.url);
  again.get(path);
  await once(again.socket, 'readable');
  await sleep(100);
  const { body } = await again.answer();
  t.equal(createHash('sha256').update(body).digest('hex'), undisturbed, 'a pause changes no byte');
});

t.test('requests behind a stream on its connection do not hold it up', async (t) => {
  const server = await startTestServer(t, folder);
  await server.ready();
  const { id } = await openSession(server.url, { batchSize: 2, seed: 4 });
  const base = `/v1/sessions/${id}`;
  const connection = await rawConnection(t, server.url);
  connection.get(`${base}/stream?to=3`, `${base}/batches/5`, `${base}/batches/6`, `${base}/batches/0`);
  const answers = [];
  for (let n = 0; n < 4; n++) answers.push(await connection.answer());
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const each = await Promise.all(
    [0, 1, 2, 5, 6, 0].map((step) => getBody(`${server.url}${base}/batches/${step}`)),
  );
  t.ok(Buffer.concat(answers.map(({ body }) => body)).equals(Buffer.concat(each)), 'all of it, in order');
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** A reader that asks for some bodies in one go, reads so many bytes of the answer and is gone. */
async function leaveAfter(url: string, paths: readonly string[], bytes: number): Promise<void> {
  const { hostname, port, host } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => {});
  await once(socket, 'connect');
  let read = 0;
  const enough = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      read += chunk.length;
      if (read >= bytes) resolve();
    });
    socket.on('close', () => resolve());
  });
  const asks = paths.map((path, at) => {
    const last = at === paths.length - 1 ? 'Connection: close\r\n' : '';
    return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${last}\r\n`;
  });
  socket.write(asks.join(''));
  if (bytes > 0) await enough;
  if (bytes % 2 === 0) socket.destroy();
  else socket.resetAndDestroy();
}

async function leaveOften(t: Test, server: TestServer, id: string, bodyBytes: number): Promise<void> {
  const random = seededRandom(7);
  let left = 0;
  const leaving = Array.from({ length: LEAVING_AT_ONCE }, async () => {
    while (left < ABORTS) {
      left++;
      const base = `/v1/sessions/${id}`;
      const batch = () => `${base}/batches/${below(random, 20)}${random() < 0.2 ? '?format=npz' : ''}`;
      const from = below(random, 20);
      const last = random() < 0.3 ? `${base}/stream?from=${from}&to=${from + 3}` : batch();
      const paths = [...Array.from({ length: below(random, 3) }, batch), last];
      await leaveAfter(server.url, paths, random() < 0.2 ? 0 : below(random, bodyBytes * 1.5));
    }
  });
  await Promise.all(leaving);
  t.ok(left >= ABORTS, `${left} readers left`);
}

t.test(
  'readers that leave in the middle of bodies leave nothing behind',
  { timeout: LIMIT_MS },
  async (t) => {
    const spec = { ...large(4), seed: 3 };
    // One batch of 72 slots, the send buffer that it goes out by, and no room for a batch of 4 beside it.
    const slotBytes = 8 + 48 + 16 + 8 + 512 * 512 * 3 + 1;
    const server = await startTestServer(t, folder, { MEMORY_BUDGET: String(72 * slotBytes + 2.5 * MIB) });
    await server.ready();
    const session = await openSession(server.url, spec);
    const url = `${server.url}/v1/sessions/${session.id}`;
    const before = await getBody(`${url}/batches/0`);
    const descriptors = openDescriptors();
    collectGarbage();
    const { arrayBuffers } = process.memoryUsage();

    await leaveOften(t, server, session.id, before.length);
    t.ok(await until(() => sendingOf(server, session.id) === 0), 'no body is on its way any more');
    t.ok((await getBody(`${url}/batches/0`)).equals(before), 'and who asks now is answered');
    t.ok(await until(() => sendingOf(server, session.id) === 0));
    await ask(url, { method: 'DELETE' });
    t.equal(server.service.sessions.liveCount, 0);

    // One batch that takes the whole budget but for its send buffers: every segment of the others has to be free.
    const whole = await openSession(server.url, { ...large(72), prefetch: 0 });
    t.equal(whole.batchBytes, 72 * slotBytes);
    t.ok((await getBody(`${server.url}/v1/sessions/${whole.id}/batches/0`)).length > whole.batchBytes);
    const segments = () =>
      readdirSync(server.service.spool.folder).filter((name) => name.startsWith('segment-'));
    t.ok(await until(() => segments().length === 1), 'no other segment is kept');
    t.ok(
      await until(() => server.service.spool.usedBytes === whole.batchBytes),
      'no send buffer counts in the budget any more',
    );
    t.ok(
      await until(() => openDescriptors() <= descriptors + 4),
      `${openDescriptors()} descriptors, ${descriptors} before`,
    );
    const grownMib = () => {
      collectGarbage();
      return Math.round((process.memoryUsage().arrayBuffers - arrayBuffers) / MIB);
    };
    // Eight send buffers of 2 MiB are kept for use again.
    t.ok(await until(() => grownMib() < 40), `buffers grew by ${grownMib()} MiB`);
  },
);
