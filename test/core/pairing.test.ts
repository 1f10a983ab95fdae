import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { LinkRow } from '../../src/core/link-table.js';
import { kindOf, type Pairing, pairFiles, studyKey } from '../../src/core/pairing.js';
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
  return { path, kind: named === 'image' ? kind : named, study, series: [], patient: null };
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

t.test('a folder in the capitals of a disk of Windows is read like any other', async (t) => {
  const paths = [
    'LINK.CSV',
    'DICOMS/P/1.DCM',
    'DICOMS/P/2.DCM',
    'CONTOURFILES/O/I-CONTOURS/IM-0001-0001-ICONTOUR-MANUAL.TXT',
    'CONTOURFILES/X/I-CONTOURS/IM-0001-0001-ICONTOUR-MANUAL.TXT',
  ];
  const table = { rows: [link('P', 'O')], problems: [] };
  const { studies, problems } = pairFiles(
    paths.map((path) => found(path, 'image', '1.2')),
    new Map([['LINK.CSV', table]]),
    hash,
  );
  t.match(studies, [
    {
      id: 'P',
      rule: 'numbers',
      images: [
        { path: paths[1], number: 1 },
        { path: paths[2], number: 2 },
      ],
      contours: [{ path: paths[3], number: 1, structure: 'i' }],
    },
  ]);
  t.same(told(problems), ['LINK_ROW CONTOURFILES/X']);
});

t.test('a second link table whose name differs only in case is reported', async (t) => {
  const files = ['link.csv', 'LINK.CSV', 'dicoms/P/1.dcm', contour('0001')];
  const rows = [link('P', 'O')];
  const { studies, problems } = pairFiles(
    files.map((path) => found(path, 'image', '1.2')),
    new Map(['LINK.CSV', 'link.csv'].map((path) => [path, { rows, problems: [] }])),
    hash,
  );
  t.equal(studies[0]!.contours.length, 1);
  t.same(told(problems), ['LINK_TABLE LINK.CSV']);
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

function tree(files: readonly FoundFile[], tables: [string, LinkRow[]][] = []): Pairing {
  return pairFiles(files, new Map(tables.map(([path, rows]) => [path, { rows, problems: [] }])), hash);
}

/** Each study's id with the paths of its images, its contours and its objects. */
function shapes({ studies }: Pairing): Record<string, string[][]> {
  return Object.fromEntries(
    studies.map(({ id, images, contours, objects }) => [
      id,
      [images.map(({ path }) => path), contours.map(({ path }) => path), [...objects]],
    ]),
  );
}

function expert(folder: string, number = 48, structure = 'i'): string {
  return `${folder}/contours-manual/IRCCI-expert/IM-0001-00${number}-${structure}contour-manual.txt`;
}

t.test('any tree becomes studies by StudyInstanceUID, whatever its folders are called', async (t) => {
  const paired = tree([
    found('MUSTER^HANS/CT/1', 'image', '1.2.3'),
    found('MUSTER^HANS/MR/1', 'image', '1.2.4'),
    found('other/a.dcm', 'image', '1.2.3'),
    found('other/RS.dcm', 'object', '1.2.3'),
    found('other/broken.dcm', 'refused', '1.2.4'),
    found('report', 'object', '1.2.99'),
    found('broken', 'refused', '1.2.98'),
    found('README.txt', 'foreign'),
  ]);
  t.strictSame(shapes(paired), {
    '1.2.3': [['MUSTER^HANS/CT/1', 'other/a.dcm'], [], ['other/RS.dcm']],
    '1.2.4': [['MUSTER^HANS/MR/1', 'other/broken.dcm'], [], []],
  });
  t.strictSame(paired.left, ['README.txt', 'broken', 'report']);
  t.strictSame(paired.problems, []);
  t.ok(paired.studies.every(({ rule }) => rule === 'geometry'));
});

t.test(
  'files without a StudyInstanceUID are held together by their series, else by their patient',
  async (t) => {
    const unnamed = { studyUid: '', seriesUid: '' };
    t.equal(studyKey({ studyUid: '1.2', seriesUid: '1.3' }, 'p'), '1.2');
    t.equal(studyKey({ studyUid: '', seriesUid: '1.3' }, 'p'), '?1.3');
    t.equal(studyKey(unnamed, 'p'), '?p');
    t.equal(studyKey(unnamed, null), '?');
    const { studies } = tree([
      found('a', 'image', '?1.3'),
      found('b', 'image', '?1.3'),
      found('c', 'image', '?'),
    ]);
    t.strictSame(
      studies.map(({ id, images }) => [/^study-[0-9a-f]{16}$/.test(id), images.length]),
      [
        [true, 1],
        [true, 2],
      ],
    );
  },
);

t.test('a StudyInstanceUID that cannot be an id is hashed, the same each time', async (t) => {
  const ids = ['1.2 3', '..', '1'.repeat(65)].map(
    (study) => tree([found('a', 'image', study)]).studies[0]!.id,
  );
  for (const id of ids) t.match(id, /^study-[0-9a-f]{16}$/);
  t.strictSame(
    ids,
    ['1.2 3', '..', '1'.repeat(65)].map((study) => tree([found('b/c', 'image', study)]).studies[0]!.id),
  );
});

t.test('experts’ contours belong to the images below their case, of all series', async (t) => {
  const paired = tree([
    found(expert('SC-HF-I-01'), 'contour'),
    found(expert('SC-HF-I-01', 48, 'p1'), 'contour'),
    found('SC-HF-I-01/DICOM/IM-0001-0048.dcm', 'image', '1.1'),
    found('SC-HF-I-01/LAX/x', 'image', '1.1'),
    found('SC-HF-I-01/contours-manual/IRCCI-expert/notes.txt', 'foreign'),
    found('elsewhere/y', 'image', '1.2'),
  ]);
  t.strictSame(shapes(paired), {
    'SC-HF-I-01': [
      ['SC-HF-I-01/DICOM/IM-0001-0048.dcm', 'SC-HF-I-01/LAX/x'],
      [expert('SC-HF-I-01'), expert('SC-HF-I-01', 48, 'p1')],
      [],
    ],
    '1.2': [['elsewhere/y'], [], []],
  });
  t.strictSame(told(paired.studies[0]!.problems), [
    'CONTOUR_NAME SC-HF-I-01/contours-manual/IRCCI-expert/notes.txt',
  ]);
});

t.test(
  'images of a case are found in a folder of its name, with other zeros, and by a link table',
  async (t) => {
    const contours = [
      found(expert('Contours/SC-HF-I-01'), 'contour'),
      found(expert('Contours/SC-N-10'), 'contour'),
    ];
    const images = [
      found('challenge_training/SC-HF-I-1/IM-0004-0048.dcm', 'image', '1.1'),
      found('SCD_IMAGES/SCD0000101/CINESAX/a', 'image', '1.2'),
    ];
    t.strictSame(
      shapes(tree([...contours, ...images], [['x/scd_patientdata.csv', [link('SCD0000101', 'SC-N-10')]]])),
      {
        'SC-HF-I-01': [
          ['challenge_training/SC-HF-I-1/IM-0004-0048.dcm'],
          [expert('Contours/SC-HF-I-01')],
          [],
        ],
        SCD0000101: [['SCD_IMAGES/SCD0000101/CINESAX/a'], [expert('Contours/SC-N-10')], []],
      },
    );
    const unlinked = tree([...contours, ...images]);
    t.strictSame(told(unlinked.problems), ['CONTOUR_WITHOUT_IMAGE Contours/SC-N-10']);
    t.strictSame(Object.keys(shapes(unlinked)), ['SC-HF-I-01', '1.2']);
  },
);

t.test('images of a case are found by the patient’s id, and by being the only ones there', async (t) => {
  const own = { ...found('img/b', 'image', '1.2'), patient: hash('SC-N-10') };
  const both = tree([
    found(expert('SC-N-10'), 'contour'),
    found(expert('SC-N-11'), 'contour'),
    found('img/a', 'image', '1.1'),
    own,
  ]);
  t.strictSame(shapes(both), { 'SC-N-10': [['img/b'], [expert('SC-N-10')], []], '1.1': [['img/a'], [], []] });
  t.strictSame(told(both.problems), ['CONTOUR_WITHOUT_IMAGE SC-N-11']);
  const single = tree([found(expert('x/SC-N-11'), 'contour'), found('x/img/a', 'image', '1.1'), own]);
  t.strictSame(shapes(single), {
    'SC-N-11': [['x/img/a'], [expert('x/SC-N-11')], []],
    '1.2': [['img/b'], [], []],
  });
});

t.test('a folder that may be called after a person gives no id', async (t) => {
  const paired = tree([found(expert('Muster Hans'), 'contour'), found('Muster Hans/MR/1', 'image', '1.1')]);
  t.strictSame(Object.keys(shapes(paired)), ['1.1']);
  const divided = tree([
    found(expert('Muster Hans'), 'contour'),
    found('Muster Hans/MR/1', 'image', '1.1'),
    found('Muster Hans/MR/2', 'image', '1.2'),
    found('else/3', 'image', '1.1'),
  ]);
  const [first, second] = Object.keys(shapes(divided));
  t.match(first, /^study-[0-9a-f]{16}$/);
  t.equal(second, '1.1');
});

t.test(
  'contours beside the images of one study are its own; beside several they are a problem',
  async (t) => {
    const stray = found('x/i-contours/IM-0001-0048-icontour-manual.txt', 'contour');
    t.strictSame(shapes(tree([stray, found('x/img/1', 'image', '1.1')])), {
      '1.1': [['x/img/1'], [stray.path], []],
    });
    const several = tree([stray, found('x/1', 'image', '1.1'), found('x/2', 'image', '1.2')]);
    t.strictSame(told(several.problems), ['CONTOUR_WITHOUT_IMAGE x']);
    t.strictSame(Object.keys(shapes(several)), ['1.1', '1.2']);
  },
);

t.test('a link table beside dicoms/ joins experts’ contours', async (t) => {
  const paired = tree(
    [
      found('link.csv', 'table'),
      found('dicoms/SCD0000101/48.dcm', 'image', '1.1'),
      found(expert('SC-HF-I-01'), 'contour'),
    ],
    [['link.csv', [link('SCD0000101', 'SC-HF-I-1')]]],
  );
  t.strictSame(shapes(paired), {
    SCD0000101: [['dicoms/SCD0000101/48.dcm'], [expert('SC-HF-I-01')], []],
  });
});

t.test('folders of the challenge may lie below others, beside a tree', async (t) => {
  const paired = tree(
    [
      found('a/link.csv', 'table'),
      found('a/dicoms/P/1.dcm', 'image', '1.1'),
      found(`a/${contour('0001')}`, 'contour'),
      found('b/dicoms/P/1.dcm', 'image', '1.3'),
      found('b/link.csv', 'table'),
      found('c/x', 'image', '1.2'),
    ],
    [
      ['a/link.csv', [link('P', 'O')]],
      ['b/link.csv', []],
    ],
  );
  const [first, second, third] = Object.keys(shapes(paired));
  t.strictSame([first, third], ['P', '1.2']);
  t.match(second, /^study-/, 'two folders of one name are two studies');
  t.strictSame(shapes(paired).P, [['a/dicoms/P/1.dcm'], [`a/${contour('0001')}`], []]);
});

t.test('an object finds the study of a numbered folder by StudyInstanceUID', async (t) => {
  const paired = tree(
    [
      found('link.csv', 'table'),
      found('dicoms/P/1.dcm', 'image', '1.1'),
      found('rt/RS.dcm', 'object', '1.1'),
    ],
    [['link.csv', []]],
  );
  t.strictSame(shapes(paired), { P: [['dicoms/P/1.dcm'], [], ['rt/RS.dcm']] });
});

t.test(
  'in a tree, too, the order of discovery does not count and no file is dropped in silence',
  async (t) => {
    const file = fc
      .tuple(
        fc.constantFrom('', 'SC-N-1/', 'SC-N-01/DICOM/', 'a/', 'a/SC-N-2/'),
        fc.constantFrom(
          '1',
          '2.dcm',
          'contours-manual/e/IM-0001-0001-icontour-manual.txt',
          'IM-0001-0002-ocontour-manual.txt',
        ),
        fc.constantFrom<FoundFile['kind']>('image', 'object', 'refused', 'foreign'),
        fc.constantFrom('1.1', '1.2', '?', null),
      )
      .map(([folder, name, kind, study]) => found(folder + name, kind, study));
    const files = fc.uniqueArray(file, { selector: ({ path }) => path });
    const property = fc.property(files, fc.infiniteStream(fc.nat()), (made, order) => {
      const images = made.map((each) =>
        each.kind === 'image' && each.study === null ? { ...each, study: '?' } : each,
      );
      const shuffled = images
        .map((each) => [order.next().value as number, each] as const)
        .sort(([a], [b]) => a - b)
        .map(([, each]) => each);
      const paired = tree(images);
      assert.deepEqual(tree(shuffled), paired);
      const used = paired.studies.flatMap(({ images, contours, objects, problems }) => [
        ...[...images, ...contours].map(({ path }) => path),
        ...objects,
        ...problems.flatMap(({ file }) => file ?? []),
      ]);
      const named = paired.problems.map(({ file }) => file);
      for (const { path, kind } of images) {
        const isTold = named.some((each) => each === null || path === each || path.startsWith(`${each}/`));
        assert.ok(used.includes(path) || paired.left.includes(path) || isTold, `${path} ${kind}`);
      }
      assert.equal(new Set(paired.studies.map(({ id }) => id)).size, paired.studies.length);
    });
    t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }));
  },
);
