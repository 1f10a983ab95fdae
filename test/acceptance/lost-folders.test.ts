import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { runCommand, startCommand } from '../fixtures/command.js';
import { checkProblem } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
// Images of 256 × 256: a batch of two is large enough to be mapped.
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 256, columns: 256 });

const SPEC = { batchSize: 2, shuffle: false, structures: ['i'] };

/** Waits for a condition without an event, half a minute at most. */
async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (
    const since = performance.now();
    !(await isSo());
    await new Promise((resolve) => setTimeout(resolve, 20))
  )
    if (performance.now() - since > 30_000) throw new Error(`waited in vain: ${what}`);
}

function serveArgs(state: string): string[] {
  return ['serve', '--data', folder, '--state', state, '--port', '0', '--loaders', '1'];
}

t.test('a state folder whose lock file was removed stays locked for other services', async (t) => {
  const state = temporaryFolder(t);
  const first = startCommand(t, serveArgs(state));
  const url = await first.serving();
  rmSync(join(state, 'lock'));
  const second = await runCommand(t, serveArgs(state));
  t.equal(second.code, 1);
  t.equal(
    second.stderr,
    `slicefeed: another slicefeed uses the state folder ${state}: stop it, or name another with --state\n`,
  );
  // The service checks its folders every second.
  await until(() => existsSync(join(state, 'lock')), 'the lock file comes back');
  t.equal((await ask(`${url}/livez`)).status, 200);
  first.kill('SIGTERM');
  t.match(await first.ended, { code: 0 });
});

t.test('a service whose state folder is replaced by another ends with a failure, and says why', async (t) => {
  const state = join(temporaryFolder(t), 'state');
  const spool = temporaryFolder(t);
  const command = startCommand(t, [...serveArgs(state), '--spool', spool]);
  await openSession(await command.serving(), SPEC).catch(() => {});
  renameSync(state, `${state}-moved`);
  mkdirSync(state);
  const { code, stderr } = await command.ended;
  t.equal(code, 1);
  t.match(stderr, /"level":60.*"msg":"the state folder was removed or replaced: the service ends"/);
  t.equal(stderr.match(/"level":60/g)?.length, 1, 'it is said once');
  t.notMatch(stderr, /"stack"/);
  t.match(stderr, /"msg":"closed"/);
  t.notMatch(stderr, /^\s+at /m, 'no stack trace beside the log');
  t.strictSame(readdirSync(spool), [], 'and leaves nothing in memory');
});

for (const where of ['memory', 'disk'] as const)
  t.test(`a spool folder on ${where} that a cleaner removed is made again`, async (t) => {
    const base = where === 'disk' ? temporaryFolder(t) : join('/dev/shm', `slicefeed-test-${process.pid}`);
    if (where === 'memory' && !existsSync('/dev/shm')) return t.pass('there is no such folder');
    mkdirSync(base, { recursive: true });
    t.teardown(() => rmSync(base, { recursive: true, force: true }));
    const server = await startTestServer(t, folder, { SPOOL: base });
    await server.ready();
    const { id } = await openSession(server.url, SPEC);
    const url = (step: number) => `${server.url}/v1/sessions/${id}/batches/${step}`;
    const whole = await Promise.all([0, 1].map((step) => getBody(url(step))));

    rmSync(server.service.spool.folder, { recursive: true });
    for (const step of [1, 0])
      t.ok((await getBody(url(step))).equals(whole[step]!), 'the folder was removed');
    await until(() => existsSync(server.service.spool.folder), 'the folder is made again');

    for (const name of readdirSync(server.service.spool.folder))
      rmSync(join(server.service.spool.folder, name));
    // A new loader has no segment mapped, so it opens the removed one.
    const [pid] = server.service.pool.pids;
    process.kill(pid!, 'SIGKILL');
    for (const step of [0, 1, 0]) t.ok((await getBody(url(step))).equals(whole[step]!), 'files were removed');
    const overlay = await ask(`${url(0)}/overlay.png`);
    t.equal(overlay.status, 200);
    t.match(await getJson(`${server.url}/readyz`), { ready: true, missing: [] });
    await server.close();
    t.strictSame(readdirSync(base), []);
  });

t.test(
  'if the spool folder cannot be made again, the service is not ready and batches answer that there is no room',
  async (t) => {
    const base = join(temporaryFolder(t), 'spool');
    const server = await startTestServer(t, folder, { SPOOL: base });
    await server.ready();
    const { id } = await openSession(server.url, { ...SPEC, prefetch: 0 });
    const url = `${server.url}/v1/sessions/${id}/batches/0`;
    const whole = await getBody(url);
    rmSync(base, { recursive: true });
    writeFileSync(base, 'a file where the folder was');
    await until(async () => (await ask(`${server.url}/readyz`)).status === 503, 'it is not ready');
    const ready = await ask(`${server.url}/readyz`);
    t.equal(ready.status, 503);
    t.match(JSON.parse(ready.body.toString()), {
      ready: false,
      missing: [/^the folder for warm batches was removed and cannot be made again \(E[A-Z]+\)/],
    });
    t.notMatch(ready.body.toString(), base, 'no path of the server');
    checkProblem(t, await ask(url), 503, 'SLF_ROOM');
    rmSync(base);
    await server.ready();
    t.ok((await getBody(url)).equals(whole));
  },
);
