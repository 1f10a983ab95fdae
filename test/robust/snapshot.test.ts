import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { pairIdsOf, readBatch, slotOf } from '../fixtures/batch.js';
import { ask, getBody, jsonOf, openSession } from '../fixtures/client.js';
import { refused } from '../fixtures/problem.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

// One pair a batch in the snapshot's order, none kept warm: each answer is loaded when it is asked for.
const SPEC = { batchSize: 1, shuffle: false, prefetch: 0, structures: ['i'] };

/** A service over a study of two pairs. */
async function serve(t: Test): Promise<{ server: TestServer; pathOf: (number: number) => string }> {
  const data = temporaryFolder(t);
  writeFiles(data, {
    'link.csv': linkTable(['A', 'a']),
    [imagePath('A', 1)]: imageFile(1),
    [imagePath('A', 2)]: imageFile(2),
    [contourPath('a', 1)]: squareContour(2, 9),
    [contourPath('a', 2)]: squareContour(3, 9),
  });
  const server = await startTestServer(t, data);
  await server.ready();
  return { server, pathOf: (number) => join(data, imagePath('A', number)) };
}

/** Changes one pixel in place; size and, where asked, the time stay. */
function changePixel(path: string, keepTime = false): void {
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  bytes[bytes.length - 5]! ^= 1;
  writeFileSync(path, bytes);
  if (keepTime) utimesSync(path, atime, mtime);
}

/** Resolves when the pixels of every pair that a session stands on have a checksum. */
async function checksumsKnown({ service }: TestServer): Promise<void> {
  const open = service.db.prepare('SELECT count(*) AS n FROM slice WHERE checksum IS NULL');
  // The service has no event for it.
  while ((open.get() as { n: number }).n > 0) await sleep(5);
}

async function scan(server: TestServer): Promise<unknown> {
  return jsonOf(await ask(`${server.url}/v1/scan`, { method: 'POST' }), 202);
}

t.test('a file that is touched before its first load is the same file', async (t) => {
  const { server, pathOf } = await serve(t);
  const { id } = await openSession(server.url, SPEC);
  await checksumsKnown(server);
  utimesSync(pathOf(2), new Date(0), new Date(0));
  const batch = readBatch(await getBody(`${server.url}/v1/sessions/${id}/batches/1`));
  t.strictSame(pairIdsOf(batch), ['A/2']);
  t.equal(slotOf(batch.tensors.images!, 0).readInt16LE(0), 2);
});

t.test('a file that is changed before its first load is refused', async (t) => {
  const { server, pathOf } = await serve(t);
  const { id } = await openSession(server.url, SPEC);
  await checksumsKnown(server);
  changePixel(pathOf(2));
  const url = `${server.url}/v1/sessions/${id}/batches/1`;
  t.match(await refused(t, url, {}, 409, 'SLF_SOURCE_CHANGED'), { pair: 'A/2', file: imagePath('A', 2) });
  t.equal((await ask(`${server.url}/v1/sessions/${id}/batches/0`)).status, 200, 'the other pair is as ever');
});

t.test('a change that keeps size and time is refused all the same', async (t) => {
  const { server, pathOf } = await serve(t);
  const { id } = await openSession(server.url, SPEC);
  const url = `${server.url}/v1/sessions/${id}/batches/0`;
  await getBody(url);
  changePixel(pathOf(1), true);
  await refused(t, url, {}, 409, 'SLF_SOURCE_CHANGED');
});

t.test('a change back to the old content is no change', async (t) => {
  const { server, pathOf } = await serve(t);
  const { id } = await openSession(server.url, SPEC);
  const url = `${server.url}/v1/sessions/${id}/batches/0`;
  const before = await getBody(url);
  changePixel(pathOf(1));
  await refused(t, url, {}, 409, 'SLF_SOURCE_CHANGED');
  changePixel(pathOf(1));
  t.ok(before.equals(await getBody(url)));
});

t.test('after a scan a new session sees the new file, and the old one never does', async (t) => {
  const { server, pathOf } = await serve(t);
  const old = await openSession(server.url, SPEC);
  const oldUrl = `${server.url}/v1/sessions/${old.id}/batches/0`;
  const before = readBatch(await getBody(oldUrl));
  changePixel(pathOf(1));
  await refused(t, oldUrl, {}, 409, 'SLF_SOURCE_CHANGED');
  t.strictSame(await scan(server), { changed: 1, added: 0, removed: 0 });
  await refused(t, oldUrl, {}, 409, 'SLF_SOURCE_CHANGED');

  const fresh = await openSession(server.url, SPEC);
  t.not(fresh.snapshot, old.snapshot, 'pixels that changed make another snapshot');
  const after = readBatch(await getBody(`${server.url}/v1/sessions/${fresh.id}/batches/0`));
  const [was, is] = [before, after].map((batch) => slotOf(batch.tensors.images!, 0));
  const differing = [...is!.keys()].filter((at) => is![at] !== was![at]);
  t.strictSame(
    differing.map((at) => is![at]! ^ was![at]!),
    [1],
    'the one bit that changed',
  );
  await refused(t, oldUrl, {}, 409, 'SLF_SOURCE_CHANGED');
});

t.test('after a scan of a touched file nothing is new', async (t) => {
  const { server, pathOf } = await serve(t);
  const old = await openSession(server.url, SPEC);
  await checksumsKnown(server);
  utimesSync(pathOf(1), new Date(0), new Date(0));
  t.strictSame(await scan(server), { changed: 0, added: 0, removed: 0 });
  const fresh = await openSession(server.url, SPEC);
  t.equal(fresh.snapshot, old.snapshot);
  const [one, two] = await Promise.all(
    [old, fresh].map(({ id }) => getBody(`${server.url}/v1/sessions/${id}/batches/0`)),
  );
  t.ok(one!.equals(two!));
});
