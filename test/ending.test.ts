import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import t from 'tap';
import { readConfig } from '../src/config.js';
import { Ending } from '../src/ending.js';
import { FolderLock } from '../src/lock.js';
import { startServer } from '../src/server.js';
import { childrenOf, isRunning } from './fixtures/command.js';
import { temporaryFolder } from './helper.js';

/** An ending, and the lines that it logged. */
function logged() {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) });
  return { ending: new Ending(log), lines };
}

t.test('parts end one after the other, the last one first, and once', async (t) => {
  const { ending, lines } = logged();
  const seen: string[] = [];
  for (const name of ['lock', 'database', 'loaders'])
    ending.add(name, 60_000, async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`${name} ends`);
    });
  await Promise.all([ending.run(), ending.run()]);
  t.strictSame(seen, [
    'loaders begins',
    'loaders ends',
    'database begins',
    'database ends',
    'lock begins',
    'lock ends',
  ]);
  t.strictSame(lines, []);
});

t.test('a part that fails or hangs does not keep the others from ending', async (t) => {
  const { ending, lines } = logged();
  const ended: string[] = [];
  ending.add('lock', 60_000, () => ended.push('lock'));
  ending.add('database', 60_000, () => {
    throw new Error('at once');
  });
  ending.add('spool', 60_000, async () => {
    throw new Error('later');
  });
  ending.add('loaders', 10, () => new Promise(() => {}));
  ending.add('http', 60_000, () => ended.push('http'));
  await t.rejects(ending.run(), { message: 'not everything ended well: loaders, spool, database' });
  t.strictSame(ended, ['http', 'lock']);
  t.match(lines, [
    { level: 50, part: 'loaders', limitMs: 10, msg: 'a part of the service did not end in time' },
    { level: 50, part: 'spool', err: { message: 'later' }, msg: 'a part of the service did not end well' },
    { level: 50, part: 'database', err: { message: 'at once' } },
  ]);
});

t.test('a start that fails half way gives back its lock, its folders and its loaders', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.teardown(() => taken.close());
  const { port } = taken.address() as { port: number };
  const folderNamed = (name: string) => (state: string) => mkdirSync(join(state, name));
  const cases: Record<string, { prepare?: (state: string) => void; port?: string; message: RegExp }> = {
    'the port is taken': { port: String(port), message: /^port \d+ on 127\.0\.0\.1 is taken/ },
    'the database cannot be opened': { prepare: folderNamed('slicefeed.db'), message: /unable to open/ },
    'the journal cannot be opened': { prepare: folderNamed('deliveries'), message: /EISDIR/ },
    'uploads have no folder': {
      prepare: (state) => writeFileSync(join(state, 'uploads'), ''),
      message: /EEXIST|ENOTDIR/,
    },
  };
  for (const [what, { prepare = () => {}, port = '0', message }] of Object.entries(cases)) {
    const [state, spool] = [temporaryFolder(t), temporaryFolder(t)];
    prepare(state);
    const config = readConfig(
      {},
      { DATA: temporaryFolder(t), STATE: state, SPOOL: spool, PORT: port, LOADERS: '1' },
    );
    await t.rejects(startServer(config, pino({ level: 'silent' })), { message }, what);
    t.strictSame(readdirSync(spool), [], `${what}: nothing is left in the spool`);
    const lock = FolderLock.take(state, { file: 'lock' });
    t.ok(lock, `${what}: the lock is free`);
    lock?.release();
    t.strictSame(childrenOf(process.pid).filter(isRunning), [], `${what}: no loader is left`);
  }
});
