import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getJson, jsonOf } from '../fixtures/client.js';
import { holdTasks } from '../fixtures/hold.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });
const server = await startTestServer(t, folder);
await server.ready();

interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
}

const BUILT = [
  'GET /livez',
  'GET /readyz',
  'POST /v1/scan',
  'GET /v1/studies',
  'GET /v1/studies/{study}',
  'GET /v1/studies/{study}/pairs',
  'GET /v1/studies/{study}/pairs/{slice}',
  'GET /v1/studies/{study}/pairs/{slice}/overlay.png',
  'GET /v1/sessions',
  'POST /v1/sessions',
  'PUT /v1/sessions/{}',
  'GET /v1/sessions/{id}',
  'DELETE /v1/sessions/{id}',
  'GET /v1/sessions/{id}/batches/{step}',
  'POST /v1/sessions/{id}/next',
];

/** The rest of the contract: built in this release or refused by name. */
const OTHERS = [
  'GET /v1/splits',
  'GET /v1/sessions/{id}/pairs',
  'GET /metrics',
  'GET /v1/quarantine',
  'DELETE /v1/quarantine/{study}/{slice}',
  'GET /v1/studies/{study}/masks',
  'GET /v1/studies/{study}/report',
  'GET /v1/report',
  'POST /v1/studies',
  'DELETE /v1/studies/{study}',
  'POST /v1/masks',
  'GET /v1/sessions/{id}/stream',
  'GET /v1/sessions/{id}/batches/{step}/overlay.png',
  'GET /v1/sessions/{id}/audit',
];

const anonymous = (call: string) => call.replace(/\{\w*\}/g, '{}');

async function listed(): Promise<{ document: OpenApi; calls: string[] }> {
  const document = await getJson<OpenApi>(`${server.url}/openapi.json`);
  const calls = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  return { document, calls };
}

t.test('the process answers, and says when it is ready', async (t) => {
  t.equal((await ask(`${server.url}/livez`)).status, 200);
  const ready = await getJson(`${server.url}/readyz`);
  t.match(ready, { ready: true, missing: [] });
});

t.test('until the scan is done it lives but is not ready', async (t) => {
  const hold = holdTasks(t, 'scan');
  const slow = await startTestServer(t, folder, {}, hold.options);
  await hold.waiting(0);
  t.equal((await ask(`${slow.url}/livez`)).status, 200);
  const before = await ask(`${slow.url}/readyz`);
  t.match(jsonOf(before, 503), { ready: false, missing: [/scan/], scan: { toRead: 11, read: 0 } });
  t.match(before.headers.get('retry-after'), /^\d+$/);
  await refused(t, `${slow.url}/v1/sessions`, { method: 'POST', body: {} }, 503, 'SLF_NOT_READY');
  hold.releaseAll();
  await slow.ready();
  t.equal((await ask(`${slow.url}/v1/sessions`, { method: 'POST', body: {} })).status, 201);
});

t.test('the contract is published as OpenAPI 3.1, every built call with its answers', async (t) => {
  const { document, calls } = await listed();
  t.match(document.openapi, /^3\.1\.\d+$/);
  const known = new Set(calls.map(anonymous));
  t.strictSame(
    BUILT.filter((call) => !known.has(anonymous(call))),
    [],
  );
  const contract = new Set([...BUILT, ...OTHERS].map(anonymous));
  t.strictSame(
    calls.filter((call) => !contract.has(anonymous(call)) && !call.startsWith('HEAD ')),
    [],
    'nothing beyond the contract',
  );
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, { responses }] of Object.entries(methods))
      t.ok(
        Object.keys(responses).some((status) => status.startsWith('2')),
        `${method} ${path}`,
      );
});

t.test('the contract is a page as well', async (t) => {
  const page = await ask(`${server.url}/docs`);
  t.equal(page.status, 200);
  t.match(page.headers.get('content-type'), /^text\/html/);
  t.match(page.body.toString(), /<html/i);
});

t.test('every call of the contract is there', async (t) => {
  const known = new Set((await listed()).calls.map(anonymous));
  t.strictSame(
    OTHERS.filter((call) => !known.has(anonymous(call))),
    [],
  );
});

t.test('what no path or method knows is a problem too', async (t) => {
  for (const [method, path] of [
    ['POST', '/'],
    ['GET', '/v1'],
    ['GET', '/v2/studies'],
    ['GET', '/v1/studies/PHANTOM001/slices'],
    ['GET', '/../../etc/passwd'],
    ['POST', '/v1/nothing'],
  ] as const)
    await refused(t, server.url + path, { method }, 404, 'SLF_ROUTE_UNKNOWN');
  for (const [method, path] of [
    ['PATCH', '/v1/sessions/x'],
    ['PUT', '/v1/studies/PHANTOM001'],
    ['DELETE', '/v1/sessions'],
  ] as const) {
    const answer = await ask(server.url + path, { method });
    t.ok([404, 405].includes(answer.status), `${method} ${path}`);
    checkProblem(t, answer, answer.status, answer.status === 405 ? 'SLF_METHOD' : 'SLF_ROUTE_UNKNOWN');
  }
});

t.test('a URL that can’t be decoded is a problem, not a stack', async (t) => {
  for (const path of ['/v1/studies/%zz', '/v1/sessions/%E0%A4%A', '/%'])
    await refused(t, server.url + path, {}, 400, 'SLF_INVALID');
});

t.test('an id as long as one likes is unknown, like any other', async (t) => {
  const id = 'x'.repeat(3000);
  for (const path of [`/v1/studies/${id}`, `/v1/sessions/${id}`, `/v1/studies/PHANTOM001/pairs/${id}`]) {
    const answer = await ask(server.url + path);
    t.ok(answer.status === 404 || answer.status === 414, path.slice(0, 30));
    t.match(answer.headers.get('content-type'), /^application\/problem\+json/);
  }
});

t.test('what is no HTTP at all is answered with a problem, and the service lives', async (t) => {
  for (const [request, status] of [
    ['GARBAGE\r\n\r\n', 400],
    [`GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
  ] as const) {
    const connection = await rawConnection(t, server.url);
    connection.socket.write(request);
    const answer = await connection.answer();
    t.equal(answer.status, status);
    t.match(answer.headers['content-type'], /^application\/problem\+json/);
    t.match(JSON.parse(answer.body.toString()), { status, code: /^SLF_/ });
  }
  t.equal((await ask(`${server.url}/livez`)).status, 200);
});
