import t from 'tap';
import type { DrawnOn } from '../../src/core/drawn-object.js';
import { pairFiles } from '../../src/core/pairing.js';
import { joinPatients } from '../../src/core/patient-groups.js';
import type { FoundFile } from '../../src/core/study-files.js';
import { groupByStudy, sharedSeries } from '../../src/core/study-groups.js';

const UID = '1.2.3';

function image(path: string, patient: string | null, series = `9.${path}`, study = UID): FoundFile {
  return { path, kind: 'image', study, series: [series], patient };
}

function object(path: string, patient: string | null, series: readonly string[] = []): FoundFile {
  return { path, kind: 'object', study: UID, series, patient };
}

/** The groups as text: study, whose, files. */
const groupsOf = (files: readonly FoundFile[]) =>
  groupByStudy(files).map(({ study, apart, files: own }) => [study, apart, own.map(({ path }) => path)]);

t.test('a study of one patient is one group, with the files that name none', async (t) => {
  t.strictSame(groupsOf([image('a', 'p'), image('b', null), image('c', 'p')]), [
    [UID, null, ['a', 'b', 'c']],
  ]);
  t.strictSame(groupsOf([image('a', null), image('b', null)]), [[UID, null, ['a', 'b']]]);
  t.strictSame(groupsOf([{ ...image('a', 'p'), study: null }]), []);
});

t.test('patients of one StudyInstanceUID are separate groups, and so are files that name none', async (t) => {
  const files = [
    image('a', 'q'),
    image('b', 'p'),
    image('c', null),
    image('d', 'q'),
    image('e', 'p', '8', '1'),
  ];
  t.strictSame(groupsOf(files), [
    ['1', null, ['e']],
    [UID, '', ['c']],
    [UID, 'p', ['b']],
    [UID, 'q', ['a', 'd']],
  ]);
});

t.test('a series is shared where several patients of one study have it', async (t) => {
  const files = [image('a', 'p', '7'), image('b', 'q', '7'), image('c', 'q', '8'), image('d', 'r', '8', '1')];
  t.strictSame([...sharedSeries(files)], ['7']);
  t.strictSame([...sharedSeries([image('a', 'p', '7'), image('b', null, '7')])], []);
});

const hash = (text: string) => Buffer.from(text).toString('hex').padStart(16, '0').slice(-16);

/**
 * The studies of a tree without a layout: whose images and which objects they have; and the problems outside
 * of studies.
 */
function pair(files: readonly FoundFile[], drawnOn: ReadonlyMap<string, DrawnOn> = new Map()) {
  const { studies, left, problems } = pairFiles(files, new Map(), hash, drawnOn);
  return {
    studies: studies.map(({ images, objects }) => [images.map(({ path }) => path).join(), objects.join()]),
    codes: studies.map((study) => study.problems.map(({ code }) => code).join()),
    ids: studies.map(({ id }) => id),
    left,
    problems: problems.map(({ code, file }) => `${code} ${file}`),
  };
}

t.test('two patients under one StudyInstanceUID are two studies, each with a problem', async (t) => {
  const both = pair([image('a', 'p'), image('b', 'q'), image('c', 'q')]);
  t.strictSame(both.studies, [
    ['a', ''],
    ['b,c', ''],
  ]);
  t.strictSame(both.codes, ['PATIENTS_MIXED', 'PATIENTS_MIXED']);
  t.strictSame(new Set(both.ids).size, 2);
  t.notOk(both.ids.includes(UID as never), 'neither has the id that both could want');
  const third = pair([image('a', 'p'), image('b', 'q'), image('x', 'r')]);
  t.strictSame(third.ids.slice(0, 2), both.ids, 'an id does not depend on the others');
  const one = pair([image('a', 'p'), image('b', null)]);
  t.strictSame([one.ids, one.codes], [[UID], ['']]);
});

t.test('an object of a shared study goes to the patient whose images it names', async (t) => {
  const images = [image('a', 'p', '7'), image('b', 'q', '7'), image('c', 'q', '8')];
  const studiesWith = (found: FoundFile, drawn?: DrawnOn) =>
    pair([...images, found], drawn ? new Map([[found.path, drawn]]) : undefined);
  t.strictSame(studiesWith(object('s', null, ['8'])).studies[1], ['b,c', 's'], 'by a series of its own');
  t.strictSame(studiesWith(object('s', 'q', ['7'])).studies[1], ['b,c', 's'], 'by its patient');
  t.strictSame(studiesWith(object('s', 'p')).studies[0], ['a', 's'], 'by its patient alone');
  t.strictSame(
    studiesWith(object('s', 'p', ['7']), { by: 'name', images: ['b'] }).studies[1],
    ['b,c', 's'],
    'the images that it names go before its patient',
  );
  t.strictSame(studiesWith(object('s', null, ['7']), { by: 'plane', images: ['a'] }).studies[0], ['a', 's']);
  for (const unclear of [object('s', null, ['7']), object('s', 'z', ['7']), object('s', null)])
    t.strictSame(studiesWith(unclear).problems, ['CONTOUR_AMBIGUOUS s']);
  const refused: FoundFile = { ...object('s', null), kind: 'refused' };
  t.strictSame(studiesWith(refused).left, ['s'], 'a file that cannot be read is told of without a study');
});

t.test('a challenge folder with images of two patients stays one study, with a problem', async (t) => {
  const files = ['dicoms/P/1.dcm', 'dicoms/P/2.dcm'].map((path, at) => image(path, `p${at}`));
  const found = pair([...files, { path: 'link.csv', kind: 'table', study: null, series: [], patient: null }]);
  t.strictSame(found.ids, ['P']);
  t.strictSame(found.codes, ['PATIENTS_MIXED']);
});

t.test('patients are joined by the studies that they have together', async (t) => {
  const joined = joinPatients([['d', 'c'], ['b', 'a'], [], ['x'], ['c', 'b']]);
  t.strictSame(
    ['a', 'b', 'c', 'd'].map((patient) => joined.get(patient) ?? patient),
    ['a', 'a', 'a', 'a'],
  );
  t.equal(joined.get('x'), undefined, 'a patient of one study alone needs no joining');
  const chain = Array.from({ length: 5_000 }, (_, n) => [
    String(n + 1).padStart(5, '0'),
    String(n).padStart(5, '0'),
  ]);
  t.equal(new Set(joinPatients(chain).values()).size, 1);
});
