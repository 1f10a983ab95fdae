import fc from 'fast-check';
import t from 'tap';
import type { ImageHeader } from '../../src/core/dicom.js';
import { toChannels, valuesOf } from '../../src/core/values.js';

const header = {
  rescale: { slope: 0.5, intercept: -3 },
  window: [{ center: 2, width: 5 }],
  photometric: 'MONOCHROME2',
  bitsStored: 12,
  signed: true,
  pixelKind: 'integer',
  samplesPerPixel: 1,
} as unknown as ImageHeader;

t.test('stored values are those of the file, whatever its rescale', async (t) => {
  t.strictSame([...valuesOf(Int16Array.of(-7, 0, 2047), header, 'stored')], [-7, 0, 2047]);
});

t.test('rescaled values are slope times value plus intercept, in double precision', async (t) => {
  t.strictSame([...valuesOf(Int16Array.of(-7, 0, 2047), header, 'rescaled')], [-6.5, -3, 1020.5]);
  const fine = { ...header, rescale: { slope: 0.1, intercept: 0.2 } };
  t.strictSame([...valuesOf(Uint16Array.of(3), fine, 'rescaled')], [0.1 * 3 + 0.2]);
  const none = { ...header, rescale: { slope: 1, intercept: 0 } };
  t.strictSame([...valuesOf(Int16Array.of(-7, 9), none, 'rescaled')], [-7, 9]);
});

t.test('windowed values are 0 to 1', async (t) => {
  // Modality values -0.5, 0, 1.5, 3.5, 4 between -0.5 and 3.5.
  t.strictSame([...valuesOf(Int16Array.of(5, 6, 9, 13, 14), header, 'windowed')], [0, 0.125, 0.5, 1, 1]);
});

t.test('the stored values are never written to', async (t) => {
  const stored = Float64Array.of(1, 2, 3);
  for (const values of ['stored', 'rescaled', 'windowed'] as const) valuesOf(stored, header, values).fill(9);
  t.strictSame([...stored], [1, 2, 3]);
});

t.test('grey becomes three equal planes', async (t) => {
  t.strictSame([...toChannels(Float64Array.of(1, 2), 1, 3)], [1, 2, 1, 2, 1, 2]);
});

t.test('colour becomes its luminance', async (t) => {
  const got = toChannels(Float64Array.of(255, 0, 0, 0, 255, 0, 0, 0, 255), 3, 1);
  t.strictSame(
    [...got].map((value) => value.toFixed(3)),
    ['76.245', '149.685', '29.070'],
  );
});

t.test('the same number of channels is left alone', async (t) => {
  for (const channels of [1, 3] as const) {
    const planes = Float64Array.of(1, 2, 3);
    t.strictSame([...toChannels(planes, channels, channels)], [1, 2, 3]);
  }
});

t.test('luminance keeps grey as it is and lies between the darkest and the brightest', async (t) => {
  const value = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(value, value, value, (r, g, b) => {
      const [grey, mixed] = [
        toChannels(Float64Array.of(r, r, r), 3, 1)[0]!,
        toChannels(Float64Array.of(r, g, b), 3, 1)[0]!,
      ];
      const within = mixed > Math.min(r, g, b) - 1e-9 && mixed < Math.max(r, g, b) + 1e-9;
      return Math.abs(grey - r) < 1e-9 && within;
    }),
  );
  t.pass();
});
