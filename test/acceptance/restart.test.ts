import { cpSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const SPEC = { batchSize: 3, seed: 5, epochs: 2, structures: ['i'] };

/** A service that the test may also close itself, before another takes over its state. */
async function serve(t: Test, data: string, state = temporaryFolder(t)): Promise<TestServer> {
  const works: (() => unknown)[] = [];
  const own = { teardown: (work: () => unknown) => works.unshift(work) };
  const close = async () => {
    for (const work of works.splice(0)) await work();
  };
  t.teardown(close);
  const server = await startTestServer(own, data, { STATE: state });
  await server.ready();
  return { ...server, close };
}

async function phantom(t: Test): Promise<string> {
  const folder = join(temporaryFolder(t), 'data');
  await makePhantom(folder, { studies: 2, slices: 2, phases: 3, rows: 32, columns: 32 });
  return folder;
}

t.test('a restart over the same state keeps sessions, cursors and bytes', async (t) => {
  const data = await phantom(t);
  const state = temporaryFolder(t);
  const first = await serve(t, data, state);
  const put = (url: string, body: object) => ask(`${url}/v1/sessions/kept`, { method: 'PUT', body });
  const opened = await put(first.url, SPEC);
  const bodies = [];
  for (let n = 0; n < 2; n++)
    bodies.push(await ask(`${first.url}/v1/sessions/kept/next`, { method: 'POST' }));
  const later = await ask(`${first.url}/v1/sessions/kept/batches/4`);
  await first.close();

  const second = await serve(t, data, state);
  t.match(await getJson(`${second.url}/v1/sessions/kept`), { cursors: [2], delivered: 3 });
  const joined = await put(second.url, SPEC);
  t.equal(joined.status, 200);
  t.ok(joined.body.equals(opened.body), 'the same session');
  t.equal((await put(second.url, { ...SPEC, seed: 6 })).status, 409);
  for (const [step, before] of [...bodies.entries(), [4, later] as const]) {
    const after = await ask(`${second.url}/v1/sessions/kept/batches/${step}`);
    t.ok(after.body.equals(before.body), `step ${step}`);
    t.equal(after.headers.get('etag'), before.headers.get('etag'));
  }
  const next = await ask(`${second.url}/v1/sessions/kept/next`, { method: 'POST' });
  t.equal(next.headers.get('slicefeed-step'), '2', 'the cursor goes on');
  await ask(`${second.url}/v1/sessions/kept`, { method: 'DELETE' });
  await second.close();
  const third = await serve(t, data, state);
  t.equal((await ask(`${third.url}/v1/sessions/kept`)).status, 404, 'what was deleted stays so');
});

t.test('a journal of deliveries with bad lines does not keep the service from starting', async (t) => {
  const data = await phantom(t);
  const state = temporaryFolder(t);
  const first = await serve(t, data, state);
  await ask(`${first.url}/v1/sessions/kept`, { method: 'PUT', body: SPEC });
  await first.close();
  const told = (step: number) => JSON.stringify({ id: 'kept', rank: 0, step, movesCursor: true });
  writeFileSync(join(state, 'deliveries'), `${told(0)}\n\0\0\0\n{"id":"kept","rank":"x"}\n${told(1)}\n`);
  const second = await serve(t, data, state);
  t.match(await getJson(`${second.url}/v1/sessions/kept`), { cursors: [2], delivered: 2 });
  const line = await second.logged(({ msg }) => /set aside/.test(msg));
  t.match(line, { lines: 2 });
  t.equal(readFileSync(join(state, 'deliveries.damaged'), 'utf8'), '\0\0\0\n{"id":"kept","rank":"x"}\n');
});

t.test('a state folder made anew over a copy elsewhere gives the same names and bytes', async (t) => {
  const data = await phantom(t);
  const copy = join(temporaryFolder(t), 'another', 'place');
  cpSync(data, copy, { recursive: true });
  const [one, two] = [await serve(t, data), await serve(t, copy)];
  const [a, b] = [await openSession(one.url, SPEC), await openSession(two.url, SPEC)];
  t.strictSame({ ...a, id: '' }, { ...b, id: '' });
  for (let step = 0; step < (a.steps ?? 0); step++)
    for (const format of ['safetensors', 'npz']) {
      const path = (id: string) => `/v1/sessions/${id}/batches/${step}?format=${format}`;
      const [x, y] = [await ask(one.url + path(a.id)), await ask(two.url + path(b.id))];
      t.equal(x.status, 200);
      t.ok(x.body.equals(y.body), `step ${step}, ${format}`);
      t.equal(x.headers.get('etag'), y.headers.get('etag'));
    }
  const pair = '/v1/studies/PHANTOM002/pairs/4';
  t.ok((await getBody(one.url + pair)).equals(await getBody(two.url + pair)));
});

t.test('a pair’s tag is not used again for other bytes, also by a state folder made anew', async (t) => {
  const data = temporaryFolder(t);
  const files = { 'link.csv': linkTable(['A', 'a']), [imagePath('A', 1)]: imageFile() };
  writeFiles(data, { ...files, [contourPath('a', 1)]: squareContour(2, 9) });
  const pair = '/v1/studies/A/pairs/1';
  const first = await serve(t, data);
  const before = await ask(first.url + pair);
  await first.close();
  writeFiles(data, { [contourPath('a', 1)]: squareContour(3, 12) });
  const second = await serve(t, data);
  const headers = { 'if-none-match': before.headers.get('etag') ?? '' };
  const after = await ask(second.url + pair, { headers });
  t.equal(after.status, 200);
  t.notOk(after.body.equals(before.body));
});

t.test('a scan sees what changed, and open sessions don’t move', async (t) => {
  const data = await phantom(t);
  const server = await serve(t, data);
  const scan = async () => {
    const answer = await ask(`${server.url}/v1/scan`, { method: 'POST' });
    return [answer.status, JSON.parse(answer.body.toString())];
  };
  const before = await openSession(server.url, SPEC);
  const body = await getBody(`${server.url}/v1/sessions/${before.id}/batches/0`);
  t.strictSame(await scan(), [202, { changed: 0, added: 0, removed: 0 }]);
  writeFiles(data, {
    'link.csv': linkTable(['PHANTOM001', 'SF-RING-1'], ['PHANTOM002', 'SF-RING-2'], ['NEW', 'new']),
    [imagePath('NEW', 1)]: imageFile(0, { rows: 32, columns: 32 }),
    [contourPath('new', 1)]: squareContour(2, 9),
    [contourPath('SF-RING-1', 3)]: squareContour(5, 20),
  });
  t.strictSame(await scan(), [202, { changed: 1, added: 1, removed: 0 }]);
  t.match(await getJson(`${server.url}/v1/studies/NEW`), { pairs: 1 });
  t.ok(body.equals(await getBody(`${server.url}/v1/sessions/${before.id}/batches/0`)));
  const after = await openSession(server.url, SPEC);
  t.strictSame([before.pairs, after.pairs], [8, 10]);
  t.not(after.snapshot, before.snapshot);
});

t.test('a source whose content changed is 409, a touched one is not', async (t) => {
  const data = temporaryFolder(t);
  const image = Buffer.from(imageFile(7));
  writeFiles(data, {
    'link.csv': linkTable(['A', 'a']),
    [imagePath('A', 1)]: image,
    [contourPath('a', 1)]: squareContour(2, 9),
  });
  const server = await serve(t, data);
  const { id } = await openSession(server.url, { batchSize: 1 });
  const url = `${server.url}/v1/sessions/${id}/batches/0`;
  const body = await getBody(url);
  utimesSync(join(data, imagePath('A', 1)), new Date(0), new Date(0));
  t.ok(body.equals(await getBody(url)), 'a new time over the same content');
  image[image.length - 5]! ^= 1;
  writeFileSync(join(data, imagePath('A', 1)), image);
  const answer = await ask(url);
  t.equal(answer.status, 409);
  t.match(JSON.parse(answer.body.toString()), {
    code: 'SLF_SOURCE_CHANGED',
    pair: 'A/1',
    file: imagePath('A', 1),
  });
});
