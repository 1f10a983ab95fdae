import { statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DATABASE_FILE, openDatabase } from '../../src/catalog/schema.js';
import { openSqlite, transact } from '../../src/sqlite.js';
import { temporaryFolder } from '../helper.js';

t.test('a state folder is made for its user alone', async (t) => {
  const folder = join(temporaryFolder(t), 'made', 'here');
  openDatabase(folder).close();
  t.equal(statSync(folder).mode & 0o777, 0o700);
  t.ok(statSync(join(folder, DATABASE_FILE)).size > 0);
});

t.test('what is written is there the next time', async (t) => {
  const folder = temporaryFolder(t);
  const first = openDatabase(folder);
  first
    .prepare("INSERT INTO file (path, guard, kind, series, finding) VALUES ('a', 'b', 'image', '[]', 'c')")
    .run();
  first.close();
  const second = openDatabase(folder);
  t.match(second.prepare('SELECT path FROM file').all(), [{ path: 'a' }]);
  second.close();
});

t.test('a state that a stop left unfinished is gone at the next start', async (t) => {
  const folder = temporaryFolder(t);
  const first = openDatabase(folder);
  const insert = first.prepare(
    "INSERT INTO revision (digest, study, slices, pairs, structures, complete) VALUES (?, 'A', 1, 0, '{}', ?)",
  );
  insert.run('half', 0);
  insert.run('whole', 1);
  first.close();
  const second = openDatabase(folder);
  t.match(second.prepare('SELECT digest FROM revision').all(), [{ digest: 'whole' }]);
  second.close();
});

t.test('a state folder of a later release is refused with a message and left alone', async (t) => {
  const folder = temporaryFolder(t);
  openDatabase(folder).close();
  const raw = openSqlite(join(folder, DATABASE_FILE));
  raw.exec('PRAGMA user_version = 4711');
  raw.close();
  t.throws(() => openDatabase(folder), { message: /written by a later release \(format 4711, .*--state/ });
  const again = openSqlite(join(folder, DATABASE_FILE));
  t.match(again.prepare('PRAGMA user_version').get(), { user_version: 4711 });
  again.close();
});

t.test('a transaction is all or nothing', async (t) => {
  const db = openDatabase(temporaryFolder(t));
  t.teardown(() => db.close());
  const insert = db.prepare(
    "INSERT INTO file (path, guard, kind, series, finding) VALUES (?, '', 'image', '[]', '')",
  );
  t.equal(
    transact(db, () => {
      insert.run('a');
      return 'done';
    }),
    'done',
  );
  t.throws(
    () =>
      transact(db, () => {
        insert.run('b');
        throw new Error('no');
      }),
    { message: 'no' },
  );
  t.match(db.prepare('SELECT path FROM file').all(), [{ path: 'a' }]);
});
