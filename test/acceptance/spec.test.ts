import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, jsonOf, type OpenedSession } from '../fixtures/client.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 2, slices: 2, phases: 3, rows: 32, columns: 32 });
const server = await startTestServer(t, folder);
await server.ready();
const sessions = `${server.url}/v1/sessions`;

const form = { 'content-type': 'application/x-www-form-urlencoded' };
const json = { 'content-type': 'application/json' };

t.test('an unknown field is refused by its name', async (t) => {
  const cases: [object, string][] = [
    [{ batchsize: 4 }, 'batchsize'],
    [{ image: { value: 'stored' } }, 'image.value'],
    [{ mask: { rules: 'pil' } }, 'mask.rules'],
    [{ shape: { row: 3 } }, 'shape.row'],
    [{ batchSize: 4, __proto__x: 1 }, '__proto__x'],
  ];
  for (const [body, field] of cases)
    for (const [url, method] of [
      [sessions, 'POST'],
      [`${sessions}/named`, 'PUT'],
    ] as const) {
      const problem = await refused(t, url, { method, body }, 400, 'SLF_INVALID');
      t.equal(problem.field, field);
      t.match(problem.detail, field.split('.').at(-1)!);
    }
  t.equal((await ask(`${sessions}/named`)).status, 404, 'nothing was opened');
});

t.test('a field of a wrong kind is refused by its name', async (t) => {
  const cases: [object, string][] = [
    [{ batchSize: 0 }, 'batchSize'],
    [{ batchSize: -8 }, 'batchSize'],
    [{ batchSize: 2.5 }, 'batchSize'],
    [{ batchSize: '8' }, 'batchSize'],
    [{ batchSize: null }, 'batchSize'],
    [{ worldSize: 0 }, 'worldSize'],
    [{ shuffle: 'true' }, 'shuffle'],
    [{ shuffle: 1 }, 'shuffle'],
    [{ seed: -1 }, 'seed'],
    [{ seed: 2 ** 53 }, 'seed'],
    [{ epochs: 0 }, 'epochs'],
    [{ epochs: 1.5 }, 'epochs'],
    [{ prefetch: 17 }, 'prefetch'],
    [{ prefetch: -1 }, 'prefetch'],
    [{ lastBatch: 'short' }, 'lastBatch'],
    [{ structures: 'i' }, 'structures'],
    [{ structures: [1] }, 'structures.0'],
    [{ studies: 'some' }, 'studies'],
    [{ image: { values: 'raw' } }, 'image.values'],
    [{ image: 'stored' }, 'image'],
    [{ mask: { rule: 'PIL' } }, 'mask.rule'],
    [{ onError: 'ignore' }, 'onError'],
  ];
  for (const [body, field] of cases) {
    const problem = await refused(t, sessions, { method: 'POST', body }, 400, 'SLF_INVALID');
    t.equal(problem.field, field, JSON.stringify(body));
  }
});

t.test('a body that is no JSON object is refused', async (t) => {
  for (const body of ['{', '{"batchSize": 8', "{'batchSize': 8}", 'batchSize=8', '{"a":1}}']) {
    await refused(t, sessions, { method: 'POST', body, headers: json }, 400, 'SLF_INVALID');
    await refused(t, `${sessions}/named`, { method: 'PUT', body, headers: json }, 400, 'SLF_INVALID');
  }
  for (const body of ['[]', '3', '"all"'])
    await refused(t, sessions, { method: 'POST', body, headers: json }, 400, 'SLF_INVALID');
  const proto = '{"__proto__": {"batchSize": 1}}';
  await refused(t, sessions, { method: 'POST', body: proto, headers: json }, 400, 'SLF_INVALID');
});

t.test('a form gets 415 with the words to use instead', async (t) => {
  for (const [url, method] of [
    [sessions, 'POST'],
    [`${sessions}/named`, 'PUT'],
  ] as const) {
    const options = { method, body: '{"batchSize": 8}', headers: form };
    t.match(await refused(t, url, options, 415, 'SLF_MEDIA_TYPE'), {
      detail: /-H 'content-type: application\/json' -d .*--json/,
    });
    const text = { method, body: 'batchSize: 8', headers: { 'content-type': 'text/plain' } };
    await refused(t, url, text, 415, 'SLF_MEDIA_TYPE');
  }
});

t.test('an empty body means all defaults, whatever type its sender gives it', async (t) => {
  for (const type of ['application/json', 'application/x-www-form-urlencoded', 'text/plain']) {
    const answer = await fetch(sessions, { method: 'POST', body: '', headers: { 'content-type': type } });
    t.match(await answer.json(), { spec: { batchSize: 8, seed: 0 } }, type);
    t.equal(answer.status, 201, type);
  }
});

t.test('a body over the limit gets 413', async (t) => {
  const body = { studies: Array.from({ length: 40_000 }, (_, n) => `a-study-with-a-long-name-${n}`) };
  await refused(t, sessions, { method: 'POST', body }, 413, 'SLF_TOO_LARGE');
});

t.test('next takes its rank from the query: a body that names it is refused, not ignored', async (t) => {
  await ask(`${sessions}/ranks`, { method: 'PUT', body: { batchSize: 2 } });
  const options = { method: 'POST', body: { rank: 1 } };
  t.match(await refused(t, `${sessions}/ranks/next`, options, 400, 'SLF_INVALID'), { field: 'rank' });
});

/** Every field of the contract with a value that is not its default, and where the answered spec shows it. */
const FIELDS: readonly (readonly [field: string, body: Record<string, unknown>])[] = [
  ['studies', { studies: ['PHANTOM001'] }],
  ['excludeStudies', { excludeStudies: ['PHANTOM001'] }],
  ['where', { where: { modality: ['MR'] } }],
  ['split', { split: { of: 2, parts: [0, 1], seed: 0 } }],
  ['structures', { structures: ['o'] }],
  ['missing', { missing: 'empty', structures: ['i', 'o'] }],
  ['rename', { rename: { i: ['inner'] } }],
  ['exclude', { exclude: ['TINY'] }],
  ['batchSize', { batchSize: 3 }],
  ['worldSize', { worldSize: 2 }],
  ['shuffle', { shuffle: false }],
  ['seed', { seed: 2 ** 53 - 1 }],
  ['epochs', { epochs: 3 }],
  ['lastBatch', { lastBatch: 'drop' }],
  ['lastBatch', { lastBatch: 'pad' }],
  ['prefetch', { prefetch: 16 }],
  ['image.values', { image: { values: 'stored' } }],
  ['image.values', { image: { values: 'windowed' } }],
  ...['uint16', 'int32', 'float16', 'float32', 'uint8'].map(
    (dtype) => ['image.dtype', { image: { dtype } }] as const,
  ),
  ...['minmax', 'zscore'].map(
    (normalize) => ['image.normalize', { image: { normalize, dtype: 'float32' } }] as const,
  ),
  ['image.channels', { image: { channels: 3 } }],
  ...['pil', 'opencv', 'coverage'].map((rule) => ['mask.rule', { mask: { rule } }] as const),
  ...['xor', 'union'].map((holes) => ['mask.holes', { mask: { holes } }] as const),
  ['mask.origin', { mask: { origin: 'half' } }],
  ['shape.fit', { shape: { fit: 'pad', rows: 40, columns: 48 } }],
  ['shape.fit', { shape: { fit: 'crop', rows: 20, columns: 24 } }],
  ['shape.fit', { shape: { fit: 'resize', rows: 20, columns: 48 } }],
  ['shape.fill', { shape: { fit: 'pad', fill: 7, rows: 64, columns: 64 } }],
  ['onError', { onError: 'mask' }],
];

function at(spec: unknown, field: string): unknown {
  return field.split('.').reduce((value, key) => (value as Record<string, unknown>)[key], spec);
}

t.test('no field of the contract is ignored: it shows in the spec', async (t) => {
  for (const [field, body] of FIELDS) {
    const answer = await ask(sessions, { method: 'POST', body });
    const { id, spec } = jsonOf<OpenedSession>(answer, 201);
    t.strictSame(at(spec, field), at(body, field), JSON.stringify(body));
    await ask(`${sessions}/${id}`, { method: 'DELETE' });
  }
});

t.test('a digest of no snapshot is refused, not ignored', async (t) => {
  const answer = await ask(sessions, { method: 'POST', body: { snapshot: 'a'.repeat(64) } });
  checkProblem(t, answer, 410, 'SLF_SNAPSHOT_GONE');
});

t.test('a batch that the budget or the limit can’t hold is refused at the door', async (t) => {
  const small = await startTestServer(t, folder, { MEMORY_BUDGET: '64KiB', BATCH_BYTES: '48KiB' });
  await small.ready();
  const open = (body: object) => ({ method: 'POST', body });
  const url = `${small.url}/v1/sessions`;
  t.match(await refused(t, url, open({ batchSize: 32 }), 422, 'SLF_BATCH_TOO_LARGE'), { field: 'batchSize' });
  await refused(t, url, open({ batchSize: 24, worldSize: 2 }), 503, 'SLF_BUDGET');
  const [one, two] = [await ask(url, open({ batchSize: 12 })), await ask(url, open({ batchSize: 12 }))];
  t.equal(one.status, 201);
  checkProblem(t, two, 503, 'SLF_BUDGET');
  await ask(`${small.url}${one.headers.get('location')}`, { method: 'DELETE' });
  t.equal((await ask(url, open({ batchSize: 12 }))).status, 201, 'room again after a delete');
});
