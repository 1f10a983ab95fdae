import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { sourceName } from '../../src/loader/decoded-cache.js';
import { DecodedKeeper } from '../../src/loader/decoded-keeper.js';
import { temporaryFolder } from '../helper.js';

type T = Parameters<typeof temporaryFolder>[0];

const KIB = 1024;
const ROOT = '/data';

/** A folder that is looked after, whose files a test writes as a loader would; `said` resolves with the next line of the log. */
function keeperOf(t: T, limitBytes: number, inUse: () => string[] = () => []) {
  const folder = join(temporaryFolder(t), 'decoded');
  mkdirSync(folder);
  const lines: string[] = [];
  let wake = () => {};
  const say = (_: object, text: string) => {
    lines.push(text);
    wake();
  };
  const keeper = new DecodedKeeper({
    folder,
    limitBytes,
    inUse: () => inUse().map((path) => ({ root: ROOT, path })),
    log: { info: say as never, warn: say as never },
  });
  const place = (path: string) => {
    const name = sourceName(ROOT, path);
    return join(folder, name.slice(0, 2), `${name}-0`);
  };
  return {
    folder,
    keeper,
    /** A frame of a source's file, last used at a minute. */
    lay(path: string, sizeKib: number, minute: number) {
      mkdirSync(join(place(path), '..'), { recursive: true });
      writeFileSync(place(path), Buffer.alloc(sizeKib * KIB));
      utimesSync(place(path), 60 * minute, 60 * minute);
    },
    left: (paths: readonly string[]) => paths.filter((path) => existsSync(place(path))),
    said: async () => {
      if (lines.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return lines.shift();
    },
  };
}

t.test('what lies there is counted at the start, and what was left unfinished removed', async (t) => {
  const { folder, keeper, lay, left } = keeperOf(t, 1000 * KIB);
  lay('a', 40, 1);
  lay('b', 9, 2);
  writeFileSync(join(folder, '.unfinished'), Buffer.alloc(5000));
  keeper.open();
  await keeper.idle();
  t.equal(keeper.bytes, (40 + 12) * KIB, 'by whole blocks of the disk');
  t.strictSame(left(['a', 'b']), ['a', 'b']);
  t.notOk(existsSync(join(folder, '.unfinished')));
});

t.test('over the limit, what was used longest ago goes first, down to well below', async (t) => {
  const { keeper, lay, left, said } = keeperOf(t, 100 * KIB);
  const paths = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const [at, path] of paths.entries()) lay(path, 20, [3, 1, 6, 2, 5, 4][at]!);
  keeper.add({ hits: 1, misses: 6, writtenBytes: 120 * KIB });
  t.equal(await said(), 'decoded frames removed');
  t.strictSame(left(paths), ['a', 'c', 'e', 'f']);
  t.match(keeper, { bytes: 80 * KIB });
});

t.test('nothing of a file that a load reads is removed', async (t) => {
  const { keeper, lay, left, said } = keeperOf(t, 100 * KIB, () => ['a', 'b']);
  const paths = ['a', 'b', 'c', 'd', 'e', 'f'];
  for (const [at, path] of paths.entries()) lay(path, 20, at);
  keeper.add({ hits: 0, misses: 6, writtenBytes: 120 * KIB });
  t.equal(await said(), 'decoded frames removed');
  t.strictSame(left(paths), ['a', 'b', 'e', 'f']);
  t.equal(keeper.bytes, 80 * KIB);
});

t.test('the frames of a file can be removed at once', async (t) => {
  const { keeper, lay, left } = keeperOf(t, 100 * KIB);
  lay('a', 8, 1);
  lay('b', 8, 1);
  keeper.forget(ROOT, 'a');
  keeper.forget(ROOT, 'never seen');
  t.strictSame(left(['a', 'b']), ['b']);
});

t.test('a folder that cannot be looked after is one line of the log', async (t) => {
  const { folder, keeper, said } = keeperOf(t, 100);
  writeFileSync(join(folder, 'file'), '');
  keeper.open();
  t.equal(await said(), 'decoded frames cannot be looked after');
  await keeper.close();
});

t.test('the folder is of its owner alone', async (t) => {
  const folder = join(temporaryFolder(t), 'state', 'decoded');
  const keeper = new DecodedKeeper({
    folder,
    limitBytes: null,
    inUse: () => [],
    log: { info: () => {}, warn: () => {} },
  });
  keeper.open();
  t.equal(statSync(folder).mode & 0o777, 0o700);
  await keeper.close();
  t.strictSame(readdirSync(folder), []);
});
