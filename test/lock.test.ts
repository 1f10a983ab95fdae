import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import { FolderLock, type FolderLockOptions } from '../src/lock.js';
import { temporaryFolder } from './helper.js';
import { run } from './loader/processes.js';

/** Takes a folder until the end of the test. */
function take(t: Test, folder: string, options: Partial<FolderLockOptions> = {}): FolderLock | null {
  const lock = FolderLock.take(folder, { file: 'lock', ...options });
  t.teardown(() => lock?.release());
  return lock;
}

t.test('a folder is held by one, and by the next when it is released', async (t) => {
  const folder = temporaryFolder(t);
  const lock = take(t, folder)!;
  t.equal(lock.holds(), true);
  t.equal(take(t, folder), null);
  lock.release();
  lock.release();
  t.equal(lock.holds(), false);
  t.ok(take(t, folder));
  lock.release();
  t.equal(take(t, folder), null, 'an old lock releases nothing any more');
});

t.test('a lock holds against other processes, and its file stays empty', async (t) => {
  const folder = temporaryFolder(t);
  const lock = take(t, folder)!;
  t.equal((await run(t, 'lock-holder', folder)).line, 'refused');
  t.equal(take(t, folder), null);
  t.equal((await run(t, 'lock-holder', folder)).line, 'refused', 'also after a refusal in this process');
  t.equal(statSync(join(folder, 'lock')).size, 0);
  t.equal(statSync(join(folder, 'lock')).mode & 0o777, 0o600);
  lock.release();
  t.equal((await run(t, 'lock-holder', folder)).line, 'taken');
  t.equal(take(t, folder), null);
});

t.test('a process that is killed gives its lock back', async (t) => {
  const folder = temporaryFolder(t);
  const holder = await run(t, 'lock-holder', folder);
  t.equal(holder.line, 'taken');
  t.equal(take(t, folder), null);
  await holder.kill();
  t.ok(take(t, folder));
});

t.test('a lock that nobody refers to is held all the same', async (t) => {
  const folder = temporaryFolder(t);
  FolderLock.take(folder, { file: 'lock' });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await run(t, 'lock-holder', folder)).line, 'refused');
});

t.test('a folder whose lock file is removed stays locked, and the file comes back', async (t) => {
  const folder = temporaryFolder(t);
  const lock = take(t, folder)!;
  for (const remove of [
    () => rmSync(join(folder, 'lock')),
    () => renameSync(join(folder, 'lock'), join(folder, 'moved')),
    () => {
      writeFileSync(join(folder, 'other'), '');
      renameSync(join(folder, 'other'), join(folder, 'lock'));
    },
  ]) {
    remove();
    t.equal((await run(t, 'lock-holder', folder)).line, 'refused');
    t.equal(lock.holds(), true);
    t.ok(existsSync(join(folder, 'lock')));
    t.equal(take(t, folder), null);
  }
});

t.test('a lock tells when its path leads to another folder, or to none', async (t) => {
  const base = temporaryFolder(t);
  const folder = join(base, 'state');
  for (const [what, lose] of Object.entries({
    moved: () => renameSync(folder, join(base, 'elsewhere')),
    removed: () => rmSync(folder, { recursive: true }),
    replaced: () => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
    },
  })) {
    mkdirSync(folder, { recursive: true });
    const lock = take(t, folder)!;
    t.equal(lock.holds(), true);
    lose();
    t.equal(lock.holds(), false, what);
    rmSync(folder, { recursive: true, force: true });
  }
  t.equal(take(t, join(base, 'elsewhere')), null, 'a folder that was moved is still held');
});

t.test('holds() is false after another process locked the file', async (t) => {
  const folder = temporaryFolder(t);
  const lock = take(t, folder)!;
  rmSync(join(folder, 'lock'));
  // Another machine that shares the disk sees no lock of the folder itself.
  const other = await run(t, 'sqlite-lock-holder', join(folder, 'lock'));
  t.equal(other.line, 'taken');
  t.equal(lock.holds(), false);
});

t.test('an earlier release and this one do not have a folder together', async (t) => {
  const [first, second] = [temporaryFolder(t), temporaryFolder(t)];
  const earlier = await run(t, 'sqlite-lock-holder', join(first, 'lock'));
  t.equal(earlier.line, 'taken');
  t.equal(take(t, first), null);
  await earlier.kill();
  t.ok(take(t, first));
  t.ok(take(t, second));
  t.equal((await run(t, 'sqlite-lock-holder', join(second, 'lock'))).line, 'refused');
});

t.test(
  'taking something that is no folder, or has a lock that is no file, is an error, and no link is followed',
  async (t) => {
    const folder = temporaryFolder(t);
    t.throws(() => take(t, join(folder, 'nothing')), { code: 'ENOENT' });
    writeFileSync(join(folder, 'text'), '');
    t.throws(() => take(t, join(folder, 'text')), { code: 'ENOTDIR' });
    symlinkSync(join(folder, 'made'), join(folder, 'lock'));
    t.throws(() => take(t, folder), { code: 'ELOOP' });
    t.notOk(existsSync(join(folder, 'made')));
    rmSync(join(folder, 'lock'));
    execFileSync('mkfifo', [join(folder, 'lock')]);
    t.throws(() => take(t, folder), { message: /is no file: remove it$/ });
  },
);

t.test('with ownOnly, folders that others own or may enter are refused', async (t) => {
  const base = temporaryFolder(t);
  const open = join(base, 'open');
  mkdirSync(open);
  for (const mode of [0o770, 0o707, 0o750, 0o701]) {
    chmodSync(open, mode);
    t.throws(() => take(t, open, { ownOnly: true }), { message: /belongs to another user/ });
  }
  chmodSync(open, 0o700);
  symlinkSync('open', join(base, 'link'));
  t.throws(() => take(t, join(base, 'link'), { ownOnly: true }));
  t.notOk(existsSync(join(open, 'lock')));
  t.ok(take(t, open, { ownOnly: true }));
});
