import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getJson } from '../fixtures/client.js';
import { resolveReferences } from '../fuzz/contract.js';
import { startTestServer, temporaryFolder } from '../helper.js';

interface Parameter {
  readonly in: 'path' | 'query';
  readonly name: string;
  readonly required: boolean;
  readonly schema: { readonly default?: unknown };
  readonly example?: unknown;
}

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: Readonly<Record<string, { readonly example?: unknown; readonly schema: object }>>;
  };
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { readonly properties: object }>> };
}

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });
const server = await startTestServer(t, folder);
await server.ready();
const document = await getJson<OpenApi>(`${server.url}/openapi.json`);

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    call: `${method.toUpperCase()} ${path}`,
    path,
    method,
    operation,
    parameters: operation.parameters ?? [],
  })),
);

t.test('every operation has a name of its own, a summary and a group', async (t) => {
  t.ok(operations.length >= 27);
  for (const { call, operation } of operations) {
    t.match(operation.operationId, /^[a-z][A-Za-z]+$/, call);
    t.ok(operation.summary, call);
    t.equal(operation.tags?.length, 1, call);
  }
  const names = operations.map(({ operation }) => operation.operationId);
  t.equal(new Set(names).size, names.length);
});

t.test('fields with a default, and fields that a caller need not know, are optional', async (t) => {
  for (const { call, parameters } of operations)
    for (const { in: place, name, required } of parameters)
      t.equal(required, place === 'path', `${call} ${name}`);
  const asked = parametersOf('listStudies').find(({ name }) => name === 'limit');
  t.match(asked, { required: false, schema: { default: 100 } });
});

t.test('calls that need no token say so, and no others do', async (t) => {
  const open = operations.filter(({ operation }) => operation.security !== undefined);
  t.strictSame(open.map(({ call, operation }) => [call, operation.security]).sort(), [
    ['GET /livez', []],
    ['GET /readyz', []],
  ]);
});

t.test('a JSON body may be left out, a form of files may not', async (t) => {
  for (const { call, operation } of operations) {
    if (!operation.requestBody) continue;
    const isForm = 'multipart/form-data' in operation.requestBody.content;
    t.equal(operation.requestBody.required ?? false, isForm, call);
  }
});

t.test('shared schemas are written once, and every reference leads to one', async (t) => {
  const names = Object.keys(document.components.schemas);
  for (const name of ['Problem', 'SessionRequest', 'OpenedSession', 'Session', 'Report'])
    t.ok(names.includes(name), name);
  const text = JSON.stringify(document);
  const references = new Set(
    [...text.matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)].map(([, to]) => to!),
  );
  t.strictSame([...references].sort(), names.sort());
  t.notMatch(JSON.stringify(resolveReferences(document).paths), /\$ref/);
});

function parametersOf(operationId: string): readonly Parameter[] {
  return operations.find(({ operation }) => operation.operationId === operationId)!.parameters;
}

/** The order in which a person would try the calls of a session: opened before it is read, deleted last. */
const ORDER = ['openNamedSession', 'openSession'];

t.test('every call works as the page offers it, with the examples filled in', async (t) => {
  const rank = (id = '') => (ORDER.includes(id) ? 0 : id.startsWith('delete') ? 2 : 1);
  const inOrder = [...operations].sort(
    (a, b) => rank(a.operation.operationId) - rank(b.operation.operationId),
  );
  const refused: Record<string, number> = {};
  for (const { call, path, method, operation, parameters } of inOrder) {
    let url = path;
    for (const { in: place, name, example } of parameters) {
      if (place !== 'path') continue;
      t.not(example, undefined, `${call} has an example for ${name}`);
      url = url.replace(`{${name}}`, String(example));
    }
    // The page has no example for a form of files.
    if (operation.requestBody?.required) continue;
    const body = operation.requestBody?.content['application/json'];
    const offered = method === 'put' || operation.operationId === 'openSession' ? body?.example : {};
    if (body) t.not(offered, undefined, `${call} has an example`);
    const { status } = await ask(server.url + url, {
      method: method.toUpperCase(),
      ...(body ? { body: offered } : {}),
    });
    if (status >= 300) refused[call] = status;
  }
  t.strictSame(refused, {
    // No pair of the phantom breaks its loader, and the study was not uploaded.
    'DELETE /v1/quarantine/{study}/{slice}': 404,
    'DELETE /v1/studies/{study}': 409,
  });
});

t.test('every call without a body means the same as one with an empty body', async (t) => {
  for (const [method, path, status] of [
    ['PUT', '/v1/sessions/bare', 201],
    ['POST', '/v1/sessions', 201],
    ['POST', '/v1/sessions/bare/next', 200],
    ['POST', '/v1/scan', 202],
  ] as const)
    t.equal((await ask(server.url + path, { method })).status, status, `${method} ${path}`);
});

t.test('the document requires a token if the service has tokens, and makes it optional if not', async (t) => {
  const securityOf = async (url: string) =>
    (await getJson<{ security: unknown }>(`${url}/openapi.json`)).security;
  t.strictSame(await securityOf(server.url), [{}, { token: [] }]);
  const closed = await startTestServer(t, temporaryFolder(t), { TOKEN: 'a-token-of-this-test' });
  t.strictSame(await securityOf(closed.url), [{ token: [] }]);
});

t.test('JSON null is no empty body', async (t) => {
  for (const path of ['/v1/sessions', '/v1/scan'])
    t.equal((await ask(server.url + path, { method: 'POST', body: null })).status, 400, path);
});
