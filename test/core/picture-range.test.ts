import t from 'tap';
import { pictureRange } from '../../src/core/picture-range.js';
import { windowValues } from '../../src/core/window.js';

type Header = Parameters<typeof pictureRange>[0];

const header = (changes: Partial<Header> = {}): Header => ({
  window: [],
  rescale: { slope: 1, intercept: 0 },
  photometric: 'MONOCHROME2',
  bitsStored: 12,
  signed: false,
  pixelKind: 'integer',
  samplesPerPixel: 1,
  modality: 'MR',
  voiTable: null,
  modalityTable: null,
  ...changes,
});

t.test('the picture range is the VOI window of the file in the units of the values', async (t) => {
  const ct = header({ window: [{ center: 40, width: 400 }], rescale: { slope: 2, intercept: -1024 } });
  t.strictSame(pictureRange(ct, 'rescaled'), { windows: [{ low: -160, high: 239 }], inverted: false });
  t.strictSame(pictureRange(ct, 'stored'), { windows: [{ low: 432, high: 631.5 }], inverted: false });
  t.strictSame(pictureRange(ct, 'windowed'), { windows: [{ low: 0, high: 1 }], inverted: false });
});

t.test('a CT without a window shows soft tissue, other images their own values', async (t) => {
  const rescale = { slope: 1, intercept: -1024 };
  t.strictSame(pictureRange(header({ modality: 'CT', rescale }), 'rescaled'), {
    windows: [{ low: -160, high: 240 }],
    inverted: false,
  });
  t.strictSame(pictureRange(header({ modality: 'CT', rescale }), 'stored').windows, [
    { low: 864, high: 1264 },
  ]);
  t.strictSame(pictureRange(header(), 'rescaled'), { windows: [], inverted: false });
  t.strictSame(pictureRange(header({ modality: 'CT', samplesPerPixel: 3, photometric: 'RGB' }), 'rescaled'), {
    windows: [],
    inverted: false,
  });
});

t.test('MONOCHROME1 is inverted, once', async (t) => {
  const inverted = header({ photometric: 'MONOCHROME1', window: [{ center: 100.5, width: 101 }] });
  t.strictSame(pictureRange(inverted, 'rescaled'), { windows: [{ low: 50, high: 150 }], inverted: true });
  t.strictSame(pictureRange(inverted, 'windowed'), { windows: [{ low: 0, high: 1 }], inverted: false });
  const falling = { ...inverted, rescale: { slope: -1, intercept: 4095 } };
  t.strictSame(pictureRange(falling, 'stored'), { windows: [{ low: 3945, high: 4045 }], inverted: false });
});

t.test('a grey is the same whichever values it is drawn from', async (t) => {
  const stored = Uint16Array.from([0, 300, 864, 900, 1000, 1064, 1264, 2000, 4095]);
  for (const changes of [
    { modality: 'CT' },
    { modality: 'CT', photometric: 'MONOCHROME1' },
    { window: [{ center: 40, width: 400 }] },
    { photometric: 'MONOCHROME1', window: [{ center: 40, width: 400 }] },
  ]) {
    const image = header({ rescale: { slope: 1, intercept: -1024 }, ...changes });
    const greys = (values: 'stored' | 'rescaled' | 'windowed') => {
      const { windows, inverted } = pictureRange(image, values);
      const [window] = windows;
      const shown =
        values === 'windowed'
          ? windowValues(stored, image)
          : Float64Array.from(stored, (value) => (values === 'stored' ? value : value - 1024));
      return Array.from(shown, (value) => {
        const share = Math.min(1, Math.max(0, (value - window!.low) / (window!.high - window!.low)));
        return Math.round(1e6 * (inverted ? 1 - share : share));
      });
    };
    t.strictSame(greys('rescaled'), greys('windowed'), JSON.stringify(changes));
    t.strictSame(greys('stored'), greys('windowed'), JSON.stringify(changes));
  }
});
