import t from 'tap';
import { openDatabase } from '../../src/catalog/schema.js';
import { keptSnapshot } from '../../src/catalog/snapshot.js';
import type { SessionId } from '../../src/core/ids.js';
import { resolveSpec } from '../../src/sessions/resolve.js';
import { SessionStore, type StoredSession } from '../../src/sessions/store.js';
import { openCatalogue, scanInto, smallFolder, smallImage, write } from '../catalog/catalogue.js';
import { temporaryFolder } from '../helper.js';

async function open(t: Parameters<typeof smallFolder>[0]) {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const store = new SessionStore(db);
  const session = (id: string): StoredSession => ({
    id: id as SessionId,
    request: '{}',
    ...resolveSpec(db, {}),
    bytesVersion: '1',
  });
  return { root, db, store, session };
}

function delivered(epoch: number, rank: number, step: number, movesCursor = true) {
  return { epoch, rank, step, movesCursor };
}

t.test('a session comes back as it was put', async (t) => {
  const { db, store, session } = await open(t);
  const put = session('one');
  store.put(put);
  t.strictSame(store.get('one'), put);
  t.strictSame(new SessionStore(db).get('one'), put);
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
  store.delivered(id, delivered(0, 1, 0));
  store.delivered(id, delivered(0, 1, 1));
  store.delivered(id, delivered(0, 0, 5, false));
  t.strictSame(store.cursors(id, 3), [0, 2, 0]);
});

t.test('what was delivered is counted once, for each epoch and rank', async (t) => {
  const { db, store, session } = await open(t);
  const { id } = session('one');
  store.put(session(id));
  for (const at of [
    delivered(0, 0, 0),
    delivered(0, 0, 1, false),
    delivered(0, 0, 1),
    delivered(0, 1, 0),
    delivered(1, 0, 4),
  ])
    store.delivered(id, at);
  t.strictSame(store.deliveredSteps(id, 0, 0), [[0, 2]]);
  t.strictSame(store.deliveredSteps(id, 0, 1), [[0, 1]]);
  t.strictSame(store.deliveredSteps(id, 1, 0), [[4, 5]]);
  t.strictSame(store.deliveredSteps(id, 1, 1), []);
  t.equal(store.deliveredCount(id), 4);
  t.equal(new SessionStore(db).deliveredCount(id), 4);
});

t.test(
  'a session that is deleted takes its records with it; a body still on the way brings none back',
  async (t) => {
    const { store, session } = await open(t);
    const { id } = session('one');
    store.put(session(id));
    store.delivered(id, delivered(0, 0, 0));
    store.delete(id);
    t.equal(store.get(id), null);
    store.delivered(id, delivered(0, 0, 1));
    t.equal(store.deliveredCount(id), 0);
    store.put(session(id));
    t.strictSame(store.cursors(id, 1), [0]);
    t.strictSame(store.deliveredSteps(id, 0, 0), []);
    store.delivered(id, delivered(0, 0, 7));
    t.strictSame(store.deliveredSteps(id, 0, 0), [[7, 8]]);
  },
);

t.test('a session stands on its snapshot, whatever is scanned later', async (t) => {
  const { root, db, store, session } = await open(t);
  const put = session('one');
  store.put(put);
  write(root, 'dicoms/A/1.dcm', smallImage(1, 'other'));
  await scanInto(db, root);
  t.not(session('two').snapshot.digest, put.snapshot.digest);
  t.strictSame(new SessionStore(db).get('one')?.snapshot, put.snapshot);
});

t.test('sessions outlive the process that opened them', async (t) => {
  const state = temporaryFolder(t);
  const root = smallFolder(t);
  const first = openDatabase(state);
  await scanInto(first, root);
  const put = { id: 'one' as SessionId, request: '{}', ...resolveSpec(first, {}), bytesVersion: '1' };
  const store = new SessionStore(first);
  store.put(put);
  store.delivered(put.id, delivered(0, 0, 0));
  first.close();
  const second = openDatabase(state);
  t.teardown(() => second.close());
  const again = new SessionStore(second);
  t.strictSame(again.get('one'), put);
  t.strictSame(again.cursors(put.id, 1), [1]);
});
