import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { pruneRevisions, pruneSnapshots } from '../../src/catalog/prune.js';
import { openDatabase } from '../../src/catalog/schema.js';
import { keptSnapshot } from '../../src/catalog/snapshot.js';
import type { SessionId } from '../../src/core/ids.js';
import { resolveSpec } from '../../src/sessions/resolve.js';
import { specDigest } from '../../src/sessions/spec.js';
import {
  type Delivered,
  newIncarnation,
  SessionStore,
  type StoredSession,
} from '../../src/sessions/store.js';
import { Verdicts } from '../../src/sessions/verdicts.js';
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
    incarnation: newIncarnation(),
    id: id as SessionId,
    request: 'digest',
    ...resolveSpec(db, {}),
    bytesVersion: '1',
    owner: null,
  });
  return { root, db, state, store, next, session };
}

function delivered(
  { incarnation }: StoredSession,
  rank: number,
  step: number,
  movesCursor = true,
): Delivered {
  return { incarnation, rank, step, movesCursor };
}

/** Returns those of the first twenty steps that a rank received whole. */
function stepsOf(store: SessionStore, { incarnation }: StoredSession, rank: number): number[] {
  const wasDelivered = store.deliveredIn(incarnation, 0, 20);
  return [...Array(20).keys()].filter((step) => wasDelivered(rank, step));
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
  t.throws(() => store.put({ ...session('one'), request: 'another' }));
  t.equal(store.get('one')?.request, 'digest');
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
  const one = session('one');
  store.put(one);
  t.strictSame(store.cursors(one.incarnation, 3), [0, 0, 0]);
  store.delivered(delivered(one, 1, 0));
  store.delivered(delivered(one, 1, 1));
  store.delivered(delivered(one, 0, 5, false));
  t.strictSame(store.cursors(one.incarnation, 3), [0, 2, 0]);
});

t.test('each delivered step of a rank is counted once', async (t) => {
  const { store, next, session } = await open(t);
  const one = session('one');
  store.put(one);
  for (const at of [
    delivered(one, 0, 0),
    delivered(one, 0, 1, false),
    delivered(one, 0, 1),
    delivered(one, 1, 0),
    delivered(one, 0, 4),
    delivered(one, 0, 2047),
    delivered(one, 0, 2048),
    delivered(one, 0, 2 ** 53 - 2),
  ])
    store.delivered(at);
  t.strictSame(stepsOf(store, one, 0), [0, 1, 4]);
  t.strictSame(stepsOf(store, one, 1), [0]);
  const wasDelivered = store.deliveredIn(one.incarnation, 2040, 2060);
  t.strictSame(
    [2046, 2047, 2048, 2049].map((step) => wasDelivered(0, step)),
    [false, true, true, false],
  );
  t.ok(store.deliveredIn(one.incarnation, 2 ** 53 - 10, 2 ** 53 - 1)(0, 2 ** 53 - 2));
  t.equal(store.deliveredCount(one.incarnation), 7);
  t.equal(next().deliveredCount(one.incarnation), 7);
});

t.test('records of a session with gaps are no larger than those of one without', async (t) => {
  const { db, store, session } = await open(t);
  const one = session('one');
  store.put(one);
  for (let step = 0; step < 20_000; step += 2) store.delivered(delivered(one, 0, step));
  t.equal(store.deliveredCount(one.incarnation), 10_000);
  t.match(db.prepare('SELECT count(*) AS rows, max(length(steps)) AS bytes FROM delivery').get(), {
    rows: 10,
    bytes: 256,
  });
});

t.test(
  'a session that is deleted takes its records with it; a body still on the way brings none back',
  async (t) => {
    const { store, session } = await open(t);
    const one = session('one');
    store.put(one);
    store.delivered(delivered(one, 0, 0));
    store.delete(one.id);
    t.equal(store.get('one'), null);
    store.delivered(delivered(one, 0, 1));
    t.equal(store.deliveredCount(one.incarnation), 0);
  },
);

t.test('what a session masked was in use until the session is deleted', async (t) => {
  const { db, store, session } = await open(t);
  const one = session('one');
  store.put(one);
  const { digest } = one.snapshot;
  for (const spec of [specDigest(one.spec), 'other'])
    new Verdicts(db).give({ snapshot: digest, specDigest: spec, rank: 0, step: 0 }, []);
  db.exec('UPDATE answered SET used_at = 0');
  store.delete(one.id);
  const used = db.prepare('SELECT spec_digest FROM answered WHERE used_at > 0').all();
  t.strictSame(
    used.map((row) => ({ ...row })),
    [{ spec_digest: specDigest(one.spec) }],
  );
});

t.test('a snapshot that was let go and is kept again is read anew', async (t) => {
  const { db, root, store, session } = await open(t);
  const first = session('one');
  store.put(first);
  t.strictSame(store.get('one'), first);
  store.delete(first.id);
  write(root, 'dicoms/A/1.dcm', smallImage(1, 'other'));
  await scanInto(db, root);
  await pruneSnapshots(db, { days: 0, nowMs: Date.now() + 1 });
  await pruneRevisions(db);
  write(root, 'dicoms/A/1.dcm', smallImage(1, 'A1'));
  await scanInto(db, root);
  const again = session('one');
  t.equal(again.snapshot.digest, first.snapshot.digest);
  t.not(again.snapshot.studies[0]!.revision, first.snapshot.studies[0]!.revision);
  store.put(again);
  t.strictSame(store.get('one'), again);
});

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
  const put: StoredSession = {
    incarnation: newIncarnation(),
    id: 'one' as SessionId,
    request: 'digest',
    ...resolveSpec(first, {}),
    bytesVersion: '1',
    owner: 'somebody',
  };
  const store = new SessionStore(first, journalOf(t, state));
  store.put(put);
  store.delivered(delivered(put, 0, 0));
  first.close();
  const second = openDatabase(state);
  t.teardown(() => second.close());
  const again = new SessionStore(second, journalOf(t, state));
  t.strictSame(again.get('one'), put);
  t.strictSame(again.cursors(put.incarnation, 1), [1]);
});

t.test('deliveries survive a kill before they are settled', async (t) => {
  const { store, next, session } = await open(t);
  const one = session('one');
  store.put(one);
  for (const step of [0, 1, 2]) store.delivered(delivered(one, 1, step));
  store.delivered(delivered(one, 0, 9, false));
  const after = next();
  t.strictSame(stepsOf(after, one, 1), [0, 1, 2]);
  t.strictSame(stepsOf(after, one, 0), [9]);
  t.strictSame(after.cursors(one.incarnation, 2), [0, 3]);
});

t.test('a kill between settling and forgetting tells a delivery twice, which is the same', async (t) => {
  const { db, state, store, session } = await open(t);
  const one = session('one');
  store.put(one);
  const told = [delivered(one, 0, 3), delivered(one, 0, 1)];
  for (const each of told) store.delivered(each);
  t.strictSame(store.cursors(one.incarnation, 1), [2], 'settled');
  const journal = journalOf(t, state);
  t.strictSame(journal.read(), [], 'and forgotten');
  for (const each of told) journal.append(each);
  const after = new SessionStore(db, journalOf(t, state));
  t.strictSame(stepsOf(after, one, 0), [1, 3]);
  t.strictSame(after.cursors(one.incarnation, 1), [2]);
});

t.test('deliveries of an ended session never count for the next session of its name', async (t) => {
  const { state, store, next, session } = await open(t);
  const one = session('one');
  store.put(one);
  store.delivered(delivered(one, 0, 0));
  store.delete(one.id);
  store.delivered(delivered(one, 0, 1));
  const second = session('one');
  store.put(second);
  t.strictSame(stepsOf(store, second, 0), []);
  store.delivered(delivered(one, 0, 2));
  t.match(journalOf(t, state).read(), [{ incarnation: one.incarnation, step: 2 }]);
  const after = next();
  t.strictSame(stepsOf(after, second, 0), [], 'also where the journal tells of it to the next process');
  t.strictSame(after.cursors(second.incarnation, 1), [0]);
  t.equal(after.deliveredCount(second.incarnation), 0);
});

t.test('a journal of state format 8 is read as deliveries of the sessions with those names', async (t) => {
  const { state, store, next, session } = await open(t);
  const one = session('one');
  store.put(one);
  const before = { epoch: 0, rank: 1, movesCursor: true };
  const lines = [
    { id: 'one', ...before, step: 3 },
    { id: 'gone', ...before, step: 4 },
  ];
  writeFileSync(join(state, 'deliveries'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const after = next();
  t.strictSame(stepsOf(after, one, 1), [3]);
  t.strictSame(after.cursors(one.incarnation, 2), [0, 4]);
});

t.test('deliveries are settled soon by themselves', async (t) => {
  const { db, store, session } = await open(t);
  const one = session('one');
  store.put(one);
  store.delivered(delivered(one, 0, 0));
  const rows = () => db.prepare('SELECT rank, hex(steps) AS steps FROM delivery').all();
  t.strictSame(rows(), []);
  // The timer keeps no process alive: something else has to.
  const alive = setInterval(() => {}, 1000);
  await until(() => rows().length > 0);
  clearInterval(alive);
  t.match(rows(), [{ rank: 0, steps: /^010{510}$/ }]);
});

t.test('where the database fails, deliveries stay in the journal and the next one is told', async (t) => {
  const { db, state, store, session } = await open(t);
  const one = session('one');
  store.put(one);
  store.delivered(delivered(one, 0, 0));
  db.exec('ALTER TABLE delivery RENAME TO away');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.throws(() => store.delivered(delivered(one, 0, 1)), /delivery/);
  t.strictSame(journalOf(t, state).read(), [delivered(one, 0, 0)]);
  db.exec('ALTER TABLE away RENAME TO delivery');
  store.delivered(delivered(one, 0, 1));
  t.strictSame(stepsOf(store, one, 0), [0, 1]);
});
