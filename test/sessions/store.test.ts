import t from 'tap';
import { openDatabase } from '../../src/catalog/schema.js';
import { keptSnapshot } from '../../src/catalog/snapshot.js';
import type { SessionId } from '../../src/core/ids.js';
import { resolveSpec } from '../../src/sessions/resolve.js';
import { type Delivered, SessionStore, type StoredSession } from '../../src/sessions/store.js';
import { openCatalogue, scanInto, smallFolder, smallImage, write } from '../catalog/catalogue.js';
import { journalOf } from '../fixtures/delivery-journal.js';
import { until } from '../fixtures/feed.js';
import { temporaryFolder } from '../helper.js';

async function open(t: Parameters<typeof smallFolder>[0]) {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const state = temporaryFolder(t);
  const store = new SessionStore(db, journalOf(t, state));
  /** The store of a process that comes after one that was killed. */
  const next = () => new SessionStore(db, journalOf(t, state));
  const session = (id: string): StoredSession => ({
    id: id as SessionId,
    request: '{}',
    ...resolveSpec(db, {}),
    bytesVersion: '1',
  });
  return { root, db, state, store, next, session };
}

function delivered(id: SessionId, epoch: number, rank: number, step: number, movesCursor = true): Delivered {
  return { id, epoch, rank, step, movesCursor };
}

t.test('a session comes back as it was put', async (t) => {
  const { db, store, next, session } = await open(t);
  const put = session('one');
  store.put(put);
  t.strictSame(store.get('one'), put);
  t.strictSame(next().get('one'), put);
  t.equal(store.get('other'), null);
  t.equal(keptSnapshot(db, put.snapshot.digest)?.digest, put.snapshot.digest);
});

t.test('a name is taken once, and a failed put leaves nothing', async (t) => {
  const { store, session } = await open(t);
  store.put(session('one'));
  t.throws(() => store.put({ ...session('one'), request: '{"batchSize":9}' }));
  t.equal(store.get('one')?.request, '{}');
});

t.test('names come in order, page by page', async (t) => {
  const { store, session } = await open(t);
  for (const id of ['b', 'c', 'a']) store.put(session(id));
  t.strictSame(store.ids('', 10), ['a', 'b', 'c']);
  t.strictSame(store.ids('a', 1), ['b']);
  t.strictSame(store.ids('c', 1), []);
});

t.test('a cursor stands behind what was sent last, for each rank', async (t) => {
  const { store, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  t.strictSame(store.cursors(id, 3), [0, 0, 0]);
  store.delivered(delivered(id, 0, 1, 0));
  store.delivered(delivered(id, 0, 1, 1));
  store.delivered(delivered(id, 0, 0, 5, false));
  t.strictSame(store.cursors(id, 3), [0, 2, 0]);
});

t.test('what was delivered is counted once, for each epoch and rank', async (t) => {
  const { store, next, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  for (const at of [
    delivered(id, 0, 0, 0),
    delivered(id, 0, 0, 1, false),
    delivered(id, 0, 0, 1),
    delivered(id, 0, 1, 0),
    delivered(id, 1, 0, 4),
  ])
    store.delivered(at);
  t.strictSame(store.deliveredSteps(id, 0, 0), [[0, 2]]);
  t.strictSame(store.deliveredSteps(id, 0, 1), [[0, 1]]);
  t.strictSame(store.deliveredSteps(id, 1, 0), [[4, 5]]);
  t.strictSame(store.deliveredSteps(id, 1, 1), []);
  t.equal(store.deliveredCount(id), 4);
  t.equal(next().deliveredCount(id), 4);
});

t.test(
  'a session that is deleted takes its records with it; a body still on the way brings none back',
  async (t) => {
    const { store, session } = await open(t);
    const { id } = session('one');
    store.put(session(id));
    store.delivered(delivered(id, 0, 0, 0));
    store.delete(id);
    t.equal(store.get(id), null);
    store.delivered(delivered(id, 0, 0, 1));
    t.equal(store.deliveredCount(id), 0);
    store.put(session(id));
    t.strictSame(store.cursors(id, 1), [0]);
    t.strictSame(store.deliveredSteps(id, 0, 0), []);
    store.delivered(delivered(id, 0, 0, 7));
    t.strictSame(store.deliveredSteps(id, 0, 0), [[7, 8]]);
  },
);

t.test('a session stands on its snapshot, whatever is scanned later', async (t) => {
  const { root, db, store, next, session } = await open(t);
  const put = session('one');
  store.put(put);
  write(root, 'dicoms/A/1.dcm', smallImage(1, 'other'));
  await scanInto(db, root);
  t.not(session('two').snapshot.digest, put.snapshot.digest);
  t.strictSame(next().get('one')?.snapshot, put.snapshot);
});

t.test('sessions outlive the process that opened them', async (t) => {
  const state = temporaryFolder(t);
  const root = smallFolder(t);
  const first = openDatabase(state);
  await scanInto(first, root);
  const put = { id: 'one' as SessionId, request: '{}', ...resolveSpec(first, {}), bytesVersion: '1' };
  const store = new SessionStore(first, journalOf(t, state));
  store.put(put);
  store.delivered(delivered(put.id, 0, 0, 0));
  first.close();
  const second = openDatabase(state);
  t.teardown(() => second.close());
  const again = new SessionStore(second, journalOf(t, state));
  t.strictSame(again.get('one'), put);
  t.strictSame(again.cursors(put.id, 1), [1]);
});

t.test('deliveries survive a kill before they are settled', async (t) => {
  const { store, next, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  for (const step of [0, 1, 2]) store.delivered(delivered(id, 0, 1, step));
  store.delivered(delivered(id, 0, 0, 9, false));
  const after = next();
  t.strictSame(after.deliveredSteps(id, 0, 1), [[0, 3]]);
  t.strictSame(after.deliveredSteps(id, 0, 0), [[9, 10]]);
  t.strictSame(after.cursors(id, 2), [0, 3]);
});

t.test('a kill between settling and forgetting tells a delivery twice, which is the same', async (t) => {
  const { db, state, store, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  const told = [delivered(id, 0, 0, 3), delivered(id, 0, 0, 1)];
  for (const each of told) store.delivered(each);
  t.strictSame(store.cursors(id, 1), [2], 'settled');
  const journal = journalOf(t, state);
  t.strictSame(journal.read(), [], 'and forgotten');
  for (const each of told) journal.append(each);
  const after = new SessionStore(db, journalOf(t, state));
  t.strictSame(after.deliveredSteps(id, 0, 0), [
    [1, 2],
    [3, 4],
  ]);
  t.strictSame(after.cursors(id, 1), [2]);
});

t.test('what an ended session delivered is not that of the next one of its name', async (t) => {
  const { store, next, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  store.delivered(delivered(id, 0, 0, 0));
  store.delete(id);
  store.delivered(delivered(id, 0, 0, 1));
  store.put(session(id));
  t.strictSame(store.deliveredSteps(id, 0, 0), []);
  t.strictSame(next().deliveredSteps(id, 0, 0), []);
});

t.test('deliveries are settled soon by themselves', async (t) => {
  const { db, store, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  store.delivered(delivered(id, 0, 0, 0));
  const rows = () => db.prepare('SELECT rank, steps FROM delivery').all();
  t.strictSame(rows(), []);
  // The timer keeps no process alive: something else has to.
  const alive = setInterval(() => {}, 1000);
  await until(() => rows().length > 0);
  clearInterval(alive);
  t.match(rows(), [{ rank: 0, steps: '[[0,1]]' }]);
});

t.test('where the database fails, deliveries stay in the journal and the next one is told', async (t) => {
  const { db, state, store, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  store.delivered(delivered(id, 0, 0, 0));
  db.exec('ALTER TABLE delivery RENAME TO away');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.throws(() => store.delivered(delivered(id, 0, 0, 1)), /delivery/);
  t.strictSame(journalOf(t, state).read(), [delivered(id, 0, 0, 0)]);
  db.exec('ALTER TABLE away RENAME TO delivery');
  store.delivered(delivered(id, 0, 0, 1));
  t.strictSame(store.deliveredSteps(id, 0, 0), [[0, 2]]);
});
