import { join } from 'node:path';
import t from 'tap';
import type { LoaderPool } from '../../src/loader/pool.js';
import { type SuperviseOptions, supervise } from '../../src/loader/supervise.js';
import { temporaryFolder } from '../helper.js';
import { within } from './processes.js';
import { answers, script, startLatches, startPool } from './scripted.js';

const LETHAL = { kind: 'lethal' } as const;

function watch(pool: LoaderPool, does: readonly string[], changes: Partial<SuperviseOptions> = {}) {
  return supervise<'scan'>(pool, script(...does), {
    priority: 'asked',
    turn: 'a',
    deadlineMs: 20_000,
    ...changes,
  });
}

function paths(outcomes: readonly unknown[]): (string | undefined)[] {
  return outcomes.map((outcome) =>
    (outcome as { kind: string }).kind === 'lethal' ? 'lethal' : answers([outcome])[0]?.path,
  );
}

t.test('a task that no child dies of comes back as it is', async (t) => {
  const { pool } = await startPool(t);
  let starts = 0;
  const { outcomes } = watch(pool, ['one', 'two'], { onStart: () => starts++ });
  t.strictSame(paths(await outcomes), ['one', 'two']);
  t.equal(starts, 1);
  t.equal(pool.restarts, 0);
});

t.test(
  'a unit that ends its child alone, twice, is lethal; the others of its task come out fine',
  async (t) => {
    const { pool } = await startPool(t);
    let starts = 0;
    const { outcomes } = watch(pool, ['one', 'segv', 'two'], { onStart: () => starts++ });
    const found = await outcomes;
    t.strictSame(paths(found), ['one', 'lethal', 'two']);
    t.strictSame(found[1], { ...LETHAL, cause: 'crash' });
    // Together once, the two others once, the lethal one twice.
    t.equal(starts, 5);
    t.equal(pool.pids.length, 1);
  },
);

t.test('each unit is tried in a child that has done nothing', async (t) => {
  const { pool } = await startPool(t);
  const found = answers(await watch(pool, ['crowded', 'one', 'two']).outcomes);
  t.strictSame(
    found.map(({ path, done }) => [path, done]),
    [
      ['crowded', 0],
      ['one', 0],
      ['two', 0],
    ],
  );
  t.equal(new Set(found.map(({ pid }) => pid)).size, 3);
});

t.test('the same beside other children, which are worn and idle', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { size: 2, env: latches.env });
  const wear = ['a', 'b'].map((name) => watch(pool, [`hold:${name}`]).outcomes);
  for (const name of ['a', 'b']) (await latches.held(name)).release();
  await Promise.all(wear);
  const { outcomes } = watch(pool, ['one', 'segv']);
  t.strictSame(paths(await within(outcomes, 60_000, 'the verdict')), ['one', 'lethal']);
});

t.test('a unit that hangs is lethal for its deadline, one that swells for its memory', async (t) => {
  const { pool } = await startPool(t, { memoryBytes: 160 * 1024 ** 2 });
  const hung = await watch(pool, ['one', 'hang'], { deadlineMs: 300 }).outcomes;
  t.strictSame(paths(hung), ['one', 'lethal']);
  t.strictSame(hung[1], { ...LETHAL, cause: 'deadline' });
  const swollen = await watch(pool, ['swell', 'one']).outcomes;
  t.strictSame(swollen[0], { ...LETHAL, cause: 'memory' });
  t.strictSame(paths(swollen), ['lethal', 'one']);
});

t.test('one death alone is no verdict', async (t) => {
  const { pool } = await startPool(t);
  const once = `once:${join(temporaryFolder(t), 'died')}`;
  let starts = 0;
  const { outcomes } = watch(pool, ['crowded', once], { onStart: () => starts++ });
  t.strictSame(paths(await outcomes), ['crowded', once]);
  // Together, the first alone, the second alone, the second again.
  t.equal(starts, 4);
});

t.test('a kill from outside is tried again and is never a verdict', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  let starts = 0;
  const { outcomes } = watch(pool, ['one', 'hold:a'], { onStart: () => starts++ });
  for (let kills = 0; kills < 4; kills++) process.kill((await latches.held('a')).pid, 'SIGKILL');
  (await latches.held('a')).release();
  t.strictSame(paths(await outcomes), ['one', 'hold:a']);
  t.equal(starts, 5);
});

t.test('who is killed from outside again and again ends with that, not with a verdict', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const { outcomes } = watch(pool, ['hold:a']);
  const rejected = t.rejects(outcomes, { name: 'LoaderDeath', death: 'outside' });
  for (let kills = 0; kills < 5; kills++) process.kill((await latches.held('a')).pid, 'SIGKILL');
  await rejected;
});

t.test('a kill from outside of a unit alone does not count as one of its deaths', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const { outcomes } = watch(pool, ['crowded', 'hold:a']);
  for (let kills = 0; kills < 3; kills++) process.kill((await latches.held('a')).pid, 'SIGKILL');
  (await latches.held('a')).release();
  t.strictSame(paths(await outcomes), ['crowded', 'hold:a']);
});

t.test('want of room and a failure that the child lives through say nothing of the files', async (t) => {
  const { pool } = await startPool(t);
  await t.rejects(watch(pool, ['one', 'room']).outcomes, { name: 'NoRoom' });
  await t.rejects(watch(pool, ['one', 'failed']).outcomes, { message: /^a loader failed/ });
  t.equal(pool.restarts, 0);
});

t.test('want of room passes through while units are tried alone', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  await t.rejects(watch(pool, ['crowded', 'room']).outcomes, { name: 'NoRoom' });
});

t.test('a pool that closes ends it with that', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const { outcomes } = watch(pool, ['hold:a']);
  await latches.held('a');
  const rejected = t.rejects(outcomes, { name: 'LoaderDeath', death: 'closing' });
  await pool.close(0);
  await rejected;
});

t.test('what waits can be raised and taken back', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const begun: string[] = [];
  const noting = (name: string) => ({ priority: 'warm' as const, onStart: () => begun.push(name) });
  const first = watch(pool, ['hold:first'], noting('first'));
  const rest = ['one', 'two', 'three'].map((name) => watch(pool, [name], noting(name)));
  const held = await latches.held('first');
  rest[0]!.cancel();
  rest[2]!.raise('asked');
  await t.rejects(rest[0]!.outcomes, { name: 'Cancelled' });
  held.release();
  await Promise.all([first.outcomes, rest[1]!.outcomes, rest[2]!.outcomes]);
  t.strictSame(begun, ['first', 'three', 'two']);
});

t.test('a raise holds for the units that are tried alone later', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  const begun: string[] = [];
  const raised = watch(pool, ['hold:a', 'segv'], { priority: 'scan', onStart: () => begun.push('raised') });
  const held = await latches.held('a');
  const other = watch(pool, ['other'], { priority: 'warm', onStart: () => begun.push('other') });
  raised.raise('asked');
  held.release();
  (await latches.held('a')).release();
  await Promise.all([raised.outcomes, other.outcomes]);
  // Without the raise the other, which is more urgent than a scan, would come second.
  t.strictSame(begun.slice(0, 2), ['raised', 'raised']);
  t.ok(begun.includes('other'));
});

t.test('a task that was taken back while it ran is not tried further after a death', async (t) => {
  const latches = await startLatches(t);
  const { pool } = await startPool(t, { env: latches.env });
  let starts = 0;
  const { outcomes, cancel } = watch(pool, ['hold:a', 'segv', 'one'], { onStart: () => starts++ });
  const held = await latches.held('a');
  cancel();
  held.release();
  const settled = outcomes.then(
    () => 'answered',
    (error: Error) => error.name,
  );
  // Where it is tried alone all the same, the unit holds again.
  const again = latches.held('a').then((held) => held.release());
  t.equal(await Promise.race([settled, again.then(() => 'tried again')]), 'Cancelled');
  t.equal(starts, 1);
  await pool.close(0);
});
