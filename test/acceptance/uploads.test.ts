import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, getBody, getJson, jsonOf, openSession } from '../fixtures/client.js';
import { startCommand } from '../fixtures/command.js';
import { until } from '../fixtures/feed.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import { rawConnection } from '../fixtures/raw-http.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { type Files, upload } from '../fixtures/upload.js';
import { zipFile } from '../fixtures/zip-file.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

/** Three images of a patient, two of them with a contour; `first` tells one patient's pixels from another's. */
function patient(name: string, first = 0): Record<string, string | Uint8Array> {
  const files: Record<string, string | Uint8Array> = { 'link.csv': linkTable([name, `${name}-o`]) };
  for (const number of [1, 2, 3])
    files[imagePath(name, number)] = imageFile(first + number, { patientId: name });
  for (const number of [1, 3]) files[contourPath(`${name}-o`, number)] = squareContour(number, 9);
  return files;
}

interface UploadedBody {
  readonly id: string;
  readonly pairs: number;
  readonly slices: number;
  readonly problems: { code: string; file: string | null }[];
  readonly paired: { slice: string; file: string; structures: string[] }[];
  readonly unpaired: { code: string; file: string | null; detail: string }[];
}

const FOLDER_STUDY = patient('F', 100);

async function startServer(t: Parameters<typeof temporaryFolder>[0], settings = {}): Promise<TestServer> {
  const data = temporaryFolder(t);
  writeFiles(data, FOLDER_STUDY);
  const server = await startTestServer(t, data, settings);
  await server.ready();
  return server;
}

const server = await startServer(t);
const studies = `${server.url}/v1/studies`;

function kept(state = server.config.state): string[] {
  return readdirSync(join(state, 'uploads', 'studies'));
}

async function ids(url = server.url): Promise<string[]> {
  const { studies } = await getJson<{ studies: { id: string }[] }>(`${url}/v1/studies`);
  return studies.map(({ id }) => id);
}

/** Uploads a study for a test and removes it afterwards. */
async function keep(t: Test, files: Files, id: string): Promise<UploadedBody> {
  const answer = await upload(`${studies}?id=${id}`, files);
  t.teardown(() => ask(`${studies}/${id}?force=1`, { method: 'DELETE' }));
  return jsonOf<UploadedBody>(answer, 201);
}

t.test('an upload becomes a study that says what was paired and what was not', async (t) => {
  const files = { ...patient('P'), 'dicoms/P/cut.dcm': 'nothing', 'notes.txt': '1 2' };
  const answer = await upload(`${studies}?id=P`, files);
  t.teardown(() => ask(`${studies}/P`, { method: 'DELETE' }));
  t.equal(answer.headers.get('location'), '/v1/studies/P');
  const body = jsonOf<UploadedBody>(answer, 201);
  t.match(body, { id: 'P', slices: 3, pairs: 2, rows: 16, columns: 16, structures: { i: 2 } });
  t.match(await server.logged(({ msg, study }) => msg === 'study uploaded' && study === 'P'), {
    files: 8,
    slices: 3,
    pairs: 2,
  });
  t.same(body.paired, [
    { slice: '1', file: 'dicoms/P/1.dcm', structures: ['i'] },
    { slice: '3', file: 'dicoms/P/3.dcm', structures: ['i'] },
  ]);
  t.same(body.unpaired.flatMap(({ file }) => file ?? []).sort(), [
    'dicoms/P/2.dcm',
    'dicoms/P/cut.dcm',
    'notes.txt',
  ]);
  t.ok(body.unpaired.every(({ detail }) => detail !== ''));
  const { paired: _, unpaired: __, ...study } = body;
  t.same(await getJson(`${studies}/P`), study, 'it is in the catalogue');
  const { pairs } = await getJson<{ pairs: { file: string }[] }>(`${studies}/P/pairs`);
  t.same(
    pairs.map(({ file }) => file),
    ['dicoms/P/1.dcm', 'dicoms/P/3.dcm'],
    'by the names that were sent',
  );
});

t.test('uploaded studies are in sessions, snapshots and splits like any other', async (t) => {
  await keep(t, patient('P'), 'P');
  const all = await openSession(server.url, { structures: ['i'], batchSize: 4, shuffle: false });
  const batch = readBatch(await getBody(`${server.url}/v1/sessions/${all.id}/batches/0`));
  t.same(pairIdsOf(batch), ['F/1', 'F/3', 'P/1', 'P/3']);
  const parts = await Promise.all(
    [0, 1].map(async (part) => {
      const answer = await ask(`${server.url}/v1/sessions`, {
        method: 'POST',
        body: { split: { of: 2, parts: [part], seed: 1 }, structures: ['i'] },
      });
      return answer.status === 201 ? jsonOf<{ pairs: number }>(answer, 201).pairs : 0;
    }),
  );
  t.equal(parts[0]! + parts[1]!, 4);
  const scanned = await ask(`${server.url}/v1/scan`, { method: 'POST' });
  t.same(jsonOf(scanned, 202), { changed: 0, added: 0, removed: 0 }, 'a scan leaves it where it is');
  t.same(await ids(), ['F', 'P']);
});

t.test('other files beside the images of an upload do not change its study', async (t) => {
  const stack = (uid: string) =>
    Object.fromEntries(
      [30, 10, 20].map((z, at) => [
        `IMG${at}`,
        imageFile(at, {
          patientId: 'D',
          studyUid: uid,
          seriesUid: `${uid}.1`,
          position: [0, 0, z],
          orientation: [1, 0, 0, 0, 1, 0],
        }),
      ]),
    );
  const beside = {
    README: 'Read me first.\n',
    VERSION: '1.2.3\n',
    'autorun.inf': '[autorun]\r\nopen=viewer.exe\r\n',
    'Thumbs.db': Buffer.from('d0cf11e0a1b11ae10000', 'hex'),
    'desktop.ini': Buffer.from('\ufeff[.ShellClassInfo]', 'utf16le'),
    'index.html': '<html></html>',
    'notes.txt': 'The patient held his breath.',
    'results.csv': 'name,value\na,1\n',
  };
  const order = async (id: string) => {
    const { pairs } = await getJson<{ pairs: { file: string }[] }>(
      `${server.url}/v1/studies/${id}/pairs?all=1`,
    );
    return pairs.map(({ file }) => file);
  };
  await keep(t, stack('1.2.1'), 'bare');
  const answer = await keep(t, { ...stack('1.2.2'), ...beside }, 'beside');
  t.same(await order('bare'), ['IMG1', 'IMG2', 'IMG0']);
  t.same(await order('beside'), ['IMG1', 'IMG2', 'IMG0']);
  const told = answer.unpaired.filter(({ code }) => code !== 'NO_CONTOUR');
  t.same(told.map(({ code, file }) => `${code} ${file}`).sort(), [
    'LINK_TABLE results.csv',
    'NOT_A_CONTOUR README',
    'NOT_A_CONTOUR VERSION',
    'NOT_A_CONTOUR autorun.inf',
    'NOT_A_CONTOUR index.html',
    'NOT_A_CONTOUR notes.txt',
    'NOT_DICOM Thumbs.db',
    'NOT_DICOM desktop.ini',
  ]);
  for (const id of ['bare', 'beside']) await ask(`${server.url}/v1/studies/${id}`, { method: 'DELETE' });
});

t.test('the same content again is the same study, in whatever wrapping', async (t) => {
  const first = await upload(studies, patient('Q'));
  const { id } = jsonOf<UploadedBody>(first, 201);
  t.teardown(() => ask(`${studies}/${id}`, { method: 'DELETE' }));
  t.match(id, /^upload-[0-9a-f]{16}$/, 'an id made of the content');
  const entries = Object.entries(patient('Q')).map(([name, content]) => ({ name, content, deflate: true }));
  const again = await upload(studies, { 'q.zip': zipFile(entries.reverse()) });
  t.same(jsonOf(again, 200), jsonOf(first, 201));
  t.equal(kept().length, 1);
  const other = { ...patient('Q'), [imagePath('Q', 2)]: imageFile(77, { patientId: 'Q' }) };
  t.match(checkProblem(t, await upload(`${studies}?id=${id}`, other), 409, 'SLF_STUDY_TAKEN'), {
    field: 'id',
    detail: /\?id=/,
  });
  checkProblem(t, await upload(`${studies}?id=F`, other), 409, 'SLF_STUDY_TAKEN');
  t.equal((await upload(`${studies}?id=F`, FOLDER_STUDY)).status, 200, 'as one of the data folder');
  for (const bad of ['..', 'a/b', 'x'.repeat(65)])
    checkProblem(t, await upload(`${studies}?id=${encodeURIComponent(bad)}`, other), 400, 'SLF_INVALID');
  t.same(await ids(), ['F', id].sort());
});

t.test('an upload is one study of one patient', async (t) => {
  const two = { ...patient('P'), ...patient('R', 50), 'link.csv': linkTable(['P', 'P-o'], ['R', 'R-o']) };
  t.match(checkProblem(t, await upload(studies, two), 422, 'SLF_UPLOAD_STUDY'), { detail: /2 patients/ });
  const patients = { '1.dcm': imageFile(1, { patientId: 'A' }), '2.dcm': imageFile(2, { patientId: 'B' }) };
  checkProblem(t, await upload(studies, patients), 422, 'SLF_UPLOAD_STUDY');
  checkProblem(t, await upload(studies, { 'a.txt': squareContour(1, 2) }), 422, 'SLF_UPLOAD_STUDY');
  checkProblem(t, await upload(studies, { 'a.dcm': 'x' }), 422, 'SLF_UPLOAD_STUDY');
  t.same(kept(), []);
  t.same(await ids(), ['F']);
});

t.test('a study that sessions stand on goes only with them', async (t) => {
  await keep(t, patient('P'), 'P');
  const { id, snapshot } = await openSession(server.url, { studies: ['P'] });
  const problem = await refused(t, `${studies}/P`, { method: 'DELETE' }, 409, 'SLF_STUDY_IN_USE');
  t.match(problem.detail, id);
  const gone = await ask(`${studies}/P?force=1`, { method: 'DELETE' });
  t.equal(gone.status, 204);
  t.equal(gone.body.length, 0);
  await refused(t, `${server.url}/v1/sessions/${id}`, {}, 404, 'SLF_SESSION_UNKNOWN');
  await refused(t, `${studies}/P`, {}, 404, 'SLF_STUDY_UNKNOWN');
  await refused(t, `${studies}/P`, { method: 'DELETE' }, 404, 'SLF_STUDY_UNKNOWN');
  await refused(
    t,
    `${server.url}/v1/sessions`,
    { method: 'POST', body: { snapshot } },
    410,
    'SLF_SNAPSHOT_GONE',
  );
  t.same(kept(), [], 'its files are gone');
  await refused(t, `${studies}/F`, { method: 'DELETE' }, 409, 'SLF_STUDY_IN_FOLDER');
  await keep(t, patient('P', 20), 'P');
  t.equal((await getJson<{ pairs: number }>(`${studies}/P`)).pairs, 2, 'its id is free again');
});

t.test('what lies on disk is named by the service and readable by its user alone', async (t) => {
  await keep(t, patient('P'), 'P');
  const folder = join(server.config.state, 'uploads', 'studies', kept()[0]!);
  t.equal(statSync(folder).mode & 0o777, 0o700);
  const names = readdirSync(folder).sort();
  t.ok(names.every((name) => /^(\d+|manifest\.json)$/.test(name)));
  for (const name of names) t.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
});

t.test('a stop at any moment leaves the whole study or nothing', async (t) => {
  const data = temporaryFolder(t);
  const STATE = temporaryFolder(t);
  const uploads = join(STATE, 'uploads');
  const first = await startTestServer(t, data, { STATE });
  await first.ready();
  jsonOf(await upload(`${first.url}/v1/studies?id=P`, patient('P')), 201);
  jsonOf(await upload(`${first.url}/v1/studies?id=R`, patient('R', 50)), 201);
  const { id } = await openSession(first.url, { studies: ['P'], structures: ['i'] });
  const batch = await getBody(`${first.url}/v1/sessions/${id}/batches/0`);
  const [one] = kept(STATE);
  await first.close();
  // Before the rename: a folder that is half filled. Behind it: a folder that the catalogue does not know.
  mkdirSync(join(uploads, 'incoming', 'half'));
  writeFileSync(join(uploads, 'incoming', 'half', '0'), 'half a file');
  const copy = join(temporaryFolder(t), 'copy');
  cpSync(join(uploads, 'studies'), copy, { recursive: true });
  const second = await startTestServer(t, data, { STATE });
  await second.ready();
  t.same(await ids(second.url), ['P', 'R']);
  t.notOk(existsSync(join(uploads, 'incoming', 'half')));
  t.same(await getBody(`${second.url}/v1/sessions/${id}/batches/0`), batch, 'sessions go on');
  await second.close();
  for (const name of readdirSync(STATE)) if (name.startsWith('slicefeed.db')) rmSync(join(STATE, name));
  const third = await startTestServer(t, data, { STATE });
  await third.ready();
  t.same(await ids(third.url), ['P', 'R'], 'the catalogue is made from the uploads again');
  t.same(pairIdsOf(readBatch(await getBody(`${third.url}/v1/studies/P/pairs/1`))), ['P/1']);
  // A deletion is one rename as well, and the catalogue follows.
  rmSync(join(uploads, 'studies', one!), { recursive: true });
  const scanned = await ask(`${third.url}/v1/scan`, { method: 'POST' });
  t.same(jsonOf(scanned, 202), { changed: 0, added: 0, removed: 1 });
  t.equal((await ids(third.url)).length, 1);
  await third.close();
});

t.test('a service that is killed in the middle of an upload has nothing of it', async (t) => {
  const state = temporaryFolder(t);
  const args = ['serve', '--data', temporaryFolder(t), '--state', state, '--port', '0', '--loaders', '1'];
  const first = startCommand(t, args);
  const firstUrl = await first.serving();
  await until(async () => (await fetch(`${firstUrl}/readyz`)).ok);
  const raw = await rawConnection(t, firstUrl);
  raw.socket.write(
    'POST /v1/studies HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n\r\n' +
      '--b\r\nContent-Disposition: form-data; name="f"; filename="1.dcm"\r\n\r\nthe start of an image',
  );
  const incoming = join(state, 'uploads', 'incoming');
  while (readdirSync(incoming).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  first.kill('SIGKILL');
  await first.ended;
  t.equal(readdirSync(incoming).length, 1, 'what a kill leaves');
  const second = startCommand(t, args);
  const url = await second.serving();
  t.same(readdirSync(incoming), []);
  t.same(await ids(url), []);
  second.kill('SIGTERM');
  await second.ended;
});

t.test('a study that is deleted while the sources are looked at again is no error', async (t) => {
  const server = await startServer(t);
  for (let round = 0; round < 10; round++) {
    const sent = await upload(`${server.url}/v1/studies?id=gone`, patient('G', round));
    t.equal(sent.status, 201);
    const [scanned, deleted] = await Promise.all([
      ask(`${server.url}/v1/scan`, { method: 'POST' }),
      ask(`${server.url}/v1/studies/gone`, { method: 'DELETE' }),
    ]);
    t.strictSame([scanned.status, deleted.status], [202, 204]);
  }
  t.strictSame(
    server.log.filter(({ level }) => (level as number) >= 40),
    [],
  );
});
