import childProcess, { type ForkOptions } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LoaderPool } from '../../src/loader/pool.js';
import type { Priority } from '../../src/loader/queue.js';
import { until } from '../fixtures/feed.js';
import { temporaryFolder } from '../helper.js';
import { fixture, isThere, within } from './processes.js';
import { allReady, answers, memoryLog, script, scripted, startLatches, startPool } from './scripted.js';

const DEADLINE_MS = 20_000;

function options(priority: Priority = 'asked', turn = 'a') {
  return { priority, turn, deadlineMs: DEADLINE_MS };
}

/** Submits jobs that note when a child begins them. */
function noting(pool: LoaderPool) {
  const begun: string[] = [];
  const submit = (name: string, priority: Priority = 'asked', turn = 'a') =>
    pool.submit<'scan'>(script(name), { ...options(priority, turn), onStart: () => begun.push(name) });
  return { begun, submit };
}

t.test('children work side by side, one task each', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { size: 2, env: latches.env });
  t.equal(pool.size, 2);
  t.equal(pool.readyCount, 2);
  t.equal(pool.idleCount, 2);
  const jobs = ['a', 'b'].map((name) => pool.submit<'scan'>(script(`hold:${name}`), options()));
  const [a, b] = [await latches.held('a'), await latches.held('b')];
  t.strictSame([a.pid, b.pid].sort(), [...pool.pids].sort());
  t.equal(pool.readyCount, 2);
  t.equal(pool.idleCount, 0);
  a.release();
  b.release();
  t.equal((await Promise.all(jobs.map((job) => job.outcomes))).length, 2);
  t.equal(pool.idleCount, 2);
  t.equal(pool.restarts, 0);
});

t.test('a job waits for a child; what a trainer waits for goes first, a scan last', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const { begun, submit } = noting(pool);
  const jobs = [
    submit('hold:first', 'scan'),
    submit('scan', 'scan'),
    submit('warm', 'warm'),
    submit('asked', 'asked'),
  ];
  (await latches.held('first')).release();
  await Promise.all(jobs.map((job) => job.outcomes));
  t.strictSame(begun, ['hold:first', 'asked', 'warm', 'scan']);
});

t.test('those who wait at one priority take turns', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const { begun, submit } = noting(pool);
  const first = submit('hold:first');
  const long = ['long1', 'long2', 'long3'].map((name) => submit(name, 'asked', 'long'));
  const short = [submit('short1', 'asked', 'short')];
  (await latches.held('first')).release();
  await Promise.all([first, ...long, ...short].map((job) => job.outcomes));
  t.strictSame(begun, ['hold:first', 'long1', 'short1', 'long2', 'long3']);
});

t.test('a raised job goes before those of its old priority', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const { begun, submit } = noting(pool);
  const first = submit('hold:first');
  const jobs = [submit('one', 'warm'), submit('two', 'warm')];
  jobs[1]!.raise('asked');
  (await latches.held('first')).release();
  await Promise.all([first, ...jobs].map((job) => job.outcomes));
  t.strictSame(begun, ['hold:first', 'two', 'one']);
});

t.test('a job that no child has begun can be taken back, one that runs can not', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const { begun, submit } = noting(pool);
  const running = submit('hold:first');
  const waiting = submit('waiting');
  const last = submit('last');
  const held = await latches.held('first');
  waiting.cancel();
  running.cancel();
  await t.rejects(waiting.outcomes, { name: 'Cancelled' });
  held.release();
  t.equal((await running.outcomes).length, 1);
  await last.outcomes;
  t.strictSame(begun, ['hold:first', 'last']);
});

t.test('every dead child is replaced, and only the task of the dead one fails', async (t) => {
  const latches = await startLatches(t);
  const { pool, lines } = await startPool(t, { size: 2, env: latches.env });
  const before = new Set(pool.pids);
  const jobs = ['a', 'b'].map((name) => pool.submit<'scan'>(script(`hold:${name}`), options()));
  const [a, b] = [await latches.held('a'), await latches.held('b')];
  process.kill(a.pid, 'SIGKILL');
  await t.rejects(jobs[0]!.outcomes, { name: 'LoaderDeath', death: 'outside' });
  b.release();
  t.equal((await jobs[1]!.outcomes).length, 1);
  // Two tasks at a time again: there are two children.
  const again = ['c', 'd'].map((name) => pool.submit<'scan'>(script(`hold:${name}`), options()));
  const [c, d] = [await latches.held('c'), await latches.held('d')];
  t.equal([c.pid, d.pid].filter((pid) => before.has(pid)).length, 1);
  t.equal(pool.restarts, 1);
  t.strictSame([...pool.pids].sort(), [c.pid, d.pid].sort());
  c.release();
  d.release();
  await Promise.all(again.map((job) => job.outcomes));
  t.match(
    lines.filter(({ msg }) => msg === 'a loader ended in the middle of a task'),
    [{ level: 40, cause: 'outside', task: 'scan' }],
  );
});

t.test('an idle child that is killed is replaced as well', async (t) => {
  const { pool } = await startPool(t);
  const [pid] = pool.pids;
  process.kill(pid!, 'SIGKILL');
  const job = pool.submit<'scan'>(script('crowded'), options());
  const outcomes = await job.outcomes.catch(() => pool.submit<'scan'>(script('crowded'), options()).outcomes);
  t.not(answers(outcomes)[0]?.pid, pid);
  t.equal(pool.restarts, 1);
});

t.test('the log has a child that ends while it is idle, with the cause', async (t) => {
  const deaths: string[] = [];
  const { pool, lines } = await startPool(t, { onDeath: (cause) => deaths.push(cause) });
  process.kill(pool.pids[0]!, 'SIGKILL');
  while (pool.restarts < 1) await new Promise((resolve) => setTimeout(resolve, 5));
  t.strictSame(deaths, ['outside']);
  t.match(
    lines.filter(({ msg }) => msg === 'a loader ended while it was idle'),
    [{ level: 40, cause: 'outside' }],
  );
});

t.test('a child that is replaced by plan is no death', async (t) => {
  const deaths: string[] = [];
  const { pool, lines } = await startPool(t, { tasksPerChild: 1, onDeath: (cause) => deaths.push(cause) });
  const first = answers(await pool.submit<'scan'>(script('one'), options()).outcomes)[0];
  const second = answers(await pool.submit<'scan'>(script('two'), options()).outcomes)[0];
  t.not(first?.pid, second?.pid);
  t.equal(pool.restarts, 0);
  t.strictSame(deaths, []);
  t.strictSame(lines, []);
});

t.test('a task may want a child that has done nothing', async (t) => {
  const { pool } = await startPool(t);
  const used = answers(await pool.submit<'scan'>(script('one'), options()).outcomes)[0];
  t.match(used, { done: 0 });
  const fresh = { ...options(), fresh: true };
  const first = answers(await pool.submit<'scan'>(script('two'), fresh).outcomes)[0];
  t.match(first, { path: 'two', done: 0 });
  t.not(first?.pid, used?.pid);
  t.equal(isThere(used!.pid), false);
});

t.test('a child that has done nothing yet is fresh enough', async (t) => {
  const { pool } = await startPool(t);
  const [pid] = pool.pids;
  const job = pool.submit<'scan'>(script('one'), { ...options(), fresh: true });
  t.equal(answers(await job.outcomes)[0]?.pid, pid);
  t.equal(pool.restarts, 0);
});

t.test('a task that wants a fresh child gets one beside others that are worn and idle', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { size: 2, env: latches.env });
  const wear = ['a', 'b'].map((name) => pool.submit<'scan'>(script(`hold:${name}`), options()));
  const held = [await latches.held('a'), await latches.held('b')];
  for (const each of held) each.release();
  await Promise.all(wear.map((job) => job.outcomes));
  const job = pool.submit<'scan'>(script('alone'), { ...options(), fresh: true });
  const outcomes = await within(job.outcomes, 60_000, 'the task that wants a fresh child');
  t.notOk(held.some(({ pid }) => pid === answers(outcomes)[0]?.pid));
});

t.test('while a child leaves to make room for a fresh one, other tasks are not given to it', async (t) => {
  const { pool } = await startPool(t);
  await pool.submit<'scan'>(script('wear'), options()).outcomes;
  const alone = pool.submit<'scan'>(script('alone'), { ...options(), fresh: true });
  const other = pool.submit<'scan'>(script('other'), options());
  t.equal((await within(other.outcomes, 60_000, 'the other task')).length, 1);
  t.match(answers(await alone.outcomes), [{ path: 'alone', done: 0 }]);
});

t.test('a job that waits for a fresh child can be taken back', async (t) => {
  const { pool } = await startPool(t);
  await pool.submit<'scan'>(script('wear'), options()).outcomes;
  let begun = false;
  const job = pool.submit<'scan'>(script('alone'), {
    ...options(),
    fresh: true,
    onStart: () => {
      begun = true;
    },
  });
  job.cancel();
  await t.rejects(job.outcomes, { name: 'Cancelled' });
  await pool.submit<'scan'>(script('next'), options()).outcomes.catch(() => {});
  t.equal(begun, false);
});

t.test('a child is replaced after so many tasks, and no task is lost for it', async (t) => {
  const { pool } = await startPool(t, { tasksPerChild: 2 });
  const jobs = ['1', '2', '3', '4', '5'].map((name) => pool.submit<'scan'>(script(name), options()));
  const settled = await Promise.allSettled(jobs.map((job) => job.outcomes));
  t.strictSame(
    settled.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled'],
  );
  const done = settled.flatMap((each) => (each.status === 'fulfilled' ? answers(each.value) : []));
  t.strictSame(
    done.map((answer) => answer.done),
    [0, 1, 0, 1, 0],
  );
  t.equal(new Set(done.map(({ pid }) => pid)).size, 3);
});

t.test('children that end before they are ready are started again, ever more slowly', async (t) => {
  const { log, lines } = memoryLog();
  const starts = temporaryFolder(t);
  const pool = new LoaderPool({
    ...scripted({ main: fixture('early-loader'), env: { STARTS: starts, EARLY_ENDS: '3' } }),
    size: 1,
    log,
  });
  t.teardown(() => pool.close(0));
  const job = pool.submit<'scan'>(script('patient'), options());
  t.match(answers(await job.outcomes), [{ path: 'patient' }]);
  t.equal(pool.restarts, 3);
  const times = readdirSync(starts)
    .map((name) => Number(readFileSync(join(starts, name), 'utf8')))
    .sort((a, b) => a - b);
  t.equal(times.length, 4);
  const waits = times.slice(1).map((time, i) => time - times[i]!);
  waits.forEach((waitMs, failed) => {
    t.ok(waitMs >= 100 * 2 ** failed, `${waitMs} ms after ${failed + 1} bad starts`);
  });
  const warned = lines.filter(({ msg }) => msg === 'a loader ended before it was ready');
  t.strictSame(
    warned.map(({ deaths }) => deaths),
    [1, 2, 3],
  );
});

t.test('one good start ends the back-off', async (t) => {
  const starts = temporaryFolder(t);
  const env = { STARTS: starts, EARLY_ENDS: '2' };
  const { pool, lines } = await startPool(t, { main: fixture('early-loader'), env });
  const warned = () => lines.filter(({ msg }) => msg === 'a loader ended before it was ready').length;
  const before = warned();
  process.kill(pool.pids[0]!, 'SIGKILL');
  const job = () => pool.submit<'scan'>(script('x'), options()).outcomes;
  await job().catch(job);
  t.equal(warned(), before);
});

t.test('close lets tasks finish in its time, takes no more, and leaves no process', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { size: 2, env: latches.env });
  const { pids } = pool;
  const jobs = ['a', 'b'].map((name) => pool.submit<'scan'>(script(`hold:${name}`), options()));
  const waiting = pool.submit<'scan'>(script('waiting'), options());
  const held = await latches.held('a');
  await latches.held('b');
  const closed = pool.close(1000);
  await t.rejects(waiting.outcomes, { name: 'LoaderDeath', death: 'closing' });
  await t.rejects(pool.submit<'scan'>(script('late'), options()).outcomes, {
    name: 'LoaderDeath',
    death: 'closing',
  });
  held.release();
  t.equal((await jobs[0]!.outcomes).length, 1);
  await t.rejects(jobs[1]!.outcomes, { name: 'LoaderDeath', death: 'closing' });
  await closed;
  t.strictSame(pids.map(isThere), [false, false]);
  t.strictSame(pool.pids, []);
  t.equal(pool.readyCount, 0);
});

t.test('close begins nothing more, also of what waits for a fresh child', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { size: 2, env: latches.env });
  const wear = ['a', 'b'].map((name) => pool.submit<'scan'>(script(`hold:${name}`), options()));
  const held = await latches.held('a');
  (await latches.held('b')).release();
  await wear[1]!.outcomes;
  const begun: string[] = [];
  const alone = pool.submit<'scan'>(script('alone'), {
    ...options(),
    fresh: true,
    onStart: () => begun.push('alone'),
  });
  const rejected = t.rejects(alone.outcomes, { name: 'LoaderDeath', death: 'closing' });
  // The fresh child has started and is not ready yet.
  const before = new Set(pool.pids);
  while (pool.pids.every((pid) => before.has(pid))) await new Promise((resolve) => setTimeout(resolve, 1));
  const closed = pool.close(DEADLINE_MS);
  await rejected;
  await allReady(pool);
  held.release();
  t.equal((await wear[0]!.outcomes).length, 1);
  await closed;
  t.strictSame(begun, []);
  t.strictSame(pool.pids, []);
});

t.test('close while children start, or wait to be started again, leaves none', async (t) => {
  const { log } = memoryLog();
  const starting = new LoaderPool({ ...scripted(), size: 2, log });
  const { pids } = starting;
  t.equal(pids.length, 2);
  const job = starting.submit<'scan'>(script('never'), options());
  const closed = starting.close(1000);
  await t.rejects(job.outcomes, { name: 'LoaderDeath', death: 'closing' });
  await closed;
  t.strictSame(pids.map(isThere), [false, false]);

  const starts = temporaryFolder(t);
  const env = { STARTS: starts, EARLY_ENDS: '1000' };
  const failing = new LoaderPool({ ...scripted({ main: fixture('early-loader'), env }), size: 1, log });
  while (failing.restarts < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  await failing.close(1000);
  const count = readdirSync(starts).length;
  await new Promise((resolve) => setTimeout(resolve, 500));
  t.equal(readdirSync(starts).length, count);
});

t.test('a pool over the real loader is ready', async (t) => {
  const { log } = memoryLog();
  const { limits, memoryBytes } = scripted();
  const pool = new LoaderPool({ limits, memoryBytes, size: 1, log });
  t.teardown(() => pool.close(0));
  await within(allReady(pool), 60_000, 'the start of a loader');
  const task = { ...script('nothing.txt'), root: temporaryFolder(t) };
  t.match(await pool.submit<'scan'>(task, options('scan')).outcomes, [{ code: 'FILE_UNREADABLE' }]);
});

/**
 * Has the next `times` starts of a child fail: with an error that is thrown, as ENOMEM, or with an event, as
 * a program that is away.
 */
function failStarts(t: Test, times: number, how: 'thrown' | 'event'): void {
  const { fork } = childProcess;
  let left = times;
  childProcess.fork = ((module: string, args: string[], options: ForkOptions) => {
    if (left-- <= 0) return fork(module, args, options);
    if (how === 'event') return fork(module, args, { ...options, execPath: '/nonexistent/node' });
    throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM', syscall: 'spawn' });
  }) as typeof fork;
  syncBuiltinESMExports();
  t.teardown(() => {
    childProcess.fork = fork;
    syncBuiltinESMExports();
  });
}

for (const [how, code] of [
  ['thrown', 'ENOMEM'],
  ['event', 'ENOENT'],
] as const)
  t.test(`a child that cannot be started is tried again (${how})`, async (t) => {
    failStarts(t, 3, how);
    const { log, lines } = memoryLog();
    const pool = new LoaderPool({ ...scripted(), size: 1, log });
    t.teardown(() => pool.close(0));
    const job = pool.submit<'scan'>(script('one'), options());
    await until(() => pool.startFailure !== null);
    t.equal(pool.startFailure, code);
    t.equal(pool.readyCount, 0);
    t.equal((await job.outcomes).length, 1, 'what waited is done when one could be started');
    t.equal(pool.startFailure, null);
    t.equal(pool.restarts, 0, 'none was replaced');
    t.match(
      lines,
      [1, 2, 3].map((deaths) => ({ level: 40, msg: 'a loader could not be started', deaths, code })),
    );

    // One that ends while the system has no room for another.
    failStarts(t, 2, how);
    process.kill(pool.pids[0]!, 'SIGKILL');
    t.equal(
      (
        await pool
          .submit<'scan'>(script('two'), options())
          .outcomes.catch(() => pool.submit<'scan'>(script('two'), options()).outcomes)
      ).length,
      1,
    );
    t.equal(pool.restarts, 1);
  });

t.test('a pool ends while no child can be started', async (t) => {
  failStarts(t, Number.POSITIVE_INFINITY, 'thrown');
  const { log } = memoryLog();
  const pool = new LoaderPool({ ...scripted(), size: 2, log });
  const job = pool.submit<'scan'>(script('one'), options());
  await Promise.all([t.rejects(job.outcomes, { name: 'LoaderDeath', death: 'closing' }), pool.close(0)]);
});
