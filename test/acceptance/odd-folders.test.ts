import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { runCommand } from '../fixtures/command.js';
import { contourPath, imageFile, imagePath, linkTable, squareContour, writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';

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

async function serve(t: Test, files: Files): Promise<string> {
  const folder = temporaryFolder(t);
  writeFiles(folder, files);
  const server = await startTestServer(t, folder);
  await server.ready();
  return server.url;
}

async function listed(url: string): Promise<{ studies: StudyRow[]; problems: Problem[] }> {
  return getJson(`${url}/v1/studies`);
}

async function problemsOf(url: string, study = 'A'): Promise<Problem[]> {
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
    const { code, stdout, stderr } = await runCommand(t, ['serve', '--data', path, '--state', state, '--port', '0']);
    t.equal(code, 1, path);
    t.equal(stdout, '');
    t.match(stderr, why);
    t.match(stderr, path);
    t.match(stderr, /--data/, 'it says what to do');
    t.notMatch(stderr, /\n\s+at /, 'no stack');
  }
});

t.test('a folder that is given up during the run fails the scan, not the service', async (t) => {
  const url = await serve(t, {});
  t.match(await listed(url), { studies: [], problems: [{ code: 'LINK_TABLE', file: 'link.csv' }] });
  const answer = await ask(`${url}/v1/sessions`, { method: 'POST', body: {} });
  t.equal(answer.status, 422);
  t.match(JSON.parse(answer.body.toString()), { code: 'SLF_NO_PAIRS' });
});

t.test('a link table with other columns joins nothing and is named; images are served', async (t) => {
  for (const table of ['patient,original\nA,a', 'A,a', 'patient_id;original_id\nA;a', '', 'patient_id\nA', '"']) {
    const url = await serve(t, { ...STUDY, 'link.csv': table });
    const { studies, problems } = await listed(url);
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
  const url = await serve(t, STUDY);
  const { studies, problems } = await listed(url);
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
  const url = await serve(t, { ...STUDY, ...files });
  const { studies, problems } = await listed(url);
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
  const url = await serve(t, {
    ...STUDY,
    'link.csv': linkTable(['A', 'a']),
    [contourPath('stranger', 1)]: squareContour(2, 9),
  });
  const { problems, studies } = await listed(url);
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
    const { studies, problems } = await listed(await serve(t, { ...STUDY, 'link.csv': table }));
    t.match(studies, [{ id: 'A', slices: 2, pairs: 2, problems: 0 }]);
    t.strictSame(problems, []);
  });

t.test('what is none of ours is left alone, and what is beside the images is named', async (t) => {
  const url = await serve(t, {
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
  const { studies, problems } = await listed(url);
  t.match(studies, [{ id: 'A', slices: 2, pairs: 2 }]);
  t.equal(studies.length, 1);
  t.strictSame(problems, []);
  const named = (await problemsOf(url)).map(({ code, file }) => [code, file]).sort();
  t.strictSame(named, [
    ['CONTOUR_NAME', 'contourfiles/a/i-contours/other.txt'],
    ['IMAGE_NAME', 'dicoms/A/notes.txt'],
  ]);
});

t.test('upper-case endings and numbers with leading zeros are the same slices', async (t) => {
  const url = await serve(t, {
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
  const url = await serve(t, {
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
  const named = (await problemsOf(url)).map(({ code }) => code).sort();
  t.strictSame(named, ['CONTOUR_TWICE', 'IMAGE_NAME']);
});

t.test('a contour with CRLF, a byte order mark, tabs and commas is read', async (t) => {
  const text = '\ufeff2.0\t2.0\r\n9.0,2.0\r\n 9 ; 9 \r\n2e0   9\r\n';
  const url = await serve(t, { ...STUDY, 'link.csv': linkTable(['A', 'a']), [contourPath('a', 2)]: text });
  t.strictSame(await problemsOf(url), []);
  const [one, two] = [await getBody(`${url}/v1/studies/A/pairs/1`), await getBody(`${url}/v1/studies/A/pairs/2`)];
  const masks = (body: Buffer) => body.subarray(-257, -1);
  t.ok(masks(one).equals(masks(two)));
});

t.test('a folder whose name is no id gets a stable one', async (t) => {
  const names = ['Müller, Hans', 'a b', 'x'.repeat(80)];
  const files: Files = {
    'link.csv': linkTable(['A', 'a']),
    ...Object.fromEntries(names.map((name, at) => [imagePath(name, 1), imageFile(at)])),
  };
  const ids = async () => (await listed(await serve(t, { ...STUDY, ...files }))).studies.map(({ id }) => id);
  const [one, two] = [await ids(), await ids()];
  t.equal(one.length, 4);
  t.strictSame(one, two);
  t.ok(one.every((id) => /^[A-Za-z0-9._-]{1,64}$/.test(id)));
});

t.test('an empty folder among the studies is no study', async (t) => {
  const folder = temporaryFolder(t);
  writeFiles(folder, { ...STUDY, 'link.csv': linkTable(['A', 'a']) });
  mkdirSync(join(folder, 'dicoms', 'EMPTY'));
  const server = await startTestServer(t, folder);
  await server.ready();
  t.strictSame(
    (await listed(server.url)).studies.map(({ id }) => id),
    ['A'],
  );
});
