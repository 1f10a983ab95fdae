import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { readConfig } from '../src/config.js';
import { Scans } from '../src/scans.js';
import { loadersHere, openCatalogue } from './catalog/catalogue.js';
import { ask } from './fixtures/client.js';
import { checkProblem } from './fixtures/problem.js';
import { startTestServer, temporaryFolder } from './helper.js';

/** Scans of an empty folder, each of which begins with a wait for the test. */
function heldScans(t: Test) {
  const begun: (() => void)[] = [];
  const ended: string[] = [];
  const resync = () =>
    new Promise<{ added: number; removed: number }>((resolve) =>
      begun.push(() => resolve({ added: begun.length, removed: 0 })),
    );
  const scans = new Scans({
    config: readConfig({}, { DATA: temporaryFolder(t), STATE: temporaryFolder(t) }),
    db: openCatalogue(t),
    uploads: { resync },
    loaders: loadersHere(),
    sweep: async () => {},
    without: () => [],
    screen: null,
    onEnded: (result) => ended.push(result),
    log: pino({ level: 'silent' }),
  });
  /** Lets the scan of this number go on, once it has begun. */
  const release = async (number: number) => {
    while (begun.length <= number) await new Promise((resolve) => setImmediate(resolve));
    begun[number]!();
  };
  return { scans, release, ended, count: () => begun.length };
}

t.test('calls that come while a scan is under way share the next one', async (t) => {
  const { scans, release, ended, count } = heldScans(t);
  const early = Array.from({ length: 20 }, () => scans.again());
  t.equal(count(), 1, 'the first one is under way, and none was begun beside it');
  await release(0);
  await scans.first;
  await release(1);
  const results = await Promise.all(early);
  t.equal(count(), 2);
  t.strictSame(results, Array(20).fill({ changed: 0, added: 2, removed: 0 }), 'all were told of the second');
  t.strictSame(ended, ['done', 'done']);
});

t.test('a call that comes after a scan has begun gets one of its own', async (t) => {
  const { scans, release, count } = heldScans(t);
  await release(0);
  await scans.first;
  const first = scans.again();
  while (count() < 2) await new Promise((resolve) => setImmediate(resolve));
  const late = [scans.again(), scans.again()];
  await release(1);
  t.equal((await first).added, 2);
  await release(2);
  t.strictSame(await Promise.all(late), Array(2).fill({ changed: 0, added: 3, removed: 0 }));
  t.equal(count(), 3);
});

t.test('a scan of a folder that is away says so, and the next one is as good as any', async (t) => {
  const data = join(temporaryFolder(t), 'data');
  mkdirSync(data);
  const server = await startTestServer(t, data);
  await server.ready();
  rmSync(data, { recursive: true });
  const failed = await ask(`${server.url}/v1/scan`, { method: 'POST' });
  checkProblem(t, failed, 503, 'SLF_SCAN');
  t.match(failed.body.toString(), /the data folder cannot be read \(ENOENT\)/);
  t.strictSame(await server.logged(({ msg }) => msg === 'scan failed'), {
    level: 50,
    code: 'ENOENT',
    msg: 'scan failed',
  });
  mkdirSync(data);
  const again = await ask(`${server.url}/v1/scan`, { method: 'POST' });
  t.equal(again.status, 202);
  t.strictSame(JSON.parse(again.body.toString()), { changed: 0, added: 0, removed: 0 });
});
