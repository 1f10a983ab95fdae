import fc from 'fast-check';
import t from 'tap';
import { toPlanes } from '../../src/core/planes.js';

t.test('interleaved samples become planes', async (t) => {
  t.strictSame(toPlanes(Uint8Array.of(1, 2, 3, 4, 5, 6), 3), Uint8Array.of(1, 4, 2, 5, 3, 6));
  t.strictSame(toPlanes(Uint16Array.of(1, 2, 3), 3), Uint16Array.of(1, 2, 3));
  t.strictSame(toPlanes(Float32Array.of(0.5, -1, 2, 8), 2), Float32Array.of(0.5, 2, -1, 8));
  t.strictSame(
    toPlanes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255), 3),
    Uint8Array.of(1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 255),
  );
});

t.test('bytes become planes wherever they lie in memory, and however many', async (t) => {
  const bytes = fc.uint8Array({ maxLength: 120 });
  fc.assert(
    fc.property(bytes, fc.nat(7), (random, offset) => {
      const pixels = Math.floor(random.length / 3);
      const memory = new Uint8Array(offset + 3 * pixels);
      memory.set(random.subarray(0, 3 * pixels), offset);
      const planes = toPlanes(memory.subarray(offset), 3);
      t.equal(planes.length, 3 * pixels);
      return planes.every((value, at) => value === random[(at % pixels) * 3 + Math.floor(at / pixels)]);
    }),
  );
});
