import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Engine, Lease, Loading } from '../../src/engine/engine.js';
import type { Batch } from '../../src/sessions/batch.js';
import { RankWindow } from '../../src/sessions/window.js';

/** A window over batches that are loaded as soon as they are ordered, and the steps that were ordered and abandoned. */
function windowOf(reach: { steps: number | null; prefetch: number }) {
  const [ordered, abandoned]: [number[], number[]] = [[], []];
  const load = (order: { key: number }): Loading => {
    ordered.push(order.key);
    return {
      lease: Promise.resolve({} as Lease),
      finished: true,
      stale: false,
      raise: () => {},
      abandon: () => abandoned.push(order.key),
    };
  };
  const make = (step: number) => ({ order: { key: step }, prepare: () => {} }) as unknown as Batch;
  const window = new RankWindow(reach, make, { load } as unknown as Engine);
  return { window, ordered, abandoned };
}

/** Long enough for a batch to have lain ready. */
function linger(): void {
  for (const from = performance.now(); performance.now() - from < 3; );
}

t.test('behind a batch that was waited for the next loads start at once', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 2 });
  window.warmAfter(0, window.take(0));
  t.strictSame(ordered, [0, 1, 2]);
});

t.test('behind a batch that has just become ready too', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 1 });
  window.warm(0);
  window.warmAfter(0, window.take(0));
  t.strictSame(ordered, [0, 1]);
});

t.test('behind one that lay ready they start when the answer is on its way', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 1 });
  window.warm(0);
  await turn();
  linger();
  window.warmAfter(0, window.take(0));
  t.strictSame(ordered, [0]);
  await turn();
  t.strictSame(ordered, [0, 1]);
});

t.test('of several that are put off the last counts', async (t) => {
  const { window, ordered, abandoned } = windowOf({ steps: null, prefetch: 1 });
  window.warm(0);
  window.warm(1);
  await turn();
  linger();
  const [first, second] = [window.take(0), window.take(1)];
  window.warmAfter(0, first);
  window.warmAfter(1, second);
  await turn();
  t.strictSame(ordered, [0, 1, 2]);
  t.strictSame(abandoned, []);
});

t.test('one that is put off does not take back what was asked for after it', async (t) => {
  const { window, ordered, abandoned } = windowOf({ steps: null, prefetch: 1 });
  window.warm(0);
  await turn();
  linger();
  window.warmAfter(0, window.take(0));
  window.warmAfter(7, window.take(7));
  await turn();
  t.strictSame(ordered, [0, 7, 8]);
  t.strictSame(abandoned, []);
});

t.test('a window that has ended starts nothing', async (t) => {
  const { window, ordered } = windowOf({ steps: null, prefetch: 1 });
  window.warm(0);
  await turn();
  linger();
  window.warmAfter(0, window.take(0));
  window.end();
  await turn();
  t.strictSame(ordered, [0]);
});

t.test('it reaches no further than the last step', async (t) => {
  const { window, ordered } = windowOf({ steps: 2, prefetch: 4 });
  window.warmAfter(0, window.take(0));
  t.strictSame(ordered, [0, 1]);
});
