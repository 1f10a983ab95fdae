import fc from 'fast-check';
import t from 'tap';
import { packPart, plainBytes, unpackedBytes, unpackPart } from '../../src/core/packed-part.js';
import type { Part } from '../../src/core/part.js';

const text = (...points: number[]): Part => ({ kind: 'text', points: Float64Array.from(points) });

/** As it arrives in a message: at any place of a larger buffer. */
function inTheMiddle(bytes: Uint8Array): Uint8Array {
  const larger = new Uint8Array(bytes.length + 16).fill(0xaa);
  larger.set(bytes, 5);
  return larger.subarray(5, 5 + bytes.length);
}

const decimal = fc
  .tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), fc.integer({ min: 0, max: 9 }))
  .map(([step, decimals]) => Number(`${step}e-${decimals}`));
const coordinate = fc.oneof(decimal, fc.double(), fc.constantFrom(-0, 0, 0.1, 655.35, 655.36, -0.01));

t.test('coordinates come back as the very same numbers, whatever they are', async (t) => {
  const property = fc.property(
    fc.oneof(fc.array(coordinate), fc.array(decimal)),
    fc.constantFrom('text' as const, 'closed' as const, 'xor' as const),
    fc.nat(),
    (numbers, kind, roi) => {
      const points = Float64Array.from(numbers);
      const part: Part = kind === 'text' ? { kind, points } : { kind, roi, points };
      const packed = packPart(part);
      const back = unpackPart({ ...packed, points: inTheMiddle(packed.points) });
      if (back.kind === 'raster') return false;
      const isSame =
        back.points.length === points.length &&
        back.points.every((value, i) => Object.is(value, points[i])) &&
        unpackedBytes(packed) === points.byteLength;
      return isSame && back.kind === kind && (back.kind === 'text' || back.roi === roi);
    },
  );
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }));
});

t.test('the decimals that contour files have take a quarter of their bytes, or half', async (t) => {
  const bytes = (...points: number[]) => packPart(text(...points)).points.length - 8;
  t.equal(bytes(101.25, 130.5, 0, 655.35), 4 * 2);
  t.equal(bytes(101.25, 130.5, 0, 655.36), 4 * 4, 'too large for 16 bits');
  t.equal(bytes(-0.25, 3), 2 * 4, 'negative');
  t.equal(bytes(1 / 3, 3), 2 * 8, 'no decimal');
  t.equal(bytes(-0, 3), 2 * 8, 'whole numbers have one zero alone');
  t.equal(bytes(Number.NaN, 3), 2 * 8);
  t.equal(bytes(), 0);
});

t.test('rasters come back', async (t) => {
  for (const matrix of [null, [1, 0, 0.5, 0, 1, -2]]) {
    const part: Part = {
      kind: 'raster',
      raster: { rows: 3, columns: 5, matrix, runs: Uint32Array.of(0, 2, 7, 9) },
    };
    const packed = packPart(part);
    t.strictSame(unpackPart({ ...packed, points: inTheMiddle(packed.points) }), part);
    t.equal(unpackedBytes(packed), 16);
  }
});

t.test('what names the content of a polygon is its numbers, not how they are packed', async (t) => {
  const points = Float64Array.of(1.25, 2.5);
  t.strictSame(plainBytes({ kind: 'text', points }), new Uint8Array(points.buffer));
});
