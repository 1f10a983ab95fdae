import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backUp } from '../../src/backup/backup.js';
import { restore } from '../../src/backup/restore.js';
import { guardOf } from '../../src/core/guard.js';
import { closeSqlite, openSqlite } from '../../src/sqlite.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { runCommand, startCommand } from '../fixtures/command.js';
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

const FOLDER = {
  'link.csv': linkTable(['F', 'f']),
  [imagePath('F', 1)]: imageFile(1),
  [contourPath('f', 1)]: squareContour(2, 9),
};
const SPEC = { batchSize: 1, structures: ['i'], epochs: 400, shuffle: false };

function study(name: string, first: number): Record<string, string | Uint8Array> {
  return {
    'link.csv': linkTable([name, 'o']),
    [imagePath(name, 1)]: imageFile(first, { patientId: name }),
    [imagePath(name, 2)]: imageFile(first + 1, { patientId: name }),
    [contourPath('o', 1)]: squareContour(3, 9),
    [contourPath('o', 2)]: squareContour(4, 9),
  };
}

const data = temporaryFolder(t);
writeFiles(data, FOLDER);
const folder = join(temporaryFolder(t), 'backup');

/**
 * The answers of a service, with one pair in its folder and two uploaded studies of two pairs each, while it
 * was backed up.
 */
async function backUpWhileSending() {
  const server = await startTestServer(t, data);
  await server.ready();
  for (const [name, first] of [
    ['U1', 10],
    ['U2', 20],
  ] as const) {
    const answer = await upload(`${server.url}/v1/studies?id=${name}`, study(name, first));
    if (answer.status !== 201) throw new Error(`${answer.body}`);
  }
  const session = await openSession(server.url, SPEC);
  const bodies: Buffer[] = [];
  for (let step = 0; step < 5; step++) bodies.push(await getBody(batch(server.url, session.id, step)));
  const command = startCommand(t, ['backup', folder, '--state', server.config.state]);
  let isMade = false;
  void command.ended.then(() => {
    isMade = true;
  });
  let sent = 0;
  for (; !isMade && sent < 2000; sent++)
    await ask(`${server.url}/v1/sessions/${session.id}/next`, { method: 'POST' });
  await ask(`${server.url}/v1/studies/U2?force=1`, { method: 'DELETE' });
  return { server, session, bodies, sent, end: await command.ended };
}

function batch(url: string, session: string, step: number): string {
  return `${url}/v1/sessions/${session}/batches/${step}`;
}

const { server, session, bodies, sent, end } = await backUpWhileSending();

t.test('a backup of a service that goes on sending is one moment of it', async (t) => {
  t.equal(end.code, 0, end.stderr);
  t.match(end.stdout, / is a backup of .* sessions: 1, uploaded studies: 2 \(/);
  t.same(readdirSync(folder).sort(), ['backup.json', 'deliveries', 'slicefeed.db', 'uploads']);
  const state = join(temporaryFolder(t), 'restored');
  const restored = await runCommand(t, ['restore', folder, '--state', state]);
  t.equal(restored.code, 0, restored.stderr);
  t.same(readdirSync(state).sort(), ['deliveries', 'lock', 'slicefeed.db', 'uploads']);
  for (const name of readdirSync(state)) t.equal(statSync(join(state, name)).mode & 0o077, 0, name);
  const guards = guardsOfUploads(state);
  t.equal(guards.length, 4);
  for (const [known, path] of guards) t.equal(known, guardOf(statSync(path, { bigint: true })));

  const second = await startTestServer(t, data, { STATE: state });
  await second.ready();
  const { studies } = await getJson<{ studies: { id: string; pairs: number }[] }>(`${second.url}/v1/studies`);
  t.same(
    studies.map((each) => `${each.id} ${each.pairs}`),
    ['F 1', 'U1 2', 'U2 2'],
  );
  const { cursors } = await getJson<{ cursors: [number] }>(`${second.url}/v1/sessions/${session.id}`);
  t.ok(cursors[0] <= sent, `${cursors[0]} of ${sent}`);
  const audit = (epoch: number) =>
    getJson<{ delivered: number }>(`${second.url}/v1/sessions/${session.id}/audit?epoch=${epoch}`);
  const epochs = Math.floor(cursors[0] / 5);
  // Epoch 0 was read by steps as well. Of the other epochs the backup has all steps before the cursor and
  // none after it.
  for (let epoch = 1; epoch < epochs; epoch++) t.equal((await audit(epoch)).delivered, 5, `epoch ${epoch}`);
  if (epochs > 0) t.equal((await audit(epochs)).delivered, cursors[0] % 5, 'the epoch of the cursor');
  t.equal((await audit(epochs + 1)).delivered, 0, 'the epoch behind the cursor');
  for (const [step, body] of bodies.entries())
    t.ok((await getBody(batch(second.url, session.id, step))).equals(body), `step ${step}`);
});

/** The guards that a state folder has for the files of uploads, and the places of these files. */
function guardsOfUploads(state: string): (readonly [guard: string, path: string])[] {
  const db = openSqlite(join(state, 'slicefeed.db'));
  const rows = db.prepare("SELECT path, guard FROM slice WHERE path LIKE '/%'").all();
  closeSqlite(db);
  return (rows as { path: string; guard: string }[]).map(({ path, guard }) => {
    const [, key = '', number = ''] = path.split('/');
    return [guard, join(state, 'uploads/studies', key, number)];
  });
}

t.test('a backup goes to a folder that is not there yet, of a state that is', async (t) => {
  await t.rejects(backUp(server.config.state, folder), /is there already/);
  const none = join(temporaryFolder(t), 'none');
  await t.rejects(backUp(temporaryFolder(t), none), /there is no state in/);
  t.notOk(existsSync(none));
  t.match(await runCommand(t, ['backup', none]), { code: 2, stderr: /--state/ });
});

t.test('a restore refuses a state folder that is not empty and leaves it as it is', async (t) => {
  await t.rejects(restore(folder, server.config.state), /another slicefeed uses/);
  const used = temporaryFolder(t);
  writeFileSync(join(used, 'slicefeed.db'), '');
  await t.rejects(restore(folder, used), /is not empty \(slicefeed\.db\)/);
  const unfinished = copyOfBackup(t);
  rmSync(join(unfinished, 'backup.json'));
  await t.rejects(restore(unfinished, temporaryFolder(t)), /not finished/);
  const torn = copyOfBackup(t);
  writeFileSync(join(torn, 'slicefeed.db'), 'no database at all, but long enough for one'.repeat(100));
  const empty = temporaryFolder(t);
  await t.rejects(restore(torn, empty), /database/);
  t.same(readdirSync(empty), ['lock'], 'nothing of it is left');
});

t.test(
  'a restored upload file that differs from the one sent is reported, and only its study is refused',
  async (t) => {
    const bad = copyOfBackup(t);
    const uploads = join(bad, 'uploads/studies');
    const key = readdirSync(uploads).find((name) =>
      readFileSync(join(uploads, name, 'manifest.json'), 'utf8').includes('"study":"U1"'),
    );
    const file = imageFile(10, { patientId: 'U1' });
    file[file.length - 1]! ^= 1;
    writeFileSync(join(uploads, key!, '1'), file);
    const state = temporaryFolder(t);
    // The remains of a restore that was killed.
    mkdirSync(join(state, 'restore.part', 'uploads'), { recursive: true });
    const { damaged, uploadedStudies } = await restore(bad, state);
    t.same([damaged, uploadedStudies], [['U1'], 2]);
    const second = await startTestServer(t, data, { STATE: state });
    await second.ready();
    const statuses = [];
    for (let step = 0; step < 5; step++)
      statuses.push((await ask(batch(second.url, session.id, step))).status);
    t.same(statuses.sort(), [200, 200, 200, 200, 409]);
  },
);

function copyOfBackup(t: Test): string {
  const copy = join(temporaryFolder(t), 'copy');
  cpSync(folder, copy, { recursive: true });
  return copy;
}
