import { renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { listSlices } from '../../src/catalog/slices.js';
import { findStudy, listProblems, listStudies } from '../../src/catalog/studies.js';
import type { Element } from '../../src/demo/part10.js';
import { temporaryFolder } from '../helper.js';
import { dicomFile } from '../loader/sources.js';
import { sharedData } from '../shared-data.js';
import { digests, openCatalogue, present, reading, scanInto, TRIANGLE, write } from './catalogue.js';

type Image = Parameters<typeof dicomFile>[0];

/** A 2 × 3 axial image of study 1.1 at height `z`. */
function axial(uid: string, z: number, changes: Partial<Image> = {}): Uint8Array {
  return dicomFile({
    rows: 2,
    columns: 3,
    pixels: Uint16Array.of(1, 2, 3, 4, 5, 6),
    modality: 'CT',
    patientId: 'P',
    sopInstanceUid: uid,
    studyUid: '1.1',
    seriesUid: '1.1.1',
    position: [0, 0, z],
    orientation: [1, 0, 0, 0, 1, 0],
    ...changes,
  });
}

const sq = (tag: string, ...value: (readonly Element[])[]): Element => ({ tag, vr: 'SQ', value });
const ds = (tag: string, value: string): Element => ({ tag, vr: 'DS', value });

/** Three frames of 1 × 2, each with its own place, spacing, rescale and window. */
function enhanced(uid: string): Uint8Array {
  const frame = (z: number, n: number) => [
    sq('00209113', [ds('00200032', `0\\0\\${z}`)]),
    sq('00289110', [ds('00280030', `${n}\\${n}`)]),
    sq('00289145', [ds('00281052', String(-n)), ds('00281053', String(n))]),
    sq('00289132', [ds('00281050', String(10 * n)), ds('00281051', '20')]),
  ];
  const extra = [
    sq('52009229', [sq('00209116', [ds('00200037', '1\\0\\0\\0\\1\\0')])]),
    sq('52009230', frame(30, 1), frame(10, 2), frame(20, 3)),
  ];
  const { rows, columns, frames } = { rows: 1, columns: 2, frames: 3 };
  const pixels = Uint16Array.of(1, 2, 3, 4, 5, 6);
  return dicomFile({
    rows,
    columns,
    frames,
    pixels,
    sopInstanceUid: uid,
    studyUid: '1.1',
    seriesUid: '1.1.2',
    extra,
  });
}

/** Two studies, one of two series, a report, a presentation state, a plan of another study, a broken file and what else lies about. */
function hospital(root: string, at: (name: string) => string): void {
  const number = (value: number): Element => ({ tag: '00200011', vr: 'IS', value: String(value) });
  const put = (name: string, content: string | Uint8Array) => write(root, at(name), content);
  put('a', axial('1.1.1.1', 30, { instanceNumber: 1, extra: [number(2)] }));
  put('b', axial('1.1.1.2', 10, { instanceNumber: 2, extra: [number(2)] }));
  put('c', axial('1.1.1.3', 20, { instanceNumber: 3, extra: [number(2)] }));
  put('d', axial('1.1.3.1', 99, { seriesUid: '1.1.3', modality: 'MR', extra: [number(1)] }));
  put('e', axial('1.2.1.1', 0, { studyUid: '1.2', seriesUid: '1.2.1', rows: 1, columns: 6 }));
  put('cut', axial('1.1.1.4', 40).subarray(0, -3));
  put('twice', axial('1.1.1.2', 10, { instanceNumber: 2, extra: [number(2)] }));
  put('report', axial('1.1.8.1', 0, { sopClassUid: '1.2.840.10008.5.1.4.1.1.88.11' }));
  put('state', axial('1.1.8.2', 0, { sopClassUid: '1.2.840.10008.5.1.4.1.1.11.1' }));
  put('plan', axial('1.9.1', 0, { sopClassUid: '1.2.840.10008.5.1.4.1.1.481.5', studyUid: '1.9' }));
}

t.test('a tree gives studies, series and slices by what is in its files', async (t) => {
  const root = temporaryFolder(t);
  hospital(root, (name) => `MUSTER^HANS/${name}`);
  write(root, 'README.txt', 'about');
  write(root, 'LICENSE', 'about');
  write(root, 'Thumbs.db', 'x');
  write(root, 'other.dcm', 'no image');
  const db = openCatalogue(t);
  const { result, log } = await scanInto(db, root);
  t.strictSame(result, { changed: 0, added: 2, removed: 0 });
  t.match(listStudies(db, '', 10), [
    { id: '1.1', slices: 4, pairs: 0, rows: 2, columns: 3, problems: 4 },
    { id: '1.2', slices: 1, pairs: 0, rows: 1, columns: 6, problems: 0 },
  ]);
  t.strictSame(
    listSlices(db, '1.1', -1, 10, true).map(({ slice, header }) => [
      slice,
      header.seriesUid,
      header.position?.[2],
    ]),
    [
      ['1.1.3.1', '1.1.3', 99],
      ['1.1.1.2', '1.1.1', 10],
      ['1.1.1.3', '1.1.1', 20],
      ['1.1.1.1', '1.1.1', 30],
    ],
  );
  const told = (study: string) =>
    listProblems(db, study)
      .map(({ code, file }) => `${code} ${file}`)
      .sort();
  t.strictSame(told('1.1'), [
    'NO_PIXELS MUSTER^HANS/report',
    'NO_PIXELS MUSTER^HANS/state',
    'PIXELS_SHORT MUSTER^HANS/cut',
    'SLICE_TWICE MUSTER^HANS/twice',
  ]);
  t.strictSame(told(''), ['NOT_DICOM null', 'NOT_DICOM other.dcm', 'NO_PIXELS MUSTER^HANS/plan']);
  t.notMatch(JSON.stringify(listStudies(db, '', 10)), /MUSTER/);
  t.notMatch(JSON.stringify(log), /MUSTER/, 'the log names no folder that may be called after a person');
});

t.test('the same files in other folders under other names are the same studies', async (t) => {
  const [one, two] = [temporaryFolder(t), temporaryFolder(t)];
  hospital(one, (name) => `x/${name}`);
  const names = new Map<string, string>();
  hospital(two, (name) => {
    names.set(name, `${String(100 - names.size)}/deep/er/IMG${names.size}.dcm`);
    return names.get(name)!;
  });
  const [db, other] = [openCatalogue(t), openCatalogue(t)];
  await scanInto(db, one);
  await scanInto(other, two);
  t.strictSame(digests(other), digests(db));
  t.equal(present(other, []).digest, present(db, []).digest);
  t.strictSame(
    listSlices(other, '1.1', -1, 10, true).map(({ slice }) => slice),
    listSlices(db, '1.1', -1, 10, true).map(({ slice }) => slice),
  );
});

t.test(
  'a second scan reads only what changed, of files that are none as well; a file that moves is not a change',
  async (t) => {
    const root = temporaryFolder(t);
    hospital(root, (name) => `x/${name}`);
    write(root, 'README.txt', 'about');
    const db = openCatalogue(t);
    await scanInto(db, root);
    const names = digests(db);
    t.match(await scanInto(db, root), { read: { length: 0 }, result: { changed: 0, added: 0, removed: 0 } });
    renameSync(join(root, 'x/a'), join(root, 'y'));
    const moved = await scanInto(db, root);
    t.strictSame(
      moved.read.map(({ path }) => path),
      ['y'],
    );
    t.strictSame(moved.result, { changed: 0, added: 0, removed: 0 });
    t.strictSame(digests(db), names);
    t.ok(listSlices(db, '1.1', -1, 10, true).some(({ file }) => file === 'y'));
    rmSync(join(root, 'x/e'));
    t.match(await scanInto(db, root), { result: { changed: 0, added: 0, removed: 1 } });
  },
);

t.test('each frame of an enhanced image is a slice with its own geometry, rescale and window', async (t) => {
  const root = temporaryFolder(t);
  write(root, 'mf', enhanced('1.1.2.1'));
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.match(findStudy(db, '1.1'), { slices: 3, problems: 0 });
  t.strictSame(
    listSlices(db, '1.1', -1, 10, true).map(({ slice, frame, header }) => [
      slice,
      frame,
      header.position,
      header.orientation,
      header.spacingMm,
      header.rescale,
      header.window,
    ]),
    [
      [2, 10],
      [3, 20],
      [1, 30],
    ].map(([n, z]) => [
      `1.1.2.1.f${n}`,
      n! - 1,
      [0, 0, z],
      [1, 0, 0, 0, 1, 0],
      [n, n],
      { slope: n, intercept: -n! },
      [{ center: 10 * n!, width: 20 }],
    ]),
  );
});

t.test('files that name nothing are studies and slices as well, the same wherever they lie', async (t) => {
  const nameless = (first: number) =>
    dicomFile({
      rows: 1,
      columns: 2,
      pixels: Uint16Array.of(first, 2),
      patientId: 'P',
      extra: ['00080018', '0020000d', '0020000e'].map((tag) => ({ tag, vr: 'UI', value: '' })),
    });
  const [one, two] = [temporaryFolder(t), temporaryFolder(t)];
  for (const [root, names] of [
    [one, ['a', 'b', 'c']],
    [two, ['z/3', 'z/2', 'z/1']],
  ] as const)
    for (const [at, name] of names.entries()) write(root, name, nameless(at === 2 ? 1 : at));
  const [db, other] = [openCatalogue(t), openCatalogue(t)];
  await scanInto(db, one);
  await scanInto(other, two);
  t.strictSame(digests(other), digests(db));
  const [study] = listStudies(db, '', 10);
  t.match(study, { id: /^study-[0-9a-f]{16}$/, slices: 2 });
  const ids = listSlices(db, study!.id, -1, 10, true).map(({ slice }) => slice);
  for (const id of ids) t.match(id, /^slice-[0-9a-f]{16}$/);
  t.equal(new Set(ids).size, 2);
  const codes = listProblems(db, study!.id).map(({ code }) => code);
  t.strictSame([...new Set(codes)], ['HEADER_REPAIRED', 'SLICE_TWICE', 'SLICE_ORDER']);
});

t.test('experts’ contours lie on the images of their numbers', async (t) => {
  const root = temporaryFolder(t);
  const folder = 'SC-HF-I-01/contours-manual/IRCCI-expert';
  write(root, 'SC-HF-I-01/SAX/one', axial('1.1.1.1', 30, { instanceNumber: 48 }));
  write(root, 'SC-HF-I-01/SAX/two', axial('1.1.1.2', 10, { instanceNumber: 49 }));
  write(root, 'SC-HF-I-01/scout', axial('1.1.2.1', 0, { seriesUid: '1.1.2', instanceNumber: 1 }));
  write(root, `${folder}/IM-0001-0048-icontour-manual.txt`, TRIANGLE);
  write(root, `${folder}/IM-0001-0048-p1contour-manual.txt`, `\ufeff${TRIANGLE.replaceAll('\n', '\r\n')}`);
  write(root, `${folder}/IM-0001-0049-ocontour-manual.txt`, '-1.5,0\n2\t0\n\n0 1e0\n-1.5,0\n');
  write(root, `${folder}/IM-0001-0050-icontour-manual.txt`, TRIANGLE);
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.match(findStudy(db, 'SC-HF-I-01'), { slices: 3, pairs: 2, structures: { i: 1, o: 1, p1: 1 } });
  t.strictSame(
    listSlices(db, 'SC-HF-I-01', -1, 10, true).map(({ slice, file, structures }) => [
      slice,
      file,
      structures,
    ]),
    [
      ['49', 'SC-HF-I-01/SAX/two', ['o']],
      ['48', 'SC-HF-I-01/SAX/one', ['i', 'p1']],
      ['1.1.2.1', 'SC-HF-I-01/scout', []],
    ],
  );
  t.strictSame(
    listProblems(db, 'SC-HF-I-01').map(({ code, file }) => [code, file]),
    [
      ['CONTOUR_WITHOUT_IMAGE', `${folder}/IM-0001-0050-icontour-manual.txt`],
      ['CONTOUR_BLANK_LINE', `${folder}/IM-0001-0049-ocontour-manual.txt`],
      ['CONTOUR_OUTSIDE', `${folder}/IM-0001-0049-ocontour-manual.txt`],
    ],
  );
});

t.test('a large file that is no DICOM is no problem, one that says that it is, is', async (t) => {
  const root = temporaryFolder(t);
  const large = new Uint8Array(1_000_001);
  write(root, 'volume.nii', large);
  write(
    root,
    'image.bin',
    Uint8Array.from(large, (_, at) => 'DICM'.charCodeAt(at - 128) || 0),
  );
  const db = openCatalogue(t);
  await scanInto(db, root, reading());
  t.strictSame(
    listProblems(db, '').map(({ code, file }) => [code, file]),
    [
      ['LIMIT_EXCEEDED', 'image.bin'],
      ['NO_IMAGES', null],
    ],
  );
});

const segmentations = sharedData('seg');
const structureSets = sharedData('rtstruct');

t.test(
  'frames of a real enhanced image lie where the single images lie that it was made of',
  { skip: segmentations === null && 'the folder of real data is missing: seg' },
  async (t) => {
    const db = openCatalogue(t);
    await scanInto(db, resolve(segmentations!));
    const study = '1.2.826.0.1.3680043.2.1125.1.38642757998921184026476030292472423';
    const slices = listSlices(db, study, -1, 100, true);
    const told = (series: string) =>
      slices
        .filter(({ file }) => file.includes(series))
        .map(({ header }) => [header.position, header.orientation, header.spacingMm]);
    t.equal(told('/multiframe/').length, 3);
    t.strictSame(told('/multiframe/'), told('/image/'));
    t.strictSame(
      told('/image/').map(([position]) => position?.[2]),
      [-177.75, -175.25, -172.75],
    );
  },
);

t.test(
  'a real CT series comes from one end to the other, and a dose grid frame by frame',
  { skip: structureSets === null && 'the folder of real data is missing: rtstruct' },
  async (t) => {
    const db = openCatalogue(t);
    await scanInto(db, resolve(structureSets!));
    const heights = (study: string) =>
      listSlices(db, study, -1, 100, true).map(({ header }) => header.position?.[2]);
    t.strictSame(
      heights('1.2.752.243.1.1.20210208111801985.1200.84884'),
      [-146, -144, -142, -140, -138, -136],
    );
    const grid = heights('1.2.999.999.99.9.9999.8888');
    t.equal(grid.length, 15);
    t.strictSame([grid[0], grid[1], grid[14]], [-761.87, -756.87, -691.87]);
  },
);
