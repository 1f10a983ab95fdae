import { rmSync, utimesSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { partsOf } from '../../src/catalog/parts.js';
import { listSlices } from '../../src/catalog/slices.js';
import { findStudy, listProblems, listStudies } from '../../src/catalog/studies.js';
import { makePhantom } from '../../src/demo/phantom.js';
import { temporaryFolder } from '../helper.js';
import { dicomFile } from '../loader/sources.js';
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
        images[at]!.contours.filter(({ structure }) => structure === name).map(({ points }) => ({
          structure: name,
          part: { kind: 'text', points: Float64Array.from(points.flat()) },
        }));
      t.strictSame(partsOf(db, revision, ordinal), [...written('i'), ...written('o')]);
    }
  }
});

t.test('the log names up to 20 studies with problems, and counts them when there are more', async (t) => {
  for (const [studies, told, counted] of [
    [20, 20, []],
    [22, 20, [{ level: 40, studies: 22, codes: { IMAGE_NAME: 22 } }]],
  ] as const) {
    const root = temporaryFolder(t);
    const names = Array.from({ length: studies }, (_, at) => `P${at}`);
    write(root, 'link.csv', `patient_id,original_id\n${names.map((name) => `${name},O${name}\n`).join('')}`);
    for (const name of names) {
      write(root, `dicoms/${name}/1.dcm`, smallImage(1));
      write(root, `dicoms/${name}/notes.txt`, 'no image');
    }
    const { log } = await scanInto(openCatalogue(t), root);
    const lines = log.filter(({ msg }) => msg === 'the study has problems');
    t.equal(lines.length, studies);
    t.equal(lines.filter(({ level }) => level === 40).length, told);
    t.equal(lines.filter(({ level }) => level === 20).length, studies - told);
    t.match(
      log.filter(({ msg }) => msg === 'many studies have problems'),
      counted,
    );
    t.equal(log.filter(({ msg }) => msg === 'many studies have problems').length, counted.length);
  }
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

t.test('a text contour that lies wholly beside its image makes no pair', async (t) => {
  const root = smallFolder(t);
  const path = 'contourfiles/OA/p1-contours/IM-0001-0001-p1contour-manual.txt';
  write(root, path, '900 1\n904 1\n900 4\n');
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.strictSame(Object.keys(findStudy(db, 'A')!.structures), ['i', 'o']);
  t.match(
    listProblems(db, 'A').filter(({ file }) => file === path),
    [{ code: 'CONTOUR_OUTSIDE', detail: 'no pixel of its image is inside it; left out' }],
  );
  write(root, path, '900 1\n904 1\n900 4\n-900 2\n');
  await scanInto(db, root);
  t.strictSame(findStudy(db, 'A')!.structures.p1, 1, 'one that reaches across it does');
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
  const refused = {
    kind: 'refused',
    code: 'LOADER_ENDED',
    detail: 'it ended its loader (crash)',
    object: null,
  } as const;
  await scanInto(
    db,
    root,
    reading(({ path }) => (path === 'dicoms/B/2.dcm' ? refused : undefined)),
  );
  t.match(listProblems(db, 'B'), [{ code: 'LOADER_ENDED', file: 'dicoms/B/2.dcm' }]);
  t.match(findStudy(db, 'B'), { slices: 1, pairs: 1 });
  t.match(findStudy(db, 'A'), { slices: 2, problems: 0 });
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
