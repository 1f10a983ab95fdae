import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type BatchLayout, batchLayout } from '../../src/core/layout.js';
import type { BatchOrder } from '../../src/engine/engine.js';
import { LocalEngine, type LocalEngineOptions } from '../../src/engine/local.js';
import type { LoadUnit } from '../../src/loader/messages.js';
import type { PoolOptions } from '../../src/loader/pool.js';
import { Spool } from '../../src/loader/spool.js';
import { temporaryFolder } from '../helper.js';
import { within } from '../loader/processes.js';
import { type Latches, type LogLine, script, startLatches, startPool } from '../loader/scripted.js';
import { recipe, tensorValues, writeImage } from '../loader/sources.js';

type Test = Parameters<typeof temporaryFolder>[0];

interface Setting extends Partial<Omit<LocalEngineOptions, 'pool' | 'spool'>> {
  readonly budgetBytes?: number;
  readonly pool?: Partial<PoolOptions>;
}

async function start(t: Test, { budgetBytes = 1024 ** 2, pool: poolOptions = {}, ...options }: Setting = {}) {
  const latches = await startLatches(t);
  const { pool, lines } = await startPool(t, { env: latches.env, ...poolOptions });
  const spool = new Spool(temporaryFolder(t), budgetBytes);
  t.teardown(() => spool.close());
  const log = {
    info: (fields: object, msg: string) => lines.push({ ...fields, msg }),
    error: (fields: object, msg: string) => lines.push({ ...fields, msg }),
  } as unknown as LocalEngineOptions['log'];
  const loaded: number[] = [];
  const engine = new LocalEngine({
    pool,
    spool,
    pictures: () => pool,
    onLoaded: (ms) => loaded.push(ms),
    log,
    pairTimeoutMs: 20_000,
    ...options,
  });
  return { engine, pool, spool, latches, lines, loaded };
}

function layoutOf(slots: number): BatchLayout {
  return batchLayout({
    slots,
    channels: 1,
    rows: 2,
    columns: 3,
    structures: 1,
    imageDtype: 'int16',
    maskDtype: 'bool',
  });
}

const SEGMENT_BYTES = layoutOf(1).sizeBytes;

/** A batch whose slots do what is said, for the scripted loader. */
function order(
  t: Test,
  name: string,
  does: readonly string[] = ['fine'],
): BatchOrder & { readonly asked: { times: number } } {
  const source = writeImage(temporaryFolder(t), 'a.dcm', {
    rows: 2,
    columns: 3,
    pixels: Uint16Array.of(1, 2, 3, 4, 5, 6),
  });
  const layout = layoutOf(does.length);
  const asked = { times: 0 };
  return {
    key: name,
    turn: 'session',
    label: { batch: name },
    layout,
    segmentBytes: layout.sizeBytes,
    recipe: recipe(),
    units() {
      asked.times++;
      return does.map(
        (path, slot): LoadUnit => ({ slot, place: slot, source: { ...source, path }, polygons: [[]] }),
      );
    },
    asked,
  };
}

/** The batches whose load began, in that order. */
function started(lines: readonly LogLine[]): unknown[] {
  return lines.filter(({ msg }) => msg === 'load started').map(({ batch }) => batch);
}

/** Keeps the only loader busy until released. */
async function occupy(pool: Awaited<ReturnType<typeof start>>['pool'], latches: Latches) {
  const job = pool.submit<'scan'>(script('hold:busy'), { priority: 'asked', turn: 'x', deadlineMs: 20_000 });
  const held = await latches.held('busy');
  return async () => {
    held.release();
    await job.outcomes;
  };
}

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
  await t.rejects(lease.draw({ structures: [], titles: [], title: '', scale: null, window: null }), {
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
  for (const { abandon } of loadings) abandon();
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
    const lease = await within(again.lease, 5000, 'the second load');
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

t.test('a pair that ends its loader is an outcome, not an error', async (t) => {
  const { engine } = await start(t);
  const lease = await engine.load(order(t, 'a', ['fine', 'segv', 'fine']), 'asked').lease;
  t.match(lease.outcomes, [{ kind: 'loaded' }, { kind: 'lethal', cause: 'crash' }, { kind: 'loaded' }]);
  lease.release();
});

t.test('a load that fails is an error for all, and the next one is a new load', async (t) => {
  const { engine, spool, lines } = await start(t, { budgetBytes: SEGMENT_BYTES });
  const batch = order(t, 'a', ['room']);
  const loadings = [engine.load(batch, 'asked'), engine.load(batch, 'warm')];
  for (const { lease } of loadings) await t.rejects(lease, { name: 'NoRoom' });
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
  const lease = await within(asked.lease, 5000, 'the wait for room');
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
  (await within(loading.lease, 5000, 'the wait for room')).release();
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
  await within(engine.close(), 1000, 'the close of the engine');
  lease.read(0, 1, Buffer.alloc(1));
  lease.release();
});

t.test('a lease reads what a loader wrote', async (t) => {
  const folder = temporaryFolder(t);
  const image = { rows: 2, columns: 3, pixels: Uint16Array.of(1, 2, 3, 4, 5, 6) };
  const source = writeImage(folder, 'a.dcm', image);
  const main = fileURLToPath(new URL('../../src/loader/main.js', import.meta.url));
  const { engine } = await start(t, { pool: { main } });
  const batch = order(t, 'a');
  const polygons = [[Float64Array.of(0.5, -0.5, 2.5, -0.5, 2.5, 0.5, 0.5, 0.5)]];
  const lease = await engine.load(
    { ...batch, units: () => [{ slot: 0, place: 42, source, polygons }] },
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
  const picture = await lease.draw({
    structures: ['i'],
    titles: ['P/1'],
    title: 'one batch',
    scale: null,
    window: null,
  });
  t.equal(Buffer.from(picture.subarray(1, 4)).toString(), 'PNG');
  lease.release();
});
