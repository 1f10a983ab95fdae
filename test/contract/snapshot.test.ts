import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readBatch } from '../fixtures/batch.js';
import { ask, jsonOf, type OpenedSession } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { openFeed, until } from '../fixtures/feed.js';
import { type MixedSlice, makeMixedFolder, study } from '../fixtures/mixed-folder.js';
import { refused } from '../fixtures/problem.js';
import { writeFiles } from '../fixtures/study-folder.js';
import { type TestServer, temporaryFolder } from '../helper.js';

const STUDIES = [
  study('A', 'a', 12, 12, 3, { modality: 'MR' }),
  study('B', 'b', 12, 12, 2, { modality: 'MR' }, () => ['i', 'o']),
];
const SPEC = { structures: ['i'], batchSize: 2, seed: 8 };

async function serve(t: Test): Promise<{ server: TestServer; folder: string; slices: MixedSlice[] }> {
  const folder = join(temporaryFolder(t), 'data');
  const slices = makeMixedFolder(folder, STUDIES);
  return { server: await startClosable(t, folder), folder, slices };
}

async function scan({ url }: TestServer): Promise<object> {
  return jsonOf(await ask(`${url}/v1/scan`, { method: 'POST' }), 202);
}

/** Waits until the pixels of every pair that a session stands on were read once. */
async function checksummed({ service: { db } }: TestServer): Promise<void> {
  const unread = db.prepare("SELECT count(*) AS n FROM slice WHERE checksum IS NULL AND structures <> '[]'");
  await until(() => (unread.get() as { n: number }).n === 0);
}

/** Flips a bit of a file's last pixel, or puts the file back. */
function changePixel(path: string): () => void {
  const original = readFileSync(path);
  const changed = Buffer.from(original);
  changed[changed.length - 1]! ^= 1;
  writeFileSync(path, changed);
  return () => writeFileSync(path, original);
}

t.test('a digest reopens exactly its list, whatever has come since', async (t) => {
  const { server, folder } = await serve(t);
  const first = await openFeed(server.url, SPEC);
  t.equal(first.opened.pairs, 5);
  const body = await first.body(1);
  makeMixedFolder(folder, [...STUDIES, study('C', 'c', 12, 12, 4, { modality: 'MR' })]);
  t.strictSame(await scan(server), { changed: 0, added: 1, removed: 0 });
  const present = await openFeed(server.url, SPEC);
  t.equal(present.opened.pairs, 9);
  const { snapshot } = first.opened;
  t.not(present.opened.snapshot, snapshot);
  for (const spec of [
    { ...SPEC, snapshot },
    { batchSize: 2, seed: 8, snapshot },
  ]) {
    const again = await openFeed(server.url, spec);
    t.match(again.opened, { snapshot, pairs: 5, specDigest: first.opened.specDigest, spec: { snapshot } });
    t.ok(body.equals(await again.body(1)), 'the same bytes');
  }
  const other = await openFeed(server.url, {
    ...SPEC,
    snapshot,
    batchSize: 5,
    image: { values: 'windowed' },
  });
  t.strictSame(
    (await other.ids(0)).sort(),
    ['A/1', 'A/2', 'A/3', 'B/1', 'B/2'],
    'another way to look at the same list',
  );
});

t.test('what is no snapshot, or contradicts one, is refused', async (t) => {
  const { server } = await serve(t);
  const { snapshot } = (await openFeed(server.url, SPEC)).opened;
  const refuse = async (body: object, status: number, code: string) =>
    (await refused(t, `${server.url}/v1/sessions`, { method: 'POST', body }, status, code)).field;
  const unknown = `${snapshot.slice(0, 63)}${snapshot.endsWith('0') ? '1' : '0'}`;
  t.equal(await refuse({ snapshot: unknown }, 410, 'SLF_SNAPSHOT_GONE'), 'snapshot');
  t.equal(await refuse({ snapshot: 'latest' }, 400, 'SLF_INVALID'), 'snapshot');
  for (const [field, body] of Object.entries({
    structures: { structures: ['o'] },
    missing: { missing: 'empty' },
    rename: { rename: { i: ['o'] } },
    where: { where: { modality: ['MR'] } },
    studies: { studies: ['A'] },
  }))
    t.equal(await refuse({ ...body, snapshot }, 422, 'SLF_SPEC_CONFLICT'), field);
  await refuse({ excludeStudies: ['A'], snapshot }, 422, 'SLF_SPEC_CONFLICT');
});

t.test('a snapshot is kept while a session names it, and gone when its days are over', async (t) => {
  const folder = join(temporaryFolder(t), 'data');
  makeMixedFolder(folder, STUDIES);
  const server = await startClosable(t, folder, { SNAPSHOT_DAYS: '0' });
  const [one, two] = [
    await openFeed(server.url, SPEC),
    await openFeed(server.url, { ...SPEC, batchSize: 1 }),
  ];
  const { snapshot } = one.opened;
  t.equal(two.opened.snapshot, snapshot);
  makeMixedFolder(folder, [study('A', 'a', 12, 12, 4, { modality: 'MR' }), STUDIES[1]!]);
  await ask(one.url, { method: 'DELETE' });
  await scan(server);
  t.match((await openFeed(server.url, { ...SPEC, snapshot })).opened, { snapshot, pairs: 5 });
  const { sessions } = jsonOf<{ sessions: OpenedSession[] }>(await ask(`${server.url}/v1/sessions`));
  for (const { id } of sessions) await ask(`${server.url}/v1/sessions/${id}`, { method: 'DELETE' });
  await scan(server);
  const options = { method: 'POST', body: { ...SPEC, snapshot } };
  await refused(t, `${server.url}/v1/sessions`, options, 410, 'SLF_SNAPSHOT_GONE');
});

t.test('a touched file is the same file, before its first load and after', async (t) => {
  const { server, folder, slices } = await serve(t);
  const untouched = await openFeed(server.url, SPEC);
  const bodies = [await untouched.body(0), await untouched.body(1), await untouched.body(2)];
  for (const { file } of slices) utimesSync(join(folder, file), new Date(1e12), new Date(1e12));
  for (const [step, body] of bodies.entries())
    t.ok(body.equals(await untouched.body(step)), `after: step ${step}`);
  const other = await serve(t);
  const early = await openFeed(other.server.url, { ...SPEC, prefetch: 0 });
  await checksummed(other.server);
  for (const { file } of slices) utimesSync(join(other.folder, file), new Date(1e12), new Date(1e12));
  for (const [step, body] of bodies.entries())
    t.ok(body.equals(await early.body(step)), `before: step ${step}`);
});

t.test(
  'a file whose content changed is a 409 for the old session, and a new file for the next',
  async (t) => {
    const { server, folder } = await serve(t);
    const spec = { ...SPEC, batchSize: 1, shuffle: false };
    const old = await openFeed(server.url, spec);
    const before = [await old.body(0), await old.body(1)];
    const restore = changePixel(join(folder, 'dicoms/A/2.dcm'));
    const subject = { pair: 'A/2', file: 'dicoms/A/2.dcm' };
    const refuseOld = async () =>
      t.match(await refused(t, `${old.url}/batches/1`, {}, 409, 'SLF_SOURCE_CHANGED'), subject);
    await refuseOld();
    t.ok(before[0]!.equals(await old.body(0)), 'the other steps go on');
    t.strictSame(await scan(server), { changed: 1, added: 0, removed: 0 });
    const fresh = await openFeed(server.url, spec);
    t.not(fresh.opened.snapshot, old.opened.snapshot);
    const { images } = readBatch(await fresh.body(1)).tensors;
    const expected = Buffer.from(readBatch(before[1]!).tensors.images!.bytes);
    expected[expected.length - 1]! ^= 1;
    t.ok(images!.bytes.equals(expected), 'the new session sees the new pixel');
    await refuseOld();
    restore();
    t.ok(before[1]!.equals(await old.body(1)), 'the old content back, the old session goes on');
    t.match(
      await refused(t, `${fresh.url}/batches/1`, {}, 409, 'SLF_SOURCE_CHANGED'),
      subject,
      'and the new one does not',
    );
  },
);

t.test('a file that is gone, cut or of another header is a 409 as well', async (t) => {
  const { server, folder } = await serve(t);
  const feed = await openFeed(server.url, { ...SPEC, batchSize: 1, shuffle: false, prefetch: 0 });
  const path = join(folder, 'dicoms/A/1.dcm');
  const original = readFileSync(path);
  const body = await feed.body(0);
  const header = Buffer.from(original);
  // One digit of a UID in the header, which no pixel depends on.
  header[header.indexOf('2.25.') + 6]! ^= 1;
  for (const content of [original.subarray(0, -40), header, Buffer.alloc(0)]) {
    writeFiles(folder, { 'dicoms/A/1.dcm': content });
    await refused(t, `${feed.url}/batches/0`, {}, 409, 'SLF_SOURCE_CHANGED');
  }
  rmSync(path);
  await refused(t, `${feed.url}/batches/0`, {}, 409, 'SLF_SOURCE_CHANGED');
  writeFiles(folder, { 'dicoms/A/1.dcm': original });
  t.ok(body.equals(await feed.body(0)));
});

t.test('a file that has grown is another content, whatever was put behind its pixels', async (t) => {
  const { server, folder } = await serve(t);
  const feed = await openFeed(server.url, { ...SPEC, batchSize: 1, shuffle: false });
  const original = readFileSync(join(folder, 'dicoms/A/1.dcm'));
  await feed.body(0);
  writeFiles(folder, { 'dicoms/A/1.dcm': Buffer.concat([original, Buffer.alloc(2)]) });
  await refused(t, `${feed.url}/batches/0`, {}, 409, 'SLF_SOURCE_CHANGED');
});
