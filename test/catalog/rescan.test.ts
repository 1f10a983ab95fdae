import { renameSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { findSlice, learnSources, listSlices, sliceAt } from '../../src/catalog/slices.js';
import { keepSnapshot, keptSnapshot } from '../../src/catalog/snapshot.js';
import { findStudy, listProblems, listStudies } from '../../src/catalog/studies.js';
import type { Database } from '../../src/sqlite.js';
import { guardAt } from '../loader/sources.js';
import {
  digests,
  openCatalogue,
  present,
  reading,
  scanInto,
  smallFolder,
  smallImage,
  TRIANGLE,
  write,
} from './catalogue.js';

const NOTHING = { changed: 0, added: 0, removed: 0 };
const FIRST = 'dicoms/A/1.dcm';

function slice(db: Database, study: string, name: string) {
  const found = findSlice(db, study, name);
  if (!found) throw new Error(`no slice ${study}/${name}`);
  return found;
}

/** Marks the pixels of a slice as read. */
function learn(db: Database, study: string, name: string, first = 1): number {
  const checksum = checksumOf(first);
  learnSources(db, [{ slice: slice(db, study, name), checksum, guard: null }]);
  return checksum;
}

function checksumOf(first: number): number {
  return crc32(Buffer.from(Uint16Array.of(first, 2, 3, 4, 5, 6).buffer));
}

/** Keeps a snapshot of all that is present. */
function hold(db: Database): string {
  const snapshot = present(db, []);
  keepSnapshot(db, snapshot, 0);
  return snapshot.digest;
}

t.test('a second scan reads nothing and changes nothing', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const before = digests(db);
  const { result, progress, read } = await scanInto(db, root);
  t.strictSame(result, NOTHING);
  t.strictSame(read, []);
  t.match(progress, { state: 'done', files: 8, toRead: 0, read: 0, studies: 2 });
  t.strictSame(digests(db), before);
});

t.test('a file that is touched is read again, and no study changes for it', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const before = digests(db);
  const checksum = learn(db, 'A', '1');
  hold(db);
  for (const path of [FIRST, 'link.csv', 'contourfiles/OA/i-contours/IM-0001-0001-icontour-manual.txt'])
    utimesSync(join(root, path), 1, 1);
  const { result, read } = await scanInto(db, root);
  t.strictSame(result, NOTHING);
  t.equal(read.length, 3);
  t.strictSame(
    read.filter(({ kind }) => kind === 'image'),
    [{ path: FIRST, kind: 'image', sizeBytes: 648, withChecksums: true }],
  );
  t.strictSame(digests(db), before);
  t.match(slice(db, 'A', '1'), { guard: guardAt(root, FIRST), checksum });
});

t.test(
  'a touched file that nobody ever read, and on which nothing stands, is no change either',
  async (t) => {
    const root = smallFolder(t);
    const db = openCatalogue(t);
    await scanInto(db, root);
    const before = digests(db);
    utimesSync(join(root, FIRST), 1, 1);
    t.strictSame((await scanInto(db, root)).result, NOTHING);
    t.strictSame(digests(db), before);
    t.match(slice(db, 'A', '1'), { guard: guardAt(root, FIRST), checksum: checksumOf(1) });
  },
);

t.test(
  'other pixels of the same size are a new state of their study, and the old one stays as it was',
  async (t) => {
    const root = smallFolder(t);
    const db = openCatalogue(t);
    await scanInto(db, root);
    const before = digests(db);
    const checksum = learn(db, 'A', '1');
    const old = slice(db, 'A', '1');
    const held = hold(db);
    write(root, FIRST, smallImage(9, 'A1'));
    const { result, read } = await scanInto(db, root);
    t.strictSame(result, { changed: 1, added: 0, removed: 0 });
    t.equal(read.length, 1);
    t.not(digests(db).A, before.A);
    t.equal(digests(db).B, before.B);
    t.match(slice(db, 'A', '1'), { guard: guardAt(root, FIRST), checksum: checksumOf(9) });
    t.match(sliceAt(db, old.revision, old.ordinal), { guard: old.guard, checksum });
    t.equal(keptSnapshot(db, held as never)?.digest, held);
    t.not(present(db, []).digest, held);
  },
);

t.test('pixels that come back are the state that they were', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const before = digests(db);
  learn(db, 'A', '1');
  hold(db);
  write(root, FIRST, smallImage(9, 'A1'));
  await scanInto(db, root);
  write(root, FIRST, smallImage(1, 'A1'));
  t.strictSame((await scanInto(db, root)).result, { changed: 1, added: 0, removed: 0 });
  t.strictSame(digests(db), before);
  t.match(slice(db, 'A', '1'), { guard: guardAt(root, FIRST), checksum: checksumOf(1) });
});

t.test(
  'where a session stands on pixels that nobody read, a rescan does not refresh its guard',
  async (t) => {
    const root = smallFolder(t);
    const db = openCatalogue(t);
    await scanInto(db, root);
    const old = slice(db, 'A', '1');
    hold(db);
    write(root, FIRST, smallImage(9, 'A1'));
    await scanInto(db, root);
    t.match(sliceAt(db, old.revision, old.ordinal), { guard: old.guard, checksum: null });
    t.match(slice(db, 'A', '1'), { guard: guardAt(root, FIRST), checksum: checksumOf(9) });
  },
);

t.test('another header, another contour, another image: each is a new state', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const seen = new Set([digests(db).A]);
  const changed = async (what: string) => {
    t.strictSame((await scanInto(db, root)).result, { changed: 1, added: 0, removed: 0 }, what);
    seen.add(digests(db).A);
  };
  write(root, FIRST, smallImage(1, 'other'));
  await changed('header');
  write(root, 'contourfiles/OA/i-contours/IM-0001-0001-icontour-manual.txt', '0 0\n2 0\n1 1\n');
  await changed('contour');
  write(root, 'dicoms/A/3.dcm', smallImage(1, 'A3'));
  await changed('image');
  t.match(findStudy(db, 'A'), { slices: 3, pairs: 1 });
  write(root, 'contourfiles/OA/i-contours/IM-0001-0003-icontour-manual.txt', TRIANGLE);
  await changed('pair');
  t.match(findStudy(db, 'A'), { slices: 3, pairs: 2, structures: { i: 2, o: 1 } });
  t.equal(seen.size, 5);
});

t.test('a file that is gone takes its slice with it, and its contours are a problem', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  rmSync(join(root, FIRST));
  t.strictSame((await scanInto(db, root)).result, { changed: 1, added: 0, removed: 0 });
  t.match(findStudy(db, 'A'), { slices: 1, pairs: 0, problems: 2 });
  t.strictSame(
    listProblems(db, 'A').map(({ code }) => code),
    ['CONTOUR_WITHOUT_IMAGE', 'CONTOUR_WITHOUT_IMAGE'],
  );
});

t.test('a file that comes back can be loaded by whoever asks next', async (t) => {
  for (const first of [1, 9]) {
    const root = smallFolder(t);
    const db = openCatalogue(t);
    await scanInto(db, root);
    const before = digests(db);
    learn(db, 'A', '1');
    hold(db);
    rmSync(join(root, FIRST));
    await scanInto(db, root);
    write(root, FIRST, smallImage(first, 'A1'));
    t.strictSame((await scanInto(db, root)).result, { changed: 1, added: 0, removed: 0 });
    t.equal(digests(db).A === before.A, first === 1);
    t.match(slice(db, 'A', '1'), { guard: guardAt(root, FIRST), checksum: checksumOf(first) });
  }
});

t.test('a study that is gone and one that is new', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const before = digests(db);
  renameSync(join(root, 'dicoms/B'), join(root, 'dicoms/C'));
  const { result } = await scanInto(db, root);
  t.strictSame(result, { changed: 0, added: 1, removed: 1 });
  t.strictSame(
    listStudies(db, '', 10).map(({ id }) => id),
    ['A', 'C'],
  );
  t.equal(digests(db).A, before.A);
  t.strictSame(listProblems(db, 'B'), []);
  t.match(listProblems(db, ''), [
    { code: 'LINK_ROW', file: 'link.csv' },
    { code: 'LINK_ROW', file: 'contourfiles/OB' },
  ]);
});

t.test('a file that changes while it is scanned is read again by the next scan', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(
    db,
    root,
    reading(({ path }) => {
      if (path === FIRST) write(root, FIRST, smallImage(9, 'longer than before'));
      return undefined;
    }),
  );
  const { read } = await scanInto(db, root);
  t.strictSame(
    read.map(({ path }) => path),
    [FIRST],
  );
  t.match(slice(db, 'A', '1'), { guard: guardAt(root, FIRST) });
});

t.test('a scan that fails leaves the present states, and the next one makes good', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const before = digests(db);
  write(root, FIRST, smallImage(1, 'new'));
  const failing = reading(() => {
    throw new Error('the loaders end');
  });
  await t.rejects(scanInto(db, root, failing), { message: 'the loaders end' });
  t.strictSame(digests(db), before);
  t.strictSame((await scanInto(db, root)).result, { changed: 1, added: 0, removed: 0 });
});

t.test('a scan that fails while it writes leaves no half study to the next one', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  db.exec(`CREATE TRIGGER full BEFORE INSERT ON slice WHEN NEW.slice = '2' AND NEW.path LIKE 'dicoms/B/%'
    BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`);
  await t.rejects(scanInto(db, root), { message: /the disk is full/ });
  db.exec('DROP TRIGGER full');
  const { result, read } = await scanInto(db, root);
  t.match(result, { added: 1 });
  t.strictSame(read, [], 'what was read is kept');
  t.match(findStudy(db, 'B'), { slices: 2, pairs: 1 });
  t.equal(listSlices(db, 'B', -1, 10, true).length, 2);
});
