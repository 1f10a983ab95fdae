import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { runCommand } from '../fixtures/command.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  startWorkbench,
  writeFiles,
} from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';

interface Problem {
  readonly code: string;
  readonly file: string | null;
  readonly detail: string;
}
interface StudyRow {
  readonly id: string;
  readonly slices: number;
  readonly pairs: number;
  readonly problems: number;
}

type Files = Readonly<Record<string, string | Uint8Array>>;

/** A study `A` of two images with their contours, without a link table. */
const STUDY: Files = {
  [imagePath('A', 1)]: imageFile(1),
  [imagePath('A', 2)]: imageFile(2),
  [contourPath('a', 1)]: squareContour(2, 9),
  [contourPath('a', 2)]: squareContour(3, 9),
};

const { server, lay } = await startWorkbench(t);
const { url } = server;

async function listed(): Promise<{ studies: StudyRow[]; problems: Problem[] }> {
  return getJson(`${url}/v1/studies`);
}

async function problemsOf(study = 'A'): Promise<Problem[]> {
  return (await getJson<{ problems: Problem[] }>(`${url}/v1/studies/${study}`)).problems;
}

t.test('a data folder that can’t be served ends the start with 1 and says so', async (t) => {
  const folder = temporaryFolder(t);
  writeFiles(folder, { 'a-file': 'text' });
  for (const [path, why] of [
    [join(folder, 'missing'), /does not exist/],
    [join(folder, 'a-file'), /is a file/],
    [join(folder, 'a-file', 'below'), /ENOTDIR|does not exist|cannot be read/],
  ] as const) {
    const state = temporaryFolder(t);
    const { code, stdout, stderr } = await runCommand(t, [
      'serve',
      '--data',
      path,
      '--state',
      state,
      '--port',
      '0',
    ]);
    t.equal(code, 1, path);
    t.equal(stdout, '');
    t.match(stderr, why);
    t.match(stderr, path);
    t.match(stderr, /--data/, 'it says what to do');
    t.notMatch(stderr, /\n\s+at /, 'no stack');
  }
});

t.test('an empty data folder is served, and says what is missing', async (t) => {
  await lay({});
  t.match(await listed(), { studies: [], problems: [{ code: 'NO_IMAGES', file: null }] });
  const answer = await ask(`${url}/v1/sessions`, { method: 'POST', body: {} });
  t.equal(answer.status, 422);
  t.match(JSON.parse(answer.body.toString()), {
    code: 'SLF_NO_PAIRS',
    detail: /^there is no study: no image was found below the data folder, and none was uploaded; check/,
  });
  await lay({ 'notes.txt': 'text', 'more/notes.txt': 'text' });
  const { problems } = await listed();
  t.match(
    problems.find(({ code }) => code === 'NO_IMAGES'),
    { file: null, detail: /^no image was found below the data folder, which has 2 file\(s\): check/ },
  );
  const told = server.log.filter(({ msg }) => msg === 'no image was found below the data folder');
  t.match(told.at(-1), { level: 40, files: 2 });
});

t.test('a link table with other columns joins nothing and is named; images are served', async (t) => {
  for (const table of [
    'patient,original\nA,a',
    'A,a',
    'patient_id;original_id\nA;a',
    '',
    'patient_id\nA',
    '"',
  ]) {
    await lay({ ...STUDY, 'link.csv': table });
    const { studies, problems } = await listed();
    t.match(
      problems.find(({ code }) => code === 'LINK_TABLE'),
      { file: 'link.csv', detail: /./ },
      table,
    );
    t.match(studies, [{ id: 'A', slices: 2, pairs: 0 }], table);
    t.equal((await openSession(url, { structures: [] })).pairs, 2, table);
    t.equal((await ask(`${url}/v1/sessions`, { method: 'POST', body: {} })).status === 201, true);
  }
});

t.test('without a link table it says so; images are served', async (t) => {
  await lay(STUDY);
  const { studies, problems } = await listed();
  t.match(problems, [{ code: 'LINK_TABLE', file: 'link.csv' }]);
  t.match(studies, [{ id: 'A', slices: 2, pairs: 0 }]);
  await getBody(`${url}/v1/studies/A/pairs/1`);
});

t.test('rows that name no folder are named by their line; the others join', async (t) => {
  const rows = [
    ['A', 'a'],
    ['GONE', 'gone'],
    ['A', 'b'],
    ['B', 'nothing'],
  ] as const;
  const files = { 'link.csv': linkTable(...rows), [imagePath('B', 1)]: imageFile(9) };
  await lay({ ...STUDY, ...files });
  const { studies, problems } = await listed();
  t.match(studies, [
    { id: 'A', slices: 2, pairs: 2 },
    { id: 'B', slices: 1, pairs: 0 },
  ]);
  t.strictSame(
    problems.map(({ code, file, detail }) => [code, file, /\bline (\d+)\b/.exec(detail)?.[1]]),
    ['3', '4', '5'].map((line) => ['LINK_ROW', 'link.csv', line]),
  );
});

t.test('contours that no row joins are named by their folder', async (t) => {
  await lay({
    ...STUDY,
    'link.csv': linkTable(['A', 'a']),
    [contourPath('stranger', 1)]: squareContour(2, 9),
  });
  const { problems, studies } = await listed();
  t.match(problems, [{ code: 'LINK_ROW', file: 'contourfiles/stranger' }]);
  t.equal(problems.length, 1);
  t.match(studies, [{ id: 'A', pairs: 2, problems: 0 }]);
});

const TABLES: Readonly<Record<string, string | Uint8Array>> = {
  'CRLF and a last newline': 'patient_id,original_id\r\nA,a\r\n',
  'a byte order mark': '\ufeffpatient_id,original_id\nA,a',
  'both, quotes and spaces': '\ufeff"patient_id", "original_id"\r\n "A" , a \r\n',
  'blank lines': '\npatient_id,original_id\n\nA,a\n\n',
  'other columns as well, in another order': 'note,original_id,patient_id\nfirst,a,A\n',
};

for (const [what, table] of Object.entries(TABLES))
  t.test(`a link table with ${what} joins`, async (t) => {
    await lay({ ...STUDY, 'link.csv': table });
    const { studies, problems } = await listed();
    t.match(studies, [{ id: 'A', slices: 2, pairs: 2, problems: 0 }]);
    t.strictSame(problems, []);
  });

t.test('what is none of ours is left alone, and what is beside the images is named', async (t) => {
  await lay({
    ...STUDY,
    'link.csv': linkTable(['A', 'a']),
    'README.txt': 'about',
    'reference_masks.tsv': 'x\ty',
    '.DS_Store': 'x',
    '.git/config': 'x',
    'dicoms/.DS_Store': 'x',
    'dicoms/loose.dcm': imageFile(3),
    'dicoms/A/.hidden.dcm': imageFile(4),
    'dicoms/A/._1.dcm': 'x',
    'dicoms/A/notes.txt': 'x',
    'dicoms/A/more/7.dcm': imageFile(7),
    'contourfiles/a/readme.txt': 'x',
    'contourfiles/a/i-contours/.DS_Store': 'x',
    'contourfiles/a/i-contours/other.txt': 'x',
    'contourfiles/a/i-contours/old/IM-0001-0001-icontour-manual.txt': squareContour(1, 3),
  });
  const { studies, problems } = await listed();
  t.match(studies, [{ id: 'A', slices: 2, pairs: 2 }]);
  t.equal(studies.length, 1);
  t.strictSame(
    problems.map(({ code, file }) => [code, file]),
    [
      ['CONTOUR_NAME', 'contourfiles/a/i-contours/old/IM-0001-0001-icontour-manual.txt'],
      ['IMAGE_NAME', 'dicoms/A/more/7.dcm'],
      ['IMAGE_NAME', 'dicoms/loose.dcm'],
    ],
  );
  const named = (await problemsOf()).map(({ code, file }) => [code, file]).sort();
  t.strictSame(named, [
    ['CONTOUR_NAME', 'contourfiles/a/i-contours/other.txt'],
    ['IMAGE_NAME', 'dicoms/A/notes.txt'],
  ]);
});

t.test('upper-case endings and numbers with leading zeros are the same slices', async (t) => {
  await lay({
    'link.csv': linkTable(['A', 'a']),
    'dicoms/A/0001.dcm': imageFile(1),
    'dicoms/A/2.DCM': imageFile(2),
    'dicoms/A/0010.Dcm': imageFile(10),
    'contourfiles/a/i-contours/IM-0001-1-icontour-manual.txt': squareContour(2, 9),
    'contourfiles/a/i-contours/IM-0001-0002-icontour-manual.txt': squareContour(2, 9),
    'contourfiles/a/i-contours/IM-0001-00010-icontour-manual.txt': squareContour(2, 9),
  });
  const { pairs } = await getJson<{ pairs: { slice: string; file: string }[] }>(`${url}/v1/studies/A/pairs`);
  t.strictSame(
    pairs.map(({ slice, file }) => [slice, file]),
    [
      ['1', 'dicoms/A/0001.dcm'],
      ['2', 'dicoms/A/2.DCM'],
      ['10', 'dicoms/A/0010.Dcm'],
    ],
  );
  await getBody(`${url}/v1/studies/A/pairs/10`);
});

t.test('two files of one number: the first is used, the other named', async (t) => {
  await lay({
    ...STUDY,
    'link.csv': linkTable(['A', 'a']),
    'dicoms/A/01.dcm': imageFile(50),
    [contourPath('a', 1).replace('0001-0001', '0002-0001')]: squareContour(4, 6),
  });
  const { pairs } = await getJson<{ pairs: { slice: string }[] }>(`${url}/v1/studies/A/pairs`);
  t.strictSame(
    pairs.map(({ slice }) => slice),
    ['1', '2'],
  );
  const named = (await problemsOf()).map(({ code }) => code).sort();
  t.strictSame(named, ['CONTOUR_TWICE', 'IMAGE_NAME']);
});

t.test('a contour with CRLF, a byte order mark, tabs and commas is read', async (t) => {
  const text = '\ufeff2.0\t2.0\r\n9.0,2.0\r\n 9 ; 9 \r\n2e0   9\r\n';
  await lay({ ...STUDY, 'link.csv': linkTable(['A', 'a']), [contourPath('a', 2)]: text });
  t.strictSame(await problemsOf(), []);
  const [one, two] = [
    await getBody(`${url}/v1/studies/A/pairs/1`),
    await getBody(`${url}/v1/studies/A/pairs/2`),
  ];
  const masks = (body: Buffer) => body.subarray(-257, -1);
  t.ok(masks(one).equals(masks(two)));
});

t.test('a folder whose name is no id gets a stable one', async (t) => {
  const names = ['Müller, Hans', 'a b', 'x'.repeat(80)];
  const files: Files = {
    'link.csv': linkTable(['A', 'a']),
    ...Object.fromEntries(names.map((name, at) => [imagePath(name, 1), imageFile(at)])),
  };
  const ids = async () => {
    await lay({ ...STUDY, ...files });
    return (await listed()).studies.map(({ id }) => id);
  };
  const one = await ids();
  await lay({});
  const two = await ids();
  t.equal(one.length, 4);
  t.strictSame(one, two);
  t.ok(one.every((id) => /^[A-Za-z0-9._-]{1,64}$/.test(id)));
});

t.test('an empty folder among the studies is no study', async (t) => {
  mkdirSync(join(server.config.data, 'dicoms', 'EMPTY'), { recursive: true });
  t.equal((await ask(`${url}/v1/scan`, { method: 'POST' })).status, 202);
  t.notOk((await listed()).studies.some(({ id }) => id === 'EMPTY'));
});

t.test('a data folder that went away fails the scan; what was known stays', async (t) => {
  await lay({ ...STUDY, 'link.csv': linkTable(['A', 'a']) });
  const { id } = await openSession(url);
  await server.logged(({ msg, session }) => msg === 'load done' && session === id);
  const away = `${server.config.data}-away`;
  renameSync(server.config.data, away);
  const scan = await ask(`${url}/v1/scan`, { method: 'POST' });
  t.ok(scan.status >= 500, String(scan.status));
  t.match(scan.headers.get('content-type'), /^application\/problem\+json/);
  t.match(await listed(), { studies: [{ id: 'A', pairs: 2 }] });
  renameSync(away, server.config.data);
  t.equal((await ask(`${url}/v1/scan`, { method: 'POST' })).status, 202);
  await getBody(`${url}/v1/sessions/${id}/batches/0`);
});
