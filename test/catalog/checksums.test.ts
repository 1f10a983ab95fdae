import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { Checksums } from '../../src/catalog/checksums.js';
import { findSlice, learnSources, writeLearned } from '../../src/catalog/slices.js';
import type { ScanUnit } from '../../src/loader/messages.js';
import { openCatalogue, present, reading, scanInto, smallFolder } from './catalogue.js';

const CHECKSUM = crc32(Buffer.from(Uint16Array.of(1, 2, 3, 4, 5, 6).buffer));

/** A scanned folder, and a reader that says when it was asked for so many studies' files. */
async function open(
  t: Parameters<typeof smallFolder>[0],
  before: (unit: ScanUnit) => undefined = () => undefined,
) {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const { read, readFiles } = reading(before);
  let tasks = 0;
  let wake = () => {};
  const checksums = new Checksums(
    db,
    (path) => ({ root, path }),
    (...args) => {
      tasks++;
      wake();
      return readFiles(...args);
    },
  );
  return {
    root,
    db,
    checksums,
    paths: () => read.map(({ path }) => path),
    checksum: (study: string, slice: string) => findSlice(db, study, slice)?.checksum,
    async asked(count: number) {
      while (tasks < count)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    },
  };
}

t.test("the pixels of a snapshot's pairs are read, and no others", async (t) => {
  const { db, checksums, asked, paths, checksum } = await open(t);
  checksums.add(present(db));
  await asked(2);
  await checksums.stop();
  t.strictSame(paths(), ['dicoms/A/1.dcm', 'dicoms/B/1.dcm']);
  t.equal(checksum('A', '1'), CHECKSUM);
  t.equal(checksum('B', '1'), CHECKSUM);
  t.equal(checksum('A', '2'), null);
});

t.test('where every slice is a pair, all are read', async (t) => {
  const { db, checksums, asked, paths } = await open(t);
  checksums.add(present(db, []));
  await asked(2);
  await checksums.stop();
  t.equal(paths().length, 4);
});

t.test('what is known is not read again', async (t) => {
  const { db, checksums, asked, paths, checksum } = await open(t);
  learnSources(db, [{ slice: findSlice(db, 'A', '1')!, checksum: 7, guard: null }]);
  writeLearned(db);
  checksums.add(present(db));
  await asked(1);
  await checksums.stop();
  t.strictSame(paths(), ['dicoms/B/1.dcm']);
  t.equal(checksum('A', '1'), 7);
});

t.test('a file that is not as the scan saw it teaches nothing', async (t) => {
  const { root, db, checksums, asked, checksum } = await open(t);
  utimesSync(join(root, 'dicoms/A/1.dcm'), 1, 1);
  checksums.add(present(db));
  await asked(2);
  await checksums.stop();
  t.equal(checksum('A', '1'), null);
  t.equal(checksum('B', '1'), CHECKSUM);
});

t.test('loaders that end do not end it', async (t) => {
  let failed = false;
  const { db, checksums, asked, checksum } = await open(t, () => {
    if (failed) return undefined;
    failed = true;
    throw new Error('the loaders ended');
  });
  checksums.add(present(db));
  checksums.add(present(db));
  await asked(3);
  await checksums.stop();
  t.equal(checksum('A', '1'), CHECKSUM);
  t.equal(checksum('B', '1'), CHECKSUM);
});

t.test('after a stop nothing is read', async (t) => {
  const { db, checksums, paths } = await open(t);
  await checksums.stop();
  checksums.add(present(db));
  await checksums.stop();
  t.strictSame(paths(), []);
});
