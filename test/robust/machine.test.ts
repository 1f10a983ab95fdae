import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import { toldLoaders } from '../fixtures/told.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

// Batches of two in the snapshot's order, none kept warm: each answer is loaded when it is asked for.
const SPEC = { batchSize: 2, shuffle: false, prefetch: 0, structures: ['i'] };

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });

async function quarantineOf(server: TestServer): Promise<unknown[]> {
  return (await getJson<{ quarantine: unknown[] }>(`${server.url}/v1/quarantine`)).quarantine;
}

/** Whether a program of the system does its work; false where it is missing or not allowed. */
function does(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

t.test(
  'a loader that is killed from outside costs a retry, again and again a 503, and never a verdict',
  async (t) => {
    const told = toldLoaders(t);
    const server = await startTestServer(t, folder, {}, told.options);
    await server.ready();
    const { id } = await openSession(server.url, { ...SPEC, onError: 'mask' });
    const url = `${server.url}/v1/sessions/${id}/batches/0`;
    const whole = await getBody(url);
    const [pair] = pairIdsOf(readBatch(whole));

    told.tell({ [`dicoms/${pair}.dcm`]: 'hold' });
    const retried = ask(url);
    process.kill(await told.held(), 'SIGKILL');
    process.kill(await told.held(), 'SIGTERM');
    told.tell({});
    t.ok((await retried).body.equals(whole), 'two kills cost two retries');

    told.tell({ [`dicoms/${pair}.dcm`]: 'hold' });
    let answered = false;
    const given = ask(url).finally(() => {
      answered = true;
    });
    let kills = 0;
    for (; !answered && kills < 20; ) {
      const pid = await Promise.race([told.held(), given]);
      if (typeof pid !== 'number') break;
      process.kill(pid, 'SIGKILL');
      kills++;
    }
    checkProblem(t, await given, 503, 'SLF_LOADER');
    t.ok(kills >= 3, `${kills} kills`);
    t.strictSame(await quarantineOf(server), []);
    told.tell({});
    t.ok(whole.equals(await getBody(url)));
  },
);

const disk = temporaryFolder(t);
const mounted = does('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk);
t.teardown(() => mounted && does('umount', '-l', disk));
const withoutDisk = !mounted && 'there is no small disk to fill: mounting a tmpfs is not allowed here';
const withoutLimits = !does('prlimit', '--version') && 'the program prlimit is missing';

t.test('a full disk is a 503, and never a verdict', { skip: withoutDisk }, async (t) => {
  const server = await startTestServer(t, folder, { SPOOL: disk, MEMORY_BUDGET: '64MiB' });
  await server.ready();
  const spec = { ...SPEC, onError: 'mask', shape: { fit: 'pad', rows: 512, columns: 512 } };
  const { id, batchBytes } = await openSession(server.url, spec);
  t.ok(batchBytes > 1024 * 1024, 'a batch is larger than the disk');
  const url = `${server.url}/v1/sessions/${id}/batches/0`;
  for (let times = 0; times < 2; times++) await refused(t, url, {}, 503, 'SLF_ROOM');
  t.strictSame(await quarantineOf(server), []);
  const small = await openSession(server.url, SPEC);
  const other = await ask(`${server.url}/v1/sessions/${small.id}/batches/0`);
  t.equal(other.status, 200, 'what has room goes on');
  t.ok(does('mount', '-o', 'remount,size=16m', disk), 'the disk grows');
  const batch = readBatch(await getBody(url));
  t.strictSame([...batch.tensors.valid!.bytes], [1, 1], 'nothing was masked for want of room');
});

t.test('too many open files are a 503, and never a verdict', { skip: withoutLimits }, async (t) => {
  const server = await startTestServer(t, folder);
  await server.ready();
  const { id } = await openSession(server.url, { ...SPEC, onError: 'mask' });
  const url = `${server.url}/v1/sessions/${id}/batches/1`;
  const [loader] = server.service.pool.pids;
  // Every descriptor below 3 is in use.
  t.ok(does('prlimit', '--pid', String(loader), '--nofile=3:'));
  await refused(t, url, {}, 503, 'SLF_ROOM');
  t.strictSame(await quarantineOf(server), []);
  t.ok(does('prlimit', '--pid', String(loader), '--nofile=1024:'));
  t.strictSame([...readBatch(await getBody(url)).tensors.valid!.bytes], [1, 1]);
  t.strictSame(server.service.pool.pids, [loader], 'the loader lived through it');
});
