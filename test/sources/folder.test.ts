import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkFolder, type WalkFault, walkFolder } from '../../src/sources/folder.js';
import { write } from '../catalog/catalogue.js';
import { temporaryFolder } from '../helper.js';
import { guardAt } from '../loader/sources.js';

async function walk(root: string) {
  const faults: WalkFault[] = [];
  const paths: string[] = [];
  for await (const lot of walkFolder(root, faults))
    for (const { path, guard } of lot) {
      t.equal(guard, guardAt(root, path));
      paths.push(path);
    }
  return { paths, faults };
}

t.test(
  'every file below the root, those of a folder before its folders, both in order of their names',
  async (t) => {
    const root = temporaryFolder(t);
    for (const path of ['b/2', 'b/1', 'a', 'c/d/e', 'b.txt', 'Z']) write(root, path, path);
    mkdirSync(join(root, 'empty'));
    t.strictSame(await walk(root), { paths: ['Z', 'a', 'b.txt', 'b/1', 'b/2', 'c/d/e'], faults: [] });
  },
);

t.test('names with a leading dot are left out', async (t) => {
  const root = temporaryFolder(t);
  for (const path of ['.hidden', '.git/config', 'a/.DS_Store', 'a/b']) write(root, path, '');
  t.strictSame((await walk(root)).paths, ['a/b']);
});

t.test(
  'links are followed; one that leads nowhere or to itself is a fault and the walk goes on',
  async (t) => {
    const root = temporaryFolder(t);
    const elsewhere = temporaryFolder(t);
    write(elsewhere, 'file', 'x');
    write(root, 'z', 'z');
    symlinkSync(join(elsewhere, 'file'), join(root, 'file'));
    symlinkSync(elsewhere, join(root, 'folder'));
    symlinkSync(join(elsewhere, 'nothing'), join(root, 'broken'));
    symlinkSync('loop', join(root, 'loop'));
    const { paths, faults } = await walk(root);
    t.strictSame(paths, ['file', 'z', 'folder/file']);
    t.strictSame(faults, [
      { path: 'broken', detail: 'it cannot be read (ENOENT)' },
      { path: 'loop', detail: 'it cannot be read (ELOOP)' },
    ]);
  },
);

t.test('folders that are left out are not gone into', async (t) => {
  const root = temporaryFolder(t);
  for (const path of ['a/1', 'b/1', 'b/a/1']) write(root, path, '');
  const paths: string[] = [];
  for await (const lot of walkFolder(root, [], ['a', '../b', ''])) paths.push(...lot.map(({ path }) => path));
  t.strictSame(paths.sort(), ['b/1', 'b/a/1']);
});

t.test('a folder that holds itself ends', async (t) => {
  const root = temporaryFolder(t);
  write(root, 'a/file', '');
  symlinkSync('..', join(root, 'a/up'));
  const { paths, faults } = await walk(root);
  t.ok(paths.includes('a/file'));
  t.ok(paths.length < 20, `${paths.length}`);
  t.match(faults, [{ detail: 'more than 12 folders deep' }]);
});

t.test('what is no file is passed over', async (t) => {
  const root = temporaryFolder(t);
  write(root, 'a', '');
  symlinkSync('/dev/null', join(root, 'device'));
  t.strictSame((await walk(root)).paths, ['a']);
});

t.test(
  'a folder that may not be read is a fault',
  { skip: process.getuid?.() === 0 && 'root may read every folder' },
  async (t) => {
    const root = temporaryFolder(t);
    write(root, 'a/file', '');
    write(root, 'b', '');
    chmodSync(join(root, 'a'), 0);
    t.teardown(() => chmodSync(join(root, 'a'), 0o700));
    t.strictSame(await walk(root), {
      paths: ['b'],
      faults: [{ path: 'a', detail: 'the folder cannot be read (EACCES)' }],
    });
  },
);

t.test('a root that is not there throws', async (t) => {
  await t.rejects(walk(join(temporaryFolder(t), 'nothing')), { code: 'ENOENT' });
});

t.test('a data folder that cannot be served is told in words', async (t) => {
  const root = temporaryFolder(t);
  t.doesNotThrow(() => checkFolder(root));
  const hint = 'name a folder that this user may read with --data FOLDER or SLICEFEED_DATA';
  t.throws(() => checkFolder(join(root, 'nothing')), {
    message: `the data folder ${join(root, 'nothing')} does not exist: ${hint}`,
  });
  writeFileSync(join(root, 'file'), '');
  t.throws(() => checkFolder(join(root, 'file')), {
    message: `the data folder ${join(root, 'file')} is a file: ${hint}`,
  });
});
