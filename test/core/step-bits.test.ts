import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { addStep, countSteps, emptySteps, hasStep, rowOfStep } from '../../src/core/step-bits.js';

t.test('a row holds 2048 steps', async (t) => {
  t.strictSame([0, 2047, 2048, 4096, 2 ** 53 - 1].map(rowOfStep), [0, 0, 1, 2, 2 ** 42 - 1]);
  t.equal(emptySteps().length, 256);
});

t.test('a step is a bit, the lowest of a byte first', async (t) => {
  const row = emptySteps();
  for (const step of [0, 3, 9, 2047]) addStep(row, step);
  t.strictSame([row[0], row[1], row[255]], [0b1001, 0b10, 0b1000_0000]);
  t.equal(countSteps(row), 4);
  addStep(row, 3);
  t.equal(countSteps(row), 4, 'a step that is there changes nothing');
});

t.test('a row holds exactly the steps that were added, in any order', async (t) => {
  const property = fc.property(fc.nat(2 ** 31 - 2048), fc.array(fc.nat(2047)), (near, added) => {
    const first = rowOfStep(near) * 2048;
    const row = emptySteps();
    for (const step of added) addStep(row, first + step);
    assert.equal(countSteps(row), new Set(added).size);
    for (let step = 0; step < 2048; step++) assert.equal(hasStep(row, first + step), added.includes(step));
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 30 }));
});
