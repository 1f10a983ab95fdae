import t from 'tap';
import { listSlices } from '../../src/catalog/slices.js';
import { listProblems, listStudies, patientsOf, presentRevision } from '../../src/catalog/studies.js';
import { chooseSnapshot } from '../../src/sessions/choose.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { imageFile, imagePath, linkTable } from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';
import { openCatalogue, scanInto, write } from './catalogue.js';

const STUDY = '1.2.3';
const SERIES = '1.2.4';

function image(
  patient: string | null,
  number: number,
  studyUid = STUDY,
  seriesUid = SERIES,
  height = number,
): Uint8Array {
  return imageFile(number, {
    studyUid,
    seriesUid,
    ...(patient === null ? { patientId: '' } : { patientId: patient }),
    sopInstanceUid: `1.5.${number}`,
    instanceNumber: number,
    position: [0, 0, height],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [1, 1],
    extra: [{ tag: '00200052', vr: 'UI', value: '1.9' }],
  });
}

/** One triangle, on the image that it names or in the plane with that number. */
function structureSet(name: string, { patient, on, at }: { patient?: string; on?: number; at?: number }) {
  const z = at ?? on ?? 0;
  return structureSetFile({
    studyUid: STUDY,
    series: [SERIES],
    sopInstanceUid: `1.6.${name}`,
    frameOfReference: '1.9',
    rois: [
      {
        name,
        contours: [{ points: [1, 1, z, 9, 1, z, 1, 9, z], images: on === undefined ? [] : [`1.5.${on}`] }],
      },
    ],
    extra: patient === undefined ? [] : [{ tag: '00100020', vr: 'LO', value: patient }],
  });
}

t.test('patients under one StudyInstanceUID are studies with their own structures', async (t) => {
  const root = temporaryFolder(t);
  // The planes of both patients are the same, and so is the series.
  const files = {
    'a1.dcm': image('ann', 1),
    'a2.dcm': image('ann', 2),
    'b1.dcm': image('bob', 11, STUDY, SERIES, 1),
    'b3.dcm': image('bob', 3),
    'c.dcm': image(null, 4),
    'named.dcm': structureSet('N', { patient: 'ann', on: 3 }),
    'own.dcm': structureSet('O', { patient: 'bob', at: 1 }),
    'plane.dcm': structureSet('P', { at: 2 }),
    'unclear.dcm': structureSet('U', { at: 1 }),
    'other.dcm': image('ann', 5, '1.2.99', '1.2.98'),
  };
  for (const [path, content] of Object.entries(files)) write(root, path, content);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const studies = listStudies(db, '', 10).map(({ id, structures }) => ({
    files: listSlices(db, id, -1, 10, true).map(({ path }) => path),
    structures: Object.keys(structures),
    patients: patientsOf(db, presentRevision(db, id)!).length,
    codes: listProblems(db, id).map(({ code }) => code),
  }));
  studies.sort((a, b) => (a.files[0]! < b.files[0]! ? -1 : 1));
  t.match(studies, [
    { files: ['a1.dcm', 'a2.dcm'], structures: ['P'], patients: 1, codes: ['PATIENTS_MIXED'] },
    { files: ['b1.dcm', 'b3.dcm'], structures: ['N', 'O'], patients: 1, codes: ['PATIENTS_MIXED'] },
    { files: ['c.dcm'], structures: [], patients: 0, codes: ['PATIENTS_MIXED'] },
    { files: ['other.dcm'], structures: [], patients: 1, codes: [] },
  ]);
  t.match(listProblems(db, ''), [{ code: 'CONTOUR_AMBIGUOUS', file: 'unclear.dcm' }]);
  for (const seed of [0, 1, 2, 3]) {
    const sides = [
      [0, 1],
      [2, 3],
    ].map((parts) => {
      try {
        const { studies: chosen } = chooseSnapshot(db, { structures: [], split: { of: 4, parts, seed } });
        return chosen.flatMap(({ revision }) => patientsOf(db, revision));
      } catch {
        return [];
      }
    });
    t.strictSame(
      sides[0]!.filter((patient) => sides[1]!.includes(patient)),
      [],
    );
    t.equal(new Set(sides.flat()).size, 2);
  }
});

t.test('a split keeps a challenge folder of two patients with all studies of both', async (t) => {
  const root = temporaryFolder(t);
  const files = {
    'link.csv': linkTable(['P', 'O']),
    [imagePath('P', 1)]: image('ann', 1, '1.3.1'),
    [imagePath('P', 2)]: image('bob', 2, '1.3.1'),
    [imagePath('A', 1)]: image('ann', 3, '1.3.2'),
    [imagePath('B', 1)]: image('bob', 4, '1.3.3'),
    [imagePath('C', 1)]: image('cyd', 5, '1.3.4'),
  };
  for (const [path, content] of Object.entries(files)) write(root, path, content);
  const db = openCatalogue(t);
  await scanInto(db, root);
  t.match(listProblems(db, 'P'), [{ code: 'PATIENTS_MIXED', file: 'dicoms/P/1.dcm' }]);
  const foldsWith = (id: string) =>
    Array.from({ length: 30 }, (_, part) => part).filter((part) => {
      try {
        const split = { of: 30, parts: [part] };
        return chooseSnapshot(db, { structures: [], split }).studies.some(({ study }) => study === id);
      } catch {
        return false;
      }
    });
  t.strictSame(foldsWith('A'), foldsWith('P'));
  t.strictSame(foldsWith('B'), foldsWith('P'));
  t.not(foldsWith('C')[0], foldsWith('P')[0]);
});
