import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, getBody } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { type Feed, openFeed, splitBodies, until } from '../fixtures/feed.js';
import { type Hold, holdTasks } from '../fixtures/hold.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { type TestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder);

const SPEC = { studies: ['ANN-1', 'CYD', 'FAY', 'GUS'], batchSize: 2, prefetch: 0 };
const READERS = 50;

/** How often a step was loaded, in any session. */
function loads({ log }: TestServer, step: number): number {
  return log.filter((line) => line.msg === 'load started' && line.step === step).length;
}

/** A service whose loader holds each load until it is let go. */
async function serveHeld(t: Test): Promise<{ server: TestServer; hold: Hold }> {
  const hold = holdTasks(t);
  const server = await startClosable(t, folder, { PAIR_SECONDS: '60' }, hold.options);
  return { server, hold };
}

/** Resolves when the services of this process have begun to answer so many more requests. */
function arrived(count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    const onRequest = () => {
      if (--left > 0) return;
      unsubscribe('http.server.request.start', onRequest);
      resolve();
    };
    subscribe('http.server.request.start', onRequest);
  });
}

/** Asks for a path of these sessions from many connections; resolves when all of them have come. */
async function crowd(feeds: readonly Feed[], path: string): Promise<{ answers: Promise<Buffer[]> }> {
  const all = arrived(READERS);
  const urls = Array.from({ length: READERS }, (_, n) => `${feeds[n % feeds.length]!.url}/${path}`);
  const answers = Promise.all(urls.map((url) => getBody(url)));
  await all;
  return { answers };
}

t.test('fifty readers of a cold step cause one load, and get the same bytes', async (t) => {
  const { server, hold } = await serveHeld(t);
  const feed = await openFeed(server.url, SPEC);
  hold.release(0);
  const { answers } = await crowd([feed], 'batches/3');
  await hold.waiting(1);
  hold.releaseAll();
  const bodies = await answers;
  t.equal(bodies.length, READERS);
  t.ok(
    bodies.every((body) => body.equals(bodies[0]!)),
    'the same bytes',
  );
  t.equal(loads(server, 3), 1, 'one load');
});

t.test('readers of equal sessions share one load', async (t) => {
  const { server, hold } = await serveHeld(t);
  const feeds = [await openFeed(server.url, SPEC), await openFeed(server.url, { ...SPEC, epochs: 7 })];
  hold.release(0);
  const { answers } = await crowd(feeds, 'batches/2');
  await hold.waiting(1);
  hold.releaseAll();
  const bodies = await answers;
  t.ok(
    bodies.every((body) => body.equals(bodies[0]!)),
    'the same bytes',
  );
  t.equal(loads(server, 0), 1, 'the first batch of both');
  t.equal(loads(server, 2), 1, 'the step that was asked for');
});

t.test('next, stream and batches that meet at a step cause one load', async (t) => {
  const { server, hold } = await serveHeld(t);
  const feeds: Feed[] = [];
  for (let n = 0; n < 3; n++) feeds.push(await openFeed(server.url, { ...SPEC, epochs: n + 1 }));
  hold.release(0);
  const [one, two, three] = feeds as [Feed, Feed, Feed];
  const reading = Promise.all([
    one.body(4),
    two.next('after=3').then(({ body }) => body),
    getBody(`${three.url}/stream?from=4&to=5`).then((stream) => splitBodies(stream)[0]!),
    ask(`${one.url}/batches/4/overlay.png`).then(({ status, headers }) =>
      Buffer.from(`${status} ${headers.get('content-type')}`),
    ),
  ]);
  await hold.waiting(1);
  await until(() => feeds.every(({ id }) => server.service.sessions.get(id).sending === 1));
  hold.releaseAll();
  const [batch, next, stream, picture] = await reading;
  t.ok(batch.equals(next) && batch.equals(stream), 'the same bytes');
  t.equal(picture.toString(), '200 image/png');
  t.equal(loads(server, 4), 1);
});

t.test('a step that is being warmed is waited for, not loaded again', async (t) => {
  const { server, hold } = await serveHeld(t);
  const feed = await openFeed(server.url, { ...SPEC, prefetch: 1 });
  hold.release(0);
  await feed.body(0);
  await hold.waiting(1);
  const answer = ask(`${feed.url}/batches/1`);
  await until(() => server.service.sessions.get(feed.id).sending === 1);
  hold.releaseAll();
  t.equal((await answer).headers.get('slicefeed-warm'), 'miss', 'it was not there yet');
  await until(async () => (await feed.look()).warm === 1);
  t.strictSame([loads(server, 0), loads(server, 1), loads(server, 2)], [1, 1, 1]);
});

t.test('readers that leave a step take its load with them, and the next one starts anew', async (t) => {
  const { server, hold } = await serveHeld(t);
  const feed = await openFeed(server.url, SPEC);
  hold.release(0);
  const leaving = new AbortController();
  const left = Promise.allSettled(
    [1, 2].map(() => fetch(`${feed.url}/batches/3`, { signal: leaving.signal })),
  );
  await hold.waiting(1);
  await until(() => server.service.sessions.get(feed.id).sending === 2);
  leaving.abort();
  await left;
  await until(() => server.service.sessions.get(feed.id).sending === 0);
  hold.releaseAll();
  const body = await feed.body(3);
  t.ok(body.equals(await feed.body(3)));
});
