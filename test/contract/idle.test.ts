import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, getBody, getJson, jsonOf, type OpenedSession, openSession } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { type Feed, openFeed, type SeenSession, splitBodies, until } from '../fixtures/feed.js';
import { holdTasks } from '../fixtures/hold.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { refused } from '../fixtures/problem.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder);

const SPEC = { studies: ['ANN-1', 'CYD', 'FAY', 'GUS'], batchSize: 3, epochs: 2, prefetch: 2 };
/** 60 ms. */
const SOON = { SESSION_IDLE_MINUTES: '0.001' };

/** Here nothing rests. */
const shared = await startClosable(t, folder);

async function rested(feed: Feed): Promise<SeenSession> {
  await until(async () => (await feed.look()).state === 'idle');
  return feed.look();
}

t.test('a session left alone rests, and the next request finds it as it was', async (t) => {
  const server = await startClosable(t, folder, SOON);
  const feed = await openFeed(server.url, { ...SPEC, worldSize: 3 });
  const bodies = [];
  for (const rank of [0, 1, 2]) bodies.push((await feed.next(`rank=${rank}`)).body);
  await feed.next('rank=1');
  const idle = await rested(feed);
  t.match(idle, { state: 'idle', warm: 0, cursors: [1, 2, 1], delivered: 4 });
  t.match(idle, feed.opened, 'its spec and all that follows from it');
  for (const [rank, body] of bodies.entries()) t.ok(body.equals(await feed.body(0, rank)), `rank ${rank}`);
  t.equal((await feed.next('rank=2')).headers.get('slicefeed-step'), '1', 'the cursor stands where it stood');
});

t.test('a session that rests does not forget what its trainers waited', async (t) => {
  const server = await startClosable(t, folder, SOON);
  const feed = await openFeed(server.url, SPEC);
  for (let step = 0; step < 4; step++) await feed.body(step);
  const { hits, misses, waitMs, loadMs } = await rested(feed);
  t.equal(hits + misses, 4);
  t.ok(waitMs > 0 && loadMs > 0, `${waitMs} ms waited, ${loadMs} ms loaded`);
  await feed.body(4);
  const awake = await feed.look();
  t.equal(awake.hits + awake.misses, 5, 'and goes on counting');
  t.ok(awake.waitMs > waitMs);
});

t.test('to look at a session, or at all of them, wakes none', async (t) => {
  const server = await startClosable(t, folder, SOON);
  const feed = await openFeed(server.url, SPEC);
  await feed.body(0);
  await rested(feed);
  const { sessions } = await getJson<{ sessions: SeenSession[] }>(`${server.url}/v1/sessions`);
  t.match(sessions, [{ id: feed.id, state: 'idle', warm: 0, delivered: 1 }]);
  await getJson(`${feed.url}/audit`);
  t.equal((await feed.look()).state, 'idle');
  t.equal(server.service.sessions.liveCount, 0);
});

t.test('what wakes a session gives the same bytes: next, stream, PUT and a picture', async (t) => {
  const server = await startClosable(t, folder, SOON);
  const put = () => ask(`${server.url}/v1/sessions/named`, { method: 'PUT', body: SPEC });
  t.equal((await put()).status, 201);
  const url = `${server.url}/v1/sessions/named`;
  const bodies = splitBodies(await getBody(`${url}/stream`));
  const asleep = () => until(async () => (await getJson<SeenSession>(url)).state === 'idle');
  await asleep();
  t.ok((await ask(`${url}/next`, { method: 'POST' })).body.equals(bodies[0]!));
  await asleep();
  t.ok(splitBodies(await getBody(`${url}/stream?from=5&to=7`))[1]!.equals(bodies[6]!));
  await asleep();
  t.equal((await put()).status, 200);
  await asleep();
  t.equal((await ask(`${url}/batches/1/overlay.png`)).status, 200);
  t.ok((await getBody(`${url}/batches/7`)).equals(bodies[7]!), 'the last step of a finished session');
});

/** A service whose budget holds two batches and a half. */
async function tight(t: Test, settings: object = {}): Promise<TestServer> {
  const { opened } = await openFeed(shared.url, SPEC);
  return startClosable(t, folder, { MEMORY_BUDGET: `${Math.floor(2.5 * opened.batchBytes)}B`, ...settings });
}

t.test('what the budget cannot hold is refused at the door, with when to come again', async (t) => {
  const server = await tight(t);
  const one = await openFeed(server.url, SPEC);
  await openFeed(server.url, { ...SPEC, seed: 1 });
  const options = { method: 'POST', body: { ...SPEC, seed: 2 } };
  await refused(t, `${server.url}/v1/sessions`, options, 503, 'SLF_BUDGET');
  await one.body(0);
  await ask(one.url, { method: 'DELETE' });
  t.equal((await ask(`${server.url}/v1/sessions`, options)).status, 201, 'with one gone there is room');
});

t.test('a session that rests gives its share of the budget to others', async (t) => {
  const server = await tight(t, SOON);
  const feeds = [];
  for (let seed = 0; seed < 4; seed++) {
    const feed = await openFeed(server.url, { ...SPEC, seed });
    await feed.body(0);
    await rested(feed);
    feeds.push(feed);
  }
  for (const feed of feeds) {
    await feed.body(1);
    await rested(feed);
  }
  t.strictSame(
    (await Promise.all(feeds.map((feed) => feed.look()))).map(({ delivered }) => delivered),
    [2, 2, 2, 2],
  );
});

t.test('of several ranks that send the same PUT at once one opens and the others join', async (t) => {
  const body = { ...SPEC, batchSize: 8, worldSize: 8 };
  for (const name of ['run-1', 'run-2']) {
    const url = `${shared.url}/v1/sessions/${name}`;
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask(url, { method: 'PUT', body })));
    t.strictSame(answers.map(({ status }) => status).sort(), [...Array(7).fill(200), 201]);
    t.equal(new Set(answers.map(({ body: text }) => text.toString())).size, 1, 'all are told the same');
    const opened = jsonOf<OpenedSession>(answers[0]!, answers[0]!.status);
    t.match(opened, { id: name, pairs: 10 });
    const ranks = await Promise.all(
      Array.from({ length: 8 }, (_, rank) => ask(`${url}/next?rank=${rank}`, { method: 'POST' })),
    );
    t.strictSame(
      ranks.map(({ status }) => status),
      Array(8).fill(200),
    );
    await refused(t, url, { method: 'PUT', body: { ...body, seed: 5 } }, 409, 'SLF_SESSION_DIFFERS');
  }
  const both = await getJson<{ sessions: SeenSession[] }>(`${shared.url}/v1/sessions`);
  t.strictSame(
    both.sessions.map(({ id }) => id).filter((id) => id.startsWith('run-')),
    ['run-1', 'run-2'],
    'and only two were opened',
  );
});

t.test('a pipelined request finds a session that began to rest while it waited in line', async (t) => {
  const hold = holdTasks(t);
  const server = await startTestServer(t, folder, SOON, hold.options);
  await server.ready();
  const { url } = server;
  const spec = { ...SPEC, prefetch: 0 };
  const first = await openSession(url, spec);
  await hold.waiting(0);
  const { id } = await openSession(url, { ...spec, seed: 1 });
  const connection = await rawConnection(t, url);
  const paths = [`batches/0`, 'stream?from=0&to=1'];
  connection.get(`/v1/sessions/${first.id}/batches/0`, ...paths.map((path) => `/v1/sessions/${id}/${path}`));
  await until(async () => (await getJson<{ state: string }>(`${url}/v1/sessions/${id}`)).state === 'idle');
  hold.releaseAll();
  for (const what of ['the first', ...paths]) t.equal((await connection.answer()).status, 200, what);
});
