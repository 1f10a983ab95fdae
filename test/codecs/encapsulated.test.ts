import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import t from 'tap';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';
import { decodeFrame, readImageFile } from '../fixtures/image-files.js';
import { temporaryFolder } from '../helper.js';

const RLE = '1.2.840.10008.1.2.5';

type T = Parameters<typeof temporaryFolder>[0];

/** The values of each frame of an image that is written and read again. */
async function roundTrip(t: T, image: ImageOptions, transferSyntax: string): Promise<number[][]> {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'a.dcm'), writePart10(imageElements(image), { transferSyntax }));
  const read = readImageFile(folder, 'a.dcm');
  const values: number[][] = [];
  for (let frame = 0; frame < read.header.frames; frame++)
    values.push(Array.from((await decodeFrame(read, frame)).values));
  return values;
}

/** An RLE frame of these segments. */
function rle(...segments: number[][]): Uint8Array {
  const head = new Uint32Array(16);
  head[0] = segments.length;
  let at = 64;
  segments.forEach((segment, i) => {
    head[i + 1] = at;
    at += segment.length;
  });
  return Uint8Array.from([...new Uint8Array(head.buffer), ...segments.flat()]);
}

t.test('RLE: runs, copies and a no-op; the high bytes first', async (t) => {
  const size = { rows: 1, columns: 4, bitsAllocated: 16 };
  const high = [253, 1];
  const low = [1, 5, 6, 128, 255, 7];
  const pixels = { frames: [[rle(high, low)]] };
  t.strictSame(await roundTrip(t, { ...size, pixels }, RLE), [[0x105, 0x106, 0x107, 0x107]]);
});

t.test('RLE: colour by plane, several frames, a frame in two fragments', async (t) => {
  const size = { rows: 1, columns: 2, samplesPerPixel: 3, bitsAllocated: 8, frames: 2 };
  const whole = rle([255, 1], [255, 2], [1, 3, 4]);
  const pixels = { frames: [[whole], [whole.slice(0, 64), whole.slice(64)]] };
  t.strictSame(await roundTrip(t, { ...size, pixels }, RLE), [
    [1, 1, 2, 2, 3, 4],
    [1, 1, 2, 2, 3, 4],
  ]);
});

t.test('RLE: too few samples are an error, too few segments too', async (t) => {
  const size = { rows: 1, columns: 4, bitsAllocated: 8 };
  const of = (...segments: number[][]) => ({ ...size, pixels: { frames: [[rle(...segments)]] } });
  await t.rejects(roundTrip(t, of([254, 1]), RLE), { code: 'PIXELS_SHORT' });
  await t.rejects(roundTrip(t, of(), RLE), { code: 'PIXELS_SHORT' });
  await t.rejects(roundTrip(t, of([253, 1], [253, 1]), RLE), { code: 'PIXELS_UNSUPPORTED' });
});

t.test('encapsulated uncompressed and deflated frames', async (t) => {
  const size = { rows: 1, columns: 3, bitsAllocated: 8, frames: 2 };
  const [a, b] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5, 6)];
  const expected = [
    [1, 2, 3],
    [4, 5, 6],
  ];
  t.strictSame(
    await roundTrip(t, { ...size, pixels: { frames: [[a], [b]] } }, '1.2.840.10008.1.2.1.98'),
    expected,
  );
  const deflated = { frames: [[deflateRawSync(a)], [deflateRawSync(b)]] };
  t.strictSame(await roundTrip(t, { ...size, pixels: deflated }, '1.2.840.10008.1.2.8.1'), expected);
  const bomb = { frames: [[deflateRawSync(new Uint8Array(1_000_000))], [deflateRawSync(b)]] };
  await t.rejects(roundTrip(t, { ...size, pixels: bomb }, '1.2.840.10008.1.2.8.1'), { code: 'PIXELS_LONG' });
});

t.test('a deflated data set, its header too', async (t) => {
  const pixels = Int16Array.of(-1, 2, 3, -4, 5, 6);
  const image = { rows: 1, columns: 3, frames: 2, pixels };
  t.strictSame(await roundTrip(t, image, DEFLATED), [
    [-1, 2, 3],
    [-4, 5, 6],
  ]);
});

t.test('big-endian words of 16 and 32 bits, and floats', async (t) => {
  const size = { rows: 1, columns: 2 };
  for (const pixels of [
    Int16Array.of(-2, 300),
    Uint32Array.of(70_000, 1),
    Float32Array.of(0.5, -1),
    Float64Array.of(0.1, 2),
  ])
    t.strictSame(await roundTrip(t, { ...size, pixels }, EXPLICIT_BIG), [Array.from(pixels)]);
});

t.test('single bits: frames share a byte', async (t) => {
  // 3 pixels a frame: bits 0-2, 3-5 and 6-8.
  const image = {
    rows: 1,
    columns: 3,
    frames: 3,
    bitsAllocated: 1,
    pixels: Uint8Array.of(0b10_011_101, 0b1),
  };
  t.strictSame(await roundTrip(t, image, EXPLICIT_LITTLE), [
    [1, 0, 1],
    [1, 1, 0],
    [0, 1, 1],
  ]);
});

t.test('samples of 12 bits, two in three bytes', async (t) => {
  const image = { rows: 1, columns: 2, bitsAllocated: 12, pixels: Uint8Array.of(0x23, 0x61, 0x45) };
  t.strictSame(await roundTrip(t, image, EXPLICIT_LITTLE), [[0x123, 0x456]]);
});

t.test('4:2:2: two pixels share their chroma; unfolded pixel data keeps its own', async (t) => {
  const image = { rows: 1, columns: 2, samplesPerPixel: 3, photometric: 'YBR_FULL_422' };
  const shared = { ...image, pixels: Uint8Array.of(1, 2, 3, 4) };
  t.strictSame(await roundTrip(t, shared, EXPLICIT_LITTLE), [[1, 2, 3, 3, 4, 4]]);
  const unfolded = { ...image, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) };
  t.strictSame(await roundTrip(t, unfolded, EXPLICIT_LITTLE), [[1, 4, 2, 5, 3, 6]]);
});
