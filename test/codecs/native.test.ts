import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { chooseCodec } from '../../src/codecs/codec.js';
import { frameRange, nativeCodec } from '../../src/codecs/native.js';
import { DEFAULT_LIMITS, type ImageHeader, readHeader } from '../../src/core/dicom.js';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { EXPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';
import { python, withoutPython } from '../python.js';
import { sharedData } from '../shared-data.js';

function file(image: ImageOptions, transferSyntax = EXPLICIT_LITTLE): Uint8Array {
  return writePart10(imageElements(image), { transferSyntax });
}

function headerOf(bytes: Uint8Array): ImageHeader {
  const read = readHeader(bytes, bytes.length, DEFAULT_LIMITS);
  if (read.kind !== 'header') throw new Error(JSON.stringify(read));
  return read.header;
}

function refusalOf(bytes: Uint8Array) {
  const read = readHeader(bytes, bytes.length, DEFAULT_LIMITS);
  return read.kind === 'refused' ? read.problem : null;
}

function decodeFrame(bytes: Uint8Array, frame = 0) {
  const header = headerOf(bytes);
  const { offset, length } = frameRange(header, frame);
  return nativeCodec.decode(bytes.subarray(offset, offset + length), header, frame);
}

/** SHA-256 of all frames' values in the order H × W × C, as the peers have them. */
function digest(bytes: Uint8Array, header: ImageHeader): string {
  const hash = createHash('sha256');
  for (let frame = 0; frame < header.frames; frame++) {
    const { values, channels } = decodeFrame(bytes, frame);
    const pixels = values.length / channels;
    const peers = values.slice();
    for (let i = 0; i < values.length; i++)
      peers[(i % pixels) * channels + Math.floor(i / pixels)] = values[i]!;
    hash.update(new Uint8Array(peers.buffer, peers.byteOffset, peers.byteLength));
  }
  return hash.digest('hex');
}

t.test('one frame of grey values', async (t) => {
  const pixels = Int16Array.of(-1, 2, -3, 4, -5, 6);
  t.strictSame(decodeFrame(file({ rows: 2, columns: 3, pixels })), {
    values: pixels,
    channels: 1,
    rows: 2,
    columns: 3,
  });
});

t.test('frames one after the other', async (t) => {
  const bytes = file({ rows: 1, columns: 3, frames: 3, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) });
  t.strictSame(
    [0, 1, 2].map((frame) => Array.from(decodeFrame(bytes, frame).values)),
    [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 9],
    ],
  );
  const header = headerOf(bytes);
  t.strictSame(frameRange(header, 2), { offset: header.pixelData.offset + 6, length: 3 });
  for (const frame of [-1, 3, 0.5, Number.NaN]) t.throws(() => frameRange(header, frame), RangeError);
});

t.test('frames padded to whole or even bytes are recognised by the length of the pixel data', async (t) => {
  const read = (image: ImageOptions) => {
    const bytes = file(image);
    const { notes } = headerOf(bytes);
    const frames = Array.from({ length: image.frames! }, (_, at) =>
      Array.from(decodeFrame(bytes, at).values).join(''),
    );
    return [frames.join(' '), ...notes.map(({ code, detail }) => `${code} ${detail}`)];
  };
  const told = (bytes: number) =>
    `HEADER_REPAIRED the pixel data is as long as that of frames filled up to ${bytes} bytes each, and is read so`;
  const bits = { rows: 3, columns: 3, bitsAllocated: 1, bitsStored: 1 };
  const frames = ['101010101', '000111000', '111000111'];
  const packed = Uint8Array.of(0x55, 0x71, 0x1c, 0x07);
  t.strictSame(read({ ...bits, frames: 3, pixels: packed }), [frames.join(' ')], 'as the standard has it');
  const filled = Uint8Array.of(0x55, 1, 0x38, 0, 0xc7, 1);
  t.strictSame(read({ ...bits, frames: 3, pixels: filled }), [frames.join(' '), told(2)]);
  const row = { ...bits, rows: 1 };
  t.strictSame(read({ ...row, frames: 5, pixels: Uint8Array.of(1, 2, 4, 7, 5, 0) }), [
    '100 010 001 111 101',
    told(1),
  ]);
  t.strictSame(read({ ...row, frames: 3, pixels: Uint8Array.of(1, 0, 2, 0, 7, 0) }), [
    '100 010 111',
    told(2),
  ]);
  const bytes = { rows: 1, columns: 3, frames: 3 };
  t.strictSame(read({ ...bytes, pixels: Uint8Array.of(1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0) }), [
    '123 456 789',
    told(4),
  ]);
  const long = { ...bytes, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0) };
  t.match(read(long), ['123 456 789', /^PIXELS_LONG/], 'any other length: what is over is at the end');
  const rows = { ...bits, rows: 4, columns: 3, frames: 1, pixels: Uint8Array.of(5, 2, 5, 2) };
  t.match(refusalOf(file(rows)), { code: 'PIXELS_LONG', detail: /rows filled up to whole bytes/ });
});

t.test('colour becomes planes in both planar configurations', async (t) => {
  const common = { rows: 1, columns: 2, samplesPerPixel: 3 };
  const planes = Uint8Array.of(1, 4, 2, 5, 3, 6);
  const together = decodeFrame(file({ ...common, planar: 0, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) }));
  const apart = decodeFrame(file({ ...common, planar: 1, pixels: planes }));
  t.strictSame(together, { values: planes, channels: 3, rows: 1, columns: 2 });
  t.strictSame(apart.values, planes);
});

t.test('float pixels', async (t) => {
  const pixels = Float32Array.of(0.5, -1);
  t.strictSame(decodeFrame(file({ rows: 1, columns: 2, pixels })).values, pixels);
});

t.test('a frame of another length is an error', async (t) => {
  const header = headerOf(file({ rows: 1, columns: 2, pixels: Uint16Array.of(1, 2) }));
  t.throws(() => nativeCodec.decode(new Uint8Array(3), header), { name: 'PixelError', code: 'PIXELS_SHORT' });
  t.throws(() => nativeCodec.decode(new Uint8Array(6), header), { name: 'PixelError', code: 'PIXELS_LONG' });
});

t.test('single bits in words of big endian are not turned', async (t) => {
  const image = { rows: 2, columns: 8, bitsAllocated: 1, bitsStored: 1, pixels: Uint8Array.of(0x01, 0x80) };
  const told = headerOf(file(image, '1.2.840.10008.1.2.2'));
  const header = { ...told, pixelData: { ...told.pixelData, vr: 'OW' } };
  const { values } = nativeCodec.decode(Uint8Array.of(0x01, 0x80), header);
  t.strictSame([...values], [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
});

t.test('an image gets the codec of its transfer syntax, or the reason why there is none', async (t) => {
  const pixels = Uint16Array.of(1, 2);
  const image = { rows: 1, columns: 2, pixels };
  const choose = (header: ImageHeader) => chooseCodec([nativeCodec], header);
  const header = headerOf(file(image));
  t.equal(choose(header).codec, nativeCodec);
  t.equal(
    choose(headerOf(file({ ...image, photometric: 'MONOCHROME1' }, '1.2.840.10008.1.2'))).codec,
    nativeCodec,
  );
  t.match(choose({ ...header, transferSyntax: '1.2.840.10008.1.2.4.100' }), {
    codec: null,
    problem: {
      code: 'TRANSFER_SYNTAX_UNSUPPORTED',
      detail: /MPEG-2 main profile \(1\.2\.840\.10008\.1\.2\.4\.100\)/,
    },
  });
  const refused = (change: Partial<ImageHeader>) => choose({ ...header, ...change }).problem;
  t.match(refused({ photometric: 'PALETTE COLOR' }), { code: 'PIXELS_UNSUPPORTED', detail: /no palette/ });
  t.match(refused({ photometric: '' }), { code: 'PIXELS_UNSUPPORTED', detail: /^no photometric/ });
  t.match(refused({ photometric: 'RGB' }), { code: 'PIXELS_UNSUPPORTED', detail: /RGB has 3 samples/ });
  t.match(refused({ samplesPerPixel: 3 }), { code: 'PIXELS_UNSUPPORTED' });
  t.match(refused({ bitsAllocated: 24 }), { code: 'PIXELS_UNSUPPORTED', detail: /24 bits/ });
  t.match(refused({ bitsAllocated: 64 }), { code: 'PIXELS_UNSUPPORTED' });
  t.match(refused({ photometric: 'JANE DOE' }), { detail: /^an unknown photometric/ });
});

const PYDICOM = `
import hashlib, sys, warnings
warnings.simplefilter('ignore')
import numpy, pydicom
for path in sys.argv[1:]:
    values = pydicom.dcmread(path).pixel_array
    print(hashlib.sha256(numpy.ascontiguousarray(values).tobytes()).hexdigest())
`;

const sunnybrook = sharedData('sunnybrook', 'dicoms');
t.test(
  'every image of the cardiac data has the values that pydicom reads',
  {
    skip:
      sunnybrook === null
        ? 'the real data is missing: ../shared/data/sunnybrook'
        : withoutPython('pydicom', 'python3-pydicom python3-numpy'),
  },
  async (t) => {
    const entries = await readdir(sunnybrook!, { recursive: true, withFileTypes: true });
    const paths = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    t.ok(paths.length > 200);
    const expected = (await python(PYDICOM, ...paths)).trim().split('\n');
    const ours = paths.map((path) => {
      const bytes = new Uint8Array(readFileSync(path));
      return digest(bytes, headerOf(bytes));
    });
    t.strictSame(ours, expected);
  },
);
