import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { splitBodies } from '../fixtures/feed.js';
import { refused } from '../fixtures/problem.js';
import { fuzzContract } from '../fuzz/contract.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 2, slices: 2, phases: 2, rows: 32, columns: 32 });
const server = await startTestServer(t, folder, { RATE_LIMIT: '0' });
await server.ready();
const { id } = await openSession(server.url, { batchSize: 2, epochs: 2 });

t.test('the last step that is a number ends where it ends', async (t) => {
  const { id: endless } = await openSession(server.url, { batchSize: 2 });
  const session = `${server.url}/v1/sessions/${endless}`;
  const last = Number.MAX_SAFE_INTEGER - 1;
  await refused(t, `${session}/batches/${last + 1}`, {}, 400, 'SLF_INVALID');
  await refused(t, `${session}/audit?epoch=${last}`, {}, 404, 'SLF_STEP_PAST_END');
  t.equal((await ask(`${session}/batches/${last}`)).status, 200);
  t.equal(splitBodies(await getBody(`${session}/stream?from=${last}`)).length, 1);
  t.equal((await ask(`${session}/next?after=${last - 1}`, { method: 'POST' })).status, 200);
  t.same((await getJson<{ cursors: number[] }>(session)).cursors, [last + 1]);
  t.equal((await ask(`${session}/next`, { method: 'POST' })).status, 204, 'there is no step behind it');
  t.same((await getJson<{ cursors: number[] }>(session)).cursors, [last + 1], 'and the session can be read');
  await refused(t, `${session}/next?after=${last}`, { method: 'POST' }, 400, 'SLF_INVALID');
});

t.test('whatever the contract is asked, the answers are those that it names', async (t) => {
  const { asked, statuses, failures } = await fuzzContract(server.url, {
    seed: 1,
    count: 150,
    known: { study: ['PHANTOM001', 'PHANTOM002'], slice: ['1', '2'], id: [id, 'x'], step: ['0', '1', '3'] },
  });
  t.strictSame(failures, []);
  t.equal(asked, 150);
  t.ok((statuses['200'] ?? 0) > 20, 'many questions are understood');
  t.ok((statuses['400'] ?? 0) + (statuses['404'] ?? 0) + (statuses['422'] ?? 0) > 20, 'and many are not');
  const faults = server.log.filter(({ level }) => Number(level) >= 50);
  t.strictSame(faults, []);
});
