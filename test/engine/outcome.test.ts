import t from 'tap';
import { temporaryFolder } from '../helper.js';
import { fixture, within } from '../loader/processes.js';
import { script } from '../loader/scripted.js';
import { sealed, tensorValues, writeImage } from '../loader/sources.js';
import { layoutOf, order, SEGMENT_BYTES, start } from './engines.js';

t.test('a pair that ends its loader is an outcome, not an error', async (t) => {
  const { engine } = await start(t);
  const lease = await engine.load(order(t, 'a', ['fine', 'segv', 'fine']), 'asked').lease;
  t.match(lease.outcomes, [{ kind: 'loaded' }, { kind: 'lethal', cause: 'crash' }, { kind: 'loaded' }]);
  lease.release();
});

t.test('a load that fails is an error for all, and the next one is a new load', async (t) => {
  const { engine, spool, lines } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const batch = order(t, 'a', ['failed']);
  const loadings = [engine.load(batch, 'asked'), engine.load(batch, 'warm')];
  for (const { lease } of loadings) await t.rejects(lease, { message: /^a loader failed/ });
  t.match(
    lines.find(({ msg }) => msg === 'load failed'),
    { batch: 'a' },
  );
  for (const loading of loadings) loading.abandon();
  t.equal(loadings[0]!.finished, false);
  const lease = await engine.load(order(t, 'a'), 'asked').lease;
  lease.release();
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(spool.tryTake(SEGMENT_BYTES));
});

t.test('the parts of a batch come back as one, slot by slot', async (t) => {
  const does = Array.from({ length: 64 }, (_, slot) => (slot % 10 === 0 ? 'fine' : `broken:${slot}`));
  const { engine } = await start(t, { pool: { size: 2 } });
  const lease = await engine.load(order(t, 'a', does), 'asked').lease;
  t.strictSame(
    lease.outcomes.map((outcome) => (outcome.kind === 'broken' ? outcome.detail : 'fine')),
    does,
  );
  lease.release();
});

t.test('an asked batch waits for room, a warm one does not', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const segment = spool.tryTake(SEGMENT_BYTES)!;
  await t.rejects(engine.load(order(t, 'warm'), 'warm').lease, { name: 'BudgetExceeded' });
  const asked = engine.load(order(t, 'asked'), 'asked');
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(asked.finished, false);
  spool.give(segment);
  const lease = await within(asked.lease, 60_000, 'the wait for room');
  t.equal(asked.finished, true);
  lease.release();
});

t.test('a warm batch that somebody asks for at once waits for room', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const segment = spool.tryTake(SEGMENT_BYTES)!;
  const loading = engine.load(order(t, 'a'), 'warm');
  loading.raise();
  await new Promise((resolve) => setImmediate(resolve));
  spool.give(segment);
  (await within(loading.lease, 60_000, 'the wait for room')).release();
});

t.test('who waits for room in vain is told', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: SEGMENT_BYTES, roomWaitMs: 20 });
  const segment = spool.tryTake(SEGMENT_BYTES)!;
  await t.rejects(engine.load(order(t, 'a'), 'asked').lease, { name: 'BudgetExceeded' });
  spool.give(segment);
  (await engine.load(order(t, 'a'), 'asked').lease).release();
});

t.test('one who stops waiting for room loads nothing when there is some', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const segment = spool.tryTake(SEGMENT_BYTES)!;
  const batch = order(t, 'a');
  const loading = engine.load(batch, 'asked');
  await new Promise((resolve) => setImmediate(resolve));
  loading.abandon();
  spool.give(segment);
  await t.rejects(loading.lease, { name: 'Cancelled' });
  t.equal(batch.asked.times, 0);
  t.ok(spool.tryTake(SEGMENT_BYTES));
});

t.test('what the catalogue throws while a batch is described is the error of the load', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const batch = {
    ...order(t, 'a'),
    units: () => {
      throw new Error('the row is gone');
    },
  };
  await t.rejects(engine.load(batch, 'asked').lease, { message: 'the row is gone' });
  t.ok(spool.tryTake(SEGMENT_BYTES));
});

t.test('loaders that leave end the loads, leases that are out stay good', async (t) => {
  const { engine, pool, latches } = await start(t);
  const lease = await engine.load(order(t, 'out'), 'asked').lease;
  const running = engine.load(order(t, 'a', ['hold:a']), 'asked');
  await latches.held('a');
  const waiting = engine.load(order(t, 'b'), 'asked');
  await new Promise((resolve) => setImmediate(resolve));
  const rejected = Promise.all(
    [running, waiting].map((loading) => t.rejects(loading.lease, { name: 'LoaderDeath', death: 'closing' })),
  );
  await pool.close(0);
  await rejected;
  await within(engine.close(), 60_000, 'the close of the engine');
  lease.read(0, 1, Buffer.alloc(1));
  lease.release();
});

t.test('a lease reads what a loader wrote', async (t) => {
  const folder = temporaryFolder(t);
  const image = { rows: 2, columns: 3, pixels: Uint16Array.of(1, 2, 3, 4, 5, 6) };
  const source = writeImage(folder, 'a.dcm', image);
  const { engine } = await start(t, { pool: { main: fixture('lethal-loader') } });
  const batch = order(t, 'a');
  const polygon = [Float64Array.of(0.5, -0.5, 2.5, -0.5, 2.5, 0.5, 0.5, 0.5)];
  const extents = [{ regions: [polygon], rasters: [] }];
  const lease = await engine.load(
    { ...batch, units: () => [{ slot: 0, place: 42, source: sealed({ source, extents }) }] },
    'asked',
  ).lease;
  const bytes = Buffer.alloc(lease.sizeBytes);
  lease.read(0, lease.sizeBytes, bytes);
  t.strictSame(tensorValues(batch.layout, bytes, 'images'), [1, 2, 3, 4, 5, 6]);
  t.strictSame(tensorValues(batch.layout, bytes, 'masks'), [0, 1, 1, 0, 0, 0]);
  t.strictSame(tensorValues(batch.layout, bytes, 'pairs'), [42]);
  const part = Buffer.alloc(8);
  lease.read(8, 8, part);
  t.strictSame(part, bytes.subarray(8, 16));
  const picture = await lease.draw(
    { structures: ['i'], titles: ['P/1'], title: 'one batch', scale: null, caption: false, ranges: [] },
    new AbortController().signal,
  );
  t.equal(Buffer.from(picture.subarray(1, 4)).toString(), 'PNG');
  lease.release();
});
t.test(
  'a segment goes back only when every part of its load has settled, also after one failed',
  async (t) => {
    const does = Array.from({ length: 64 }, (_, i) => (i === 0 ? 'failed' : i === 32 ? 'hold:part' : 'fine'));
    const { sizeBytes } = layoutOf(64);
    const { engine, pool, spool, latches } = await start(t, { budgetBytes: sizeBytes, pool: { size: 2 } });
    const loading = engine.load(order(t, 'a', does), 'asked');
    const rejected = t.rejects(loading.lease, { message: /^a loader failed/ });
    const held = await latches.held('part');
    // The other loader has answered its part by the time it does this.
    await pool.submit<'scan'>(script('next'), { priority: 'scan', turn: 'x', deadlineMs: 20_000 }).outcomes;
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(spool.tryTake(sizeBytes), null, 'a loader still writes to it');
    held.release();
    await rejected;
    t.ok(spool.tryTake(sizeBytes));
  },
);

t.test('a load for which the disk has no room gives that room back', async (t) => {
  const { engine, spool } = await start(t);
  (await engine.load(order(t, 'a'), 'asked').lease).release();
  await t.rejects(engine.load(order(t, 'b', ['room', 'fine']), 'asked').lease, { name: 'NoRoom' });
  t.equal(spool.usedBytes, 0);
});

t.test('the slot of a pair that ended its loader holds nothing of an earlier batch', async (t) => {
  const folder = temporaryFolder(t);
  const image = { rows: 2, columns: 3, pixels: Uint16Array.of(1, 2, 3, 4, 5, 6) };
  const good = writeImage(folder, 'good.dcm', image);
  const lethal = writeImage(folder, 'lethal.dcm', image);
  const all = [Float64Array.of(-0.5, -0.5, 2.5, -0.5, 2.5, 1.5, -0.5, 1.5)];
  const extents = [{ regions: [all], rasters: [] }];
  const layout = layoutOf(2);
  const { engine } = await start(t, {
    budgetBytes: layout.sizeBytes,
    pool: { main: fixture('lethal-loader') },
  });
  const load = (name: string, ...sources: (typeof good)[]) => {
    const units = () =>
      sources.map((source, slot) => ({
        slot,
        place: 10 + slot,
        source: sealed({ source, extents }),
      }));
    return engine.load({ ...order(t, name, ['', '']), units }, 'asked').lease;
  };
  (await load('first', good, good)).release();
  await new Promise((resolve) => setImmediate(resolve));
  const lease = await load('second', good, lethal);
  t.match(lease.outcomes, [{ kind: 'loaded' }, { kind: 'lethal', cause: 'crash' }]);
  const bytes = Buffer.alloc(lease.sizeBytes);
  lease.read(0, lease.sizeBytes, bytes);
  const values = (name: Parameters<typeof tensorValues>[2]) => tensorValues(layout, bytes, name);
  t.strictSame(values('images'), [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0]);
  t.strictSame(values('masks'), [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
  t.strictSame(values('valid'), [1, 0]);
  t.strictSame(values('pairs'), [10, 11]);
  lease.release();
});
