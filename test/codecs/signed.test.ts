import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import t from 'tap';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';
import { encodeFrame, encodeXl } from '../fixtures/encoders.js';
import { decodeFrame, readImageFile } from '../fixtures/image-files.js';
import { extendedJpeg, losslessJpeg } from '../fixtures/jpeg-writer.js';
import { temporaryFolder } from '../helper.js';

const folder = temporaryFolder(t);
const SYNTAX = '1.2.840.10008.1.2';
const SIZE = { rows: 8, columns: 8 };
const eightTimes = (row: readonly number[]): number[] => Array.from({ length: 64 }, (_, at) => row[at % 8]!);
const VALUES = eightTimes([-2048, -2047, -1000, -1, 0, 1, 1000, 2047]);
/** The same as they are stored: a sign of 12 bits, nothing above. */
const CODED = eightTimes([0x800, 0x801, 0xc18, 0xfff, 0, 1, 1000, 0x7ff]);
const SIGNED = { ...SIZE, bitsAllocated: 16, bitsStored: 12, signed: true };

async function read(image: ImageOptions, transferSyntax: string): Promise<[number[], string[]]> {
  writeFileSync(join(folder, 'a.dcm'), writePart10(imageElements(image), { transferSyntax }));
  const { values, notes = [] } = await decodeFrame(readImageFile(folder, 'a.dcm'), 0);
  return [Array.from(values), notes.map(({ detail }) => detail)];
}

const framed = (frame: Uint8Array, end: string) => read({ ...SIGNED, pixels: { frames: [[frame]] } }, end);

/** The bytes of 16-bit words, the high ones first, each run of them an RLE segment without repetition. */
function rle(words: Uint16Array): Uint8Array {
  const segment = (bytes: number[]) => [bytes.length - 1, ...bytes, 0x80];
  const high = segment(Array.from(words, (word) => word >> 8));
  const low = segment(Array.from(words, (word) => word & 0xff));
  const head = Uint32Array.of(2, 64, 64 + high.length, ...new Array(13).fill(0));
  return Uint8Array.from([...new Uint8Array(head.buffer), ...high, ...low]);
}

t.test('signed samples of 12 bits are read with their sign in encodings that do not tell one', async (t) => {
  const coded = Uint16Array.from(CODED);
  const bytes = new Uint8Array(coded.buffer);
  const image = { ...SIZE, bits: 12 };
  const frames: [string, Uint8Array][] = [
    ['.4.80', await encodeFrame('JPEG-LS', image, coded)],
    ['.4.81', await encodeFrame('JPEG-LS', image, coded)],
    ['.4.57', losslessJpeg(12, 8, CODED)],
    ['.4.70', losslessJpeg(12, 8, CODED)],
    ['.4.90', await encodeFrame('JPEG 2000', image, coded)],
    ['.4.91', await encodeFrame('JPEG 2000', image, coded)],
    ['.4.201', await encodeFrame('HTJ2K', image, coded)],
    ['.5', rle(coded)],
    ['.1.98', bytes],
    ['.8.1', deflateRawSync(bytes)],
  ];
  for (const [end, frame] of frames) t.strictSame(await framed(frame, `${SYNTAX}${end}`), [VALUES, []], end);
  // Its encoder makes 16 bits of them.
  const [values] = await framed(await encodeXl(image, coded), `${SYNTAX}.4.110`);
  t.strictSame(values, VALUES, 'JPEG XL');
});

t.test('signed samples of 12 bits, native in every byte order', async (t) => {
  for (const transferSyntax of [SYNTAX, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED]) {
    const image = { ...SIGNED, pixels: Uint16Array.from(CODED) };
    t.strictSame(await read(image, transferSyntax), [VALUES, []], transferSyntax);
  }
});

t.test('signed samples whose codestream has a sign, or 16 bits with the sign extended', async (t) => {
  const words = Int16Array.from(VALUES);
  const deeper = 'the compressed image has samples of 16 bits, BitsStored says 12';
  for (const [kind, end] of [
    ['JPEG 2000', '.4.90'],
    ['HTJ2K', '.4.201'],
  ] as const) {
    const frame = await encodeFrame(kind, { ...SIZE, bits: 12, signed: true }, words);
    t.strictSame(await framed(frame, `${SYNTAX}${end}`), [VALUES, []], kind);
    const wide = await encodeFrame(kind, { ...SIZE, bits: 16, signed: true }, words);
    t.strictSame(await framed(wide, `${SYNTAX}${end}`), [VALUES, [deeper]], `${kind}, 16 bits`);
  }
  const unsigned = Uint16Array.from(words, (value) => value & 0xffff);
  for (const bits of [12, 16])
    t.strictSame(
      await framed(
        await encodeFrame('JPEG-LS', { ...SIZE, bits }, bits === 12 ? Uint16Array.from(CODED) : unsigned),
        `${SYNTAX}.4.80`,
      ),
      [VALUES, bits === 12 ? [] : [deeper]],
      `JPEG-LS, ${bits} bits`,
    );
  const wide = Array.from(unsigned);
  t.strictSame(
    await framed(losslessJpeg(16, 8, wide), `${SYNTAX}.4.70`),
    [VALUES, [deeper]],
    'lossless JPEG',
  );
});

t.test('a signed lossy JPEG image of 12 bits has its sign too', async (t) => {
  for (const [sample, value] of [
    [4095, -1],
    [2048, -2048],
    [2047, 2047],
    [5, 5],
  ] as const) {
    const image = { ...SIGNED, pixels: { frames: [[extendedJpeg(sample)]] } };
    t.strictSame(await read(image, `${SYNTAX}.4.51`), [Array(64).fill(value), []], `${value}`);
  }
});

t.test(
  'where BitsStored is more than the codestream has, the sign is the codestream’s highest bit',
  async (t) => {
    const frame = await encodeFrame('JPEG-LS', { ...SIZE, bits: 12 }, Uint16Array.from(CODED));
    const image = { ...SIGNED, bitsStored: 16, pixels: { frames: [[frame]] } };
    const fewer = 'the compressed image has samples of 12 bits, BitsStored says 16';
    t.strictSame(await read(image, `${SYNTAX}.4.80`), [VALUES, [fewer]]);
  },
);

t.test('an unsigned lossy image may be over BitsStored and never wraps', async (t) => {
  const over = Uint16Array.from(eightTimes([4090, 4095, 4097, 4100, 0, 1, 2, 3]));
  const image = { ...SIGNED, signed: false };
  const encoded = await encodeFrame('JPEG-LS', { ...SIZE, bits: 16 }, over);
  const [values] = await read({ ...image, pixels: { frames: [[encoded]] } }, `${SYNTAX}.4.81`);
  t.strictSame(values, Array.from(over));
  const wavelet = await encodeFrame('JPEG 2000', { ...SIZE, bits: 16 }, over, (encoder) =>
    encoder.setQuality(false, 1),
  );
  const [lossy] = await read({ ...image, pixels: { frames: [[wavelet]] } }, `${SYNTAX}.4.91`);
  t.ok(lossy.every((value, at) => Math.abs(value - over[at]!) < 100));
});
