import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FORMAT } from '../../src/catalog/migrations.js';
import { DATABASE_FILE, openDatabase } from '../../src/catalog/schema.js';
import { type Database, openSqlite } from '../../src/sqlite.js';
import { ask, getJson, jsonOf, openSession } from '../fixtures/client.js';
import { heartFiles } from '../fixtures/heart-folder.js';
import { writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const FORMATS = new URL('../../../test/fixtures/state-formats/', import.meta.url);

/** Writes the database of a released format into a state folder. */
function layState(folder: string, format: number): void {
  const db = openSqlite(join(folder, DATABASE_FILE));
  db.exec(readFileSync(new URL(`${format}/slicefeed.sql`, FORMATS), 'utf8'));
  db.close();
}

/** Puts the files of the uploaded study back where the catalogue of format 8 had them. */
function layUpload(state: string): void {
  const text = readFileSync(new URL('8/manifest.json', FORMATS), 'utf8');
  const folder = join(state, 'uploads', 'studies', '27084077049716b4');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, 'manifest.json'), text);
  const files = heartFiles('B', 2);
  for (const { number, name } of JSON.parse(text).files as { number: number; name: string }[])
    writeFileSync(join(folder, String(number)), files[name]!);
}

/** Tables with their columns: name, type, whether NULL is refused, place in the primary key. */
function columnsOf(db: Database): Record<string, unknown> {
  const tables = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    .all() as { name: string }[];
  return Object.fromEntries(
    tables.map(({ name }) => [
      name,
      db.prepare('SELECT name, type, "notnull", pk FROM pragma_table_info(?) ORDER BY name').all(name),
    ]),
  );
}

for (const format of [8])
  t.test(`a database of format ${format} gets the tables of the present format`, async (t) => {
    const state = temporaryFolder(t);
    layState(state, format);
    const migrated = openDatabase(state);
    t.teardown(() => migrated.close());
    const fresh = openDatabase(temporaryFolder(t));
    t.teardown(() => fresh.close());
    t.match(migrated.prepare('PRAGMA user_version').get(), { user_version: FORMAT });
    t.strictSame(columnsOf(migrated), columnsOf(fresh));
    t.strictSame(migrated.prepare('PRAGMA foreign_key_check').all(), []);
  });

t.test('the database as it was stays beside the migrated one, for its user alone', async (t) => {
  const state = temporaryFolder(t);
  layState(state, 8);
  openDatabase(state).close();
  const path = join(state, `${DATABASE_FILE}.format-8`);
  t.equal(statSync(path).mode & 0o777, 0o600);
  const before = openSqlite(path);
  t.teardown(() => before.close());
  t.match(before.prepare('PRAGMA user_version').get(), { user_version: 8 });
  t.match(before.prepare('SELECT count(*) AS files FROM file').get(), { files: 12 });
});

t.test('a step that fails leaves the database as it was', async (t) => {
  const state = temporaryFolder(t);
  layState(state, 8);
  const path = join(state, DATABASE_FILE);
  const spoiled = openSqlite(path);
  spoiled.exec('DROP TABLE upload');
  spoiled.close();
  copyFileSync(path, join(state, 'copy'));
  t.throws(() => openDatabase(state), { message: /no such table/ });
  const after = openSqlite(path);
  t.teardown(() => after.close());
  t.match(after.prepare('PRAGMA user_version').get(), { user_version: 8 });
  t.match(after.prepare('SELECT count(*) AS files FROM file').get(), { files: 12 });
});

t.test('a format that no release wrote is refused with a message', async (t) => {
  const state = temporaryFolder(t);
  const raw = openSqlite(join(state, DATABASE_FILE));
  raw.exec('PRAGMA user_version = 3');
  raw.close();
  t.throws(() => openDatabase(state), { message: /of format 3, which no release wrote: .*--state/ });
});

t.test(
  'a service over a state folder of format 8 has its sessions and reads its studies again',
  async (t) => {
    const data = temporaryFolder(t);
    const state = temporaryFolder(t);
    writeFiles(data, heartFiles('A', 4));
    layState(state, 8);
    layUpload(state);
    const server = await startTestServer(t, data, { STATE: state });
    await server.ready();
    const { studies } = await getJson(`${server.url}/v1/studies`);
    t.match(studies, [
      { id: 'A', slices: 4, pairs: 4, structures: { i: 4, o: 3 } },
      { id: 'sent', slices: 2, pairs: 2, structures: { i: 2, o: 2 } },
    ]);
    t.match(await getJson(`${server.url}/v1/sessions/run`), {
      bytesVersion: '1',
      pairs: 6,
      cursors: [2],
      delivered: 3,
    });
    t.match(await getJson(`${server.url}/v1/sessions/run/audit?epoch=0`), {
      delivered: 4,
      missing: { count: 2, pairs: ['A/2', 'sent/2'] },
    });
    t.match(await getJson(`${server.url}/v1/sessions/masked/audit?epoch=0`), {
      delivered: 4,
      masked: { count: 4, pairs: ['A/1', 'A/2', 'A/3', 'A/4'] },
    });
    const batch = await ask(`${server.url}/v1/sessions/run/batches/0`);
    t.match(jsonOf(batch, 410), { code: 'SLF_BYTES_VERSION', detail: /DELETE/ });
    const { snapshot } = (await getJson(`${server.url}/v1/sessions/run`)) as { snapshot: string };
    const reopened = await ask(`${server.url}/v1/sessions`, { method: 'POST', body: { snapshot } });
    t.match(jsonOf(reopened, 410), { code: 'SLF_BYTES_VERSION', field: 'snapshot' });
    const opened = await openSession(server.url, { structures: ['i'], batchSize: 2 });
    t.match(opened, { pairs: 6, bytesVersion: '2' });
  },
);
