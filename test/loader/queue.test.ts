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

t.test('every job comes out once, urgent ones first, each turn in order, no turn twice before another once', async () => {
  fc.assert(
    fc.property(jobs, (made) => {
      const queue = new TurnQueue<Job>();
      const pushed = made.map(({ priority, turn }, number) => job(`${turn}${number}`, priority, turn));
      for (const each of pushed) queue.push(each);
      const out = queue.drain();
      if (out.length !== pushed.length || new Set(out).size !== out.length) return false;
      for (const priority of PRIORITIES) {
        const mine = out.filter((each) => each.priority === priority);
        const at = out.indexOf(mine[0]!);
        if (mine.length > 0 && out.slice(at, at + mine.length).some((each) => each.priority !== priority))
          return false;
        for (const turn of new Set(mine.map((each) => each.turn))) {
          const places = mine.flatMap((each, place) => (each.turn === turn ? [place] : []));
          const inOrder = places.map((place) => Number(mine[place]!.name.slice(1)));
          if (inOrder.some((number, i) => i > 0 && number < inOrder[i - 1]!)) return false;
          for (let i = 1; i < places.length; i++) {
            const between = mine.slice(places[i - 1]! + 1, places[i]).map((each) => each.turn);
            // Who still has a job after this one had its turn in between, and nobody had two.
            const waiting = new Set(mine.slice(places[i]!).map((each) => each.turn));
            waiting.delete(turn);
            if (new Set(between).size !== between.length) return false;
            if ([...waiting].some((other) => !between.includes(other))) return false;
          }
        }
      }
      return PRIORITIES.indexOf(out[0]?.priority ?? 'asked') <= PRIORITIES.indexOf(out.at(-1)?.priority ?? 'scan');
    }),
  );
});

const calls = fc.array(
  fc.oneof(
    fc.record({ call: fc.constant('push' as const), priority: fc.constantFrom(...PRIORITIES), turn: fc.constantFrom('a', 'b') }),
    fc.record({ call: fc.constant('take' as const) }),
    fc.record({ call: fc.constant('remove' as const), which: fc.nat(9) }),
    fc.record({ call: fc.constant('raise' as const), which: fc.nat(9), priority: fc.constantFrom(...PRIORITIES) }),
  ),
  { maxLength: 60 },
);

t.test('whatever is called, the queue holds what was pushed and not taken, and takes the most urgent', async () => {
  fc.assert(
    fc.property(calls, (made) => {
      const queue = new TurnQueue<Job>();
      const known: Job[] = [];
      const inside = new Set<Job>();
      for (const each of made) {
        const which = 'which' in each ? known[each.which] : undefined;
        if (each.call === 'push') {
          const pushed = job(`${each.turn}${known.length}`, each.priority, each.turn);
          known.push(pushed);
          inside.add(pushed);
          queue.push(pushed);
        } else if (each.call === 'take') {
          const best = Math.min(...[...inside].map(({ priority }) => PRIORITIES.indexOf(priority)));
          const taken = queue.take();
          if (inside.size === 0 ? taken !== null : !taken || !inside.delete(taken)) return false;
          if (taken && PRIORITIES.indexOf(taken.priority) !== best) return false;
        } else if (which && each.call === 'remove') {
          if (queue.remove(which) !== inside.delete(which)) return false;
        } else if (which && each.call === 'raise') queue.raise(which, each.priority);
        if (queue.size !== inside.size) return false;
      }
      return new Set(queue.drain()).size === inside.size;
    }),
  );
});
