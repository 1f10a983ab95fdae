import { renameSync, rmSync, utimesSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { keepSnapshot, keptSnapshot } from '../../src/catalog/snapshot.js';
import {
  contoursOf,
  findSlice,
  findStudy,
  learnSource,
  listProblems,
  listSlices,
  listStudies,
  sliceAt,
} from '../../src/catalog/studies.js';
import { makePhantom } from '../../src/demo/phantom.js';
import type { Database } from '../../src/sqlite.js';
import { temporaryFolder } from '../helper.js';
import { dicomFile, guardAt } from '../loader/sources.js';
import { sharedData } from '../shared-data.js';
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
  learnSource(db, slice(db, study, name), checksum, null);
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

t.test('a phantom folder gives the numbers it was made with', async (t) => {
  const root = join(temporaryFolder(t), 'data');
  const truth = await makePhantom(root, { studies: 2, slices: 2, phases: 4, rows: 32, columns: 48 });
  const db = openCatalogue(t);
  const { result, progress, read } = await scanInto(db, root);
  t.strictSame(result, { changed: 0, added: 2, removed: 0 });
  // Each study: 8 images, contours i and o of two positions, i at their end-systole; and the link table.
  t.strictSame(progress, { state: 'done', files: 29, toRead: 29, read: 29, studies: 2 });
  t.ok(read.every(({ withChecksums }) => !withChecksums));
  const common = { slices: 8, pairs: 4, structures: { i: 4, o: 2 }, rows: 32, columns: 48, problems: 0 };
  t.strictSame(listStudies(db, '', 10), [
    { id: 'PHANTOM001', ...common },
    { id: 'PHANTOM002', ...common },
  ]);
  t.strictSame(listProblems(db, ''), []);
  for (const { id, images } of truth.studies) {
    const slices = listSlices(db, id, -1, 100, true);
    t.strictSame(
      slices.map((each) => [each.slice, each.file, each.structures]),
      images.map((image) => [image.slice, image.file, image.contours.map(({ structure }) => structure)]),
    );
    for (const [at, { revision, ordinal }] of slices.entries()) {
      const written = (name: string) =>
        images[at]!.contours.filter(({ structure }) => structure === name).map(({ points }) =>
          Float64Array.from(points.flat()),
        );
      t.strictSame(contoursOf(db, revision, ordinal, [['i'], ['o']]), [written('i'), written('o')]);
    }
  }
});

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
    [{ path: FIRST, kind: 'image', withChecksums: true }],
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

t.test('two folders with the same files name everything alike', async (t) => {
  const [one, two] = [smallFolder(t), smallFolder(t)];
  utimesSync(join(two, FIRST), 1, 1);
  const [db, other] = [openCatalogue(t), openCatalogue(t)];
  await scanInto(db, one);
  await scanInto(other, two);
  t.strictSame(digests(other), digests(db));
  for (const structures of [[], ['i'], ['i', 'o']])
    t.equal(present(other, structures).digest, present(db, structures).digest);
  const seen = new Set([[], ['i'], ['i', 'o']].map((structures) => present(db, structures).digest));
  t.equal(seen.size, 3);
});

t.test('the order in which files are found does not count', async (t) => {
  const root = smallFolder(t);
  const [db, other] = [openCatalogue(t), openCatalogue(t)];
  await scanInto(db, root);
  rmSync(join(root, FIRST));
  await scanInto(other, root);
  write(root, FIRST, smallImage(1, 'A1'));
  await scanInto(other, root);
  t.strictSame(digests(other), digests(db));
});

t.test('what is wrong is listed, and everything else is there', async (t) => {
  const root = smallFolder(t);
  write(root, 'link.csv', 'patient_id,original_id\nA,OA\nNOBODY,OX\nB,OB\n,\n');
  write(root, 'dicoms/A/notes.txt', 'hello');
  write(root, 'dicoms/A/3.dcm', 'no image');
  write(root, 'dicoms/A/01.dcm', smallImage());
  const contour = (number: string, content: string, name = 'icontour') =>
    write(root, `contourfiles/OA/i-contours/IM-0001-${number}-${name}-manual.txt`, content);
  contour('0002', 'nothing\n');
  contour('0003', TRIANGLE);
  contour('0009', TRIANGLE);
  contour('1', TRIANGLE);
  contour('0001', TRIANGLE, 'ocontour');
  write(root, 'contourfiles/OA/o-contours/IM-0001-0002-ocontour-manual.txt', '0 0\n\n2.6 0\n0 1\n');
  const db = openCatalogue(t);
  const { log } = await scanInto(db, root);
  const i = 'contourfiles/OA/i-contours/IM-0001';
  t.strictSame(
    new Set(listProblems(db, 'A').map(({ code, file }) => `${code} ${file}`)),
    new Set([
      'IMAGE_NAME dicoms/A/notes.txt',
      'IMAGE_NAME dicoms/A/1.dcm',
      'NOT_DICOM dicoms/A/3.dcm',
      `CONTOUR_NOT_A_NUMBER ${i}-0002-icontour-manual.txt`,
      `CONTOUR_WITHOUT_IMAGE ${i}-0003-icontour-manual.txt`,
      `CONTOUR_WITHOUT_IMAGE ${i}-0009-icontour-manual.txt`,
      `CONTOUR_TWICE ${i}-1-icontour-manual.txt`,
      `CONTOUR_NAME ${i}-0001-ocontour-manual.txt`,
      'CONTOUR_BLANK_LINE contourfiles/OA/o-contours/IM-0001-0002-ocontour-manual.txt',
      'CONTOUR_OUTSIDE contourfiles/OA/o-contours/IM-0001-0002-ocontour-manual.txt',
    ]),
  );
  t.match(findStudy(db, 'A'), { slices: 2, pairs: 2, structures: { i: 1, o: 2 }, problems: 10 });
  t.strictSame(
    listProblems(db, '').map(({ code, file }) => `${code} ${file}`),
    ['LINK_ROW link.csv', 'LINK_ROW link.csv'],
  );
  t.match(findStudy(db, 'B'), { slices: 2, pairs: 1, problems: 0 });
  t.match(
    log.find(({ msg }) => msg === 'the study has problems'),
    { study: 'A', problems: 10, codes: { CONTOUR_WITHOUT_IMAGE: 2 } },
  );
  rmSync(join(root, 'dicoms/A/3.dcm'));
  rmSync(join(root, 'dicoms/A/notes.txt'));
  await scanInto(db, root);
  t.notOk(listProblems(db, 'A').some(({ file }) => file === 'dicoms/A/3.dcm'));
});

t.test('without a link table there are images, and it says why there is no pair', async (t) => {
  const root = smallFolder(t);
  rmSync(join(root, 'link.csv'));
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.match(listProblems(db, ''), [
    { code: 'LINK_TABLE', file: 'link.csv' },
    { code: 'LINK_ROW', file: 'contourfiles/OA' },
    { code: 'LINK_ROW', file: 'contourfiles/OB' },
  ]);
  t.match(listStudies(db, '', 10), [
    { id: 'A', slices: 2, pairs: 0 },
    { id: 'B', slices: 2, pairs: 0 },
  ]);
});

t.test('an empty folder is an empty catalogue', async (t) => {
  const db = openCatalogue(t);
  const { result, progress } = await scanInto(db, temporaryFolder(t));
  t.strictSame(result, NOTHING);
  t.match(progress, { state: 'done', files: 0, studies: 0 });
  t.strictSame(listStudies(db, '', 10), []);
});

t.test('each frame of a file is a slice', async (t) => {
  const root = smallFolder(t);
  const pixels = Uint16Array.from({ length: 18 }, (_, i) => i);
  write(root, 'dicoms/A/1.dcm', dicomFile({ rows: 2, columns: 3, frames: 3, pixels }));
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.strictSame(
    listSlices(db, 'A', -1, 10, true).map(({ slice, frame, ordinal }) => [slice, frame, ordinal]),
    [
      ['1.f1', 0, 0],
      ['1.f2', 1, 1],
      ['1.f3', 2, 2],
      ['2', 0, 3],
    ],
  );
  t.strictSame(
    listProblems(db, 'A').map(({ code }) => code),
    ['CONTOUR_WITHOUT_IMAGE', 'CONTOUR_WITHOUT_IMAGE'],
  );
});

t.test('a study of several shapes has none', async (t) => {
  const root = smallFolder(t);
  write(root, 'dicoms/A/2.dcm', dicomFile({ rows: 4, columns: 3, pixels: new Uint16Array(12) }));
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.match(findStudy(db, 'A'), { rows: null, columns: 3 });
});

t.test('a file whose reader died is a problem of its study alone', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  const refused = { kind: 'refused', code: 'LOADER_ENDED', detail: 'it ended its loader (crash)' } as const;
  await scanInto(
    db,
    root,
    reading(({ path }) => (path === 'dicoms/B/2.dcm' ? refused : undefined)),
  );
  t.match(listProblems(db, 'B'), [{ code: 'LOADER_ENDED', file: 'dicoms/B/2.dcm' }]);
  t.match(findStudy(db, 'B'), { slices: 1, pairs: 1 });
  t.match(findStudy(db, 'A'), { slices: 2, problems: 0 });
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

t.test('a file that goes away while it is scanned is a problem, not the end', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(
    db,
    root,
    reading(({ path }) => {
      if (path === FIRST) rmSync(join(root, FIRST));
      return undefined;
    }),
  );
  t.match(
    listProblems(db, 'A').find(({ file }) => file === FIRST),
    { code: 'FILE_UNREADABLE' },
  );
  t.match(findStudy(db, 'A'), { slices: 1 });
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

const sunnybrook = sharedData('sunnybrook');

t.test(
  'the real folder of three patients',
  { skip: sunnybrook === null && 'the folder of real data is missing: sunnybrook' },
  async (t) => {
    const db = openCatalogue(t);
    const { result } = await scanInto(db, resolve(sunnybrook!));
    t.strictSame(result, { changed: 0, added: 3, removed: 0 });
    t.match(findStudy(db, 'SCD0000101'), { slices: 240, rows: 256, columns: 256 });
    const contours = listStudies(db, '', 10).flatMap(({ structures }) => Object.values(structures));
    t.equal(
      contours.reduce((sum, count) => sum + count, 0),
      84,
    );
  },
);
