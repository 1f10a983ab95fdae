import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { CHUNK_BYTES } from '../../src/wire/buffers.js';
import { order, SEGMENT_BYTES, start } from './engines.js';

const ROOM = 2 * CHUNK_BYTES;

t.test('a warm batch is read before somebody asks, and its memory counts until it is let go', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: ROOM });
  const loading = engine.load(order(t, 'a'), 'warm');
  const lease = await loading.lease;
  await turn();
  const bytes = Buffer.alloc(lease.sizeBytes);
  lease.read(0, lease.sizeBytes, bytes);
  t.strictSame(Buffer.from(lease.ahead!), bytes);
  t.equal(spool.usedBytes, 2 * SEGMENT_BYTES);
  lease.release();
  await turn();
  t.equal(spool.usedBytes, SEGMENT_BYTES, 'the segment is kept for the next batch');
  t.throws(() => lease.ahead, /has ended/);
});

t.test('a batch that somebody waits for is not: it is sent at once', async (t) => {
  const { engine } = await start(t, { budgetBytes: ROOM });
  const lease = await engine.load(order(t, 'a'), 'asked').lease;
  await turn();
  t.equal(lease.ahead, null);
  lease.release();
});

t.test('nor is one that is asked for as soon as it is loaded', async (t) => {
  const { engine } = await start(t, { budgetBytes: ROOM });
  const loading = engine.load(order(t, 'a'), 'warm');
  const lease = await loading.lease;
  loading.raise();
  await turn();
  t.equal(lease.ahead, null);
  lease.release();
});

t.test('nothing is read ahead where the budget has no room for a buffer', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: CHUNK_BYTES });
  const lease = await engine.load(order(t, 'a'), 'warm').lease;
  await turn();
  t.equal(lease.ahead, null);
  t.equal(spool.usedBytes, SEGMENT_BYTES);
  lease.release();
});

t.test('a warm batch that is let go before it is read is not read', async (t) => {
  const { engine, spool } = await start(t, { budgetBytes: ROOM });
  const loading = engine.load(order(t, 'a'), 'warm');
  await loading.lease;
  loading.abandon();
  await turn();
  t.equal(spool.usedBytes, SEGMENT_BYTES);
});
