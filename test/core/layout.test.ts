import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import {
  type BatchLayout,
  type BatchShape,
  batchLayout,
  elementBytes,
  type TensorName,
  tensorOf,
} from '../../src/core/layout.js';
import { batchShapes } from '../wire/assemble.js';

const SHAPE: BatchShape = {
  slots: 2,
  channels: 1,
  rows: 2,
  columns: 3,
  structures: 2,
  imageDtype: 'int16',
  maskDtype: 'bool',
};

function places({ tensors }: BatchLayout): unknown[] {
  return tensors.map(({ name, dtype, shape, offset, sizeBytes }) => [name, dtype, shape, offset, sizeBytes]);
}

t.test('a batch of int16 images with bool masks lies in the contract’s order', async (t) => {
  const layout = batchLayout(SHAPE);
  t.strictSame(places(layout), [
    ['pairs', 'int64', [2], 0, 16],
    ['affine', 'float64', [2, 2, 3], 16, 96],
    ['spacing', 'float64', [2, 2], 112, 32],
    ['sourceShape', 'int32', [2, 2], 144, 16],
    ['images', 'int16', [2, 1, 2, 3], 160, 24],
    ['masks', 'bool', [2, 2, 2, 3], 184, 24],
    ['valid', 'bool', [2], 208, 2],
  ]);
  t.equal(layout.sizeBytes, 210);
  t.equal(layout.shape, SHAPE);
});

t.test('coverage masks stand before images of smaller elements', async (t) => {
  const layout = batchLayout({ ...SHAPE, channels: 3, imageDtype: 'uint8', maskDtype: 'float32' });
  t.strictSame(places(layout).slice(3), [
    ['sourceShape', 'int32', [2, 2], 144, 16],
    ['masks', 'float32', [2, 2, 2, 3], 160, 96],
    ['images', 'uint8', [2, 3, 2, 3], 256, 36],
    ['valid', 'bool', [2], 292, 2],
  ]);
});

t.test('without structures the masks keep their place and have no bytes', async (t) => {
  const layout = batchLayout({ ...SHAPE, structures: 0 });
  t.strictSame(places(layout).slice(4), [
    ['images', 'int16', [2, 1, 2, 3], 160, 24],
    ['masks', 'bool', [2, 0, 2, 3], 184, 0],
    ['valid', 'bool', [2], 184, 2],
  ]);
});

t.test('a batch without slots has its seven tensors and no bytes', async (t) => {
  const layout = batchLayout({ ...SHAPE, slots: 0 });
  t.equal(layout.sizeBytes, 0);
  t.strictSame(
    layout.tensors.map(({ shape, offset, sizeBytes }) => [shape[0], offset, sizeBytes]),
    Array.from({ length: 7 }, () => [0, 0, 0]),
  );
});

t.test('a tensor is found by its name, and a name that is none is an error', async (t) => {
  const layout = batchLayout(SHAPE);
  t.equal(tensorOf(layout, 'valid'), layout.tensors[6]);
  t.throws(() => tensorOf(layout, 'labels' as TensorName), /no tensor labels/);
});

t.test('tensors of any shape follow each other without gaps, each aligned to its elements', async (t) => {
  const property = fc.property(batchShapes, (shape) => {
    const layout = batchLayout(shape);
    let end = 0;
    let widest = 8;
    for (const tensor of layout.tensors) {
      const width = elementBytes(tensor.dtype);
      assert.equal(tensor.offset, end);
      assert.equal(tensor.offset % width, 0);
      assert.ok(width <= widest);
      assert.equal(
        tensor.sizeBytes,
        tensor.shape.reduce((n, axis) => n * axis, width),
      );
      assert.equal(tensor.shape[0], shape.slots);
      end += tensor.sizeBytes;
      widest = width;
    }
    assert.equal(layout.sizeBytes, end);
    assert.equal(new Set(layout.tensors.map(({ name }) => name)).size, 7);
  });
  t.doesNotThrow(() => fc.assert(property));
});
