import { createHash } from 'node:crypto';
import t from 'tap';
import type { StudyId } from '../../src/core/ids.js';
import type { LinkTable } from '../../src/core/link-table.js';
import { isHidden, relativeName } from '../../src/core/upload-name.js';
import { layoutCount, pairUpload, type UploadedFile } from '../../src/core/upload-pairing.js';

const hash = (text: string) => createHash('sha256').update(text).digest('hex');

function image(path: string, instanceNumber: number | null = null, study = '1.2'): UploadedFile {
  return { path, kind: 'image', study, series: ['1.2.3'], patient: 'p', instanceNumber, unusable: null };
}

function contour(path: string): UploadedFile {
  return {
    path,
    kind: 'contour',
    study: null,
    series: [],
    patient: null,
    instanceNumber: null,
    unusable: null,
  };
}

function text(path: string, beginsLikeContour = false): UploadedFile {
  const why = { code: 'CONTOUR_NOT_A_NUMBER', detail: 'line 1 does not hold two finite numbers' } as const;
  return { ...contour(path), unusable: { ...why, beginsLikeContour } };
}

function pair(files: readonly UploadedFile[], tables: Readonly<Record<string, LinkTable>> = {}) {
  const paired = pairUpload(files, new Map(Object.entries(tables)), hash, 'loose' as StudyId);
  const joined = paired.studies.flatMap(({ images, contours }) => {
    const byNumber = new Map(images.map((each) => [each.number, each.path]));
    return contours.map(
      ({ path, number, structure }) => `${path} on ${byNumber.get(number)} as ${structure}`,
    );
  });
  const problems = [...paired.studies.flatMap((study) => study.problems), ...paired.problems];
  return { ...paired, joined, problems };
}

t.test('one image and one contour are joined, unless their names contradict each other', async (t) => {
  t.same(pair([image('a'), contour('b')]).joined, ['b on a as contour']);
  t.same(pair([image('scan.dcm', 7), contour('IM-0001-0048-icontour-manual.txt')]).joined, [
    'IM-0001-0048-icontour-manual.txt on scan.dcm as i',
  ]);
  t.same(pair([image('48.dcm'), contour('lv.txt')]).joined, ['lv.txt on 48.dcm as lv']);
  const other = pair([image('49.dcm', 48), contour('IM-0001-0048-icontour-manual.txt')]);
  t.same(other.joined, []);
  t.match(other.problems, [
    { code: 'CONTOUR_WITHOUT_IMAGE', detail: /says image 48, and the name of the only image says 49/ },
  ]);
});

t.test('beside named contours the only image takes no text of another name', async (t) => {
  const named = contour('IM-0001-0001-icontour-manual.txt');
  const { joined, problems } = pair([image('1.dcm'), named, contour('log.txt'), contour('a/notes')]);
  t.same(joined, ['IM-0001-0001-icontour-manual.txt on 1.dcm as i']);
  t.match(problems, [
    {
      code: 'NOT_A_CONTOUR',
      file: 'log.txt',
      detail: /a contour is named IM-0001-NNNN-Xcontour-manual\.txt/,
    },
    { code: 'NOT_A_CONTOUR', file: 'a/notes' },
  ]);
  t.equal(problems.length, 2);
  const others = ['1.txt', 'o-contours/heart.txt'].map(contour);
  t.same(pair([image('1.dcm'), named, ...others]).joined, [
    'IM-0001-0001-icontour-manual.txt on 1.dcm as i',
    '1.txt on 1.dcm as contour',
    'o-contours/heart.txt on 1.dcm as o',
  ]);
  t.same(pair([image('1.dcm'), contour('heart.txt'), contour('lung.txt')]).joined, [
    'heart.txt on 1.dcm as heart',
    'lung.txt on 1.dcm as lung',
  ]);
  t.same(
    pair([
      image('1.dcm'),
      contour('contours-manual/X/IM-0001-0001-icontour-manual.txt'),
      contour('log.txt'),
    ]).joined.filter((each) => each.startsWith('log')),
    [],
    'also beside those in a layout',
  );
});

t.test('among several, a contour goes by its number or its own name', async (t) => {
  const images = [image('48.dcm', 5), image('x/IM-0001-0049.dcm', 6), image('scan.dcm', 50)];
  const files = [
    'IM-0001-0048-icontour-manual.txt',
    'o-contours/49.txt',
    'IM-0001-0050-icontour-manual.txt',
    'y/scan.txt',
    'lv.txt',
  ].map(contour);
  const { joined, problems } = pair([...images, ...files]);
  t.same(joined, [
    'IM-0001-0048-icontour-manual.txt on 48.dcm as i',
    'o-contours/49.txt on x/IM-0001-0049.dcm as o',
    'IM-0001-0050-icontour-manual.txt on scan.dcm as i',
    'y/scan.txt on scan.dcm as contour',
  ]);
  t.match(problems, [{ file: 'lv.txt', detail: /does not say/ }]);
  const twice = pair([image('a/1.dcm'), image('b/1.dcm'), contour('IM-0001-0001-icontour-manual.txt')]);
  t.match(twice.problems, [{ detail: /2 images have the number 1/ }]);
});

t.test('the challenge’s layout joins one patient and one original without a table', async (t) => {
  const manual = 'contourfiles/o/i-contours/IM-0001-0001-icontour-manual.txt';
  const files = [image('all/dicoms/P/1.dcm'), contour(`all/${manual}`)];
  const { joined, studies, problems } = pair(files);
  t.same(joined, [`all/${manual} on all/dicoms/P/1.dcm as i`]);
  t.same(
    studies.map(({ id }) => id),
    ['P'],
  );
  t.same(problems, []);
  const two = pair([...files, image('all/dicoms/R/1.dcm')]);
  t.same(two.joined, []);
  t.ok(two.problems.some(({ code }) => code === 'LINK_TABLE'));
  const rows = [
    { patient: 'R', original: 'o', line: 2 },
    { patient: 'X', original: 'y', line: 3 },
  ];
  const linked = pair([...files, image('all/dicoms/R/1.dcm')], { 'link.csv': { rows, problems: [] } });
  t.same(linked.joined, [`all/${manual} on all/dicoms/R/1.dcm as i`], 'also by a table that lies elsewhere');
  t.match(linked.problems, [{ code: 'LINK_ROW', file: 'link.csv', detail: /^1 row/ }]);
});

t.test(
  'text that is no contour is told, and leaves studies and the order of slices as they are',
  async (t) => {
    const images = [image('b', 2, '1.5'), image('a', 1, '1.4'), image('c', 3, '1.5')];
    const { studies } = pair(images);
    for (const name of ['README', 'VERSION', 'autorun.inf', 'notes.txt', 'a/LICENSE.md']) {
      const with_ = pair([...images, text(name)]);
      t.same(with_.studies, studies, name);
      t.match(with_.problems, [{ code: 'NOT_A_CONTOUR', file: name }]);
    }
    const alone = pair([image('scan.dcm', 7), text('README')]);
    t.same(alone.joined, [], 'the only image there is does not take it');
    t.equal(alone.studies[0]!.rule, 'geometry');
    t.match(pair([text('README')]).problems, [{ code: 'NOT_A_CONTOUR', file: 'README' }]);
  },
);

t.test('contours that find no image leave studies and the order of slices as they are', async (t) => {
  const images = [image('b', 2, '1.5'), image('a', 1, '1.4')];
  const { studies, problems } = pair([...images, contour('landmarks.txt')]);
  t.same(studies, pair(images).studies);
  t.match(problems, [{ code: 'CONTOUR_WITHOUT_IMAGE', file: 'landmarks.txt' }]);
});

t.test('a broken contour whose name gives its image stays a contour and is reported', async (t) => {
  const images = [image('1.dcm', 1), image('2.dcm', 2)];
  const { joined } = pair([...images, contour('1.txt'), text('2.txt')]);
  t.same(joined, ['1.txt on 1.dcm as contour', '2.txt on 2.dcm as contour']);
  const none = pair([...images, text('2.txt', true)]);
  t.same(none.joined, []);
  t.match(none.problems, [{ code: 'CONTOUR_NOT_A_NUMBER', file: '2.txt' }]);
  const single = pair([image('scan.dcm'), contour('lv.txt'), text('rv.txt', true)]);
  t.same(single.joined, ['lv.txt on scan.dcm as lv', 'rv.txt on scan.dcm as rv'], 'broken further down');
});

t.test('another table does not keep one patient’s folder from its original’s', async (t) => {
  const manual = 'contourfiles/o/i-contours/IM-0001-0001-icontour-manual.txt';
  const other = { rows: [], problems: [{ code: 'LINK_TABLE', detail: 'other columns' }] } as const;
  const { joined } = pair([image('dicoms/P/1.dcm'), contour(manual)], { 'results.csv': other });
  t.same(joined, [`${manual} on dicoms/P/1.dcm as i`]);
});

t.test('images alone are studies by what they name, whatever order they come in', async (t) => {
  const files = [image('b', 2, '1.5'), image('a', 1, '1.4'), image('c', 3, '1.5')];
  const { studies } = pair(files);
  t.same(
    studies.map(({ id, images }) => [id, images.map(({ path }) => path)]),
    [
      ['1.4', ['a']],
      ['1.5', ['b', 'c']],
    ],
  );
  t.same(pair([...files].reverse()).studies, studies);
  t.match(pair([contour('a.txt')]).problems, [{ code: 'CONTOUR_WITHOUT_IMAGE', file: 'a.txt' }]);
});

t.test('many files are paired in a time that grows with their number', async (t) => {
  const count = 4000;
  const files = Array.from({ length: count }, (_, at) => [image(`${at}.dcm`), contour(`d/${at}.txt`)]).flat();
  t.equal(pair(files).joined.length, count);
  const roots = Array.from({ length: 300 }, (_, at) => contour(`r${at}/contourfiles/a/i-contours/x.txt`));
  t.equal(layoutCount(roots), 300, 'what would take longer is told before');
});

t.test('a name is a relative path or nothing', async (t) => {
  t.same(['a/./b//c.dcm', 'a\\b', 'a..b/...', 'ü.dcm'].map(relativeName), [
    'a/b/c.dcm',
    'a/b',
    'a..b/...',
    'ü.dcm',
  ]);
  const refused = [
    '',
    '/',
    '/a',
    '//a',
    '\\\\host\\a',
    '..',
    'a/..',
    '..\\a',
    'C:\\a',
    'c:a',
    'a\nb',
    'a\0',
    '.',
  ];
  t.same(
    refused.map(relativeName),
    refused.map(() => null),
  );
  t.same(['.a', 'a/.b/c', '__MACOSX/a', 'a.b', 'a/b'].map(isHidden), [true, true, true, false, false]);
});
