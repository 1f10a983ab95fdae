import { mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { listProblems, presentStudies } from '../../src/catalog/studies.js';
import { seededUid } from '../../src/demo/part10.js';
import { chooseSnapshot } from '../../src/sessions/choose.js';
import { type RoiOptions, structureSetFile } from '../fixtures/structure-set-file.js';
import { contourPath, imageFile, imagePath, linkTable, squareContour } from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';
import { openCatalogue, scanInto, write } from './catalogue.js';

const SPACE = '1.2.4';

function image(study: string, height: number): Uint8Array {
  return imageFile(height, {
    rows: 8,
    columns: 8,
    studyUid: study,
    seriesUid: `${study}.1`,
    sopInstanceUid: seededUid(`${study} ${height}`),
    position: [0, 0, height],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [1, 1],
    extra: [{ tag: '00200052', vr: 'UI', value: SPACE }],
  });
}

function roi(name: string, ...heights: number[]): RoiOptions {
  return { name, contours: heights.map((z) => ({ points: [1, 1, z, 5, 1, z, 5, 5, z, 1, 5, z] })) };
}

/** Two images at heights 0 and 3 in a folder, A drawn on both, B on the first alone. */
function study(uid: string, folder: string): Record<string, Uint8Array> {
  return {
    [`${folder}/CT/0.dcm`]: image(uid, 0),
    [`${folder}/CT/3.dcm`]: image(uid, 3),
    [`${folder}/RT/1.dcm`]: structureSetFile({
      studyUid: uid,
      sopInstanceUid: `${uid}.7`,
      series: [`${uid}.1`],
      frameOfReference: SPACE,
      rois: [roi('A', 0, 3), roi('B', 0)],
    }),
  };
}

interface Found {
  /** For each study: the pairs of a session for A and B with missing empty, and the slices that it leaves out. */
  readonly sessions: Readonly<Record<string, readonly [pairs: number, unusable: number]>>;
  /** Code, study and file of each problem. */
  readonly told: readonly string[];
}

/** Scans files, links that lead nowhere, and folders. */
async function find(
  t: Test,
  files: Readonly<Record<string, string | Uint8Array>>,
  {
    broken = [],
    folders = [],
    structures = ['A', 'B'],
  }: { readonly [kind in 'broken' | 'folders' | 'structures']?: readonly string[] | undefined },
): Promise<Found> {
  const root = temporaryFolder(t);
  for (const [path, content] of Object.entries(files)) write(root, path, content);
  for (const path of [...broken, ...folders]) mkdirSync(join(root, dirname(path)), { recursive: true });
  for (const path of broken) symlinkSync(join(root, 'nowhere'), join(root, path));
  for (const path of folders) mkdirSync(join(root, path));
  const db = openCatalogue(t);
  await scanInto(db, root);
  const sessions: Record<string, readonly [number, number]> = {};
  for (const { study } of presentStudies(db)) {
    const spec = { studies: [study], structures: [...structures], missing: 'empty' as const };
    const { pairs, summary } = chooseSnapshot(db, spec);
    sessions[study] = [pairs, summary.unusable ?? 0];
  }
  const ids = ['', ...Object.keys(sessions)];
  const told = ids.flatMap((id) =>
    listProblems(db, id).map(({ code, file }) => `${code} ${id || '-'} ${file}`),
  );
  return { sessions, told };
}

const ONE = study('1.2.1', 'p1');
const TWO = study('1.2.2', 'p2');

t.test('a file that cannot be read counts for the studies of its folder', async (t) => {
  t.strictSame(await find(t, { ...ONE, ...TWO }, {}), {
    sessions: { '1.2.1': [2, 0], '1.2.2': [2, 0] },
    told: [],
  });
  t.strictSame(await find(t, { ...ONE, ...TWO }, { broken: ['p1/RT/2.dcm'] }), {
    sessions: { '1.2.1': [1, 1], '1.2.2': [2, 0] },
    told: ['FILE_UNREADABLE - p1/RT/2.dcm', 'STRUCTURE_UNUSABLE 1.2.1 p1/RT/2.dcm'],
  });
  t.strictSame(
    (await find(t, { ...ONE, ...TWO }, { broken: ['rs.dcm'] })).sessions,
    { '1.2.1': [1, 1], '1.2.2': [1, 1] },
    'above both',
  );
  t.strictSame(
    (await find(t, { ...ONE, ...TWO }, { broken: ['rt/deep/rs.dcm'] })).sessions,
    { '1.2.1': [1, 1], '1.2.2': [1, 1] },
    'in a folder without images: the nearest folder above that has some',
  );
  t.strictSame(
    await find(t, { ...ONE, ...TWO }, { broken: ['lost+found', 'p1/link.csv'] }),
    {
      sessions: { '1.2.1': [2, 0], '1.2.2': [2, 0] },
      told: ['FILE_UNREADABLE - lost+found', 'FILE_UNREADABLE - p1/link.csv'],
    },
    'neither holds contours',
  );
});

t.test('an object that several studies may have counts for these', async (t) => {
  const unclear = structureSetFile({
    studyUid: '1.2.9',
    sopInstanceUid: '1.9.9',
    frameOfReference: SPACE,
    rois: [roi('B', 3)],
  });
  const other = Object.fromEntries(
    [0, 3].map((height) => [
      `p3/${height}.dcm`,
      imageFile(height, {
        rows: 8,
        columns: 8,
        studyUid: '1.2.3',
        seriesUid: '1.2.3.1',
        sopInstanceUid: seededUid(`1.2.3 ${height}`),
        position: [0, 0, height + 50],
        orientation: [1, 0, 0, 0, 1, 0],
        spacingMm: [1, 1],
        extra: [{ tag: '00200052', vr: 'UI', value: SPACE }],
      }),
    ]),
  );
  const drawn = structureSetFile({
    studyUid: '1.2.3',
    sopInstanceUid: '1.2.3.7',
    series: ['1.2.3.1'],
    frameOfReference: SPACE,
    rois: [roi('A', 50, 53), roi('B', 50)],
  });
  const files = { ...ONE, ...TWO, ...other, 'p3/rt.dcm': drawn, 'unclear.dcm': unclear };
  t.strictSame(await find(t, files, {}), {
    sessions: { '1.2.1': [1, 1], '1.2.2': [1, 1], '1.2.3': [2, 0] },
    told: [
      'CONTOUR_AMBIGUOUS - unclear.dcm',
      'STRUCTURE_UNUSABLE 1.2.1 unclear.dcm',
      'STRUCTURE_UNUSABLE 1.2.2 unclear.dcm',
    ],
  });
});

const CHALLENGE = {
  'link.csv': linkTable(['A', 'a']),
  [imagePath('A', 1)]: imageFile(1),
  [imagePath('A', 2)]: imageFile(2),
  [contourPath('a', 1)]: squareContour(2, 9),
  [contourPath('a', 2)]: squareContour(3, 9),
  [contourPath('a', 1, 'o')]: squareContour(1, 12),
};
const X = 'SC-HF-I-1/contours-manual/X';
const numbered = (instanceNumber: number) =>
  imageFile(instanceNumber, { instanceNumber, studyUid: '1.2.5', seriesUid: '1.2.5.1' });
const EXPERT = {
  'SC-HF-I-1/IM-0001-0001.dcm': numbered(1),
  'SC-HF-I-1/IM-0001-0002.dcm': numbered(2),
  [`${X}/IM-0001-0001-icontour-manual.txt`]: squareContour(2, 9),
  [`${X}/IM-0001-0002-icontour-manual.txt`]: squareContour(3, 9),
  [`${X}/IM-0001-0001-ocontour-manual.txt`]: squareContour(1, 12),
};

t.test('a text that a folder or a link to nothing stands for is one that cannot be read', async (t) => {
  const asked = { structures: ['i', 'o'] };
  t.strictSame((await find(t, CHALLENGE, asked)).sessions, { A: [2, 0] });
  const lost = contourPath('a', 2, 'o');
  for (const fault of [{ broken: [lost] }, { folders: [lost] }])
    t.strictSame(await find(t, CHALLENGE, { ...asked, ...fault }), {
      sessions: { A: [1, 1] },
      told: [`FILE_UNREADABLE A ${lost}`],
    });
  const beside = `${X}/IM-0001-0002-ocontour-manual.txt`;
  t.strictSame((await find(t, EXPERT, asked)).sessions, { 'SC-HF-I-1': [2, 0] });
  t.strictSame(await find(t, EXPERT, { ...asked, broken: [beside] }), {
    sessions: { 'SC-HF-I-1': [1, 1] },
    told: [`FILE_UNREADABLE SC-HF-I-1 ${beside}`],
  });
});

t.test('a text that is named as a copy is read where its original is away', async (t) => {
  const asked = { structures: ['i', 'o'] };
  const copy = contourPath('a', 2, 'o').replace('.txt', ' (1).txt');
  const found = await find(t, { ...CHALLENGE, [copy]: squareContour(1, 12) }, { structures: ['o'] });
  t.strictSame(found, { sessions: { A: [2, 0] }, told: [`CONTOUR_NAME A ${copy}`] });
  const twice = contourPath('a', 1, 'o').replace('.txt', ' (1).txt');
  t.strictSame(await find(t, { ...CHALLENGE, [twice]: squareContour(3, 5) }, asked), {
    sessions: { A: [2, 0] },
    told: [`CONTOUR_TWICE A ${twice}`],
  });
});
