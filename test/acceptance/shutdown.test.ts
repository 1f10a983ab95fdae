import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readdirSync, writeSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ask, openSession } from '../fixtures/client.js';
import { CLI, type Command, childrenOf, isRunning, startCommand } from '../fixtures/command.js';
import { until } from '../fixtures/feed.js';
import { rawConnection } from '../fixtures/raw-http.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';
import { within } from '../loader/processes.js';
import { freePort } from '../soak/service-process.js';

const folder = temporaryFolder(t);
writeFiles(folder, { 'link.csv': linkTable(['A', 'a']) });
for (const number of [1, 2, 3, 4])
  writeFiles(folder, {
    [imagePath('A', number)]: imageFile(number, { rows: 1536, columns: 1536 }),
    [contourPath('a', number)]: squareContour(2, 900),
  });

interface Running {
  readonly command: Command;
  readonly url: string;
  readonly state: string;
  readonly spool: string;
  readonly loaders: readonly number[];
}

/** The real command over four pairs of 7 MB, ready, with two loaders. */
async function start(t: Test, spool = temporaryFolder(t)): Promise<Running> {
  const state = temporaryFolder(t);
  const args = [
    'serve',
    '--data',
    folder,
    '--state',
    state,
    '--spool',
    spool,
    '--port',
    '0',
    '--loaders',
    '2',
  ];
  const command = startCommand(t, args);
  const url = await command.serving();
  while ((await ask(`${url}/readyz`)).status !== 200) await sleep(20);
  const loaders = childrenOf(command.pid);
  t.equal(loaders.length, 2);
  return { command, url, state, spool, loaders };
}

/** Asks the command to end, and checks that it ends well within a time and leaves nothing. */
async function endsWell(
  t: Test,
  { command, state, spool, loaders }: Running,
  withinMs: number,
): Promise<void> {
  command.kill('SIGTERM');
  const end = await Promise.race([command.ended, sleep(withinMs, null, { ref: false })]);
  t.ok(end, `it ends within ${withinMs} ms`);
  t.match(end, { code: 0, signal: null, stdout: '' });
  t.strictSame(readdirSync(spool), [], 'nothing in the spool folder');
  t.strictSame(loaders.filter(isRunning), [], 'no loader');
  t.notOk(existsSync(join(state, 'deliveries')), 'no delivery that is not settled');
}

t.test('SIGTERM ends an idle service cleanly', async (t) => {
  const running = await start(t);
  await endsWell(t, running, 3000);
});

t.test('SIGTERM ends a service with warm batches and connections that are kept alive', async (t) => {
  const running = await start(t);
  const { id } = await openSession(running.url, { batchSize: 2, prefetch: 2 });
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  await new Promise<void>((resolve) => {
    get(`${running.url}/v1/sessions/${id}/batches/0`, { agent }, (answer) =>
      answer.resume().once('end', resolve),
    );
  });
  t.ok(readdirSync(running.spool).length > 0, 'there are segments');
  await endsWell(t, running, 3000);
});

t.test('a body on its way is sent whole before the service ends', async (t) => {
  const running = await start(t);
  const { id, batchBytes } = await openSession(running.url, { batchSize: 4 });
  const connection = await rawConnection(t, running.url);
  connection.get(`/v1/sessions/${id}/batches/0`);
  await new Promise((resolve) => connection.socket.once('readable', resolve));
  const ending = endsWell(t, running, 8000);
  await sleep(100);
  const { status, body } = await connection.answer();
  t.equal(status, 200);
  t.ok(body.length > batchBytes);
  await ending;
});

t.test('a reader that stands still in the middle of a body does not hold the end up for long', async (t) => {
  const running = await start(t);
  const { id } = await openSession(running.url, { batchSize: 4 });
  const connection = await rawConnection(t, running.url);
  connection.get(`/v1/sessions/${id}/batches/0`);
  await connection.some(1000);
  // Docker ends what it stops after 10 s.
  await endsWell(t, running, 9000);
});

t.test('SIGTERM in the middle of a load ends the service cleanly', async (t) => {
  const running = await start(t);
  const { id } = await openSession(running.url, { batchSize: 4, prefetch: 4 });
  const answers = [0, 1, 2].map((step) =>
    ask(`${running.url}/v1/sessions/${id}/batches/${step}`).catch(() => null),
  );
  await endsWell(t, running, 8000);
  for (const answer of await Promise.all(answers)) t.ok([200, 503, undefined].includes(answer?.status));
});

t.test('loaders leave when their service is killed, and the next start sweeps what it left', async (t) => {
  const running = await start(t);
  await openSession(running.url, { batchSize: 2 });
  while (!readdirSync(running.spool).some((name) => readdirSync(join(running.spool, name)).length > 1))
    await sleep(10);
  running.command.kill('SIGKILL');
  await running.command.ended;
  for (let waits = 0; running.loaders.some(isRunning) && waits < 150; waits++) await sleep(20);
  t.strictSame(running.loaders.filter(isRunning), []);
  const [left] = readdirSync(running.spool);
  const next = await start(t, running.spool);
  t.equal(readdirSync(running.spool).length, 1);
  t.notOk(readdirSync(running.spool).includes(left ?? ''), 'swept');
  await endsWell(t, next, 3000);
});

/** A full pipe that nobody reads. */
function fullPipe(t: Test): number {
  const path = join(temporaryFolder(t), 'pipe');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  t.teardown(() => closeSync(fd));
  for (const some of [4096, 1])
    try {
      for (;;) writeSync(fd, Buffer.alloc(some, '.'));
    } catch (error) {
      t.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
  return fd;
}

t.test('a stderr that nobody reads keeps a service neither from serving nor from ending', async (t) => {
  const spool = temporaryFolder(t);
  const options = { data: folder, state: temporaryFolder(t), spool, loaders: '1', 'log-level': 'trace' };
  const args = Object.entries({ ...options, port: String(await freePort()) });
  const service = spawn(
    process.execPath,
    [CLI, 'serve', ...args.flatMap(([name, value]) => [`--${name}`, value])],
    { stdio: ['ignore', 'ignore', fullPipe(t)], env: { PATH: process.env.PATH ?? '' } },
  );
  t.teardown(() => service.kill('SIGKILL'));
  const ended = once(service, 'exit');
  const url = `http://127.0.0.1:${args.at(-1)![1]}`;
  await until(async () => (await ask(`${url}/readyz`).catch(() => null))?.status === 200);
  const { id } = await openSession(url, { batchSize: 1 });
  for (const step of [0, 1, 2]) t.equal((await ask(`${url}/v1/sessions/${id}/batches/${step}`)).status, 200);
  service.kill('SIGTERM');
  t.strictSame(await within(ended, 60_000, 'the end of the service'), [0, null]);
  t.strictSame(readdirSync(spool), []);
});
