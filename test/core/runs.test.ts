import fc from 'fast-check';
import t from 'tap';
import { fillRuns, runsAtLeast, runsByValue, runsOfBits } from '../../src/core/runs.js';

t.test('runs of values, of each value, of bits', async (t) => {
  t.strictSame([...runsAtLeast([0, 3, 5, 1, 3], 3)], [1, 3, 4, 5]);
  t.strictSame([...runsAtLeast([3, 3], 3)], [0, 2]);
  t.strictSame([...runsAtLeast([], 1)], []);
  t.strictSame(
    [...runsByValue([7, 7, 0, 9, 7])].map(([value, runs]) => [value, [...runs]]),
    [
      [7, [0, 2, 4, 5]],
      [0, [2, 3]],
      [9, [3, 4]],
    ],
  );
  t.strictSame([...runsOfBits(Uint8Array.of(0b0110_0000, 0xff, 0b0000_0011), 1, 17)], [4, 6, 7, 17]);
});

t.test('bits give the runs that their values give, and runs give the mask back', async () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const sparse = bytes.map((all) => all.map((byte) => (byte < 100 ? 0 : byte < 180 ? 0xff : byte)));
  fc.assert(
    fc.property(fc.oneof(bytes, sparse), fc.nat(15), (packed, from) => {
      const firstBit = Math.min(from, 8 * packed.length - 1);
      const count = 8 * packed.length - firstBit;
      const values = Uint8Array.from(
        { length: count },
        (_, i) => (packed[(firstBit + i) >> 3]! >> ((firstBit + i) & 7)) & 1,
      );
      const runs = runsOfBits(packed, firstBit, count);
      const mask = new Uint8Array(count + 2);
      fillRuns(runs, count, mask, 1);
      return (
        String(runs) === String(runsAtLeast(values, 1)) &&
        String(mask) === String(Uint8Array.from([0, ...values, 0]))
      );
    }),
  );
});

t.test('places beyond the grid are left out', async (t) => {
  const mask = new Uint8Array(6);
  fillRuns([2, 9, 20, 30], 4, mask, 0);
  t.strictSame([...mask], [0, 0, 1, 1, 0, 0]);
});
