import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getJson, jsonOf, openSession } from '../fixtures/client.js';
import { refused } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 4, phases: 2, rows: 32, columns: 32 });

const as = (token: string) => ({ authorization: `Bearer ${token}` });

t.test('a token is limited in its sessions, and may open another when it ends one', async (t) => {
  const state = temporaryFolder(t);
  const settings = { SESSIONS: '2', TOKEN: 'full,ro:reader-4711,ro:second-4711', STATE: state };
  const server = await startTestServer(t, folder, settings);
  await server.ready();
  const sessions = `${server.url}/v1/sessions`;
  const put = (name: string, token: string, body: object = {}) =>
    ask(`${sessions}/${name}`, { method: 'PUT', body, headers: as(token) });
  for (const name of ['a', 'b']) t.equal((await put(name, 'reader-4711')).status, 201);
  const third = {
    method: 'PUT',
    body: {},
    headers: { 'content-type': 'application/json', ...as('ro:reader-4711') },
  };
  t.match(await refused(t, `${sessions}/c`, third, 409, 'SLF_SESSIONS_FULL'), {
    detail: /DELETE.*SLICEFEED_SESSIONS/,
  });
  t.equal((await put('a', 'reader-4711')).status, 200, 'what is there may be joined');
  t.equal((await put('c', 'second-4711')).status, 201, 'another token has its own');
  t.equal((await ask(`${sessions}/a`, { method: 'DELETE', headers: as('second-4711') })).status, 403);
  t.equal((await ask(`${sessions}/a`, { method: 'DELETE', headers: as('reader-4711') })).status, 204);
  t.equal((await put('d', 'reader-4711')).status, 201);
  await server.close();
  const again = await startTestServer(t, folder, settings);
  await again.ready();
  t.equal(
    (await ask(`${again.url}/v1/sessions/e`, { ...third, headers: third.headers })).status,
    409,
    'also after a restart',
  );
  t.equal(
    (await ask(`${again.url}/v1/sessions/d`, { method: 'DELETE', headers: as('ro:reader-4711') })).status,
    204,
  );
  await again.close();
  const database = readFileSync(join(state, 'slicefeed.db')).toString('latin1');
  for (const token of ['reader-4711', 'second-4711'])
    t.notOk(database.includes(token), 'no token is in the state');
});

t.test('without tokens all callers share one limit of sessions', async (t) => {
  const { url, ready } = await startTestServer(t, folder, { SESSIONS: '1' });
  await ready();
  await openSession(url);
  await refused(t, `${url}/v1/sessions`, { method: 'POST', body: {} }, 409, 'SLF_SESSIONS_FULL');
});

t.test('a spec is no longer than SLICEFEED_SPEC_BYTES, and nothing of a longer one is kept', async (t) => {
  const { url, ready, service } = await startTestServer(t, folder, { SPEC_BYTES: '2KiB' });
  await ready();
  const rows = () => service.db.prepare('SELECT count(*) AS rows FROM selection').get();
  const before = rows();
  const long = (count: number) => ({
    where: { series: Array.from({ length: count }, (_, at) => `1.2.3.${at}`.padEnd(60, '0')) },
  });
  const detail = /SLICEFEED_SPEC_BYTES/;
  for (const body of [long(100), { rename: { i: long(40).where.series } }])
    t.match(await refused(t, `${url}/v1/sessions`, { method: 'POST', body }, 413, 'SLF_TOO_LARGE'), {
      detail,
    });
  t.strictSame(rows(), before);
  t.equal((await getJson<{ sessions: object[] }>(`${url}/v1/sessions`)).sessions.length, 0);
});

t.test('a list of sessions with long specs is several pages', async (t) => {
  const { url, ready } = await startTestServer(t, folder);
  await ready();
  const { studies } = await getJson<{ studies: { id: string }[] }>(`${url}/v1/studies`);
  const others = Array.from({ length: 3000 }, (_, at) => `other-${at}`.padEnd(60, '0'));
  const rename = { i: others };
  for (let at = 0; at < 10; at++) await openSession(url, { rename, seed: at, studies: [studies[0]!.id] });
  const names: string[] = [];
  let pages = 0;
  for (let after = ''; ; pages++) {
    const answer = await ask(`${url}/v1/sessions?limit=1000&after=${after}`);
    t.ok(answer.body.length < 2 * 1024 ** 2, `${answer.body.length} bytes`);
    const page = jsonOf<{ sessions: { id: string }[]; next: string | null }>(answer);
    names.push(...page.sessions.map(({ id }) => id));
    if (page.next === null) break;
    after = page.next;
  }
  t.ok(pages > 0);
  t.equal(new Set(names).size, 10);
});

t.test('a session of many ranks takes memory only for ranks that ask', async (t) => {
  const { url, ready, service } = await startTestServer(t, folder, { MEMORY_BUDGET: '1GiB' });
  await ready();
  const many = { batchSize: 4096, worldSize: 4096, prefetch: 16 };
  const { id } = await openSession(url, many);
  t.ok(service.sessions.warmCount <= 64);
  const { reservedBytes, usedBytes } = service.spool;
  t.ok(reservedBytes > 64 * 1024 ** 2, `${reservedBytes} bytes are counted for it`);
  t.ok(usedBytes > 64 * 1024 ** 2, 'and in use');
  let opened = 1;
  for (let seed = 1; seed < 40; seed++) {
    const { status } = await ask(`${url}/v1/sessions`, { method: 'POST', body: { ...many, seed } });
    if (status !== 201) {
      t.equal(status, 503);
      break;
    }
    opened++;
  }
  t.ok(opened < 20, `${opened} sessions fit the budget`);
  t.equal((await ask(`${url}/v1/sessions/${id}/batches/0?rank=4095`)).status, 200);
});
