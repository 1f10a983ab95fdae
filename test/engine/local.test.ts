import t from 'tap';
import { within } from '../loader/processes.js';
import { script } from '../loader/scripted.js';
import { occupy, order, SEGMENT_BYTES, start, started } from './engines.js';

t.test('however many ask for a batch at a time, it is loaded once', async (t) => {
  const { engine, spool, lines, loaded } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const batch = order(t, 'a');
  const loadings = Array.from({ length: 50 }, (_, i) => engine.load(batch, i === 30 ? 'asked' : 'warm'));
  const leases = await Promise.all(loadings.map((loading) => loading.lease));
  t.equal(batch.asked.times, 1);
  t.strictSame(started(lines), ['a']);
  t.equal(loaded.length, 1);
  t.strictSame(
    leases.map(({ sizeBytes, outcomes }) => [sizeBytes, outcomes.length]),
    Array(50).fill([SEGMENT_BYTES, 1]),
  );
  leases.forEach((lease, i) => {
    if (i > 0) lease.release();
  });
  t.equal(spool.tryTake(SEGMENT_BYTES), null, 'one still reads it');
  leases[0]!.release();
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(spool.tryTake(SEGMENT_BYTES));
});

t.test(
  'who asks for a batch that is held gets the same; after the last one let go it is loaded again',
  async (t) => {
    const { engine, lines } = await start(t);
    const batch = order(t, 'a');
    const first = await engine.load(batch, 'asked').lease;
    const second = engine.load(batch, 'warm');
    t.equal(second.finished, true);
    first.release();
    (await second.lease).release();
    t.strictSame(started(lines), ['a']);
    (await engine.load(batch, 'asked').lease).release();
    t.strictSame(started(lines), ['a', 'a']);
  },
);

t.test('who waited for a batch goes on when its loader has the next one', async (t) => {
  const { engine, lines } = await start(t);
  const [first, second] = ['a', 'b'].map((name) => engine.load(order(t, name), 'asked'));
  const lease = await first!.lease;
  t.strictSame(started(lines), ['a', 'b']);
  lease.release();
  (await second!.lease).release();
});

t.test('other addresses are other loads', async (t) => {
  const { engine, lines } = await start(t);
  const leases = await Promise.all(['a', 'b'].map((name) => engine.load(order(t, name), 'asked').lease));
  t.strictSame(started(lines).sort(), ['a', 'b']);
  for (const lease of leases) lease.release();
});

t.test('a lease ends once, and is not read afterwards', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: 2 * SEGMENT_BYTES });
  const batch = order(t, 'a');
  const [one, other] = [engine.load(batch, 'asked'), engine.load(batch, 'asked')];
  const [lease, kept] = [await one.lease, await other.lease];
  const into = Buffer.alloc(4);
  lease.read(0, 4, into);
  lease.release();
  lease.release();
  one.abandon();
  t.throws(() => lease.read(0, 4, into), { message: 'the lease of this batch has ended' });
  const unit = { structures: [], titles: [], title: '', scale: null, caption: false, ranges: [] };
  await t.rejects(lease.draw(unit, new AbortController().signal), {
    message: 'the lease of this batch has ended',
  });
  kept.read(0, 4, into);
  spool.tryTake(SEGMENT_BYTES);
  t.equal(spool.tryTake(SEGMENT_BYTES), null, 'the other still holds it');
  kept.release();
});

t.test('a batch that nobody waits for any more is not loaded', async (t) => {
  const { engine, pool, spool, latches, lines } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const free = await occupy(pool, latches);
  const batch = order(t, 'a');
  const loadings = [engine.load(batch, 'asked'), engine.load(batch, 'warm')];
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(batch.asked.times, 1);
  const rejected = Promise.all(loadings.map(({ lease }) => t.rejects(lease, { name: 'Cancelled' })));
  for (const loading of loadings) loading.abandon();
  await rejected;
  t.ok(spool.tryTake(SEGMENT_BYTES));
  await free();
  t.strictSame(started(lines), []);
  t.notOk(lines.some(({ msg }) => msg === 'load failed'));
});

t.test('who leaves at once costs nothing', async (t) => {
  const { engine, pool, spool, lines } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const batch = order(t, 'a');
  const loading = engine.load(batch, 'asked');
  loading.abandon();
  await t.rejects(loading.lease, { name: 'Cancelled' });
  await pool.submit<'scan'>(script('next'), { priority: 'scan', turn: 'x', deadlineMs: 20_000 }).outcomes;
  t.equal(batch.asked.times, 0);
  t.strictSame(started(lines), []);
  t.ok(spool.tryTake(SEGMENT_BYTES));
});

t.test('who leaves takes nothing from those who stay', async (t) => {
  const { engine, pool, latches } = await start(t);
  const free = await occupy(pool, latches);
  const batch = order(t, 'a');
  const [leaver, stayer] = [engine.load(batch, 'asked'), engine.load(batch, 'asked')];
  leaver.abandon();
  leaver.abandon();
  await free();
  const lease = await stayer.lease;
  lease.read(0, 1, Buffer.alloc(1));
  lease.release();
});

t.test(
  'a batch that loads when the last one leaves gives its segment back when its loader is done',
  async (t) => {
    const { engine, pool, spool, latches } = await start(t, { budgetBytes: SEGMENT_BYTES });
    const loading = engine.load(order(t, 'a', ['hold:a']), 'asked');
    const held = await latches.held('a');
    loading.abandon();
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(spool.tryTake(SEGMENT_BYTES), null, 'a loader still writes to it');
    // The address is free: another interest starts anew instead of joining what nobody wanted.
    const again = engine.load(order(t, 'a'), 'asked');
    held.release();
    const lease = await within(again.lease, 60_000, 'the second load');
    lease.release();
    t.equal(pool.restarts, 0);
  },
);

t.test('an asked batch goes before warm ones, also when it was warm first', async (t) => {
  const { engine, pool, latches, lines } = await start(t);
  const free = await occupy(pool, latches);
  const loadings = ['a', 'b', 'c', 'd'].map((name) =>
    engine.load(order(t, name), name === 'c' ? 'asked' : 'warm'),
  );
  await new Promise((resolve) => setImmediate(resolve));
  loadings[3]!.raise();
  await free();
  for (const { lease } of loadings) (await lease).release();
  t.strictSame(started(lines), ['c', 'd', 'a', 'b']);
});

t.test('who asks for a batch that only warms raises it', async (t) => {
  const { engine, pool, latches, lines } = await start(t);
  const free = await occupy(pool, latches);
  const [a, b] = [order(t, 'a'), order(t, 'b')];
  const loadings = [engine.load(a, 'warm'), engine.load(b, 'warm')];
  await new Promise((resolve) => setImmediate(resolve));
  loadings.push(engine.load(b, 'asked'));
  await free();
  for (const { lease } of loadings) (await lease).release();
  t.strictSame(started(lines), ['b', 'a']);
});

t.test('sessions take turns', async (t) => {
  const { engine, pool, latches, lines } = await start(t);
  const free = await occupy(pool, latches);
  const of = (turn: string, name: string) => engine.load({ ...order(t, name), turn }, 'warm');
  const loadings = [of('x', 'x1'), of('x', 'x2'), of('x', 'x3'), of('y', 'y1'), of('y', 'y2')];
  await new Promise((resolve) => setImmediate(resolve));
  await free();
  for (const { lease } of loadings) (await lease).release();
  t.strictSame(started(lines), ['x1', 'y1', 'x2', 'y2', 'x3']);
});
