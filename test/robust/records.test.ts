import { join } from 'node:path';
import t from 'tap';
import type { SessionId } from '../../src/core/ids.js';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const SPEC = { batchSize: 2, shuffle: false, structures: ['i'] };

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 4, phases: 2, rows: 32, columns: 32 });

/** Whose batches are large enough to leave from the memory that they were loaded into. */
const large = join(temporaryFolder(t), 'data');
await makePhantom(large, { studies: 1, slices: 2, phases: 1, rows: 256, columns: 256 });

/** Lets the records of deliveries fail from step `from` on, as a kill at that moment would. */
function recordsFailFrom({ service }: TestServer, from: number): void {
  const { store } = service.sessions;
  const record = store.delivered.bind(store);
  store.delivered = (delivery) => {
    if (delivery.step >= from) throw new Error('no record is written any more');
    record(delivery);
  };
}

/** What of an answer's body comes, how long the answer says that it is, and whether its end comes too. */
async function bodyOf(
  url: string,
  method = 'GET',
): Promise<{ body: Buffer; sizeBytes: number; ended: boolean }> {
  const answer = await fetch(url, { method });
  const sizeBytes = Number(answer.headers.get('slicefeed-bytes'));
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of answer.body!) chunks.push(chunk);
    return { body: Buffer.concat(chunks), sizeBytes, ended: true };
  } catch {
    return { body: Buffer.concat(chunks), sizeBytes, ended: false };
  }
}

// A trainer that saw the end of a body goes on to the next step and never asks for this one again: were it not recorded by then, a kill
// of the service would leave it out of the audit for ever.
for (const [way, method, data] of [
  ['batches/0', 'GET', folder],
  ['next', 'POST', folder],
  ['next?after=-1', 'POST', folder],
  ['batches/0?rank=0', 'GET', large],
] as const)
  t.test(`${way}: who sees the end of a body finds it recorded`, async (t) => {
    const server = await startTestServer(t, data);
    await server.ready();
    const { id } = await openSession(server.url, SPEC);
    const base = `${server.url}/v1/sessions/${id}`;
    recordsFailFrom(server, 0);
    const { body, sizeBytes, ended } = await bodyOf(`${base}/${way}`, method);
    t.equal(ended, false);
    t.ok(body.length < sizeBytes, `${body.length} of ${sizeBytes} bytes`);
    t.match(await getJson(base), { cursors: [0], delivered: 0 });
  });

t.test('stream: who sees all of a body finds it recorded', async (t) => {
  const server = await startTestServer(t, folder);
  await server.ready();
  const { id } = await openSession(server.url, SPEC);
  const base = `${server.url}/v1/sessions/${id}`;
  const [first, second] = [await getBody(`${base}/batches/0`), await getBody(`${base}/batches/1`)];
  recordsFailFrom(server, 1);
  const { body, ended } = await bodyOf(`${base}/stream?to=3`);
  t.equal(ended, false);
  t.ok(body.length >= first.length, 'the first body, which is recorded, is there');
  t.ok(body.length < first.length + second.length, 'the second one is not all there');
});

t.test('what was sent is in the record, and what was not is not', async (t) => {
  const server = await startTestServer(t, folder);
  await server.ready();
  const { id, stepsPerEpoch } = await openSession(server.url, { ...SPEC, epochs: 2 });
  const base = `${server.url}/v1/sessions/${id}`;
  await getBody(`${base}/batches/1`);
  await ask(`${base}/next`, { method: 'POST' });
  await getBody(`${base}/stream?from=${stepsPerEpoch}&to=${stepsPerEpoch + 2}`);
  await getBody(`${base}/batches/2/overlay.png`);
  t.match(await getJson(base), { cursors: [1], delivered: 4 });
  t.match(await getJson(`${base}/audit?epoch=0`), { pairs: 8, delivered: 4, missing: { count: 4 } });
  t.match(await getJson(`${base}/audit?epoch=1`), { pairs: 8, delivered: 4, missing: { count: 4 } });
});

for (const [way, method] of [
  ['next', 'POST'],
  ['stream?from=0&to=1', 'GET'],
] as const)
  t.test(`a body on its way moves nothing of a session that took its name meanwhile: ${way}`, async (t) => {
    const server = await startTestServer(t, folder);
    await server.ready();
    const base = `${server.url}/v1/sessions/named`;
    t.equal((await ask(base, { method: 'PUT', body: SPEC })).status, 201);
    const { sessions } = server.service;
    const record = sessions.store.delivered.bind(sessions.store);
    sessions.store.delivered = (delivery) => {
      sessions.store.delivered = record;
      sessions.delete('named');
      sessions.open(SPEC, 'named' as SessionId);
      record(delivery);
    };
    const { ended } = await bodyOf(`${base}/${way}`, method);
    t.ok(ended, 'the body itself is whole');
    t.match(await getJson(base), { cursors: [0], delivered: 0 });
    t.match(await getJson(`${base}/audit?epoch=0`), { delivered: 0, missing: { count: 8 } });
    const next = await fetch(`${base}/next`, { method: 'POST' });
    t.equal(next.headers.get('slicefeed-step'), '0');
    await next.arrayBuffer();
  });
