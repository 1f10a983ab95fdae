import { join } from 'node:path';
import t, { type Test } from 'tap';
import { SNAPSHOTS_KEPT } from '../../src/catalog/prune.js';
import { LEFT_UNTIL_SWEEP } from '../../src/sweeps.js';
import { ask, jsonOf, type OpenedSession } from '../fixtures/client.js';
import { until } from '../fixtures/feed.js';
import { makeMixedFolder, study } from '../fixtures/mixed-folder.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const READER = { authorization: 'Bearer ro:reader' };
const SPEC = { structures: ['i'], batchSize: 2, prefetch: 0 };
const STUDIES = 2;

async function serve(t: Test) {
  const folder = join(temporaryFolder(t), 'data');
  makeMixedFolder(folder, [
    study('A', 'a', 4, 4, 2, { modality: 'MR' }),
    study('B', 'b', 4, 4, 1, { modality: 'MR' }),
  ]);
  const server = await startTestServer(t, folder, {
    TOKEN: 'writer,ro:reader',
    RATE_LIMIT: '0',
    LOG_LEVEL: 'error',
    BATCH_BYTES: '64KiB',
  });
  await server.service.scans.first;
  const request = async (path: string, method: string, body?: object) =>
    ask(`${server.url}${path}`, { method, headers: READER, ...(body ? { body } : {}) });
  const open = async (spec: object) =>
    jsonOf<OpenedSession>(await request('/v1/sessions', 'POST', { ...SPEC, ...spec }), 201);
  const end = async ({ id }: OpenedSession) => {
    const { status } = await request(`/v1/sessions/${id}`, 'DELETE');
    if (status !== 204) throw new Error(`a DELETE of a session was answered ${status}`);
  };
  const batch = async ({ id }: OpenedSession) => request(`/v1/sessions/${id}/batches/0`, 'GET');
  return { server, request, open, end, batch };
}

const renamed = (number: number) => ({ rename: { i: [`other ${number}`] } });

function rows({ service: { db } }: TestServer, table: string): number {
  return (db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
}

/** What sessions may have left since the last sweep, beside the snapshots that are kept. */
const MOST = SNAPSHOTS_KEPT + LEFT_UNTIL_SWEEP + 1;

t.test(
  'a reader that opens and deletes sessions of ever other selections leaves a bounded rest',
  async (t) => {
    const { server, open, end, batch } = await serve(t);
    const stays = await open({});
    const before = await batch(stays);
    t.equal(before.status, 200);
    const left: OpenedSession[] = [];
    let most = 0;
    for (let number = 0; number < SNAPSHOTS_KEPT + 100; number++) {
      const opened = await open(renamed(number));
      await end(opened);
      left.push(opened);
      most = Math.max(most, rows(server, 'snapshot'));
    }
    t.equal(
      new Set(left.map(({ snapshot }) => snapshot)).size,
      left.length,
      'each has a snapshot of its own',
    );
    t.ok(most <= MOST, `${most} snapshots at most`);
    // The last sweep goes on behind the answer that began it.
    await until(() => rows(server, 'selection') <= STUDIES * MOST);
    t.ok(rows(server, 'snapshot_study') <= STUDIES * MOST);
    const after = await batch(stays);
    t.ok(before.body.equals(after.body), 'a session that stays is untouched');
    const reopen = (number: number) => open({ snapshot: left[number]!.snapshot });
    const again = await reopen(left.length - SNAPSHOTS_KEPT / 2);
    t.equal(again.pairs, 3);
    t.equal((await batch(again)).status, 200);
    await t.rejects(reopen(0), { message: /410 .*SLF_SNAPSHOT_GONE.*1000 others were in use since/ });
    const anew = await open(renamed(0));
    t.equal(anew.snapshot, left[0]!.snapshot, 'the same request makes it again');
    t.equal((await batch(anew)).status, 200);
  },
);

t.test('requests that are refused, and those of a study, leave nothing either', async (t) => {
  const { server, request } = await serve(t);
  for (let number = 0; number < 2 * LEFT_UNTIL_SWEEP; number++) {
    const { status } = await request('/v1/sessions', 'POST', {
      ...SPEC,
      ...renamed(number),
      batchSize: 4096,
    });
    if (status !== 422) throw new Error(`answered ${status}`);
  }
  await until(() => rows(server, 'selection') <= STUDIES);
  t.equal(rows(server, 'snapshot'), 0);
  const known = rows(server, 'selection');
  const masks = await request('/v1/studies/A/masks?structures=i', 'GET');
  t.equal(masks.status, 200);
  t.equal(rows(server, 'selection'), known);
});

t.test('a service that ends in the middle of a sweep ends well', async (t) => {
  const { server, open, end } = await serve(t);
  const pairs = LEFT_UNTIL_SWEEP / 2;
  for (let number = 1; number < pairs; number++) await end(await open(renamed(number)));
  t.equal(rows(server, 'snapshot'), pairs - 1);
  server.service.db.exec('UPDATE snapshot SET used_at = 0');
  await end(await open(renamed(0)));
  await server.close();
  t.strictSame(server.log, [], 'no error');
});
