import fc from 'fast-check';
import t from 'tap';
import { displayRange, windowValues } from '../../src/core/window.js';

type Header = Parameters<typeof windowValues>[1];

function header(changes: Partial<Header> = {}): Header {
  return {
    window: [],
    rescale: { slope: 1, intercept: 0 },
    photometric: 'MONOCHROME2',
    bitsStored: 12,
    signed: false,
    pixelKind: 'integer',
    samplesPerPixel: 1,
    ...changes,
  };
}

const windowed = (values: readonly number[], changes: Partial<Header>) => [
  ...windowValues(Int16Array.from(values), header(changes)),
];

t.test('the window of width 4096 around 2048 shows 0 as 0 and 4095 as 1', async (t) => {
  // The example of DICOM PS3.3, C.11.2.1.2.1.
  const voi = { window: [{ center: 2048, width: 4096 }] };
  t.strictSame(windowed([-1, 0, 4095, 4096], voi), [0, 0, 1, 1]);
  t.strictSame(windowed([819], voi), [0.2]);
  t.match(displayRange(header(voi)), { low: 0, high: 4095 });
});

t.test('a window of width 1 is a threshold', async (t) => {
  // The standard's other example: center 100 and width 1 map 99 and less to the least, 100 and more to the most.
  t.strictSame(windowed([98, 99, 100, 101], { window: [{ center: 100, width: 1 }] }), [0, 0, 1, 1]);
});

t.test('LINEAR_EXACT has no half pixels, SIGMOID no ends', async (t) => {
  const window = [{ center: 10, width: 4 }];
  t.strictSame(windowed([8, 9, 10, 12, 13], { window, voiFunction: 'LINEAR_EXACT' }), [0, 0.25, 0.5, 1, 1]);
  const exact = { window: [{ center: 10, width: 0.5 }], voiFunction: 'LINEAR_EXACT' } as const;
  t.strictSame(windowed([9, 10, 11], exact), [0, 0.5, 1]);
  const [low, middle, high] = windowed([8, 10, 12], { window, voiFunction: 'SIGMOID' });
  t.equal(middle, 0.5);
  t.ok(Math.abs(low! + high! - 1) < 1e-15);
  t.ok(Math.abs(high! - 1 / (1 + Math.exp(-2))) < 1e-15);
});

t.test('a VOI table goes before the window', async (t) => {
  const table = { first: 5, bits: 8, entries: Uint16Array.of(0, 51, 255) };
  const changes = { window: [{ center: 10, width: 4 }], rescale: { slope: 2, intercept: 0 } };
  const stored = Int16Array.of(0, 3, 4);
  t.strictSame([...windowValues(stored, header(changes), table)], [0, 0.2, 1]);
  const inverted = header({ ...changes, photometric: 'MONOCHROME1' });
  t.strictSame([...windowValues(stored, inverted, table)], [1, 0.8, 0]);
});

t.test('the window is in modality values', async (t) => {
  const changes = { window: [{ center: 40, width: 400 }], rescale: { slope: 2, intercept: -1024 } };
  const [low, middle, high] = windowed([(-160 + 1024) / 2, 532, (239 + 1024 + 1) / 2], changes);
  t.equal(low, 0);
  t.ok(Math.abs(middle! - ((40 - 39.5) / 399 + 0.5)) < 1e-12);
  t.equal(high, 1);
});

t.test('of several windows the first one counts', async (t) => {
  const window = [
    { center: 50, width: 101 },
    { center: 1, width: 2 },
  ];
  t.strictSame(
    windowed([0, 25, 49, 99], { window }).map((value) => value.toFixed(3)),
    ['0.005', '0.255', '0.495', '0.995'],
  );
});

t.test('without a window, or with one that is none, the full range of the header is shown', async (t) => {
  t.strictSame(windowed([0, 1365, 4095], {}), [0, 1 / 3, 1]);
  t.strictSame(windowed([0, 4095], { window: [{ center: 0, width: 0 }] }), [0, 1]);
  t.strictSame(windowed([-2048, 2047], { signed: true }), [0, 1]);
  t.match(displayRange(header({ rescale: { slope: 1, intercept: -1024 } })), { low: -1024, high: 3071 });
  t.strictSame(windowed([0, 4095], { rescale: { slope: -2, intercept: 5 } }), [1, 0], 'a slope that falls');
});

t.test('MONOCHROME1 is inverted, with a window and without', async (t) => {
  const photometric = 'MONOCHROME1';
  t.strictSame(windowed([0, 1365, 4095], { photometric }), [1, 1 - 1 / 3, 0]);
  t.strictSame(windowed([0, 4095], { photometric, window: [{ center: 2048, width: 4096 }] }), [1, 0]);
});

t.test('colour has no window', async (t) => {
  const colour = { samplesPerPixel: 3, photometric: 'RGB', bitsStored: 8 } as const;
  t.strictSame(windowed([0, 51, 255], { ...colour, window: [{ center: 1, width: 2 }] }), [0, 0.2, 1]);
});

/** DICOM PS3.3, C.11.2.1.2.1, as it stands there, with ymin 0 and ymax 1. */
function standard(x: number, c: number, w: number): number {
  if (x <= c - 0.5 - (w - 1) / 2) return 0;
  if (x > c - 0.5 + (w - 1) / 2) return 1;
  return (x - (c - 0.5)) / (w - 1) + 0.5;
}

t.test('every value under every window is what the standard’s pseudo-code gives', async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: -2000, max: 2000 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.array(fc.integer({ min: -2048, max: 2047 }), { minLength: 1 }),
      fc.constantFrom(-1, 0.5, 1, 3),
      (center, width, values, slope) =>
        windowed(values, {
          signed: true,
          window: [{ center, width }],
          rescale: { slope, intercept: 7 },
        }).every((got, at) => Math.abs(got - standard(slope * values[at]! + 7, center, width)) < 1e-9),
    ),
  );
  t.pass();
});
