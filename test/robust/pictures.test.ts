import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { until } from '../fixtures/feed.js';
import { heartFiles } from '../fixtures/heart-folder.js';
import { holdTasks } from '../fixtures/hold.js';
import { refused } from '../fixtures/problem.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { upload } from '../fixtures/upload.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 12, phases: 2, rows: 32, columns: 32 });

const SPEC = {
  batchSize: 2,
  shuffle: false,
  structures: ['i'],
  shape: { fit: 'pad', rows: 64, columns: 64 },
};
const BATCH_BYTES = 2 * (8 + 48 + 16 + 8 + 64 * 64 * 3 + 1);

t.test('pictures and single pairs take no room that a session reserved', async (t) => {
  const server = await startTestServer(t, folder, { MEMORY_BUDGET: String(2 * BATCH_BYTES) });
  await server.ready();
  const { url } = server;
  const { id, steps, batchBytes } = await openSession(url, { ...SPEC, epochs: 2 });
  t.equal(batchBytes, BATCH_BYTES);
  const { studies } = await getJson<{ studies: { id: string }[] }>(`${url}/v1/studies`);
  const { pairs } = await getJson<{ pairs: { id: string; slice: string }[] }>(
    `${url}/v1/studies/${studies[0]!.id}/pairs`,
  );
  let isOver = false;
  const statuses = new Set<number>();
  const readers = Array.from({ length: 30 }, async (_, reader) => {
    for (let at = reader; !isOver; at += 7) {
      const pair = `/v1/studies/${studies[0]!.id}/pairs/${pairs[at % pairs.length]!.slice}`;
      const paths = [`/v1/sessions/${id}/batches/${at % steps!}/overlay.png`, `${pair}/overlay.png`, pair];
      statuses.add((await ask(`${url}${paths[reader % 3]}`)).status);
    }
  });
  for (let step = 0; step < steps!; step++) {
    const { status, body } = await ask(`${url}/v1/sessions/${id}/batches/${step}`);
    t.equal(status, 200, `step ${step}: ${status === 200 ? '' : body}`);
  }
  isOver = true;
  await Promise.all(readers);
  t.ok(statuses.has(200), 'there were pictures');
  for (const status of statuses) t.ok(status === 200 || status === 503, `${status}`);
  const { service } = server;
  t.ok(service.spool.usedBytes <= service.spool.budgetBytes);
});

t.test('where sessions reserved all of the budget, a picture that nobody has loaded is a 503', async (t) => {
  const server = await startTestServer(t, folder, { MEMORY_BUDGET: String(BATCH_BYTES) });
  await server.ready();
  const { id } = await openSession(server.url, { ...SPEC, prefetch: 0 });
  const batches = `${server.url}/v1/sessions/${id}/batches`;
  await getBody(`${batches}/0`);
  await refused(t, `${batches}/5/overlay.png`, {}, 503, 'SLF_BUDGET');
  t.equal((await ask(`${batches}/5`)).status, 200);
  t.equal((await ask(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' })).status, 204);
  t.equal(server.service.spool.usedBytes, 0, 'its segments are gone with it');
});

t.test('the load for a picture or a pair stops when its reader leaves', async (t) => {
  const hold = holdTasks(t);
  const server = await startTestServer(t, folder, {}, hold.options);
  await server.ready();
  const { url } = server;
  const busy = await openSession(url, { ...SPEC, prefetch: 0 });
  await hold.waiting(0);
  const { studies } = await getJson<{ studies: { id: string }[] }>(`${url}/v1/studies`);
  const study = `${url}/v1/studies/${studies[0]!.id}`;
  const { pairs } = await getJson<{ pairs: { slice: string }[] }>(`${study}/pairs`);
  const waiting = () => server.service.spool.usedBytes;
  const before = waiting();
  for (const [what, leave] of [
    [
      'an overlay of a batch',
      (signal: AbortSignal) => fetch(`${url}/v1/sessions/${busy.id}/batches/3/overlay.png`, { signal }),
    ],
    ['a pair', (signal: AbortSignal) => fetch(`${study}/pairs/${pairs[4]!.slice}`, { signal })],
    [
      'an overlay of a pair',
      (signal: AbortSignal) => fetch(`${study}/pairs/${pairs[5]!.slice}/overlay.png`, { signal }),
    ],
    ['masks of a study', (signal: AbortSignal) => fetch(`${study}/masks`, { signal })],
  ] as const) {
    const controller = new AbortController();
    const asked = leave(controller.signal).catch((error: Error) => error.name);
    const sources = () => [...server.service.engine.sources()].length;
    const loading = sources();
    await until(() => sources() > loading);
    controller.abort();
    t.equal(await asked, 'AbortError', what);
    await until(() => sources() === loading);
  }
  t.ok(waiting() >= before);
  hold.releaseAll();
  t.equal((await ask(`${url}/v1/sessions/${busy.id}/batches/0`)).status, 200);
  t.strictSame(
    server.log.filter(
      ({ msg, session, step }) => msg === 'load started' && (session === undefined || step !== 0),
    ),
    [],
    'nothing but the batch was loaded',
  );
});

t.test('a pair is no larger than SLICEFEED_BATCH_BYTES', async (t) => {
  const server = await startTestServer(t, folder, { BATCH_BYTES: '1KiB' });
  await server.ready();
  const { studies } = await getJson<{ studies: { id: string }[] }>(`${server.url}/v1/studies`);
  const study = `${server.url}/v1/studies/${studies[0]!.id}`;
  const { pairs } = await getJson<{ pairs: { slice: string }[] }>(`${study}/pairs`);
  for (const path of [`${study}/pairs/${pairs[0]!.slice}`, `${study}/pairs/${pairs[0]!.slice}/overlay.png`]) {
    const { detail } = await refused(t, path, {}, 422, 'SLF_BATCH_TOO_LARGE');
    t.match(detail, /SLICEFEED_BATCH_BYTES/);
  }
});

t.test('a picture that would be too large is refused with the largest scale', async (t) => {
  const data = temporaryFolder(t);
  const [rows, columns] = [600, 700];
  const image = (number: number) =>
    imageFile(number, { rows, columns, pixels: new Uint16Array(rows * columns).fill(number) });
  const files = {
    'link.csv': linkTable(['A', 'A']),
    [imagePath('A', 1)]: image(1),
    [contourPath('A', 1)]: squareContour(10, 50),
  };
  writeFiles(data, files);
  const { url, ready } = await startTestServer(t, data);
  await ready();
  const overlay = `${url}/v1/studies/A/pairs/1/overlay.png`;
  const told = { field: 'scale', detail: /up to scale 6/ };
  t.match(await refused(t, `${overlay}?scale=8`, {}, 422, 'SLF_PICTURE_TOO_LARGE'), told);
  await refused(t, `${overlay}?scale=7`, {}, 422, 'SLF_PICTURE_TOO_LARGE');
  t.equal((await ask(`${overlay}?scale=6`)).status, 200);
  const sent = await upload(`${url}/v1/masks?format=png&scale=8`, files);
  t.equal(sent.status, 422);
  t.match(JSON.parse(String(sent.body)), { code: 'SLF_PICTURE_TOO_LARGE', ...told });
  t.equal((await upload(`${url}/v1/masks?format=png&scale=8`, heartFiles('B', 1))).status, 200);
});
