import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { type AskOptions, ask, jsonOf } from '../fixtures/client.js';
import { startCommand } from '../fixtures/command.js';
import { refused } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });
const server = await startTestServer(t, folder, { TOKEN: 'first-token, second-token,ro:reader' });
await server.ready();

const CLOSED: readonly (readonly [string, string])[] = [
  ['GET', '/v1/studies'],
  ['GET', '/v1/studies/PHANTOM001'],
  ['GET', '/v1/studies/PHANTOM001/pairs'],
  ['GET', '/v1/studies/PHANTOM001/pairs/1'],
  ['GET', '/v1/studies/PHANTOM001/pairs/1/overlay.png'],
  ['GET', '/v1/sessions'],
  ['POST', '/v1/sessions'],
  ['PUT', '/v1/sessions/x'],
  ['GET', '/v1/sessions/x'],
  ['DELETE', '/v1/sessions/x'],
  ['GET', '/v1/sessions/x/batches/0'],
  ['POST', '/v1/sessions/x/next'],
  ['POST', '/v1/scan'],
  ['POST', '/v1/studies'],
  ['GET', '/metrics'],
];

function bearer(token: string, scheme = 'Bearer'): AskOptions {
  return { headers: { authorization: `${scheme} ${token}` } };
}

t.test('without a token every call but the open ones is refused', async (t) => {
  for (const [method, path] of CLOSED) {
    const url = server.url + path;
    await refused(t, url, { method }, 401, 'SLF_UNAUTHORIZED');
    const answer = await ask(url, { method });
    t.match(answer.headers.get('www-authenticate'), /^Bearer/, `${method} ${path}`);
  }
  t.match(jsonOf(await ask(`${server.url}/v1/sessions`, bearer('first-token'))), { sessions: [] });
});

t.test('what is not there needs a token as well', async (t) => {
  t.equal((await ask(`${server.url}/v1/nothing`)).status, 401);
  t.equal((await ask(`${server.url}/v1/nothing`, bearer('first-token'))).status, 404);
});

t.test('the open paths need none', async (t) => {
  for (const path of ['/livez', '/readyz', '/docs', '/openapi.json']) {
    const answer = await ask(server.url + path);
    t.equal(answer.status, 200, path);
    t.equal((await ask(server.url + path, bearer('wrong'))).status, 200, `${path} with a wrong one`);
  }
  const page = (await ask(`${server.url}/docs`)).body.toString();
  const parts = [...page.matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, part]) => part ?? '');
  t.ok(parts.length > 0);
  for (const part of parts)
    t.equal((await ask(new URL(part, `${server.url}/docs/`).href)).status, 200, `the page's ${part}`);
});

t.test('each of several tokens opens everything', async (t) => {
  for (const token of ['first-token', 'second-token']) {
    for (const scheme of ['Bearer', 'bearer', 'BEARER'])
      t.equal(
        (await ask(`${server.url}/v1/studies`, bearer(token, scheme))).status,
        200,
        `${scheme} ${token}`,
      );
    t.equal((await ask(`${server.url}/v1/scan`, { method: 'POST', ...bearer(token) })).status, 202);
  }
});

t.test('what is no token of ours is refused', async (t) => {
  const wrong = [
    'first-toke',
    'first-token2',
    'First-Token',
    'first-token, second-token',
    'ro:',
    'ro:first-token',
    '%',
  ];
  for (const token of wrong)
    await refused(t, `${server.url}/v1/studies`, bearer(token), 401, 'SLF_UNAUTHORIZED');
  for (const authorization of ['first-token', 'Basic first-token', 'Bearer', 'Bearer '])
    await refused(t, `${server.url}/v1/studies`, { headers: { authorization } }, 401, 'SLF_UNAUTHORIZED');
  await refused(t, `${server.url}/v1/studies?token=first-token`, {}, 401, 'SLF_UNAUTHORIZED');
});

t.test('a read-only token only opens sessions, reads, and ends the sessions that it opened', async (t) => {
  const full = bearer('first-token');
  const foreign = await ask(`${server.url}/v1/sessions`, { method: 'POST', body: {}, ...withJson(full) });
  const { id: other } = jsonOf<{ id: string }>(foreign, 201);
  for (const token of ['ro:reader', 'reader']) {
    const own = bearer(token);
    const sessions = `${server.url}/v1/sessions`;
    const opened = await ask(sessions, { method: 'POST', body: {}, ...withJson(own) });
    const { id } = jsonOf<{ id: string }>(opened, 201);
    t.equal((await ask(`${sessions}/r-${id}`, { method: 'PUT', body: {}, ...withJson(own) })).status, 201);
    for (const path of ['', `/${id}`, `/${id}/batches/0`])
      t.equal((await ask(sessions + path, own)).status, 200, path);
    t.equal((await ask(`${sessions}/${id}/next`, { method: 'POST', ...own })).status, 200);
    t.equal((await ask(`${server.url}/v1/studies/PHANTOM001/pairs/1`, own)).status, 200);
    for (const [method, path] of [
      ['DELETE', `/v1/sessions/${other}`],
      ['POST', '/v1/scan'],
    ] as const)
      await refused(t, server.url + path, { method, ...own }, 403, 'SLF_READ_ONLY_TOKEN');
    t.equal((await ask(`${sessions}/${other}`, own)).status, 200, 'it is still there');
    t.equal((await ask(`${sessions}/${id}`, { method: 'DELETE', ...own })).status, 204);
    t.equal((await ask(`${sessions}/${id}`, own)).status, 404);
    t.equal((await ask(`${sessions}/r-${id}`, { method: 'DELETE', ...full })).status, 204);
  }
});

function withJson({ headers }: AskOptions): AskOptions {
  return { headers: { 'content-type': 'application/json', ...headers } };
}

t.test('no token is written to the log', async (t) => {
  const text = JSON.stringify(server.log);
  t.notMatch(text, /first-token|second-token|reader/);
});

t.test('on loopback without a token everything is open', async (t) => {
  const open = await startTestServer(t, folder);
  t.equal((await ask(`${open.url}/v1/studies`)).status, 200);
});

async function serve(t: Test, host: string, env: Record<string, string> = {}) {
  const args = [
    'serve',
    '--data',
    folder,
    '--state',
    temporaryFolder(t),
    '--host',
    host,
    '--port',
    '0',
    '--loaders',
    '1',
  ];
  const command = startCommand(t, args, { SLICEFEED_SPOOL: temporaryFolder(t), ...env });
  const { port } = new URL(await command.serving());
  return { command, url: `http://127.0.0.1:${port}` };
}

t.test('beyond loopback a token is made and printed once', async (t) => {
  const { command, url } = await serve(t, '0.0.0.0');
  t.equal((await ask(`${url}/livez`)).status, 200);
  await refused(t, `${url}/v1/studies`, {}, 401, 'SLF_UNAUTHORIZED');
  const printed = command
    .stderr()
    .split('\n')
    .filter((line) => /token/i.test(line));
  t.equal(printed.length, 1);
  const [, token = ''] = /: ?(\S{16,})$/.exec(printed[0] ?? '') ?? [];
  t.equal((await ask(`${url}/v1/studies`, bearer(token))).status, 200);
  const other = await serve(t, '0.0.0.0');
  t.notOk(other.command.stderr().includes(token), 'each start makes another');
  command.kill('SIGTERM');
  const { code, stdout, stderr } = await command.ended;
  t.equal(code, 0);
  t.equal(stdout, '');
  t.equal(stderr.split(token).length - 1, 1, 'once');
});

t.test('beyond loopback a given token is used and not printed', async (t) => {
  const { command, url } = await serve(t, '0.0.0.0', { SLICEFEED_TOKEN: 'a-given-token' });
  t.equal((await ask(`${url}/v1/studies`)).status, 401);
  t.equal((await ask(`${url}/v1/studies`, bearer('a-given-token'))).status, 200);
  t.notMatch(command.stderr(), /a-given-token|token of this run/);
});

t.test('SLICEFEED_INSECURE=1 runs open, and nothing is printed', async (t) => {
  const { command, url } = await serve(t, '0.0.0.0', { SLICEFEED_INSECURE: '1' });
  t.equal((await ask(`${url}/v1/studies`)).status, 200);
  t.notMatch(command.stderr(), /token of this run/);
});
