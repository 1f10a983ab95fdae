import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LoaderChild, LoaderDeath, NoRoom } from '../../src/loader/child.js';
import { temporaryFolder } from '../helper.js';
import { fixture, goneAfter, isThere, run, within } from './processes.js';
import { answers, LIMITS, script, scripted, startLatches } from './scripted.js';

const DEADLINE_MS = 20_000;

type Teardown = Parameters<typeof temporaryFolder>[0];

async function startChild(t: Teardown, options = scripted()): Promise<LoaderChild> {
  const child = new LoaderChild(options);
  t.teardown(async () => {
    child.kill('closing');
    await child.exited;
  });
  await child.ready;
  return child;
}

t.test('a child shakes hands, does one task at a time and counts them', async (t) => {
  const child = await startChild(t);
  t.equal(child.alive, true);
  t.equal(child.busy, false);
  const running = child.run(script('one', 'two'), DEADLINE_MS);
  t.equal(child.busy, true);
  t.throws(() => child.run(script('three'), DEADLINE_MS), { message: 'the loader is busy' });
  t.strictSame(answers(await running), [
    { path: 'one', pid: child.pid, done: 0 },
    { path: 'two', pid: child.pid, done: 0 },
  ]);
  t.equal(child.busy, false);
  t.strictSame(answers(await child.run(script('four'), DEADLINE_MS)), [
    { path: 'four', pid: child.pid, done: 1 },
  ]);
  t.equal(child.tasksDone, 2);
});

t.test('a child that ends by its own fault rejects its task as a crash', async (t) => {
  for (const fault of ['segv', 'abort', 'exit']) {
    const child = await startChild(t);
    await t.rejects(
      child.run(script('fine', fault), DEADLINE_MS),
      { name: 'LoaderDeath', death: 'crash' },
      fault,
    );
    await child.exited;
    t.equal(child.alive, false);
    t.equal(child.busy, false);
  }
});

t.test('a child that loops for ever is killed at the deadline', async (t) => {
  const child = await startChild(t);
  const startedAt = performance.now();
  await t.rejects(child.run(script('hang'), 200), { name: 'LoaderDeath', death: 'deadline' });
  const tookMs = performance.now() - startedAt;
  t.ok(tookMs >= 195, `${tookMs} ms`);
});

t.test('a task that is done in time is not killed for its deadline afterwards', async (t) => {
  const latches = await startLatches(t);
  const child = await startChild(t, scripted({ env: latches.env }));
  await child.run(script('quick'), 300);
  const running = child.run(script('hold:a'), DEADLINE_MS);
  const held = await latches.held('a');
  await new Promise((resolve) => setTimeout(resolve, 350));
  held.release();
  t.equal((await running).length, 1);
});

t.test('a child that swells is killed for its memory', async (t) => {
  const child = await startChild(t, scripted({ memoryBytes: 160 * 1024 ** 2 }));
  await t.rejects(child.run(script('swell'), DEADLINE_MS), { name: 'LoaderDeath', death: 'memory' });
});

t.test('a child that swells without a task is killed as well, and says so to the next one', async (t) => {
  const child = new LoaderChild(scripted({ memoryBytes: 1024 ** 2 }));
  await child.exited;
  t.equal(child.alive, false);
  await t.rejects(child.run(script('fine'), DEADLINE_MS), { name: 'LoaderDeath' });
});

t.test('a kill from outside is told from a crash', async (t) => {
  const latches = await startLatches(t);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const child = await startChild(t, scripted({ env: latches.env }));
    const running = child.run(script('hold:a'), DEADLINE_MS);
    const { pid } = await latches.held('a');
    t.equal(pid, child.pid);
    process.kill(pid, signal);
    await t.rejects(running, { name: 'LoaderDeath', death: 'outside' }, signal);
  }
});

t.test('a stopped child is killed with the signal that needs no consent', async (t) => {
  const child = await startChild(t);
  await t.rejects(child.run(script('stop'), 100), { name: 'LoaderDeath', death: 'deadline' });
  await child.exited;
  t.equal(isThere(child.pid!), false);
});

t.test('the first reason for a kill is the one that counts', async (t) => {
  const latches = await startLatches(t);
  const child = await startChild(t, scripted({ env: latches.env }));
  const running = child.run(script('hold:a'), DEADLINE_MS);
  await latches.held('a');
  child.kill('closing');
  child.kill('memory');
  await t.rejects(running, { name: 'LoaderDeath', death: 'closing' });
});

t.test('a task for a child that is gone is rejected', async (t) => {
  const child = await startChild(t);
  process.kill(child.pid!, 'SIGKILL');
  await child.exited;
  await t.rejects(child.run(script('fine'), DEADLINE_MS), { name: 'LoaderDeath', death: 'outside' });
});

t.test('a child without room, or with a fault that it survives, lives on', async (t) => {
  const child = await startChild(t);
  await t.rejects(child.run(script('room'), DEADLINE_MS), NoRoom);
  await t.rejects(child.run(script('failed'), DEADLINE_MS), { message: 'a loader failed: told to: failed' });
  t.equal((await child.run(script('fine'), DEADLINE_MS)).length, 1);
});

t.test('an answer to another task is passed over', async (t) => {
  const child = await startChild(t);
  t.equal((await child.run(script('late:x'), DEADLINE_MS)).length, 1);
  t.equal(answers(await child.run(script('fine'), DEADLINE_MS))[0]?.path, 'fine');
  t.equal(child.tasksDone, 2);
});

t.test('a child that ends before it is ready rejects the handshake', async (t) => {
  const env = { STARTS: temporaryFolder(t), EARLY_ENDS: '1' };
  const child = new LoaderChild(scripted({ main: fixture('early-loader'), env }));
  await t.rejects(child.ready, { name: 'LoaderDeath', death: 'crash' });
  await child.exited;
});

t.test('a program that is not there rejects the handshake', async (t) => {
  const child = new LoaderChild(scripted({ main: join(temporaryFolder(t), 'nothing.js') }));
  await t.rejects(child.ready, { name: 'LoaderDeath', death: 'crash' });
  await child.exited;
});

t.test('a child that never says it is ready is killed', async (t) => {
  const start = globalThis.setTimeout;
  const hurried = (work: () => void, ms?: number) => start(work, ms !== undefined && ms >= 10_000 ? 100 : ms);
  t.intercept(globalThis, 'setTimeout', { value: hurried });
  const child = new LoaderChild(scripted({ main: fixture('silent-loader') }));
  await within(
    t.rejects(child.ready, { name: 'LoaderDeath', death: 'deadline' }),
    9_000,
    'the end of the handshake',
  );
  await child.exited;
  t.equal(isThere(child.pid!), false);
});

t.test('a child gets neither the environment nor the flags of its parent', async (t) => {
  t.intercept(process, 'execArgv', { value: ['--this-flag-ends-any-node'] });
  process.env.SLICEFEED_TOKEN = 'secret';
  t.teardown(() => delete process.env.SLICEFEED_TOKEN);
  const child = await startChild(t);
  t.equal((await child.run(script('without:SLICEFEED_TOKEN'), DEADLINE_MS)).length, 1);
  await t.rejects(child.run(script('without:PATH'), DEADLINE_MS), { name: 'LoaderDeath', death: 'crash' });
});

t.test('the real loader answers a scan, and says where a task failed without quoting a file', async (t) => {
  const child = await startChild(t, { limits: LIMITS, memoryBytes: 1024 ** 3 });
  const task = { ...script('nothing.txt'), root: temporaryFolder(t) };
  t.strictSame(await child.run(task, DEADLINE_MS), [
    { kind: 'refused', code: 'FILE_UNREADABLE', detail: 'it went away during the scan', object: null },
  ]);
  const outside = { ...script('../secret-name.txt'), root: temporaryFolder(t) };
  const error: Error = await child.run(outside, DEADLINE_MS).then(
    () => new Error('it was read'),
    (error) => error,
  );
  t.match(error.message, /^a loader failed: RangeError .*withSourceFile/);
  t.notMatch(error.message, /secret|slicefeed-test/);
});

t.test('a loader leaves when its parent is killed', async (t) => {
  const idle = await run(t, 'orphan-parent');
  const pid = Number(idle.line);
  t.equal(isThere(pid), true);
  await idle.kill();
  await goneAfter(pid);
  t.equal(isThere(pid), false);
});

t.test('a loader in the middle of a loop leaves when its parent is killed', async (t) => {
  const busy = await run(t, 'orphan-parent', fixture('scripted-loader'), 'hang');
  const pid = Number(busy.line);
  t.equal(isThere(pid), true);
  await busy.kill();
  await goneAfter(pid);
  t.equal(isThere(pid), false);
});

t.test('the error of a death names its cause', async (t) => {
  t.equal(new LoaderDeath('memory').message, 'a loader ended in the middle of a task: memory');
});

t.test('a child whose answer does not fit its task is ended', async (t) => {
  const plan = join(temporaryFolder(t), 'plan');
  for (const way of ['none', 'few', 'odd', 'unknown', 'null']) {
    writeFileSync(plan, `scan ${way}`);
    const child = await startChild(t, {
      ...scripted(),
      main: fixture('failing-loader'),
      env: { FAIL_PLAN: plan },
    });
    await t.rejects(child.run(script('fine'), DEADLINE_MS), { name: 'LoaderDeath', death: 'crash' }, way);
  }
});

t.test('a task that can’t be sent fails, and the child does the next one', async (t) => {
  const child = await startChild(t);
  const [unit] = script('fine').units;
  const odd = { ...script(), units: [{ ...unit, path: (() => {}) as unknown as string }] } as ReturnType<
    typeof script
  >;
  for (const pace of ['brisk', 'calm'] as const)
    await t.rejects(child.run(odd, DEADLINE_MS, pace), { message: /could not be cloned/ });
  t.equal(answers(await child.run(script('next'), DEADLINE_MS))[0]?.path, 'next');
});
