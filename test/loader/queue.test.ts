import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { PRIORITIES, type Priority, type Queued, TurnQueue } from '../../src/loader/queue.js';

interface Job extends Queued {
  readonly name: string;
}

function job(name: string, priority: Priority = 'warm', turn = name[0]!): Job {
  return { name, priority, turn };
}

function names(jobs: readonly Job[]): string {
  return jobs.map(({ name }) => name).join(' ');
}

t.test('what a trainer waits for goes before warm-ups, those before a scan', async (t) => {
  const queue = new TurnQueue<Job>();
  for (const each of [job('s', 'scan'), job('w', 'warm'), job('a', 'asked')]) queue.push(each);
  t.equal(queue.size, 3);
  t.equal(names(queue.drain()), 'a w s');
  t.equal(queue.size, 0);
  t.equal(queue.take(), null);
});

t.test('a scan gets on also where trainers keep every loader busy', async (t) => {
  const queue = new TurnQueue<Job>();
  for (const name of ['s1', 's2']) queue.push(job(name, 'scan'));
  const taken: string[] = [];
  for (let n = 0; n < 100; n++) {
    queue.push(job(`a${n}`, 'asked'));
    taken.push(queue.take()!.name);
  }
  t.strictSame(
    taken.flatMap((name, at) => (name.startsWith('s') ? [[name, at]] : [])),
    [
      ['s1', 32],
      ['s2', 65],
    ],
  );
});

t.test('turns of one priority go round, each in its own order', async (t) => {
  const queue = new TurnQueue<Job>();
  for (const name of ['a1', 'a2', 'a3', 'b1', 'c1', 'c2']) queue.push(job(name));
  t.equal(names(queue.drain()), 'a1 b1 c1 a2 c2 a3');
});

t.test('one who comes late waits for one job of each turn, not for all of a long line', async (t) => {
  const queue = new TurnQueue<Job>();
  for (const name of ['a1', 'a2', 'a3', 'a4']) queue.push(job(name));
  t.equal(queue.take()?.name, 'a1');
  queue.push(job('b1'));
  t.equal(queue.take()?.name, 'a2');
  t.equal(queue.take()?.name, 'b1');
  t.equal(names(queue.drain()), 'a3 a4');
});

t.test('a raised job leaves its old place and never sinks', async (t) => {
  const queue = new TurnQueue<Job>();
  const [first, second, third] = [job('a1'), job('a2'), job('b1', 'scan')];
  for (const each of [first, second, third]) queue.push(each);
  queue.raise(third, 'asked');
  queue.raise(second, 'scan');
  t.equal(third.priority, 'asked');
  t.equal(second.priority, 'warm');
  t.equal(queue.size, 3);
  t.equal(names(queue.drain()), 'b1 a1 a2');
});

t.test('a job that is taken is neither removed nor raised', async (t) => {
  const queue = new TurnQueue<Job>();
  const [taken, other] = [job('a1'), job('a2')];
  queue.push(taken);
  queue.push(other);
  t.equal(queue.take(), taken);
  t.equal(queue.remove(taken), false);
  queue.raise(taken, 'asked');
  t.equal(queue.size, 1);
  t.equal(queue.remove(other), true);
  t.equal(queue.remove(other), false);
  t.equal(queue.size, 0);
});

const jobs = fc.array(
  fc.record({ priority: fc.constantFrom(...PRIORITIES), turn: fc.constantFrom('a', 'b', 'c', 'd') }),
  { maxLength: 40 },
);

t.test('every job comes out once, urgent ones first, each turn in its own order', async (t) => {
  const property = fc.property(jobs, (made) => {
    const queue = new TurnQueue<Job>();
    const pushed = made.map(({ priority, turn }, number) => job(`${turn}${number}`, priority, turn));
    for (const each of pushed) queue.push(each);
    const out = queue.drain();
    assert.deepEqual(new Set(out), new Set(pushed));
    assert.equal(out.length, pushed.length);
    const ranks = out.map(({ priority }) => PRIORITIES.indexOf(priority));
    assert.deepEqual(ranks, ranks.toSorted());
    for (const priority of PRIORITIES)
      for (const turn of 'abcd') {
        const of = (list: Job[]) => list.filter((each) => each.priority === priority && each.turn === turn);
        assert.deepEqual(of(out), of(pushed));
      }
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test('between two jobs of a turn every other that waits has exactly one', async (t) => {
  const property = fc.property(jobs, (made) => {
    const queue = new TurnQueue<Job>();
    made.forEach(({ turn }, number) => {
      queue.push(job(`${turn}${number}`, 'warm', turn));
    });
    const turns = queue.drain().map(({ turn }) => turn);
    turns.forEach((turn, at) => {
      const next = turns.indexOf(turn, at + 1);
      if (next < 0) return;
      const between = turns.slice(at + 1, next);
      assert.equal(new Set(between).size, between.length);
      for (const later of turns.slice(next + 1)) assert.ok(later === turn || between.includes(later));
    });
  });
  t.doesNotThrow(() => fc.assert(property));
});

const calls = fc.array(
  fc.record({
    call: fc.constantFrom('push', 'push', 'take', 'remove', 'raise'),
    priority: fc.constantFrom(...PRIORITIES),
    turn: fc.constantFrom('a', 'b'),
    which: fc.nat(9),
  }),
  { maxLength: 60 },
);

t.test(
  'whatever is called, the queue holds what was pushed and not taken, and takes the most urgent',
  async (t) => {
    const property = fc.property(calls, (made) => {
      const queue = new TurnQueue<Job>();
      const known: Job[] = [];
      const inside = new Set<Job>();
      for (const { call, priority, turn, which } of made) {
        const one = known[which];
        if (call === 'push') {
          const pushed = job(`${turn}${known.length}`, priority, turn);
          known.push(pushed);
          inside.add(pushed);
          queue.push(pushed);
        } else if (call === 'take') {
          const ranks = [...inside].map((each) => PRIORITIES.indexOf(each.priority));
          const taken = queue.take();
          if (taken === null) assert.equal(inside.size, 0);
          else {
            assert.ok(inside.delete(taken));
            assert.equal(PRIORITIES.indexOf(taken.priority), Math.min(...ranks));
          }
        } else if (one && call === 'remove') assert.equal(queue.remove(one), inside.delete(one));
        else if (one && call === 'raise') {
          const before = PRIORITIES.indexOf(one.priority);
          const wanted = inside.has(one) ? Math.min(before, PRIORITIES.indexOf(priority)) : before;
          queue.raise(one, priority);
          assert.equal(PRIORITIES.indexOf(one.priority), wanted);
        }
        assert.equal(queue.size, inside.size);
      }
      assert.deepEqual(new Set(queue.drain()), inside);
    });
    t.doesNotThrow(() => fc.assert(property));
  },
);
