import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Engine, Lease, Loading, Pace } from '../../src/engine/engine.js';
import type { Batch } from '../../src/sessions/batch.js';
import { RankWindow } from '../../src/sessions/window.js';

/**
 * A window over batches that are loaded as soon as they are ordered, or not at all; the steps that were ordered, with their pace, those looked up ahead, and
 * those abandoned.
 */
function windowOf(
  reach: { steps: number | null; prefetch: number },
  onMake: (step: number) => void = () => {},
  { finished = true, loaded = Promise.resolve() } = {},
) {
  const prepared: number[] = [];
  const ordered: [step: number, pace: Pace | undefined][] = [];
  const abandoned: number[] = [];
  const load = (order: { key: number }, _priority: string, pace?: Pace): Loading => {
    ordered.push([order.key, pace]);
    return {
      lease: loaded.then(() => ({}) as Lease),
      finished,
      stale: false,
      raise: () => {},
      abandon: () => abandoned.push(order.key),
    };
  };
  const make = (step: number) => {
    onMake(step);
    return { order: { key: step }, prepare: () => prepared.push(step) } as unknown as Batch;
  };
  const window = new RankWindow(reach, make, { load } as unknown as Engine);
  return { window, ordered, prepared, abandoned };
}

t.test('behind a batch that lay ready the next ones have time', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 2 });
  window.warmAfter(0, window.take(0));
  t.strictSame(ordered, [
    [0, 'brisk'],
    [1, 'calm'],
  ]);
  await turn();
  t.strictSame(ordered[2], [2, 'calm'], 'behind the answer');
});

t.test(
  'what was to start behind an answer does not where another step was asked for meanwhile, or the window is closed',
  async (t) => {
    const { window, ordered, abandoned } = windowOf({ steps: null, prefetch: 2 });
    window.warmAfter(0, window.take(0));
    window.warmAfter(7, window.take(7));
    await turn();
    window.warmAfter(20, window.take(20));
    window.close();
    await turn();
    t.strictSame(
      ordered.map(([step]) => step),
      [0, 1, 7, 8, 9, 20, 21],
    );
    t.strictSame(abandoned, [1, 8, 9, 21], 'what was warm is given back');
  },
);

t.test('behind one that is waited for they are in a hurry', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 2 }, () => {}, { finished: false });
  window.warmAfter(0, window.take(0));
  t.strictSame(ordered, [
    [0, 'brisk'],
    [1, 'brisk'],
    [2, 'brisk'],
  ]);
});

t.test('so they are for a trainer that asks as soon as it has the last one', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 2 });
  window.letGo(0);
  window.warmAfter(1, window.take(1));
  t.strictSame(ordered, [
    [1, 'brisk'],
    [2, 'brisk'],
    [3, 'brisk'],
  ]);
});

t.test('but not where the next one lies ready: its answer goes first', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 2 });
  window.warmAfter(0, window.take(0));
  await turn();
  window.letGo(0);
  window.warmAfter(1, window.take(1));
  t.equal(ordered.length, 3);
  await turn();
  t.strictSame(ordered[3], [3, 'calm'], 'behind the answer');
});

t.test('what follows the window is looked up once all of the window is loaded', async (t) => {
  let load = () => {};
  const loaded = new Promise<void>((resolve) => {
    load = resolve;
  });
  const { window, prepared } = windowOf({ steps: null, prefetch: 2 }, () => {}, { loaded });
  window.warmAfter(0, window.take(0));
  await turn();
  t.strictSame(prepared, [], 'not before');
  load();
  await turn();
  await turn();
  t.strictSame(prepared, [3]);
});

t.test('where a batch is waited for it is looked up at once, while a loader is busy', async (t) => {
  const { window, prepared } = windowOf({ steps: null, prefetch: 2 }, () => {}, {
    finished: false,
    loaded: new Promise<void>(() => {}),
  });
  window.warmAfter(0, window.take(0));
  await turn();
  t.strictSame(prepared, [3]);
});

t.test('what fails while the next batch is looked up ahead is told to who asks for it', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 1 }, (step) => {
    if (step === 2) throw new Error('gone');
  });
  window.warmAfter(0, window.take(0));
  await turn();
  await turn();
  window.warmAfter(1, window.take(1));
  t.strictSame(
    ordered.map(([step]) => step),
    [0, 1],
    'the step before is answered',
  );
  t.throws(() => window.take(2), { message: 'gone' });
});

t.test('a batch that can’t be ordered ahead fails only the request that asks for it', async (t) => {
  for (const finished of [true, false]) {
    const { window, ordered } = windowOf(
      { steps: null, prefetch: 3 },
      (step) => {
        if (step === 2) throw new Error('gone');
      },
      { finished },
    );
    window.warm(2);
    window.warmAfter(0, window.take(0));
    await turn();
    t.strictSame(
      ordered.map(([step]) => step),
      [0, 1, 3],
    );
    t.equal(window.warmCount, finished ? 2 : 0);
  }
});

t.test('it reaches no further than the last step', async (t) => {
  const { window, ordered } = windowOf({ steps: 2, prefetch: 4 });
  window.warmAfter(0, window.take(0));
  t.strictSame(
    ordered.map(([step]) => step),
    [0, 1],
  );
});

t.test('what it does not reach any more is given back', async (t) => {
  const { window, ordered, abandoned } = windowOf({ steps: null, prefetch: 1 });
  window.warmAfter(0, window.take(0));
  window.warmAfter(7, window.take(7));
  t.strictSame(
    ordered.map(([step]) => step),
    [0, 1, 7, 8],
  );
  t.strictSame(abandoned, [1]);
});
