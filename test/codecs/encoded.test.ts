import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { DecodedFrame } from '../../src/codecs/codec.js';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { writePart10 } from '../../src/demo/part10.js';
import { type Encoded, encodeFrame, encodeXl } from '../fixtures/encoders.js';
import { byPixel, decodeFrame, readImageFile } from '../fixtures/image-files.js';
import { temporaryFolder } from '../helper.js';

const SIZE = { rows: 21, columns: 34 };
const folder = temporaryFolder(t);

const ARRAYS = { 8: [Uint8Array, Int8Array], 16: [Uint16Array, Int16Array] } as const;

/** Every value from the least to the greatest of so many bits, up and down over the image. */
function samplesOf({ rows, columns, bits, signed = false, channels = 1 }: Encoded) {
  const Values: { from(numbers: number[]): Uint8Array | Int8Array | Uint16Array | Int16Array } =
    ARRAYS[bits > 8 ? 16 : 8][Number(signed)]!;
  const count = rows * columns * channels;
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const numbers = Array.from({ length: count }, (_, at) => {
    const share = at % channels === 1 ? 1 - at / (count - 1) : at / (count - 1);
    return low + Math.round(share * (2 ** bits - 1));
  });
  return Values.from(numbers);
}

/** A frame in a file of its own, read and decoded as a loader does. */
async function decoded(
  frame: Uint8Array,
  transferSyntax: string,
  image: Partial<ImageOptions>,
): Promise<DecodedFrame> {
  const elements = imageElements({ ...SIZE, ...image, pixels: { frames: [[frame]] } });
  writeFileSync(join(folder, 'a.dcm'), writePart10(elements, { transferSyntax }));
  return decodeFrame(readImageFile(folder, 'a.dcm'), 0);
}

function described({ bits, signed = false, channels = 1 }: Encoded): Partial<ImageOptions> {
  return { bitsAllocated: bits > 8 ? 16 : 8, bitsStored: bits, signed, samplesPerPixel: channels };
}

t.test('JPEG 2000: every depth up to 16 bits, with a sign and without', async (t) => {
  for (const bits of [2, 7, 8, 9, 12, 15, 16])
    for (const signed of [false, true]) {
      const image = { ...SIZE, bits, signed };
      const samples = samplesOf(image);
      const frame = await encodeFrame('JPEG 2000', image, samples);
      const { values, notes } = await decoded(frame, '1.2.840.10008.1.2.4.90', described(image));
      t.strictSame(values, samples, `${bits} bits${signed ? ', signed' : ''}`);
      t.strictSame(notes, []);
    }
});

t.test('JPEG 2000: colour, tiles, a progression', async (t) => {
  const image = { ...SIZE, bits: 8, channels: 3 as const };
  const samples = samplesOf(image);
  for (const adjust of [
    () => {},
    (encoder) => encoder.setTileSize({ width: 16, height: 8 }),
    (encoder) => encoder.setProgressionOrder(2),
  ] satisfies Parameters<typeof encodeFrame>[3][]) {
    const frame = await encodeFrame('JPEG 2000', image, samples, adjust);
    t.strictSame(byPixel(await decoded(frame, '1.2.840.10008.1.2.4.90', described(image))), samples);
  }
});

t.test('JPEG 2000: an end that is missing is added, one that is cut off is not', async (t) => {
  const image = { ...SIZE, bits: 12 };
  const samples = samplesOf(image);
  const frame = await encodeFrame('JPEG 2000', image, samples);
  const uid = '1.2.840.10008.1.2.4.90';
  const { values, notes } = await decoded(frame.subarray(0, -2), uid, described(image));
  t.strictSame(values, samples);
  t.match(notes, [{ code: 'PIXELS_DAMAGED' }]);
  const padded = Uint8Array.from([...frame, ...new Uint8Array(99)]);
  t.strictSame((await decoded(padded, uid, described(image))).notes, []);
  for (const cut of [3, 40, 200])
    await t.rejects(decoded(frame.subarray(0, -cut), uid, described(image)), { name: 'PixelError' });
});

t.test('JPEG 2000: more than 16 bits are refused by name', async (t) => {
  const image = { ...SIZE, bits: 16 };
  const frame = await encodeFrame('JPEG 2000', image, samplesOf(image));
  const refused = { code: 'PIXELS_UNSUPPORTED', message: 'samples of 20 bits; JPEG 2000 is read up to 16' };
  const deep = { bitsAllocated: 32, bitsStored: 20 };
  await t.rejects(decoded(frame, '1.2.840.10008.1.2.4.90', deep), refused);
  // The depth of the codestream counts too.
  frame[42] = 19;
  await t.rejects(decoded(frame, '1.2.840.10008.1.2.4.90', { ...deep, bitsStored: 16 }), refused);
});

t.test('JPEG 2000: single bits', async (t) => {
  const image = { ...SIZE, bits: 1 };
  const samples = Uint8Array.from({ length: SIZE.rows * SIZE.columns }, (_, at) => Number(at % 3 === 0));
  const frame = await encodeFrame('JPEG 2000', image, samples);
  const found = await decoded(frame, '1.2.840.10008.1.2.4.90', { bitsAllocated: 1, bitsStored: 1 });
  t.strictSame(found.values, samples);
});

t.test('HTJ2K: all three transfer syntaxes, depths, signs and colour', async (t) => {
  for (const end of ['201', '202', '203'])
    for (const image of [
      { ...SIZE, bits: 8 },
      { ...SIZE, bits: 8, signed: true },
      { ...SIZE, bits: 12 },
      { ...SIZE, bits: 16, signed: true },
      { ...SIZE, bits: 8, channels: 3 },
    ] satisfies Encoded[]) {
      const samples = samplesOf(image);
      // RPCL is the order that 202 asks for.
      const frame = await encodeFrame('HTJ2K', image, samples, (encoder) => encoder.setProgressionOrder(2));
      const found = await decoded(frame, `1.2.840.10008.1.2.4.${end}`, described(image));
      t.strictSame(byPixel(found), samples, `${end}: ${JSON.stringify(image)}`);
    }
});

t.test('JPEG-LS: every depth, and near-lossless within its error', async (t) => {
  for (const bits of [2, 5, 8, 10, 12, 16]) {
    const image = { ...SIZE, bits };
    const samples = samplesOf(image);
    const frame = await encodeFrame('JPEG-LS', image, samples);
    const { values } = await decoded(frame, '1.2.840.10008.1.2.4.80', described(image));
    t.strictSame(values, samples, `${bits} bits`);
    const near = await encodeFrame('JPEG-LS', image, samples, (encoder) => encoder.setNearLossless(1));
    const lossy = await decoded(near, '1.2.840.10008.1.2.4.81', described(image));
    t.ok(lossy.values.every((value, at) => Math.abs(value - samples[at]!) <= 1));
  }
});

t.test('JPEG-LS: an end that is missing is added, one that is cut off is not', async (t) => {
  const image = { ...SIZE, bits: 12 };
  const samples = samplesOf(image).map((value, at) => value ^ ((at * 37) % 64));
  const frame = await encodeFrame('JPEG-LS', image, samples);
  const uid = '1.2.840.10008.1.2.4.80';
  const { values, notes } = await decoded(frame.subarray(0, -2), uid, described(image));
  t.strictSame(values, samples);
  t.match(notes, [{ code: 'PIXELS_DAMAGED' }]);
  const padded = Uint8Array.from([...frame, ...new Uint8Array(99)]);
  t.strictSame((await decoded(padded, uid, described(image))).notes, []);
  for (const cut of [60, 200])
    await t.rejects(decoded(frame.subarray(0, -cut), uid, described(image)), { name: 'PixelError' });
});

t.test('a compressed image whose sign is not the header’s', async (t) => {
  const image = { ...SIZE, bits: 12, signed: true };
  const samples = samplesOf(image);
  const frame = await encodeFrame('JPEG 2000', image, samples);
  const uid = '1.2.840.10008.1.2.4.90';
  await t.rejects(decoded(frame, uid, { ...described(image), signed: false }), {
    code: 'PIXELS_UNSUPPORTED',
    message: 'the compressed image has negative values, the header says unsigned',
  });
  const positive = samples.map((value) => Math.abs(value) & 0x7ff);
  const harmless = await encodeFrame('JPEG 2000', image, positive);
  const { values, notes } = await decoded(harmless, uid, { ...described(image), signed: false });
  t.strictSame(Array.from(values), Array.from(positive));
  t.match(notes, [{ code: 'HEADER_REPAIRED' }]);
});

const XL = '1.2.840.10008.1.2.4.110';

t.test('JPEG XL: lossless grey and colour of 8 and 16 bits, lossy ones near', async (t) => {
  for (const image of [
    { ...SIZE, bits: 8 },
    { ...SIZE, bits: 16 },
    { ...SIZE, bits: 8, channels: 3 },
    { ...SIZE, bits: 16, channels: 3 },
  ] satisfies Encoded[]) {
    const samples = samplesOf(image);
    const found = await decoded(await encodeXl(image, samples), XL, described(image));
    t.strictSame(byPixel(found), samples, JSON.stringify(image));
    t.strictSame(found.notes, []);
  }
  const image = { ...SIZE, bits: 8 };
  const samples = samplesOf(image);
  const lossy = await encodeXl(image, samples, true);
  const { values } = await decoded(lossy, '1.2.840.10008.1.2.4.112', described(image));
  t.ok(values.every((value, at) => Math.abs(value - samples[at]!) <= 8));
});

t.test(
  'JPEG XL: another size, another depth, a cut or noise is an error before anything is made of it',
  async (t) => {
    const image = { ...SIZE, bits: 8 };
    const frame = await encodeXl(image, samplesOf(image));
    const as = (bytes: Uint8Array, changes: Partial<ImageOptions> = {}) =>
      decoded(bytes, XL, { ...described(image), ...changes });
    await t.rejects(as(frame, { rows: 20 }), { code: 'PIXELS_LONG', message: /21 rows of 34/ });
    await t.rejects(as(frame, { rows: 34, columns: 21 }), { name: 'PixelError', message: /21 rows of 34/ });
    await t.rejects(as(frame, { samplesPerPixel: 3 }), { name: 'PixelError' });
    for (const cut of [1, 3, 20, frame.length - 20, frame.length - 1])
      await t.rejects(as(frame.subarray(0, cut)), { name: 'PixelError' }, `${cut} bytes`);
    await t.rejects(as(new Uint8Array(64).fill(0xff)), { code: 'PIXELS_SHORT' });
    t.strictSame((await as(frame)).values, samplesOf(image), 'and after all of them a good one is good');
  },
);
