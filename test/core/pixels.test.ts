import fc from 'fast-check';
import t from 'tap';
import { elementBytes } from '../../src/core/layout.js';
import {
  autoDtype,
  declaredRange,
  holdsValue,
  type ImageDType,
  PixelError,
  type StoredValues,
  storedValues,
  type ValueKind,
  writeValues,
} from '../../src/core/pixels.js';

type Described = Parameters<typeof storedValues>[1];

function described(bitsAllocated: number, more: Partial<Described> = {}): Described {
  const bitsStored = more.bitsStored ?? bitsAllocated;
  return { bitsAllocated, bitsStored, highBit: bitsStored - 1, signed: false, pixelKind: 'integer', ...more };
}

const IDENTITY = { rescale: { slope: 1, intercept: 0 } };

function bytesOf(values: StoredValues): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function written(
  stored: StoredValues,
  dtype: ImageDType,
  rescale?: { slope: number; intercept: number },
  values: ValueKind = 'rescaled',
): number[] {
  const size = { uint8: 1, int16: 2, uint16: 2, float16: 2, int32: 4, float32: 4 }[dtype];
  const out = new Uint8Array(stored.length * size);
  writeValues(stored, rescale ? { rescale } : IDENTITY, { values, dtype }, out);
  const view = new DataView(out.buffer);
  return Array.from(stored, (_, i) => {
    if (dtype === 'uint8') return view.getUint8(i);
    if (dtype === 'int16') return view.getInt16(2 * i, true);
    if (dtype === 'uint16' || dtype === 'float16') return view.getUint16(2 * i, true);
    return dtype === 'int32' ? view.getInt32(4 * i, true) : view.getFloat32(4 * i, true);
  });
}

const range = { name: 'PixelError', code: 'VALUE_RANGE' };

t.test('stored values of each size and sign', async (t) => {
  const bytes = Uint8Array.of(0xff, 0x7f, 0x00, 0x80);
  t.strictSame(storedValues(bytes, described(8)), Uint8Array.of(255, 127, 0, 128));
  t.strictSame(storedValues(bytes, described(8, { signed: true })), Int8Array.of(-1, 127, 0, -128));
  t.strictSame(storedValues(bytes, described(16)), Uint16Array.of(0x7fff, 0x8000));
  t.strictSame(storedValues(bytes, described(16, { signed: true })), Int16Array.of(0x7fff, -0x8000));
  t.strictSame(storedValues(bytes, described(32)), Uint32Array.of(0x80007fff));
  t.strictSame(storedValues(bytes, described(32, { signed: true })), Int32Array.of(0x80007fff | 0));
  const float = Float32Array.of(1.5, Number.NaN);
  t.strictSame(storedValues(bytesOf(float), described(32, { pixelKind: 'float' })), float);
  const double = Float64Array.of(Math.PI);
  t.strictSame(storedValues(bytesOf(double), described(64, { pixelKind: 'double' })), double);
});

t.test('bits over those stored are cut, the sign is extended', async (t) => {
  const bytes = bytesOf(Uint16Array.of(0xf123, 0x0fff, 0x0800, 0x07ff));
  t.strictSame(
    storedValues(bytes, described(16, { bitsStored: 12 })),
    Uint16Array.of(0x123, 0xfff, 0x800, 0x7ff),
  );
  t.strictSame(
    storedValues(bytes, described(16, { bitsStored: 12, signed: true })),
    Int16Array.of(0x123, -1, -0x800, 0x7ff),
  );
  t.strictSame(
    storedValues(bytes, described(16, { bitsStored: 12, highBit: 15 })),
    Uint16Array.of(0xf12, 0xff, 0x80, 0x7f),
  );
  t.strictSame(bytes, bytesOf(Uint16Array.of(0xf123, 0x0fff, 0x0800, 0x07ff)), 'the bytes stay as they were');
});

t.test('clean and aligned bytes are viewed, others copied', async (t) => {
  const bytes = Uint8Array.of(9, 1, 0, 2, 0, 9);
  t.equal(storedValues(bytes.subarray(0, 4), described(16)).buffer, bytes.buffer);
  t.strictSame(storedValues(bytes.subarray(1, 5), described(16)), Uint16Array.of(1, 2));
  t.equal(storedValues(bytes.subarray(2, 4), described(16, { bitsStored: 12 })).buffer, bytes.buffer);
});

t.test('half a sample and unread sizes', async (t) => {
  t.throws(() => storedValues(new Uint8Array(3), described(16)), {
    name: 'PixelError',
    code: 'PIXELS_SHORT',
  });
  t.throws(() => storedValues(new Uint8Array(8), described(64)), {
    name: 'PixelError',
    code: 'PIXELS_UNSUPPORTED',
  });
});

t.test('values as every dtype', async (t) => {
  const stored = Int16Array.of(0, 1, 200);
  for (const dtype of ['uint8', 'int16', 'uint16', 'int32', 'float32'] as const) {
    t.strictSame(written(stored, dtype), [0, 1, 200], dtype);
  }
  t.strictSame(written(stored, 'float16'), [0, 0x3c00, 0x5a40]);
  t.strictSame(written(Int16Array.of(-5), 'int32'), [-5]);
  t.strictSame(written(Uint32Array.of(0xffffffff), 'float32'), [2 ** 32]);
});

t.test('the rescale is applied in double precision, or not at all', async (t) => {
  const rescale = { slope: 2, intercept: -1000 };
  t.strictSame(written(Uint16Array.of(0, 500, 65_535), 'int32', rescale), [-1000, 0, 130_070]);
  t.strictSame(written(Uint16Array.of(0, 500), 'int16', rescale, 'stored'), [0, 500]);
  t.strictSame(written(Uint16Array.of(0, 3071), 'int16', { slope: 1, intercept: -1024 }), [-1024, 2047]);
  t.throws(() => written(Uint16Array.of(33_000), 'int16', { slope: 1, intercept: -1 }), range);
  t.strictSame(written(Int32Array.of(0x7fffffff), 'int32', { slope: 1, intercept: -2 }), [0x7ffffffd]);
  t.throws(() => written(Int32Array.of(0x7fffffff), 'int32', { slope: 1, intercept: 1 }), range);
  t.throws(() => written(Int16Array.of(1), 'int32', { slope: 1, intercept: 0x7fffffff }), range);

  t.strictSame(
    written(Uint16Array.of(1, 2), 'float32', { slope: 0.1, intercept: 0 }),
    [0.1, 0.2].map(Math.fround),
  );
  t.strictSame(written(Uint16Array.of(1), 'int16', { slope: -1, intercept: 0 }), [-1]);
  t.strictSame(
    written(Uint16Array.of(2, 4), 'int16', { slope: 0.5, intercept: 0 }),
    [1, 2],
    'whole after all',
  );
});

t.test('what a dtype cannot hold is an error, never wrapped, never infinite', async (t) => {
  t.throws(() => written(Uint16Array.of(256), 'uint8'), range);
  t.throws(() => written(Int16Array.of(-1), 'uint8'), range);
  t.throws(() => written(Int16Array.of(-1), 'uint16'), range);
  t.throws(() => written(Uint16Array.of(0x8000), 'int16'), range);
  t.throws(() => written(Uint32Array.of(0x80000000), 'int32'), range);
  t.throws(() => written(Uint32Array.of(0x80000000), 'uint16'), range);
  t.throws(() => written(Int32Array.of(-0x80000000), 'int16'), range);
  t.throws(() => written(Int32Array.of(0x7fffffff), 'int16'), range);
  t.throws(() => written(Int16Array.of(3), 'int16', { slope: 0.5, intercept: 0 }), range);
  t.throws(() => written(Uint16Array.of(65_535), 'int16', { slope: 1e300, intercept: 0 }), range);
  t.throws(() => written(Uint16Array.of(65_520), 'float16'), range);
  t.strictSame(written(Uint16Array.of(65_519), 'float16'), [0x7bff]);
  t.throws(() => written(Uint16Array.of(1), 'float32', { slope: 1e39, intercept: 0 }), range);
  t.throws(() => written(Uint16Array.of(65_535), 'float32', { slope: 1e308, intercept: 0 }), range);
  t.throws(() => written(Float32Array.of(Number.POSITIVE_INFINITY), 'float32'), range);
  t.throws(() => written(Float32Array.of(Number.NaN), 'int16'), range);
  t.strictSame(written(Float32Array.of(Number.NaN), 'float32'), [Number.NaN]);
  t.strictSame(written(Float64Array.of(Number.NaN), 'float16'), [0x7e00]);
});

t.test('the last of many values counts as much as the first', async (t) => {
  const many = new Uint16Array(10_001);
  many[10_000] = 40_000;
  t.throws(() => written(many, 'int16'), range);
  many[10_000] = 40_001;
  t.throws(() => written(many, 'int32', { slope: 0.5, intercept: 0 }), range);
  many[10_000] = 7;
  t.equal(written(many, 'int32').at(-1), 7);
  many[10_000] = 0xf007;
  t.equal(storedValues(bytesOf(many), described(16, { bitsStored: 12 })).at(-1), 7);
});

t.test('the place for the values: unaligned is fine, another size is a mistake of the caller', async (t) => {
  const place = new Uint8Array(5);
  writeValues(Uint16Array.of(1, 2), IDENTITY, { values: 'stored', dtype: 'uint16' }, place.subarray(1));
  t.strictSame(place, Uint8Array.of(0, 1, 0, 2, 0));
  t.throws(
    () => writeValues(Uint16Array.of(1), IDENTITY, { values: 'stored', dtype: 'int32' }, new Uint8Array(2)),
    RangeError,
  );
  t.notOk(new RangeError() instanceof PixelError);
});

t.test('declared ranges', async (t) => {
  const of = (bits: number, signed: boolean, slope = 1, intercept = 0, values: ValueKind = 'rescaled') =>
    declaredRange({ bitsStored: bits, signed, pixelKind: 'integer', rescale: { slope, intercept } }, values);
  t.strictSame(of(12, false), { min: 0, max: 4095, whole: true });
  t.strictSame(of(16, true), { min: -32_768, max: 32_767, whole: true });
  t.strictSame(of(12, false, 1, -1024), { min: -1024, max: 3071, whole: true });
  t.strictSame(of(8, false, -2, 0), { min: -510, max: 0, whole: true });
  t.strictSame(of(8, false, 0.5, 0), { min: 0, max: 127.5, whole: false });
  t.strictSame(of(8, false, 0.5, 0, 'stored'), { min: 0, max: 255, whole: true });
  t.strictSame(of(32, false), { min: 0, max: 4_294_967_295, whole: true });
  t.notOk(declaredRange({ bitsStored: 32, signed: true, pixelKind: 'float', ...IDENTITY }, 'stored').whole);
});

t.test('auto takes the first integer type that holds all, else float32', async (t) => {
  const whole = (min: number, max: number) => ({ min, max, whole: true });
  t.equal(autoDtype([whole(0, 4095)]), 'int16');
  t.equal(autoDtype([whole(0, 65_535)]), 'uint16');
  t.equal(autoDtype([whole(0, 65_535), whole(-1, 0)]), 'int32');
  t.equal(autoDtype([whole(0, 32_768)]), 'uint16');
  t.equal(autoDtype([whole(-32_769, 0)]), 'int32');
  t.equal(autoDtype([whole(0, 2 ** 32 - 1)]), 'float32');
  t.equal(autoDtype([whole(0, 1), { min: 0, max: 1, whole: false }]), 'float32');
  t.equal(autoDtype([]), 'int16');
});

t.test('cutting agrees with arithmetic on big integers', async (t) => {
  const layout = fc.constantFrom(8, 16, 32).chain((allocated) =>
    fc.integer({ min: 1, max: allocated }).chain((stored) =>
      fc.record({
        bitsAllocated: fc.constant(allocated),
        bitsStored: fc.constant(stored),
        highBit: fc.integer({ min: stored - 1, max: allocated - 1 }),
        signed: fc.boolean(),
      }),
    ),
  );
  const property = fc.property(layout, fc.uint8Array({ minLength: 4, maxLength: 64 }), (bits, raw) => {
    const size = bits.bitsAllocated / 8;
    const bytes = raw.slice(0, raw.length - (raw.length % size));
    const values = storedValues(bytes, { ...bits, pixelKind: 'integer' });
    return Array.from(values).every((value, i) => {
      let word = 0n;
      for (let b = size - 1; b >= 0; b--) word = (word << 8n) | BigInt(bytes[i * size + b]!);
      const field = word >> BigInt(bits.highBit + 1 - bits.bitsStored);
      const as = bits.signed ? BigInt.asIntN : BigInt.asUintN;
      return BigInt(value) === as(bits.bitsStored, field);
    });
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1000 }));
});

/** The number of a binary16 pattern. */
function half(bits: number): number {
  const [sign, exponent, mantissa] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
}

t.test('every half comes back, and what is between two goes to the nearest, ties to even', async (t) => {
  const halves = Array.from({ length: 0x7c00 }, (_, bits) => half(bits));
  t.strictSame(
    written(Float64Array.from(halves), 'float16'),
    halves.map((_, bits) => bits),
  );
  const between = (share: number) =>
    Float64Array.from(halves.slice(0, -1), (low, i) => low + (halves[i + 1]! - low) * share);
  t.strictSame(
    written(between(0.5), 'float16'),
    Array.from({ length: 0x7bff }, (_, bits) => bits + (bits & 1)),
  );
  t.strictSame(
    written(between(0.5 + 2 ** -20), 'float16'),
    Array.from({ length: 0x7bff }, (_, bits) => bits + 1),
  );
  t.strictSame(written(Float64Array.of(-1, -0, -(2 ** -24)), 'float16'), [0xbc00, 0x8000, 0x8001]);
});

t.test('a dtype holds the values that can be written to it', async (t) => {
  const values = [0, -1, 0.5, 255, 256, 32767, 32768, 65504, 65519, 65520, 2 ** 31, 3.4028235e38, 3.41e38];
  for (const dtype of ['uint8', 'int16', 'uint16', 'int32', 'float16', 'float32'] as const)
    for (const value of values) {
      const out = new Uint8Array(elementBytes(dtype));
      const rescale = { slope: 1, intercept: 0 };
      const write = () =>
        writeValues(Float64Array.of(value), { rescale }, { values: 'rescaled', dtype }, out);
      if (holdsValue(dtype, value)) t.doesNotThrow(write, `${dtype} ${value}`);
      else t.throws(write, { code: 'VALUE_RANGE' }, `${dtype} ${value}`);
    }
  t.equal(holdsValue('float16', 65_519), true, 'rounded to 65504');
  t.equal(holdsValue('float32', 3.4028235e38), true);
});
