import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { writePart10 } from '../../src/demo/part10.js';
import { encodeFrame } from '../fixtures/encoders.js';
import { decodeFrame, readImageFile } from '../fixtures/image-files.js';
import { temporaryFolder } from '../helper.js';

const JPEG_LS = '1.2.840.10008.1.2.4.80';
const SIZE = { rows: 16, columns: 16 };
const SAMPLES = Uint8Array.from({ length: 256 }, (_, at) => (at * 7) % 256);
const FRAME = await encodeFrame('JPEG-LS', { ...SIZE, bits: 8 }, SAMPLES);
const folder = temporaryFolder(t);

function file(image: Partial<ImageOptions> = {}, transferSyntax = JPEG_LS): Buffer {
  const elements = imageElements({ ...SIZE, bitsAllocated: 8, pixels: { frames: [[FRAME]] }, ...image });
  return Buffer.from(writePart10(elements, { transferSyntax }));
}

/** The values of a file's frame and everything that was said of it. */
async function read(bytes: Uint8Array): Promise<{ values: number[]; codes: string[] }> {
  writeFileSync(join(folder, 'a.dcm'), bytes);
  const image = readImageFile(folder, 'a.dcm');
  const { values, notes = [] } = await decodeFrame(image, 0);
  const codes = [...image.header.notes, ...notes].filter(({ detail }) => !detail.includes('UID'));
  return { values: Array.from(values), codes: codes.map(({ code }) => code) };
}

const PIXELS = Buffer.of(0xe0, 0x7f, 0x10, 0x00);
const ITEM = Buffer.of(0xfe, 0xff, 0x00, 0xe0);
const END = Buffer.of(0xfe, 0xff, 0xdd, 0xe0);

t.test('fragments without the item of an offset table', async (t) => {
  const bytes = file();
  const table = bytes.indexOf(ITEM, bytes.indexOf(PIXELS));
  const length = bytes.readUInt32LE(table + 4);
  const without = Buffer.concat([bytes.subarray(0, table), bytes.subarray(table + 8 + length)]);
  t.strictSame(await read(without), { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] });
});

t.test('fragments in a length of their own', async (t) => {
  const bytes = file();
  const at = bytes.indexOf(PIXELS);
  bytes.writeUInt32LE(bytes.length - at - 12, at + 8);
  t.strictSame(await read(bytes), { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] });
});

t.test('something that is no fragment behind the last one, and no end at all', async (t) => {
  const bytes = file();
  const end = bytes.lastIndexOf(END);
  const more = Buffer.concat([bytes.subarray(0, end), Buffer.from('garbage!'), bytes.subarray(end)]);
  t.strictSame(await read(more), { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] });
  t.strictSame(await read(bytes.subarray(0, end)), { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] });
});

t.test('a frame of another encoding than the file says is read as what it is', async (t) => {
  for (const end of ['50', '57', '70', '90', '201'])
    t.strictSame(await read(file({}, `1.2.840.10008.1.2.4.${end}`)), {
      values: [...SAMPLES],
      codes: ['TRANSFER_SYNTAX_ODD'],
    });
  const codestream = await encodeFrame('JPEG 2000', { ...SIZE, bits: 8 }, SAMPLES);
  t.strictSame(await read(file({ pixels: { frames: [[codestream]] } })), {
    values: [...SAMPLES],
    codes: ['TRANSFER_SYNTAX_ODD'],
  });
});

t.test('a count of frames with a point, and a sequence of unknown VR whose elements have one', async (t) => {
  const element = Buffer.from([0x08, 0, 0x00, 1, ...Buffer.from('SH'), 4, 0, ...Buffer.from('ABCD')]);
  const open = [0x41, 0, 0x01, 0x10, ...Buffer.from('UN'), 0, 0, 255, 255, 255, 255];
  const item = [...ITEM, 255, 255, 255, 255, ...element, 0xfe, 0xff, 0x0d, 0xe0, 0, 0, 0, 0];
  const unknown = Buffer.from([...open, ...item, ...END, 0, 0, 0, 0]);
  const bytes = file({ frames: 1 });
  const at = bytes.indexOf(PIXELS);
  const counted = Buffer.from([0x28, 0, 0x08, 0, ...Buffer.from('IS'), 4, 0, ...Buffer.from('1.0 ')]);
  const plain = bytes.indexOf(Buffer.of(0x28, 0, 0x08, 0));
  const changed = Buffer.concat([
    bytes.subarray(0, plain),
    counted,
    bytes.subarray(plain + 10, at),
    unknown,
    bytes.subarray(at),
  ]);
  t.strictSame(await read(changed), { values: [...SAMPLES], codes: [] });
});

t.test('a last fragment that says it is longer than the file', async (t) => {
  const bytes = file();
  const fragment = bytes.indexOf(ITEM, bytes.indexOf(ITEM, bytes.indexOf(PIXELS)) + 4);
  bytes.writeUInt32LE(bytes.readUInt32LE(fragment + 4) + 1000, fragment + 4);
  t.strictSame(await read(bytes), { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] });
  // Without the end of the fragments nothing tells how much is missing.
  await t.rejects(read(bytes.subarray(0, bytes.lastIndexOf(END))), { code: 'PIXELS_SHORT' });
});

t.test('an empty fragment, and fragments of more frames than the header says', async (t) => {
  const empty = new Uint8Array(0);
  const two = { frames: [[empty, FRAME], [FRAME]], offsetTable: false };
  t.strictSame(await read(file({ frames: 2, pixels: two })), { values: [...SAMPLES], codes: [] });
  const three = { frames: [[FRAME], [FRAME], [FRAME]] };
  t.strictSame(await read(file({ frames: 2, pixels: three })), {
    values: [...SAMPLES],
    codes: ['HEADER_REPAIRED'],
  });
});

t.test('an image that is described behind its pixel data', async (t) => {
  for (const transferSyntax of [JPEG_LS, '1.2.840.10008.1.2.1', '1.2.840.10008.1.2']) {
    const isNative = transferSyntax !== JPEG_LS;
    const bytes = file(isNative ? { pixels: SAMPLES } : {}, transferSyntax);
    const [rows, pixels] = [bytes.indexOf(Buffer.of(0x28, 0, 0x10, 0)), bytes.indexOf(PIXELS)];
    const parts = [bytes.subarray(0, rows), bytes.subarray(pixels), bytes.subarray(rows, pixels)];
    t.strictSame(await read(Buffer.concat(parts)), { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] });
    await t.rejects(read(Buffer.concat(parts.slice(0, 2))), { code: 'HEADER_BROKEN', message: /Rows/ });
  }
});

t.test('Rows as a text, and with 32 bits in big-endian order', async (t) => {
  const rows = { tag: '00280010', vr: 'IS', value: 16 };
  t.strictSame(await read(file({ extra: [rows] })), { values: [...SAMPLES], codes: [] });
  const big = file({ pixels: SAMPLES, extra: [{ ...rows, vr: 'UL' }] }, '1.2.840.10008.1.2.2');
  t.strictSame(await read(big), { values: [...SAMPLES], codes: [] });
});

t.test('a photometric interpretation that does not fit the samples', async (t) => {
  const native = (photometric: string, image: Partial<ImageOptions> = {}) =>
    read(file({ pixels: SAMPLES, photometric, ...image }, '1.2.840.10008.1.2.1'));
  const repaired = { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] };
  t.strictSame(await native('PALETTE COLOR'), repaired);
  const colour = { rows: 8, columns: 8, samplesPerPixel: 3, planar: 1 };
  const planes = SAMPLES.subarray(0, 192);
  for (const photometric of ['MONOCHROME2', 'HSV', 'YBR_PARTIAL_422', 'YBR_PARTIAL_420'])
    t.strictSame(await native(photometric, { ...colour, pixels: planes }), {
      values: [...planes],
      codes: ['HEADER_REPAIRED'],
    });
});

t.test('compressed samples in 32 bits', async (t) => {
  const wide = { bitsAllocated: 32, bitsStored: 8 };
  t.strictSame(await read(file(wide)), { values: [...SAMPLES], codes: [] });
  const codestream = await encodeFrame('JPEG 2000', { ...SIZE, bits: 8 }, SAMPLES);
  const bytes = file({ ...wide, pixels: { frames: [[codestream]] } }, '1.2.840.10008.1.2.4.90');
  t.strictSame(await read(bytes), { values: [...SAMPLES], codes: [] });
});

t.test('functional groups and tables that are broken inside', async (t) => {
  for (const [tag, code] of [
    ['52009230', 'HEADER_REPAIRED'],
    ['00283010', 'MODALITY_LUT'],
  ] as const) {
    const inside = Uint8Array.of(0xfe, 0xff, 0x00, 0xe0, 0xff, 0, 0, 0);
    const bytes = file({ extra: [{ tag, vr: 'SQ', value: inside }] });
    t.strictSame(await read(bytes), { values: [...SAMPLES], codes: [code] });
  }
});

t.test(
  'zeros behind the meta group, a count of frames that is no text, plain bytes of undefined length',
  async (t) => {
    const bytes = file();
    const start = bytes.indexOf(Buffer.of(0x08, 0, 0x16, 0));
    const filled = Buffer.concat([bytes.subarray(0, start), Buffer.alloc(16), bytes.subarray(start)]);
    t.strictSame(await read(filled), { values: [...SAMPLES], codes: ['HEADER_REPAIRED'] });
    for (const vr of ['US', 'UL']) {
      const extra = [{ tag: '00280008', vr, value: 1 }];
      t.strictSame(await read(file({ extra })), { values: [...SAMPLES], codes: [] });
    }
    const at = bytes.indexOf(PIXELS);
    const head = Buffer.from([0x29, 0, 0x10, 0x10, ...Buffer.from('OB'), 0, 0, 255, 255, 255, 255]);
    const plain = [head, Buffer.from('plain bytes'), END, Buffer.alloc(4)];
    const withBytes = Buffer.concat([bytes.subarray(0, at), ...plain, bytes.subarray(at)]);
    t.strictSame(await read(withBytes), { values: [...SAMPLES], codes: [] });
  },
);
