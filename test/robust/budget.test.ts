import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { until } from '../fixtures/feed.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 6, phases: 2, rows: 32, columns: 32 });

// One pair of 64 x 64 in a batch: 64 * 64 * 3 bytes of image and mask, and some dozens more.
const SPEC = { batchSize: 1, structures: ['i'], shape: { fit: 'pad', rows: 64, columns: 64 } };
const BATCH_BYTES = 8 + 48 + 16 + 8 + 64 * 64 * 3 + 1;

/** Resolves when a session has so many warm batches; there is no event for it. */
async function warm(url: string, id: string, count: number): Promise<void> {
  while ((await getJson<{ warm: number }>(`${url}/v1/sessions/${id}`)).warm !== count) await sleep(5);
}

t.test(
  'a session that can’t hold a batch for each rank is refused, and finds room after another ends',
  async (t) => {
    const server = await startTestServer(t, folder, { MEMORY_BUDGET: String(6 * BATCH_BYTES) });
    await server.ready();
    const sessions = `${server.url}/v1/sessions`;
    const four = { ...SPEC, batchSize: 4, worldSize: 4 };
    const first = await openSession(server.url, four);
    t.equal(first.batchBytes, BATCH_BYTES);
    const options = { method: 'POST', body: { ...four, seed: 1 } };
    t.match(await refused(t, sessions, options, 503, 'SLF_BUDGET'), { detail: /budget/ });
    const named = { method: 'PUT', body: { ...four, seed: 1 } };
    await refused(t, `${sessions}/named`, named, 503, 'SLF_BUDGET');
    t.equal((await ask(`${sessions}/named`)).status, 404, 'nothing of it is kept');
    await openSession(server.url, { ...SPEC, seed: 2 });
    await openSession(server.url, { ...SPEC, seed: 3 });
    checkProblem(t, await ask(sessions, { method: 'POST', body: { ...SPEC, seed: 4 } }), 503, 'SLF_BUDGET');
    await ask(`${sessions}/${first.id}`, { method: 'DELETE' });
    t.equal((await ask(`${sessions}/named`, named)).status, 201);
  },
);

t.test('warm batches are taken back when another session needs their room', async (t) => {
  // Room for five warm batches and the one that is sent meanwhile; the other session's batch takes that of three.
  const server = await startTestServer(t, folder, { MEMORY_BUDGET: String(6 * BATCH_BYTES) });
  await server.ready();
  const batch = (id: string, step: number) => getBody(`${server.url}/v1/sessions/${id}/batches/${step}`);
  const quiet = await openSession(server.url, { ...SPEC, seed: 1, prefetch: 5 });
  const first = await batch(quiet.id, 0);
  await warm(server.url, quiet.id, 5);
  const busy = await openSession(server.url, { ...SPEC, batchSize: 3, prefetch: 0 });
  for (let step = 0; step < 4; step++)
    t.ok((await batch(busy.id, step)).length > busy.batchBytes, `step ${step}`);
  t.ok(server.service.spool.usedBytes <= server.config.budgetBytes, 'within the budget');
  const { warm: left } = await getJson<{ warm: number }>(`${server.url}/v1/sessions/${quiet.id}`);
  t.ok(left <= 3, `${left} of 5 are warm still`);
  for (let step = 1; step < 12; step++) t.equal((await batch(quiet.id, step)).length, first.length);
  t.ok((await batch(quiet.id, 0)).equals(first), 'what was taken back is made again, byte for byte');
});

t.test('a batch is answered, late or with 503, when the budget is held by readers', async (t) => {
  const server = await startTestServer(t, folder, { MEMORY_BUDGET: String(3 * BATCH_BYTES) });
  await server.ready();
  const { id } = await openSession(server.url, { ...SPEC, prefetch: 16 });
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, step) => ask(`${server.url}/v1/sessions/${id}/batches/${step}`)),
  );
  const bodies = await Promise.all(
    Array.from({ length: 12 }, (_, step) => getBody(`${server.url}/v1/sessions/${id}/batches/${step}`)),
  );
  answers.forEach((answer, step) => {
    if (answer.status === 503) checkProblem(t, answer, 503, JSON.parse(String(answer.body)).code);
    else t.ok(answer.body.equals(bodies[step]!), `step ${step}`);
  });
  t.ok(answers.some(({ status }) => status === 200));
});

function sqlite3(...args: string[]): string {
  return execFileSync('sqlite3', args, { encoding: 'utf8' }).trim();
}

function hasSqlite3(): boolean {
  try {
    sqlite3('--version');
    return true;
  } catch {
    return false;
  }
}

const withoutShell = !process.env.CI && !hasSqlite3() && 'the program sqlite3 is missing';

t.test('the sqlite3 shell opens the state while the service runs', { skip: withoutShell }, async (t) => {
  const server = await startTestServer(t, folder);
  await server.ready();
  const named = `${server.url}/v1/sessions/looked-at`;
  await ask(named, { method: 'PUT', body: { ...SPEC, epochs: 2 } });
  for (let n = 0; n < 3; n++) await ask(`${named}/next`, { method: 'POST' });
  const look = (sql: string) => sqlite3('-readonly', join(server.config.state, 'slicefeed.db'), sql);
  t.equal(look('PRAGMA integrity_check'), 'ok');
  t.equal(look('SELECT id FROM session'), 'looked-at');
  // Deliveries are in the database a moment after the journal has them.
  await until(() => look('SELECT count FROM delivery') === '3');
  t.equal(look('SELECT rank, step FROM cursor'), '0|3');
  t.equal(look('SELECT rank, number, hex(substr(steps, 1, 2)) FROM delivery'), '0|0|0700');
});
