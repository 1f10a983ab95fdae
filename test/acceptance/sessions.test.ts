import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, jsonOf, type OpenedSession, openSession } from '../fixtures/client.js';
import { refused } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 2, slices: 3, phases: 3, rows: 32, columns: 32 });
const server = await startTestServer(t, folder);
await server.ready();
const sessions = `${server.url}/v1/sessions`;

interface SeenSession extends OpenedSession {
  readonly state: string;
  readonly cursors: number[];
  readonly delivered: number;
  readonly warm: number;
  readonly waitMs: number;
  readonly loadMs: number;
  readonly hits: number;
  readonly misses: number;
}

/** What an empty body means here; `i` is the structure that most slices of the phantom carry. */
const DEFAULTS = {
  studies: 'all',
  excludeStudies: [],
  where: {},
  structures: ['i'],
  missing: 'exclude',
  rename: {},
  exclude: [],
  batchSize: 8,
  worldSize: 1,
  shuffle: true,
  seed: 0,
  epochs: null,
  lastBatch: 'keep',
  prefetch: 1,
  image: { values: 'rescaled', normalize: 'none', channels: 1 },
  mask: { rule: 'pixel-center', holes: 'standard', origin: 'integer' },
  shape: { fit: 'exact', rows: 32, columns: 32, fill: 0 },
  onError: 'fail',
};

t.test('an empty body opens a session with every default filled in', async (t) => {
  for (const options of [{}, { body: {} }, { body: '', headers: { 'content-type': 'application/json' } }]) {
    const answer = await ask(sessions, { method: 'POST', ...options });
    const session = jsonOf<OpenedSession>(answer, 201);
    t.equal(answer.headers.get('location'), `/v1/sessions/${session.id}`);
    t.match(answer.headers.get('content-type'), /^application\/json/);
    t.match(session.spec, DEFAULTS);
    t.match(session, { pairs: 12, stepsPerEpoch: 2, steps: null, bytesVersion: /./ });
    const opened = server.log.find((line) => line.msg === 'session opened' && line.session === session.id);
    t.match(opened, { level: 30, pairs: 12, steps: 2 });
    t.match(session.snapshot, /^[0-9a-f]{64}$/);
    t.match(session.specDigest, /^[0-9a-f]+$/);
    t.strictSame(session.batch, {
      pairs: { dtype: 'int64', shape: [8] },
      affine: { dtype: 'float64', shape: [8, 2, 3] },
      spacing: { dtype: 'float64', shape: [8, 2] },
      sourceShape: { dtype: 'int32', shape: [8, 2] },
      images: { dtype: 'int16', shape: [8, 1, 32, 32] },
      masks: { dtype: 'bool', shape: [8, 1, 32, 32] },
      valid: { dtype: 'bool', shape: [8] },
    });
    t.equal(session.batchBytes, 8 * (8 + 48 + 16 + 8 + 2048 + 1024 + 1));
    t.match(jsonOf(await ask(`${server.url}${answer.headers.get('location')}`)), { id: session.id });
  }
});

t.test('PUT opens under a name, joins with the same spec, and refuses another', async (t) => {
  const put = (body: unknown) => ask(`${sessions}/mine`, { method: 'PUT', body });
  const opened = await put({ batchSize: 4, epochs: 2 });
  t.equal(opened.status, 201);
  t.equal(opened.headers.get('location'), '/v1/sessions/mine');
  const session = jsonOf<OpenedSession>(opened, 201);
  t.match(session, { id: 'mine', stepsPerEpoch: 3, steps: 6 });
  t.strictSame(jsonOf(await put({ batchSize: 4, epochs: 2 })), session, 'joined');
  t.strictSame(jsonOf(await put({ epochs: 2, batchSize: 4 })), session, 'another order of fields');
  t.strictSame(
    jsonOf(await put({ batchSize: 4, epochs: 2, seed: 0, studies: 'all' })),
    session,
    'defaults spelled out',
  );
  for (const other of [{ batchSize: 4 }, {}, { batchSize: 4, epochs: 2, seed: 1 }])
    await refused(t, `${sessions}/mine`, { method: 'PUT', body: other }, 409, 'SLF_SESSION_DIFFERS');
  t.strictSame(jsonOf<SeenSession>(await ask(`${sessions}/mine`)).spec, session.spec, 'unmoved');
});

t.test('a name is checked before anything is opened', async (t) => {
  for (const name of ['a%20b', 'a%2fb', '%c3%a4', 'x'.repeat(65)]) {
    const options = { method: 'PUT', body: {} };
    await refused(t, `${sessions}/${name}`, options, 400, 'SLF_INVALID');
  }
  const name = 'A-Za-z0-9._-'.padEnd(64, 'x');
  t.equal((await ask(`${sessions}/${name}`, { method: 'PUT', body: {} })).status, 201);
});

t.test('equal specs over equal files have equal digests and equal bytes', async (t) => {
  const one = await openSession(server.url, { batchSize: 5, seed: 3 });
  const two = await openSession(server.url, { batchSize: 5, seed: 3, prefetch: 4, epochs: 7 });
  t.not(one.id, two.id);
  t.strictSame([one.snapshot, one.specDigest], [two.snapshot, two.specDigest]);
  const three = await openSession(server.url, { batchSize: 5, seed: 4 });
  t.equal(one.snapshot, three.snapshot);
  t.not(one.specDigest, three.specDigest);
  const body = (id: string) => getBody(`${sessions}/${id}/batches/1`);
  t.ok((await body(one.id)).equals(await body(two.id)));
  t.notOk((await body(one.id)).equals(await body(three.id)));
});

t.test('a session shows its cursors, what was delivered and its timings', async (t) => {
  const { id } = await openSession(server.url, { batchSize: 4, epochs: 1 });
  const before = await getJson<SeenSession>(`${sessions}/${id}`);
  t.match(before, {
    id,
    state: 'open',
    cursors: [0],
    delivered: 0,
    hits: 0,
    misses: 0,
    waitMs: 0,
    loadMs: 0,
  });
  await getBody(`${sessions}/${id}/batches/0`);
  await getBody(`${sessions}/${id}/batches/0`);
  await ask(`${sessions}/${id}/next`, { method: 'POST' });
  await ask(`${sessions}/${id}/next`, { method: 'POST' });
  const after = await getJson<SeenSession>(`${sessions}/${id}`);
  t.match(after, { cursors: [2], delivered: 2 });
  t.equal(after.hits + after.misses, 4);
  t.ok(after.loadMs > 0);
  t.type(after.warm, 'number');
});

t.test('sessions are listed page by page', async (t) => {
  const names = ['list-a', 'list-b', 'list-c'];
  for (const name of names) await ask(`${sessions}/${name}`, { method: 'PUT', body: { batchSize: 1 } });
  const seen: SeenSession[] = [];
  for (let after: string | null = ''; after !== null && seen.length < 100; ) {
    const page: { sessions: SeenSession[]; next: string | null } = await getJson(
      `${sessions}?limit=2${after === '' ? '' : `&after=${encodeURIComponent(after)}`}`,
    );
    t.ok(page.sessions.length <= 2);
    seen.push(...page.sessions);
    after = page.next;
  }
  const ids = seen.map(({ id }) => id);
  t.equal(new Set(ids).size, ids.length, 'none twice');
  t.strictSame(
    names.filter((name) => !ids.includes(name)),
    [],
    'none left out',
  );
  const one = seen.find(({ id }) => id === 'list-b');
  t.strictSame(one, await getJson(`${sessions}/list-b`));
});

t.test('a deleted session is gone, and its name is free', async (t) => {
  const url = `${sessions}/short-lived`;
  await ask(url, { method: 'PUT', body: { batchSize: 2 } });
  await getBody(`${url}/batches/0`);
  const answer = await ask(url, { method: 'DELETE' });
  t.strictSame([answer.status, answer.body.length], [204, 0]);
  await refused(t, url, {}, 404, 'SLF_SESSION_UNKNOWN');
  t.match(
    server.log.findLast(({ msg }) => msg === 'session deleted'),
    { level: 30, session: url.split('/').at(-1), pairs: 12 },
  );
  await refused(t, url, { method: 'DELETE' }, 404, 'SLF_SESSION_UNKNOWN');
  await refused(t, `${url}/batches/0`, {}, 404, 'SLF_SESSION_UNKNOWN');
  await refused(t, `${url}/next`, { method: 'POST' }, 404, 'SLF_SESSION_UNKNOWN');
  const again = await ask(url, { method: 'PUT', body: { batchSize: 3 } });
  t.match(jsonOf<SeenSession>(again, 201), { spec: { batchSize: 3 } });
  t.match(await getJson(url), { cursors: [0], delivered: 0 });
});

t.test('studies, excludeStudies and structures choose the pairs', async (t) => {
  const pairs = async (spec: object) => (await openSession(server.url, spec)).pairs;
  t.equal(await pairs({ studies: ['PHANTOM002'] }), 6);
  t.equal(await pairs({ excludeStudies: ['PHANTOM002'] }), 6);
  t.equal(await pairs({ structures: ['o'] }), 6);
  t.equal(await pairs({ structures: ['i', 'o'] }), 6);
  t.equal(await pairs({ structures: [] }), 18);
  const none = await openSession(server.url, { structures: [], batchSize: 2 });
  t.strictSame(none.batch.masks?.shape, [2, 0, 32, 32]);
});

t.test('a session that no pair fits is refused with the reason', async (t) => {
  const refuse = (body: object, code = 'SLF_NO_PAIRS') =>
    refused(t, sessions, { method: 'POST', body }, 422, code);
  t.match(await refuse({ structures: ['z'] }), { field: 'structures', detail: /i, o/ });
  await refuse({ studies: [] });
  t.match(await refuse({ studies: ['nobody'] }, 'SLF_STUDY_MISSING'), { field: 'studies' });
  t.match(await refuse({ batchSize: 13, lastBatch: 'drop' }), { detail: /12/ });
  t.match(await refuse({ batchSize: 3, worldSize: 2 }, 'SLF_SPEC_CONFLICT'), { field: 'batchSize' });
});
