import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, getJson } from '../fixtures/client.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { formOf } from '../fixtures/upload.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
writeFiles(folder, {
  'link.csv': linkTable(['A', 'OA'], ['B', 'OB']),
  [imagePath('A', 1)]: imageFile(0),
  [contourPath('OA', 1)]: squareContour(4, 9),
  [imagePath('A', 2)]: imageFile(1),
  [contourPath('OA', 2)]: '1 x\n',
  [imagePath('B', 1)]: imageFile(2, { modality: 'CT' }),
  [contourPath('OB', 1)]: squareContour(4, 9),
});
const server = await startTestServer(t, folder, { BATCH_BYTES: '4KiB', UPLOAD_BYTES: '2KiB' });
await server.ready();
const sessions = `${server.url}/v1/sessions`;

/** Checks what is answered to a session that cannot be opened. */
async function checkRefusal(
  t: Test,
  body: unknown,
  status: number,
  code: string,
  field: string | undefined,
  detail: string,
): Promise<void> {
  const answer = await ask(sessions, { method: 'POST', body });
  t.match(checkProblem(t, answer, status, code), { field, detail }, JSON.stringify(body));
}

t.test('a body of another form is refused with the form to write', async (t) => {
  const refuse = (body: unknown, field: string, detail: string) =>
    checkRefusal(t, body, 400, 'SLF_INVALID', field, detail);
  await refuse({ studies: 'A' }, 'studies', 'studies must be "all" or a list');
  await refuse({ studies: ['A', 5] }, 'studies.1', 'studies.1 must be text');
  await refuse(
    { split: { of: 5 } },
    'split.parts',
    'split needs parts: the folds to take, counted from 0; a patient is in one fold with all studies',
  );
  await refuse({ split: 5 }, 'split', 'split must be an object or null');
  await refuse({ batchSize: '8' }, 'batchSize', 'batchSize must be a whole number');
  await refuse({ missing: 'no' }, 'missing', 'missing must be one of: exclude, empty');
  await refuse(
    { 'image.dtype': 'int16' },
    'image.dtype',
    'the body has no field "image.dtype"; write {"image": {"dtype": …}}, a field of image',
  );
  await refuse(
    { image: { type: 'int16' } },
    'image.type',
    'the body has no field "image.type"; it takes values, dtype, normalize, channels',
  );
  const answer = await ask(sessions, {
    method: 'POST',
    body: '{"__proto__": 1}',
    headers: { 'content-type': 'application/json' },
  });
  t.match(checkProblem(t, answer, 400, 'SLF_INVALID'), {
    detail:
      'the body is not valid JSON: check its quotes and commas. The names __proto__ and constructor are not allowed in it',
  });
});

t.test('a session that cannot be opened is refused with what to change', async (t) => {
  const refuse = (body: unknown, code: string, field: string, detail: string, status = 422) =>
    checkRefusal(t, body, status, code, field, detail);
  await refuse(
    { studies: ['A', 'x', 'y', 'x'] },
    'SLF_STUDY_MISSING',
    'studies',
    'studies names x, y, which the catalogue does not have; GET /v1/studies lists the studies',
  );
  await refuse(
    { excludeStudies: ['1', '2', '3', '4', '5', '6', '7'] },
    'SLF_STUDY_MISSING',
    'excludeStudies',
    'excludeStudies names 1, 2, 3, 4, 5 and 2 more, which the catalogue does not have; GET /v1/studies lists the studies',
  );
  await refuse(
    { shape: { rows: 100 } },
    'SLF_SHAPES_DIFFER',
    'shape',
    'shape.fit exact keeps the shape of the pairs, 16 × 16 (A/1): for another choose shape.fit pad, crop or resize',
  );
  await refuse(
    { batchSize: 1, shape: { fit: 'pad', rows: 64, columns: 64 } },
    'SLF_BATCH_TOO_LARGE',
    'shape',
    'a batch of one pair has 12369 bytes, the limit is 4096: choose a smaller shape with shape.fit, shape.rows and shape.columns, ask for fewer structures, or raise SLICEFEED_BATCH_BYTES',
  );
  await refuse(
    { snapshot: 'a'.repeat(64) },
    'SLF_SNAPSHOT_GONE',
    'snapshot',
    'no snapshot of this digest is kept here: it was never made here',
    410,
  );
  await refuse(
    { where: { modality: ['PT'] } },
    'SLF_NO_PAIRS',
    'where',
    'no slice matches where. Modalities, with their slices: MR (2), CT (1); series: 2.25.',
  );
  await refuse(
    { structures: ['heart'] },
    'SLF_NO_PAIRS',
    'structures',
    'no slice that matches carries heart; there are: i',
  );
  const { title } = await refused(
    t,
    sessions,
    { method: 'POST', body: { structures: ['i', 'i'] } },
    422,
    'SLF_SPEC_CONFLICT',
  );
  t.equal(title, 'A field of the session contradicts itself, another field or the data');
});

t.test('a name that is taken is refused with the fields that differ', async (t) => {
  const put = (body: object) => ({ method: 'PUT', body });
  t.equal((await ask(`${sessions}/mine`, put({ batchSize: 1 }))).status, 201);
  t.equal(
    (await ask(`${sessions}/mine`, put({ batchSize: 1, seed: 0 }))).status,
    200,
    'the same by its default',
  );
  const differs = async (body: object) =>
    (await refused(t, `${sessions}/mine`, put(body), 409, 'SLF_SESSION_DIFFERS')).detail;
  t.equal(
    await differs({ batchSize: 1, seed: 4, image: { values: 'windowed' } }),
    'the spec differs in seed, image.values, image.dtype: open yours under another name, or delete this one first',
  );
  t.equal(
    await differs({ batchSize: 1, sources: { kind: ['text'] } }),
    'the spec differs in sources: open yours under another name, or delete this one first',
  );
  t.equal(
    await differs({ batchSize: 1, studies: ['no'] }),
    'the request is another, and cannot be opened (studies names no, which the catalogue does not have; GET /v1/studies lists the studies): open yours under another name, or delete this one first',
  );
});

t.test('what is not there to be deleted, and an upload over the limit, say what to do', async (t) => {
  const { detail } = await refused(t, `${sessions}/nobody`, { method: 'DELETE' }, 404, 'SLF_SESSION_UNKNOWN');
  t.equal(detail, 'there is nothing to end: GET /v1/sessions lists the sessions');
  for (const path of ['/v1/studies', '/v1/masks']) {
    const form = formOf({ 'a.dcm': new Uint8Array(3000) });
    const answer = await fetch(server.url + path, { method: 'POST', body: form });
    t.match(await answer.json(), {
      status: 413,
      detail: 'the upload is over 2048 bytes, the limit of SLICEFEED_UPLOAD_BYTES: send less at a time',
    });
  }
});

t.test('a study lists modalities and series, as where takes them', async (t) => {
  const study = await getJson<{
    modalities: Record<string, number>;
    series: { series: string; modality: string; slices: number }[];
    seriesCount: number;
    problems: { code: string; detail: string }[];
  }>(`${server.url}/v1/studies/A`);
  t.strictSame(study.modalities, { MR: 2 });
  t.equal(study.seriesCount, study.series.length);
  t.equal(
    study.series.reduce((sum, { slices }) => sum + slices, 0),
    2,
  );
  t.ok(study.problems.some(({ detail }) => detail === 'line 1 does not hold two finite numbers'));
  const [{ series = '' } = {}] = study.series;
  const body = { structures: [], where: { modality: ['MR'], series: [series] }, batchSize: 1 };
  t.equal((await ask(sessions, { method: 'POST', body })).status, 201);
});

t.test('a source that is none is refused with those that there are', async (t) => {
  const url = `${server.url}/v1/studies/A/pairs/1?source=x`;
  t.match(await refused(t, url, {}, 400, 'SLF_INVALID'), {
    field: 'source',
    detail: 'no source of contours has this file: choose one of contourfiles/OA',
  });
});
