import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { takeLock } from '../src/lock.js';
import { temporaryFolder } from './helper.js';
import { run } from './loader/processes.js';

t.test('a lock is held by one, and by the next when it is released', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const lock = takeLock(path);
  t.ok(lock);
  t.equal(takeLock(path), null);
  lock!.release();
  lock!.release();
  const next = takeLock(path);
  t.ok(next);
  lock!.release();
  t.equal(takeLock(path), null, 'an old lock releases nothing any more');
  next!.release();
});

t.test('a lock holds against other processes, and its file stays empty', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const lock = takeLock(path)!;
  t.equal((await run(t, 'lock-holder', path)).line, 'refused');
  t.equal(takeLock(path), null);
  t.equal((await run(t, 'lock-holder', path)).line, 'refused', 'also after a refusal in this process');
  t.equal(statSync(path).size, 0);
  lock.release();
  const holder = await run(t, 'lock-holder', path);
  t.equal(holder.line, 'taken');
  t.equal(takeLock(path), null);
});

t.test('a process that is killed gives its lock back', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  const holder = await run(t, 'lock-holder', path);
  t.equal(holder.line, 'taken');
  t.equal(takeLock(path), null);
  await holder.kill();
  const lock = takeLock(path);
  t.ok(lock);
  lock!.release();
});

t.test('a lock that nobody refers to is held all the same', async (t) => {
  const path = join(temporaryFolder(t), 'lock');
  takeLock(path);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await run(t, 'lock-holder', path)).line, 'refused');
});

t.test(
  'a lock in a folder that is not there, or on a file that is something else, is an error',
  async (t) => {
    const folder = temporaryFolder(t);
    t.throws(() => takeLock(join(folder, 'nothing', 'lock')));
    writeFileSync(join(folder, 'text'), 'this is no database, but text of some length'.repeat(100));
    t.throws(() => takeLock(join(folder, 'text')));
  },
);
