import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { startTestServer, temporaryFolder } from '../helper.js';
import { Feed } from '../soak/feed.js';

const SESSIONS = 200;
/** Batches that a session gets on average until time is up. */
const AVERAGE = 8;

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 2, slices: 6, phases: 2, rows: 32, columns: 32 });

t.test('of 200 sessions at once on two loaders none is starved', async (t) => {
  const batchBytes = 2 * (8 + 48 + 16 + 8 + 32 * 32 * 3 + 1);
  const budgetBytes = (SESSIONS + 40) * batchBytes;
  const server = await startTestServer(t, folder, { LOADERS: '2', MEMORY_BUDGET: String(budgetBytes) });
  await server.ready();
  const feeds = Array.from({ length: SESSIONS }, () => new Feed(server.url));
  t.teardown(() => {
    for (const feed of feeds) feed.close();
  });
  const names = feeds.map((_, number) => `fair-${number}`);
  for (const [number, feed] of feeds.entries()) {
    const json = { batchSize: 2, seed: number, structures: ['i'] };
    await feed.json({ method: 'PUT', path: `/v1/sessions/${names[number]}`, json });
  }
  const got = new Array<number>(SESSIONS).fill(0);
  let all = 0;
  let mostBytes = 0;
  const reading = feeds.map(async (feed, number) => {
    while (all < SESSIONS * AVERAGE) {
      await feed.body({ path: `/v1/sessions/${names[number]}/batches/${got[number]}` });
      // Who is in the middle of a batch when time is up has not got it within the same time.
      if (all >= SESSIONS * AVERAGE) return;
      got[number]!++;
      all++;
      mostBytes = Math.max(mostBytes, server.service.spool.usedBytes);
    }
  });
  await Promise.all(reading);
  const slowest = Math.min(...got);
  const fastest = Math.max(...got);
  t.ok(slowest > 0 && fastest <= 2 * slowest, `slowest ${slowest}, fastest ${fastest}`);
  t.ok(mostBytes <= budgetBytes, `${mostBytes} of ${budgetBytes} bytes`);
  const busy = feeds.reduce((sum, feed) => sum + feed.busy, 0);
  t.ok(busy < all / 10, `${busy} answers of 503 among ${all} batches`);
});
