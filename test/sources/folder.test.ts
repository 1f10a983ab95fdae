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
      { code: 'FILE_UNREADABLE', path: 'broken', detail: 'it cannot be read (ENOENT)' },
      { code: 'FILE_UNREADABLE', path: 'loop', detail: 'it cannot be read (ELOOP)' },
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

t.test('a folder is read once, however many links lead to it, and under its own path', async (t) => {
  const root = temporaryFolder(t);
  write(root, 'dicoms/P/1', '');
  write(root, 'a', '');
  symlinkSync('dicoms', join(root, 'all'));
  symlinkSync('.', join(root, 'latest'));
  symlinkSync('../..', join(root, 'dicoms/P/up'));
  const { paths, faults } = await walk(root);
  t.strictSame(paths, ['a', 'dicoms/P/1']);
  const detail = (where: string) => `it leads to ${where}, where it is read`;
  t.strictSame(faults, [
    { code: 'FOLDER_TWICE', path: 'all', detail: detail('dicoms') },
    { code: 'FOLDER_TWICE', path: 'latest', detail: detail('the data folder itself') },
    { code: 'FOLDER_TWICE', path: 'dicoms/P/up', detail: detail('the data folder itself') },
  ]);
});

t.test('a folder that a layout names by a link is read there', async (t) => {
  const root = temporaryFolder(t);
  for (const path of ['a/raw/P/1', 'a/raw/P/sub/2', 'a/raw/Q/1', 'ch/dicoms/own/1', 'ch/link.csv'])
    write(root, path, '');
  for (const path of ['dicoms/R/1', 'z/contourfiles/o/i-contours/t']) write(root, path, '');
  mkdirSync(join(root, 'z/dicoms'));
  symlinkSync('../../a/raw/P', join(root, 'ch/dicoms/P'));
  symlinkSync('../../a/raw/P', join(root, 'ch/dicoms/P-again'));
  symlinkSync('../../ch/dicoms/own', join(root, 'z/dicoms/own'));
  symlinkSync('../../dicoms/R', join(root, 'z/dicoms/R'));
  symlinkSync('../..', join(root, 'ch/dicoms/up'));
  symlinkSync('../../../ch', join(root, 'a/raw/P/back'));
  symlinkSync('nothing', join(root, 'ch/dicoms/broken'));
  const { paths, faults } = await walk(root);
  t.strictSame(paths.sort(), [
    'a/raw/Q/1',
    'ch/dicoms/P/1',
    'ch/dicoms/P/sub/2',
    'ch/dicoms/own/1',
    'ch/link.csv',
    'z/contourfiles/o/i-contours/t',
    'z/dicoms/R/1',
  ]);
  t.strictSame(faults.map(({ path, detail }) => `${path}: ${detail}`).sort(), [
    'a/raw/P: it leads to ch/dicoms/P, where it is read',
    'ch/dicoms/P-again: it leads to ch/dicoms/P, where it is read',
    'ch/dicoms/P/back: it leads to ch, where it is read',
    'ch/dicoms/broken: it cannot be read (ENOENT)',
    'ch/dicoms/up: it leads to the data folder itself, where it is read',
    'dicoms/R: it leads to z/dicoms/R, where it is read',
    'z/dicoms/own: it leads to ch/dicoms/own, where it is read',
  ]);
});

t.test('a layout of links alone is read there', async (t) => {
  const root = temporaryFolder(t);
  for (const path of ['b/images/P/1', 'b/texts/o/i-contours/t']) write(root, path, '');
  mkdirSync(join(root, 'c'));
  symlinkSync('../b/images', join(root, 'c/dicoms'));
  symlinkSync('../b/texts', join(root, 'c/contourfiles'));
  t.strictSame((await walk(root)).paths.sort(), ['c/contourfiles/o/i-contours/t', 'c/dicoms/P/1']);
});

t.test('cycles of three links, in the folder and outside of it, end with each file once', async (t) => {
  const root = temporaryFolder(t);
  const outside = temporaryFolder(t);
  for (const [at, name] of ['a', 'b', 'c'].entries()) {
    write(root, `${name}/file`, '');
    write(outside, `${name}/file`, '');
    for (const other of ['a', 'b', 'c']) {
      symlinkSync(`../${other}`, join(root, name, `to-${other}`));
      symlinkSync(join(outside, other), join(outside, name, `to-${other}`));
    }
    symlinkSync('.', join(root, `here-${at}`));
  }
  symlinkSync(join(outside, 'a'), join(root, 'outside'));
  const { paths, faults } = await walk(root);
  t.strictSame(paths, [
    'a/file',
    'b/file',
    'c/file',
    'outside/file',
    'outside/to-b/file',
    'outside/to-c/file',
  ]);
  t.equal(faults.length, 3 + 9 + 9 - 2, 'a word for each link that leads to what is read elsewhere');
});

t.test('folders that are left out are not entered through a link either', async (t) => {
  const root = temporaryFolder(t);
  write(root, 'state/1', '');
  write(root, 'a/2', '');
  symlinkSync('../state', join(root, 'a/link'));
  symlinkSync('.', join(root, 'here'));
  const paths: string[] = [];
  const faults: WalkFault[] = [];
  for await (const lot of walkFolder(root, faults, ['state'])) paths.push(...lot.map(({ path }) => path));
  t.strictSame(paths, ['a/2']);
  t.strictSame(
    faults.map(({ path }) => path),
    ['here'],
  );
});

t.test('a name that is no UTF-8 is a fault that says so', async (t) => {
  const root = temporaryFolder(t);
  const named = (name: Buffer) => Buffer.concat([Buffer.from(`${root}/`), name]);
  const folder = Buffer.from('Sch\u00e4del', 'latin1');
  mkdirSync(named(folder));
  writeFileSync(named(Buffer.concat([folder, Buffer.from('/1.dcm')])), '');
  writeFileSync(named(Buffer.from('Bild\u00fc.dcm', 'latin1')), '');
  write(root, 'Sch\u00e4del utf-8/2.dcm', '');
  const { paths, faults } = await walk(root);
  t.strictSame(paths, ['Sch\u00e4del utf-8/2.dcm']);
  const detail = 'its name is no UTF-8, so that it cannot be opened: rename it (convmv does whole folders)';
  t.strictSame(
    faults.sort((a, b) => (a.path < b.path ? -1 : 1)),
    [
      { code: 'NAME_NOT_UTF8', path: 'Bild\ufffd.dcm', detail },
      { code: 'NAME_NOT_UTF8', path: 'Sch\ufffddel', detail },
    ],
  );
});

t.test('more than 12 folders in each other are a fault', async (t) => {
  const root = temporaryFolder(t);
  const twelve = Array.from({ length: 12 }, (_, at) => `${at + 1}`).join('/');
  write(root, `${twelve}/file`, '');
  write(root, `${twelve}/13/file`, '');
  const { paths, faults } = await walk(root);
  t.strictSame(paths, [`${twelve}/file`]);
  t.strictSame(faults, [
    { code: 'FILE_UNREADABLE', path: `${twelve}/13`, detail: 'more than 12 folders deep' },
  ]);
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
      faults: [{ code: 'FILE_UNREADABLE', path: 'a', detail: 'the folder cannot be read (EACCES)' }],
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
