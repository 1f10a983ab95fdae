import { renameSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { refused } from '../fixtures/problem.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  startWorkbench,
  writeFiles,
} from '../fixtures/study-folder.js';

interface Problem {
  readonly code: string;
  readonly file: string | null;
  readonly detail: string;
}
interface StudyBody {
  readonly slices: number;
  readonly pairs: number;
  readonly problems: Problem[];
}

const { server, lay } = await startWorkbench(t);
const { url } = server;

/** One good study `A`, of three pairs, with the files of a test beside or in place of its own. */
async function serve(files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  const good: Record<string, string | Uint8Array> = { 'link.csv': linkTable(['A', 'a']) };
  for (const number of [1, 2, 3]) {
    good[imagePath('A', number)] = imageFile(number);
    good[contourPath('a', number)] = squareContour(2, 9);
  }
  await lay({ ...good, ...files });
}

async function studyA(): Promise<StudyBody> {
  return getJson<StudyBody>(`${url}/v1/studies/A`);
}

/** Checks that the pairs of these slices, and no others, are served, as a session and one by one. */
async function serves(t: Test, slices: readonly string[]): Promise<void> {
  const { id, pairs } = await openSession(url, {
    structures: ['i'],
    batchSize: 16,
    epochs: 1,
    shuffle: false,
  });
  t.equal(pairs, slices.length, 'pairs of a session');
  const batch = readBatch(await getBody(`${url}/v1/sessions/${id}/batches/0`));
  t.strictSame(
    pairIdsOf(batch),
    slices.map((slice) => `A/${slice}`),
  );
  for (const slice of slices) {
    const { masks } = readBatch(await getBody(`${url}/v1/studies/A/pairs/${slice}`)).tensors;
    t.equal(masks!.bytes.filter((value) => value === 1).length, 49, `the mask of ${slice}`);
  }
}

t.test('a contour line that is no point is named by file and number, and never quoted', async (t) => {
  const secret = 'Jane^Doe';
  const cases: readonly (readonly [text: string, line: number])[] = [
    [`2 2\n9 2\n${secret} 9\n2 9\n`, 3],
    [`2 2\n9 ${secret}\n9 9\n2 9\n`, 2],
    [`${secret}\n2 2\n9 2\n9 9\n`, 1],
    ['2 2\n9 2\n9 9\n2\n', 4],
    ['2 2\n9 2\n9 9 9\n2 9\n', 3],
    ['2 2\n9 2\nNaN 9\n2 9\n', 3],
    ['2 2\n9 2\n9 Infinity\n2 9\n', 3],
    ['2 2\n9 2\n1e999 9\n2 9\n', 3],
    ['2 2\n9 2\n0x9 9\n2 9\n', 3],
  ];
  const files = cases.map(([text], at) => [contourPath('a', 10 + at), text]);
  const images = cases.map((_, at) => [imagePath('A', 10 + at), imageFile(10 + at)]);
  await serve(Object.fromEntries([...files, ...images]));
  const { problems } = await studyA();
  t.strictSame(
    problems.map(({ code, file }) => ({ code, file })),
    cases.map((_, at) => ({ code: 'CONTOUR_NOT_A_NUMBER', file: contourPath('a', 10 + at) })),
  );
  for (const [at, [, line]] of cases.entries())
    t.match(problems[at]?.detail, new RegExp(`\\bline ${line}\\b`));
  t.notMatch(JSON.stringify(problems), /Jane|NaN|Infinity|1e999|0x9/);
  await serves(t, ['1', '2', '3']);
});

t.test('a blank line within a contour is named, and the contour is used', async (t) => {
  await serve({ [contourPath('a', 2)]: '2 2\n9 2\n\n9 9\n  \n2 9\n\n\n' });
  const { problems } = await studyA();
  t.strictSame(
    problems.map(({ code, file }) => [code, file]),
    [3, 5].map(() => ['CONTOUR_BLANK_LINE', contourPath('a', 2)]),
  );
  t.match(problems, [{ detail: /\bline 3\b/ }, { detail: /\bline 5\b/ }]);
  await serves(t, ['1', '2', '3']);
});

t.test('a contour of fewer than 3 points is left out', async (t) => {
  await serve({
    [contourPath('a', 1)]: '2 2\n9 2\n',
    [contourPath('a', 2)]: '',
    // Closed: its third point is the first again.
    [contourPath('a', 3)]: '2 2\n9 2\n2 2\n',
    [imagePath('A', 4)]: imageFile(4),
    [contourPath('a', 4)]: squareContour(2, 9),
  });
  const { problems, slices } = await studyA();
  t.equal(slices, 4);
  t.strictSame(
    problems.map(({ code, file }) => [code, file]),
    [1, 2, 3].map((number) => ['CONTOUR_TOO_FEW_POINTS', contourPath('a', number)]),
  );
  await serves(t, ['4']);
});

t.test('a file that is not DICOM is left out with its contour', async (t) => {
  await serve({
    [imagePath('A', 4)]: 'This is a note of nine words, not an image.',
    [contourPath('a', 4)]: squareContour(2, 9),
    [imagePath('A', 5)]: '',
    [imagePath('A', 6)]: Buffer.alloc(5000, 0xff),
  });
  const { problems, slices, pairs } = await studyA();
  t.strictSame([slices, pairs], [3, 3]);
  t.strictSame(problems.map(({ code, file }) => [code, file]).sort(), [
    ['CONTOUR_WITHOUT_IMAGE', contourPath('a', 4)],
    ['NOT_DICOM', imagePath('A', 4)],
    ['NOT_DICOM', imagePath('A', 5)],
    ['NOT_DICOM', imagePath('A', 6)],
  ]);
  t.notMatch(JSON.stringify(problems), /nine words/);
  await serves(t, ['1', '2', '3']);
});

t.test('a DICOM file that ends early is left out, wherever it ends', async (t) => {
  const whole = imageFile(4);
  const cuts = [140, 200, 300, whole.length - 512, whole.length - 100, whole.length - 1];
  const files = cuts.map((length, at) => [imagePath('A', 10 + at), whole.subarray(0, length)]);
  await serve(Object.fromEntries(files));
  const { problems, slices } = await studyA();
  t.equal(slices, 3);
  t.strictSame(
    problems.map(({ file }) => file),
    cuts.map((_, at) => imagePath('A', 10 + at)),
  );
  t.ok(problems.every(({ code, detail }) => /^[A-Z_]+$/.test(code) && detail.length > 5));
  t.match(problems.at(-1), { code: 'PIXELS_SHORT' });
  await serves(t, ['1', '2', '3']);
});

t.test('a file that breaks after the scan breaks its own batch alone', async (t) => {
  await serve({});
  const { id } = await openSession(url, { batchSize: 1, shuffle: false, prefetch: 0 });
  writeFiles(server.config.data, { [imagePath('A', 2)]: imageFile(2).subarray(0, 600) });
  const batch = (step: number) => `${url}/v1/sessions/${id}/batches/${step}`;
  t.equal((await ask(batch(0))).status, 200);
  const problem = await refused(t, batch(1), {}, 409, 'SLF_SOURCE_CHANGED');
  t.match(problem, { pair: 'A/2', file: imagePath('A', 2) });
  t.equal((await ask(batch(2))).status, 200);
});

t.test('what failed while warming is tried again when it is asked for', async (t) => {
  await serve({});
  const [path, away] = [imagePath('A', 2), 'away.dcm'].map((name) => join(server.config.data, name)) as [
    string,
    string,
  ];
  const { id } = await openSession(url, { batchSize: 1, shuffle: false });
  renameSync(path, away);
  await getBody(`${url}/v1/sessions/${id}/batches/0`);
  await server.logged(({ msg, session, step }) => msg === 'load done' && session === id && step === 1);
  renameSync(away, path);
  t.equal((await ask(`${url}/v1/sessions/${id}/batches/1`)).status, 200);
});

t.test('a contour without an image is listed, an image without a contour only counted', async (t) => {
  await serve({
    [contourPath('a', 77)]: squareContour(2, 9),
    [imagePath('A', 4)]: imageFile(4),
    [imagePath('A', 5)]: imageFile(5),
  });
  const { problems, slices, pairs } = await studyA();
  t.strictSame([slices, pairs], [5, 3]);
  t.match(problems, [{ code: 'CONTOUR_WITHOUT_IMAGE', file: contourPath('a', 77) }]);
  t.equal(problems.length, 1);
  const { studies } = await getJson<{ studies: { problems: number }[] }>(`${url}/v1/studies`);
  t.equal(studies[0]?.problems, 1, 'the list has the count');
  await serves(t, ['1', '2', '3']);
});

t.test('a contour that leaves the image is clipped, and said so', async (t) => {
  await serve({ [contourPath('a', 3)]: '-5 2\n5 2\n5 9\n-5 9\n' });
  const { problems } = await studyA();
  t.match(problems, [{ code: 'CONTOUR_OUTSIDE', file: contourPath('a', 3) }]);
  const { masks } = readBatch(await getBody(`${url}/v1/studies/A/pairs/3`)).tensors;
  t.equal(masks!.bytes.filter((value) => value === 1).length, 5 * 7);
});

t.test('pairs of several shapes are refused with the shapes, unless one is chosen', async (t) => {
  await serve({
    'link.csv': linkTable(['A', 'a'], ['B', 'b']),
    [imagePath('B', 1)]: imageFile(1, { rows: 20, columns: 24 }),
    [contourPath('b', 1)]: squareContour(2, 9),
  });
  const options = { method: 'POST', body: { batchSize: 2 } };
  const { detail } = await refused(t, `${url}/v1/sessions`, options, 422, 'SLF_SHAPES_DIFFER');
  t.match(detail, /16 . 16/);
  t.match(detail, /20 . 24/);
  const one = await openSession(url, { studies: ['B'] });
  t.strictSame(one.batch.images?.shape, [8, 1, 20, 24]);
  t.match(await getJson(`${url}/v1/studies/B`), { rows: 20, columns: 24 });
});

t.test('batchSize 1 takes pairs of several shapes, each in its own', async (t) => {
  await serve({ [imagePath('A', 3)]: imageFile(3, { rows: 20, columns: 24 }) });
  t.match(await getJson(`${url}/v1/studies/A`), { rows: null, columns: null });
  const { id } = await openSession(url, { batchSize: 1, epochs: 1, shuffle: false });
  const shapes = [];
  for (let step = 0; step < 3; step++) {
    const { images, masks } = readBatch(await getBody(`${url}/v1/sessions/${id}/batches/${step}`)).tensors;
    shapes.push([images!.shape, masks!.shape]);
  }
  const small = [
    [1, 1, 16, 16],
    [1, 1, 16, 16],
  ];
  t.strictSame(shapes, [
    small,
    small,
    [
      [1, 1, 20, 24],
      [1, 1, 20, 24],
    ],
  ]);
});
