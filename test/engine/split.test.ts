import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { BatchShape } from '../../src/core/layout.js';
import { splitUnits } from '../../src/engine/split.js';
import type { LoadUnit } from '../../src/loader/messages.js';

const SMALL = {
  slots: 8,
  channels: 1,
  rows: 16,
  columns: 16,
  structures: 1,
  imageDtype: 'int16',
  maskDtype: 'bool',
} as const satisfies BatchShape;
const LARGE = { ...SMALL, rows: 2048, columns: 2048 };

function units(count: number): LoadUnit[] {
  return Array.from({ length: count }, (_, slot) => ({ slot, place: slot, source: null }));
}

function lengths(count: number, shape: BatchShape, idle: number): number[] {
  return splitUnits(units(count), shape, idle).map((run) => run.length);
}

t.test('nothing to load is no task', async (t) => {
  t.strictSame(splitUnits([], SMALL, 4), []);
});

t.test('a little work stays together, however many loaders are idle', async (t) => {
  t.strictSame(lengths(8, SMALL, 4), [8]);
});

t.test('more work goes to every idle loader', async (t) => {
  t.strictSame(lengths(64, SMALL, 3), [21, 21, 22]);
  t.strictSame(lengths(64, SMALL, 1), [64]);
});

t.test('much work is cut into short tasks, also for one loader', async (t) => {
  t.strictSame(lengths(4, LARGE, 1), [1, 1, 1, 1]);
});

t.test('the runs hold every slot once, in order, and none is empty', async (t) => {
  const shapes = fc.record({
    rows: fc.integer({ min: 1, max: 4096 }),
    columns: fc.integer({ min: 1, max: 4096 }),
    channels: fc.constantFrom(1 as const, 3 as const),
    structures: fc.nat(5),
  });
  const property = fc.property(fc.nat(300), shapes, fc.integer({ min: 1, max: 64 }), (count, shape, idle) => {
    const made = units(count);
    const runs = splitUnits(made, { ...SMALL, ...shape, slots: count }, idle);
    assert.deepEqual(runs.flat(), made);
    assert.ok(runs.every((run) => run.length > 0));
    const sizes = runs.map((run) => run.length);
    assert.ok(count === 0 || Math.max(...sizes) - Math.min(...sizes) <= 1);
  });
  t.doesNotThrow(() => fc.assert(property));
});
