import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { addStep, hasStep, type Steps, stepCount } from '../../src/sessions/steps.js';

function stepsOf(...added: number[]): Steps {
  return added.reduce(addStep, [] as Steps);
}

t.test('steps that follow each other are one range', async (t) => {
  t.strictSame(stepsOf(0, 1, 2), [[0, 3]]);
  t.strictSame(stepsOf(2, 1, 0), [[0, 3]]);
});

t.test('a step away from the others is a range of its own', async (t) => {
  t.strictSame(stepsOf(0, 5), [
    [0, 1],
    [5, 6],
  ]);
  t.strictSame(stepsOf(5, 0, 3), [
    [0, 1],
    [3, 4],
    [5, 6],
  ]);
});

t.test('a step between two ranges joins them', async (t) => {
  t.strictSame(stepsOf(0, 2, 1), [[0, 3]]);
  t.strictSame(stepsOf(0, 1, 3, 4, 9, 2), [
    [0, 5],
    [9, 10],
  ]);
});

t.test('a step that is there changes nothing', async (t) => {
  t.strictSame(stepsOf(3, 4, 5, 4), [[3, 6]]);
});

t.test('the set that it was given stays', async (t) => {
  const before: Steps = [[0, 2]];
  addStep(before, 2);
  t.strictSame(before, [[0, 2]]);
});

t.test('how many, and which', async (t) => {
  t.equal(stepCount([]), 0);
  t.equal(stepCount(stepsOf(1, 2, 7)), 3);
  const steps = stepsOf(1, 2, 7);
  t.strictSame(
    [0, 1, 2, 3, 6, 7, 8].filter((step) => hasStep(steps, step)),
    [1, 2, 7],
  );
});

t.test(
  'whatever is added in whatever order, it is a set in ascending ranges that do not touch',
  async (t) => {
    const property = fc.property(fc.array(fc.nat(40)), (added) => {
      const steps = stepsOf(...added);
      const set = new Set(added);
      assert.equal(stepCount(steps), set.size);
      for (let step = 0; step <= 41; step++) assert.equal(hasStep(steps, step), set.has(step));
      let end = -1;
      for (const [from, to] of steps) {
        assert.ok(from > end && to > from);
        end = to;
      }
    });
    t.doesNotThrow(() => fc.assert(property));
  },
);
