import t from 'tap';
import { DEFAULT_LIMITS, type ImageHeader, readHeader } from '../../src/core/dicom.js';
import { headerOfFrame } from '../../src/core/dicom-frames.js';
import { autoDtype, declaredRange } from '../../src/core/pixels.js';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { type Element, EXPLICIT_LITTLE, IMPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';

const SMALL: ImageOptions = { rows: 1, columns: 2, pixels: Uint16Array.of(1, 2) };
const RT_DOSE = '1.2.840.10008.5.1.4.1.1.481.2';
const UNUSABLE_DOSE = 'the dose grid has no usable DoseGridScaling; values are not in units of dose';
const OTHER_MAPPING = 'a real-world value mapping gives other values than the rescale, which is used';

function read(image: Partial<ImageOptions>, transferSyntax = EXPLICIT_LITTLE) {
  const bytes = writePart10(imageElements({ ...SMALL, ...image }), { transferSyntax });
  const found = readHeader(bytes, bytes.length, DEFAULT_LIMITS);
  if (found.kind !== 'header') throw new Error(JSON.stringify(found));
  return found;
}

const header = (image: Partial<ImageOptions>, transferSyntax?: string): ImageHeader =>
  read(image, transferSyntax).header;
const details = ({ notes }: ImageHeader): string[] => notes.map(({ detail }) => detail);
const element = (tag: string, vr: string, value: Element['value']): Element => ({ tag, vr, value });
const sq = (tag: string, ...items: Element[][]): Element => element(tag, 'SQ', items);

t.test('a dose grid is scaled by DoseGridScaling', async (t) => {
  const dose = (value: string, more: Partial<ImageOptions> = {}) =>
    header({
      sopClassUid: RT_DOSE,
      modality: 'RTDOSE',
      pixels: Uint32Array.of(8900, 1),
      extra: [element('3004000e', 'DS', value)],
      ...more,
    });
  const scaled = dose('0.0025');
  t.strictSame([scaled.rescale, details(scaled)], [{ slope: 0.0025, intercept: 0 }, []]);
  t.equal(autoDtype([declaredRange(scaled, 'rescaled')]), 'float32');
  t.equal(autoDtype([declaredRange(dose('2', { pixels: Uint16Array.of(1, 2) }), 'rescaled')]), 'int32');
  const both = dose('0.5', { rescaleSlope: 3 });
  t.strictSame(
    [both.rescale, details(both)],
    [{ slope: 0.5, intercept: 0 }, ['the dose grid has a rescale beside DoseGridScaling, which is used']],
  );
  for (const bad of ['', '0', '0,0025']) {
    const plain = dose(bad);
    t.strictSame([plain.rescale, details(plain)], [{ slope: 1, intercept: 0 }, [UNUSABLE_DOSE]], bad);
  }
  t.strictSame(dose('', { rescaleSlope: 3 }).rescale, { slope: 3, intercept: 0 });
  const other = header({ modality: 'CT', extra: [element('3004000e', 'DS', '0.5')] });
  t.strictSame(other.rescale, { slope: 1, intercept: 0 }, 'of no other image');
});

t.test('a real-world value mapping that differs from the rescale is reported', async (t) => {
  const mapping = (slope: number, intercept: number, ...more: Element[]) =>
    sq('00409096', [
      element('00409224', 'FD', intercept),
      element('00409225', 'FD', slope),
      sq('004008ea', [element('00080100', 'SH', 'mm2/s')]),
      ...more,
    ]);
  const withMapping = (item: Element) => header({ rescaleSlope: 2, rescaleIntercept: -5, extra: [item] });
  const same = withMapping(mapping(2, -5));
  t.strictSame([same.rescale, details(same)], [{ slope: 2, intercept: -5 }, []]);
  for (const other of [
    mapping(0.001, -5),
    mapping(2, 0),
    mapping(2, -5, element('00409212', 'FD', [1, 2, 3])),
  ]) {
    const told = withMapping(other);
    t.strictSame([told.rescale, details(told)], [{ slope: 2, intercept: -5 }, [OTHER_MAPPING]]);
  }
  const frames = { rows: 1, frames: 2, pixels: new Uint16Array(4) };
  const perFrame = sq('52009230', [mapping(1, 0)], [mapping(3, 0)]);
  t.strictSame(
    details(header({ ...frames, extra: [perFrame] })),
    [OTHER_MAPPING],
    'of the second frame alone',
  );
  const shared = sq('52009229', [mapping(1, 0)]);
  t.strictSame(details(header({ ...frames, extra: [shared, sq('52009230', [], [])] })), []);
});

t.test('private scalings of Philips are reported unless another creator owns the elements', async (t) => {
  const mr = element('2005100e', 'FL', 0.0123);
  const pet = element('70531009', 'DS', '1.5');
  const told = [
    details(header({ extra: [element('20050010', 'LO', 'Philips MR Imaging DD 001'), mr] })),
    details(header({ extra: [mr] }, IMPLICIT_LITTLE)),
    details(header({ extra: [element('70530010', 'LO', 'Philips PET Private Group'), pet] })),
    details(header({ extra: [element('20050010', 'LO', 'ACME'), mr] })),
  ];
  t.match(told, [[/\(2005,xx0E\)/], [/\(2005,xx0E\)/], [/\(7053,xx09\)/], []]);
  t.strictSame(
    told.map(({ length }) => length),
    [1, 1, 1, 0],
  );
  const [slope, factor] = [element('2005110e', 'FL', 0.0123), element('7053fe00', 'DS', '1.5')];
  const other = element('20050010', 'LO', 'ACME');
  const moved = [
    details(header({ extra: [other, element('20050011', 'LO', 'Philips MR Imaging DD 001'), slope] })),
    details(header({ extra: [element('705300fe', 'LO', 'Philips PET Private Group'), factor] })),
    details(header({ extra: [other, element('20050011', 'LO', 'Philips MR Imaging DD 005'), slope] })),
    details(header({ extra: [element('20050012', 'LO', 'Philips MR Imaging DD 001'), slope] })),
    details(header({ extra: [slope] })),
  ];
  t.match(moved, [[/\(2005,xx0E\)/], [/\(7053,xx09\)/], [], [], []], 'in a block that its creator reserves');
  t.strictSame(
    moved.map(({ length }) => length),
    [1, 1, 0, 0, 0],
  );
});

t.test('padding is the stored value that it stands for, however it is written', async (t) => {
  const padded = (image: Partial<ImageOptions>, vr: string, value: number | string, syntax?: string) => {
    const found = header({ ...image, extra: [element('00280120', vr, value)] }, syntax);
    return [found.paddingValue, details(found).length];
  };
  const signed = { pixels: Int16Array.of(1, 2) };
  for (const [image, vr, value, expected] of [
    [signed, 'US', 63_536, -2000],
    [signed, 'SS', -2000, -2000],
    [signed, 'IS', '-2000', -2000],
    [signed, 'DS', '63536', -2000],
    [signed, 'UL', 63_536, -2000],
    [{ ...signed, bitsStored: 12 }, 'US', 0x800, -2048],
    [{ ...signed, bitsStored: 12 }, 'US', 63_536, -2000],
    [{}, 'US', 63_536, 63_536],
    [{}, 'SS', -2000, 63_536],
    [{ bitsStored: 12 }, 'US', 4095, 4095],
    [{ pixels: Int8Array.of(1, 2) }, 'US', 0xff80, -128],
    [{ pixels: Int8Array.of(1, 2) }, 'US', 0x80, -128],
    [{ pixels: Int32Array.of(1, 2) }, 'SS', -2000, -2000],
  ] as const)
    t.strictSame(padded(image, vr, value), [expected, 0], `${vr} ${value}`);
  t.strictSame(padded(signed, 'SS', -2000, IMPLICIT_LITTLE), [-2000, 0]);
  t.strictSame(padded({ bitsStored: 12 }, 'US', 5000), [null, 1], 'a value that no sample has is told');
  const range = header({ ...signed, extra: [us('00280120', 63_536), us('00280121', 0xffff)] });
  t.strictSame([range.paddingValue, range.paddingLimit], [-2000, -1]);
  const float = header({
    pixels: Float32Array.of(1, 2),
    extra: [element('00280122', 'FL', -9.5), element('00280124', 'FL', -9)],
  });
  t.strictSame([float.paddingValue, float.paddingLimit], [-9.5, -9]);
  const double = header({ pixels: Float64Array.of(1, 2), extra: [element('00280123', 'FD', 0.1)] });
  t.strictSame([double.paddingValue, double.paddingLimit], [0.1, null]);
  const rgb = { samplesPerPixel: 3, pixels: new Uint8Array(6) };
  t.strictSame(padded(rgb, 'US', 0), [null, 0], 'colour has none');
});

t.test('a window that is no number is reported', async (t) => {
  const found = header({ extra: [element('00281050', 'DS', '40,5'), element('00281051', 'DS', '400')] });
  t.strictSame(
    [found.window, details(found)],
    [[], ['a window center or width is no number; that window is left out']],
  );
});

t.test('each frame of a PET volume has the slope of its own', async (t) => {
  const scaled = (slope: string) => [
    sq('00289145', [element('00281052', 'DS', '0'), element('00281053', 'DS', slope)]),
  ];
  const found = read({
    frames: 2,
    pixels: new Uint16Array(4),
    extra: [sq('52009230', scaled('0.5'), scaled('0.75'))],
  });
  t.strictSame(
    [0, 1].map((frame) => headerOfFrame(found.header, found.frames, frame).rescale.slope),
    [0.5, 0.75],
  );
});

function us(tag: string, value: number): Element {
  return element(tag, 'US', value);
}
