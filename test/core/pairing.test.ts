import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { LinkRow } from '../../src/core/link-table.js';
import { kindOf, type Pairing, pairFiles } from '../../src/core/pairing.js';
import type { FoundFile } from '../../src/core/study-files.js';

function link(patient: string, original: string, line = 2): LinkRow {
  return { patient, original, line };
}

/** Stands for a digest: other texts, other digits. */
function hash(text: string): string {
  return Buffer.from(text).toString('hex').padStart(16, '0').slice(-16);
}

function found(path: string, kind: FoundFile['kind'] = 'image', study: string | null = null): FoundFile {
  const named = kindOf(path);
  return { path, kind: named === 'image' ? kind : named, study, patient: null };
}

/** Pairs a folder of the challenge with its link table; all else is an image. */
function pair(paths: readonly string[], links: readonly LinkRow[] = [link('P', 'O')]): Pairing {
  const files = [...new Set(['link.csv', ...paths])].map((path) =>
    found(path, path.endsWith('.txt') ? 'foreign' : 'image', '1.2'),
  );
  return pairFiles(files, new Map([['link.csv', { rows: links, problems: [] }]]), hash);
}

function contour(number: string, structure = 'i', folder = 'O'): string {
  return `contourfiles/${folder}/${structure}-contours/IM-0001-${number}-${structure}contour-manual.txt`;
}

function told(problems: Pairing['problems']): string[] {
  return problems.map(({ code, file }) => `${code} ${file}`);
}

t.test('what a file is, told by its name', async (t) => {
  const kinds = {
    'link.csv': 'table',
    'a/link.csv': 'table',
    'scd_patientdata.csv': 'table',
    'my-link.csv': 'image',
    'dicoms/P/1.dcm': 'image',
    'DICOM/PAT00001/1.2.840.113': 'image',
    'readme.txt': 'image',
    [contour('0048')]: 'contour',
    [contour('1', 'LV2')]: 'contour',
    'SC-HF-I-01/contours-manual/IRCCI-expert/IM-0001-0048-p1contour-manual.txt': 'contour',
    'IM-0001-0048-icontour-manual.txt': 'contour',
    'IM-0001-0048-icontour-auto.txt': 'image',
    'contourfiles/O/i-contours/notes.txt': 'image',
  };
  for (const [path, kind] of Object.entries(kinds)) t.equal(kindOf(path), kind, path);
});

t.test('images and contours of a study find each other by number', async (t) => {
  const { studies, problems } = pair([
    'link.csv',
    contour('0048', 'o'),
    contour('0048'),
    'dicoms/P/48.dcm',
    'dicoms/P/049.dcm',
    contour('0049'),
  ]);
  t.strictSame(problems, []);
  t.strictSame(studies, [
    {
      id: 'P',
      rule: 'numbers',
      images: [
        { path: 'dicoms/P/48.dcm', number: 48 },
        { path: 'dicoms/P/049.dcm', number: 49 },
      ],
      contours: [
        { path: contour('0048'), number: 48, structure: 'i' },
        { path: contour('0049'), number: 49, structure: 'i' },
        { path: contour('0048', 'o'), number: 48, structure: 'o' },
      ],
      objects: [],
      problems: [],
    },
  ]);
});

t.test('images come in the order of their numbers, not of their names', async (t) => {
  const { studies } = pair(['dicoms/P/10.dcm', 'dicoms/P/9.dcm', 'dicoms/P/0.dcm', 'dicoms/P/100.dcm']);
  t.strictSame(
    studies[0]?.images.map(({ number }) => number),
    [0, 9, 10, 100],
  );
});

t.test('contours of other patients stay apart', async (t) => {
  const { studies } = pair(
    ['dicoms/P/1.dcm', 'dicoms/Q/1.dcm', contour('0001', 'i', 'O'), contour('0001', 'o', 'N')],
    [link('P', 'O'), link('Q', 'N', 3)],
  );
  t.strictSame(
    studies.map(({ id, contours }) => [id, contours.map(({ structure }) => structure)]),
    [
      ['P', ['i']],
      ['Q', ['o']],
    ],
  );
});

t.test('what finds no partner is a problem of its study', async (t) => {
  const { studies, problems } = pair([
    'dicoms/P/1.dcm',
    'dicoms/P/01.dcm',
    'dicoms/P/x.dcm',
    contour('0001'),
    contour('1'),
    contour('0009'),
    'contourfiles/O/i-contours/notes.txt',
    'contourfiles/O/i-contours/IM-0001-0001-ocontour-manual.txt',
  ]);
  t.strictSame(problems, []);
  t.strictSame(told(studies[0]!.problems), [
    'IMAGE_NAME dicoms/P/1.dcm',
    'IMAGE_NAME dicoms/P/x.dcm',
    `CONTOUR_WITHOUT_IMAGE ${contour('0009')}`,
    `CONTOUR_TWICE ${contour('1')}`,
    'CONTOUR_NAME contourfiles/O/i-contours/IM-0001-0001-ocontour-manual.txt',
    'CONTOUR_NAME contourfiles/O/i-contours/notes.txt',
  ]);
  t.strictSame(
    studies[0]!.images.map(({ path }) => path),
    ['dicoms/P/01.dcm'],
  );
  t.strictSame(studies[0]!.contours, [{ path: contour('0001'), number: 1, structure: 'i' }]);
});

t.test('rows of the link table that join nothing are problems of none', async (t) => {
  const { studies, problems } = pair(
    ['dicoms/P/1.dcm', 'dicoms/Q/1.dcm', contour('0001'), contour('0001', 'i', 'loose')],
    [link('P', 'O'), link('nobody', 'O', 3), link('P', 'other', 4), link('Q', 'O', 5)],
  );
  t.strictSame(told(problems), [
    'LINK_ROW link.csv',
    'LINK_ROW link.csv',
    'LINK_ROW link.csv',
    'LINK_ROW contourfiles/loose',
  ]);
  t.match(problems[0]?.detail, /^line 3: /);
  t.match(problems[1]?.detail, /^line 4: /);
  t.match(problems[2]?.detail, /^line 5: /);
  t.strictSame(
    studies.map(({ contours }) => contours.length),
    [1, 0],
  );
});

t.test('a row whose contours are missing is a problem, and its images are there', async (t) => {
  const { studies, problems } = pair(['dicoms/P/1.dcm']);
  t.strictSame(told(problems), ['LINK_ROW link.csv']);
  t.equal(studies[0]?.images.length, 1);
});

t.test('contours without a link table are one problem for each folder', async (t) => {
  const { studies, problems } = pair(['dicoms/P/1.dcm', contour('0001'), contour('0002')], []);
  t.strictSame(problems, [
    {
      code: 'LINK_ROW',
      file: 'contourfiles/O',
      detail: 'no row of link.csv names this folder; its 2 contour file(s) are left out',
    },
  ]);
  t.equal(studies[0]?.contours.length, 0);
});

t.test('names that mean something to JavaScript are names', async (t) => {
  const names = ['constructor', '__proto__', 'toString'];
  const { studies } = pair(
    names.flatMap((name) => [`dicoms/${name}/1.dcm`, contour('0001', 'i', name)]),
    names.map((name, i) => link(name, name, i + 2)),
  );
  t.strictSame(
    studies.map(({ id, contours }) => [id, contours.length]).sort(),
    names.map((name) => [name, 1]).sort(),
  );
});

t.test('the order of discovery does not count, and no file is dropped in silence', async (t) => {
  const paths = fc.uniqueArray(
    fc.oneof(
      fc
        .tuple(fc.constantFrom('P', 'Q'), fc.constantFrom('1.dcm', '01.dcm', '2.dcm', 'x'))
        .map(([p, n]) => `dicoms/${p}/${n}`),
      fc
        .tuple(
          fc.constantFrom('0001', '1', '0002', '0009'),
          fc.constantFrom('i', 'o'),
          fc.constantFrom('O', 'N'),
        )
        .map(([n, s, o]) => contour(n, s, o)),
    ),
  );
  const links = [link('P', 'O'), link('Q', 'N', 3)];
  const property = fc.property(paths, fc.infiniteStream(fc.nat()), (made, order) => {
    const shuffled = made
      .map((path) => [order.next().value as number, path] as const)
      .sort(([a], [b]) => a - b)
      .map(([, path]) => path);
    const found = pair(made, links);
    assert.deepEqual(pair(shuffled, links), found);
    const used = found.studies.flatMap(({ images, contours }) =>
      [...images, ...contours].map(({ path }) => path),
    );
    const named = [...found.problems, ...found.studies.flatMap(({ problems }) => problems)].map(
      ({ file }) => file,
    );
    assert.equal(new Set(used).size, used.length);
    for (const path of made) {
      const folder = path.split('/').slice(0, 2).join('/');
      assert.ok(used.includes(path) !== (named.includes(path) || named.includes(folder)), path);
    }
  });
  t.doesNotThrow(() => fc.assert(property));
});
