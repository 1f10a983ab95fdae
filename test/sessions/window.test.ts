import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Engine, Lease, Loading } from '../../src/engine/engine.js';
import type { Batch } from '../../src/sessions/batch.js';
import { RankWindow } from '../../src/sessions/window.js';

/** A window over batches that are loaded as soon as they are ordered; the steps that were ordered, with their priority, and those abandoned. */
function windowOf(
  reach: { steps: number | null; prefetch: number },
  onMake: (step: number) => void = () => {},
) {
  const ordered: [step: number, priority: string][] = [];
  const abandoned: number[] = [];
  const load = (order: { key: number }, priority: string): Loading => {
    ordered.push([order.key, priority]);
    return {
      lease: Promise.resolve({} as Lease),
      finished: true,
      stale: false,
      raise: () => {},
      abandon: () => abandoned.push(order.key),
    };
  };
  const make = (step: number) => {
    onMake(step);
    return { order: { key: step }, prepare: () => {} } as unknown as Batch;
  };
  const window = new RankWindow(reach, make, { load } as unknown as Engine);
  return { window, ordered, abandoned };
}

/** A trainer that asks for a step. */
function ask(window: RankWindow, step: number): void {
  window.take(step);
  window.warmAfter(step);
}

t.test('behind what is asked for the next ones are warmed', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 2 });
  ask(window, 0);
  ask(window, 1);
  t.strictSame(ordered, [
    [0, 'asked'],
    [1, 'warm'],
    [2, 'warm'],
    [3, 'warm'],
  ]);
});

t.test('what fails while the next batch is looked up ahead is told to who asks for it', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 1 }, (step) => {
    if (step === 2) throw new Error('gone');
  });
  ask(window, 0);
  await turn();
  t.throws(() => ask(window, 1), { message: 'gone' });
  t.strictSame(
    ordered.map(([step]) => step),
    [0, 1],
  );
});

t.test('it reaches no further than the last step', async (t) => {
  const { window, ordered } = windowOf({ steps: 2, prefetch: 4 });
  ask(window, 0);
  t.strictSame(
    ordered.map(([step]) => step),
    [0, 1],
  );
});

t.test('what it does not reach any more is given back', async (t) => {
  const { window, ordered, abandoned } = windowOf({ steps: null, prefetch: 1 });
  ask(window, 0);
  ask(window, 7);
  t.strictSame(
    ordered.map(([step]) => step),
    [0, 1, 7, 8],
  );
  t.strictSame(abandoned, [1]);
});
