import fc from 'fast-check';
import t from 'tap';
import { storedValues } from '../../src/core/pixels.js';
import { areSpareBitsClean } from '../../src/core/spare-bits.js';

const ARRAYS = {
  8: [Uint8Array, Int8Array],
  16: [Uint16Array, Int16Array],
  32: [Uint32Array, Int32Array],
} as const;

/** A sample cut to `bits`, its sign extended. */
function cut(value: number, bits: number, signed: boolean): number {
  const left = 32 - bits;
  return signed ? (value << left) >> left : (value << left) >>> left;
}

t.test('spare bits that are none of the value are seen wherever they are', async (t) => {
  for (const bitsAllocated of [8, 16, 32] as const) {
    for (const signed of [false, true]) {
      const Values = ARRAYS[bitsAllocated][Number(signed)]!;
      const random = fc.record({
        values: fc.array(fc.integer(), { minLength: 1, maxLength: 40 }),
        bitsStored: fc.integer({ min: 1, max: bitsAllocated - 1 }),
        offset: fc.nat(5),
        dirty: fc.option(fc.nat(39), { nil: null }),
      });
      fc.assert(
        fc.property(random, ({ values, bitsStored, offset, dirty }) => {
          const size = bitsAllocated / 8;
          const described = { bitsAllocated, bitsStored, highBit: bitsStored - 1, signed } as const;
          const samples = new Values(new ArrayBuffer((offset + values.length) * size), offset * size);
          values.forEach((value, at) => {
            samples[at] = cut(value, bitsStored, signed);
          });
          const clean = samples.slice();
          if (dirty !== null) samples[dirty % values.length]! ^= 1 << (bitsAllocated - 1);
          t.equal(areSpareBitsClean(samples, described), dirty === null);
          const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
          t.strictSame(
            Array.from(storedValues(bytes, { ...described, pixelKind: 'integer' })),
            Array.from(clean),
          );
        }),
        { numRuns: 60 },
      );
    }
  }
});

t.test('a value that lies higher than the lowest bits is never clean', async (t) => {
  const described = { bitsAllocated: 16, bitsStored: 12, highBit: 15, signed: false };
  t.equal(areSpareBitsClean(Uint16Array.of(0), described), false);
});
