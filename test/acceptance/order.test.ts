import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { type Answer, ask, openSession } from '../fixtures/client.js';
import { type Hold, holdTasks } from '../fixtures/hold.js';
import { type LogLine, startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
// 20 pairs of `i`.
await makePhantom(folder, { studies: 2, slices: 5, phases: 3, rows: 32, columns: 32 });

interface Held {
  readonly server: TestServer;
  readonly hold: Hold;
  open(spec?: object): Promise<string>;
  /** Asks for a step that is held, and waits until the service has the request in hand. */
  asked(id: string, step: number): Promise<{ answer: Promise<Answer> }>;
}

async function serveHeld(t: Test): Promise<Held> {
  const hold = holdTasks(t);
  const server = await startTestServer(t, folder, { PAIR_SECONDS: '60' }, hold.options);
  t.teardown(() => hold.releaseAll());
  await server.ready();
  return {
    server,
    hold,
    open: async (spec = {}) => (await openSession(server.url, { batchSize: 2, ...spec })).id,
    async asked(id, step) {
      const session = server.service.sessions.get(id);
      const before = session.sending;
      const answer = ask(`${server.url}/v1/sessions/${id}/batches/${step}`);
      while (session.sending === before) await sleep(1);
      return { answer };
    },
  };
}

/** The lines of a kind (`started`, `done`, `sent`) as `KIND STEP`, in the log's order. */
function events(log: readonly LogLine[], session?: string): string[] {
  const kinds: Record<string, string> = {
    'load started': 'started',
    'load done': 'done',
    'batch sent': 'sent',
  };
  return log
    .filter((line) => kinds[line.msg] && (session === undefined || line.session === session))
    .map((line) => `${kinds[line.msg]} ${line.step}`);
}

function is(msg: string, session: string, step: number): (line: LogLine) => boolean {
  return (line) => line.msg === msg && line.session === session && line.step === step;
}

t.test('opening a session starts to load step 0 before the answer leaves', async (t) => {
  const { server, hold } = await serveHeld(t);
  const opened = await ask(`${server.url}/v1/sessions`, { method: 'POST', body: { batchSize: 2 } });
  t.equal(opened.status, 201);
  t.strictSame(events(server.log), ['started 0'], 'held: it is not done, and the answer is here');
  const joined = await ask(`${server.url}/v1/sessions/named`, { method: 'PUT', body: { seed: 1 } });
  t.equal(joined.status, 201, 'nor does the answer wait for the loader');
  hold.releaseAll();
  await server.logged(is('load done', 'named', 0));
});

t.test('opening a session gives the loader its first batch, and nothing before it', async (t) => {
  const hold = holdTasks(t, 'scan,load');
  const small = join(temporaryFolder(t), 'data');
  // So few files that one task reads them all.
  await makePhantom(small, { studies: 1, slices: 2, phases: 3, rows: 32, columns: 32 });
  const server = await startTestServer(t, small, { PAIR_SECONDS: '60' }, hold.options);
  t.teardown(() => hold.releaseAll());
  hold.release(0);
  await server.ready();
  await openSession(server.url, { batchSize: 2 });
  await hold.waiting(1);
  t.strictSame(events(server.log), ['started 0']);
});

t.test('asking for a step starts the one after it, then sends it', async (t) => {
  const { server, hold, open, asked } = await serveHeld(t);
  const id = await open();
  const { answer } = await asked(id, 0);
  hold.release(0);
  const { status, headers } = await answer;
  t.strictSame([status, headers.get('slicefeed-warm')], [200, 'miss']);
  await hold.waiting(1);
  await server.logged(is('batch sent', id, 0));
  t.strictSame(
    events(server.log),
    ['started 0', 'done 0', 'started 1', 'sent 0'],
    'sent whole while 1 is held',
  );
});

t.test('the next batch loads while the trainer is busy, so that it is a hit', async (t) => {
  const { server, hold, open } = await serveHeld(t);
  const id = await open();
  hold.release(0);
  await ask(`${server.url}/v1/sessions/${id}/batches/0`);
  // The trainer is busy: it asks for nothing until the log says that the next batch is there.
  hold.release(1);
  await server.logged(is('load done', id, 1));
  await sleep(0);
  t.equal(server.service.sessions.get(id).warmCount, 1);
  const { headers } = await ask(`${server.url}/v1/sessions/${id}/batches/1`);
  t.equal(headers.get('slicefeed-warm'), 'hit');
  await hold.waiting(2);
  t.match(await server.logged(is('batch sent', id, 1)), { warm: 'hit' });
});

t.test('a step asked for while it loads is waited for, and loaded once', async (t) => {
  const { server, hold, open, asked } = await serveHeld(t);
  const id = await open();
  await hold.waiting(0);
  const { answer: first } = await asked(id, 0);
  const { answer: second } = await asked(id, 0);
  hold.releaseAll();
  const [one, two] = await Promise.all([first, second]);
  t.ok(one.body.equals(two.body));
  t.strictSame(
    server.log.filter(is('load started', id, 0)).map(({ for: why }) => why),
    ['warm'],
  );
  t.strictSame(
    [one, two].map(({ headers }) => headers.get('slicefeed-warm')),
    ['miss', 'miss'],
  );
});

t.test('with one loader one batch is loaded at a time, and the log shows it', async (t) => {
  const { server, hold, open } = await serveHeld(t);
  hold.releaseAll();
  const id = await open({ epochs: 1 });
  for (let step = 0; step < 10; step++) {
    // A trainer that takes its time: the loader has nothing else to do when it asks.
    while (server.service.pool.idleCount === 0) await sleep(1);
    t.equal((await ask(`${server.url}/v1/sessions/${id}/next`, { method: 'POST' })).status, 200);
  }
  await server.logged(is('batch sent', id, 9));
  const seen = events(server.log);
  t.strictSame(
    seen.filter((event) => !event.startsWith('sent')),
    Array.from({ length: 10 }, (_, step) => [`started ${step}`, `done ${step}`]).flat(),
  );
  for (let step = 0; step < 9; step++)
    t.ok(
      seen.indexOf(`started ${step + 1}`) < seen.indexOf(`sent ${step}`),
      `${step + 1} starts before ${step} is sent`,
    );
});

t.test('the lines of the log say which batch, how long and how large', async (t) => {
  const { server, hold, open } = await serveHeld(t);
  hold.releaseAll();
  const id = await open({ epochs: 1, batchSize: 20 });
  const { body } = await ask(`${server.url}/v1/sessions/${id}/batches/0`);
  const batch = { session: id, step: 0 };
  const sent = await server.logged(is('batch sent', id, 0));
  const line = (msg: string) => server.log.find(is(msg, id, 0)) ?? ({} as LogLine);
  t.match(line('load started'), { ...batch, pairs: 20 });
  t.match(line('load done'), { ...batch, pairs: 20, ms: Number });
  t.match(sent, { ...batch, waitedMs: Number, warm: /^(hit|miss)$/, bytes: body.length });
  t.ok((line('load done').ms as number) > 0);
});

t.test('a step out of turn goes before what is only warmed', async (t) => {
  const { server, hold, open, asked } = await serveHeld(t);
  const id = await open({ prefetch: 2 });
  await hold.waiting(0);
  const { answer } = await asked(id, 5);
  hold.releaseAll();
  t.equal((await answer).headers.get('slicefeed-step'), '5');
  await server.logged(is('load done', id, 7));
  t.strictSame(
    events(server.log).filter((event) => event.startsWith('started')),
    ['started 0', 'started 5', 'started 6', 'started 7'],
  );
});

t.test('who waits goes before what another session only warms', async (t) => {
  const { server, hold, open, asked } = await serveHeld(t);
  const busy = await open({ prefetch: 4, seed: 1 });
  await hold.waiting(0);
  const { answer: first } = await asked(busy, 0);
  const other = await open({ prefetch: 0, seed: 2 });
  const { answer: second } = await asked(other, 0);
  hold.releaseAll();
  await Promise.all([first, second]);
  await server.logged(is('load done', busy, 4));
  const started = server.log.filter(({ msg }) => msg === 'load started');
  t.strictSame(
    started.map(({ session, step }) => `${session === busy ? 'busy' : 'other'} ${step}`),
    ['busy 0', 'other 0', 'busy 1', 'busy 2', 'busy 3', 'busy 4'],
  );
});

t.test('prefetch says how many batches are kept warm', async (t) => {
  const { server, hold, open } = await serveHeld(t);
  hold.releaseAll();
  const none = await open({ prefetch: 0, seed: 1 });
  await ask(`${server.url}/v1/sessions/${none}/batches/0`);
  await server.logged(is('batch sent', none, 0));
  const three = await open({ prefetch: 3, seed: 2 });
  await ask(`${server.url}/v1/sessions/${three}/batches/0`);
  await server.logged(is('load done', three, 3));
  await sleep(0);
  const started = (id: string) => events(server.log, id).filter((event) => event.startsWith('started'));
  t.strictSame(started(none), ['started 0']);
  t.strictSame(started(three), ['started 0', 'started 1', 'started 2', 'started 3']);
  t.equal(server.service.sessions.get(three).warmCount, 3);
});

t.test('at an epoch’s end the first batch of the next is warm like any other', async (t) => {
  const { server, hold, open } = await serveHeld(t);
  hold.releaseAll();
  const id = await open({ batchSize: 20, epochs: 2 });
  await ask(`${server.url}/v1/sessions/${id}/batches/0`);
  await server.logged(is('load done', id, 1));
  const { headers } = await ask(`${server.url}/v1/sessions/${id}/batches/1`);
  t.strictSame([headers.get('slicefeed-epoch'), headers.get('slicefeed-warm')], ['1', 'hit']);
});

t.test('a loader that somebody kills is replaced, and its batch comes', async (t) => {
  const { server, hold, open, asked } = await serveHeld(t);
  const id = await open();
  const { answer } = await asked(id, 0);
  for (const pid of server.service.pool.pids) process.kill(pid, 'SIGKILL');
  hold.releaseAll();
  t.equal((await answer).status, 200);
  t.ok(server.service.pool.restarts >= 1);
});
