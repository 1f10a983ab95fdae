import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import dicomParser from 'dicom-parser';
import fc from 'fast-check';
import t from 'tap';
import { imageElements } from '../../src/demo/image-elements.js';
import {
  DEFLATED,
  type Element,
  EXPLICIT_BIG,
  EXPLICIT_LITTLE,
  IMPLICIT_LITTLE,
  type Part10Options,
  type Samples,
  sampleBytes,
  seededUid,
  writePart10,
} from '../../src/demo/part10.js';
import { python, withoutPython } from '../python.js';

const JPEG = '1.2.840.10008.1.2.4.50';

function bare(
  elements: readonly Element[],
  transferSyntax: string,
  more: Partial<Part10Options> = {},
): string {
  const bytes = writePart10(elements, { transferSyntax, preamble: false, meta: false, ...more });
  return Buffer.from(bytes).toString('hex');
}

function read(bytes: Uint8Array): dicomParser.DataSet {
  const options = {
    // What the parser hands over starts at the deflated part's position and is the whole file.
    inflater: (file: Uint8Array, position: number) =>
      Buffer.concat([file.subarray(0, position), inflateRawSync(file.subarray(position))]),
  };
  return dicomParser.parseDicom(bytes, options as dicomParser.ParseDicomOptions);
}

function valueBytes(dataSet: dicomParser.DataSet, tag: string): string {
  const { dataOffset, length } = dataSet.elements[tag]!;
  return Buffer.from(dataSet.byteArray.buffer, dataSet.byteArray.byteOffset + dataOffset, length).toString(
    'hex',
  );
}

t.test('the three native encodings, byte by byte, sorted by tag', async (t) => {
  const elements: Element[] = [
    { tag: '7FE00010', vr: 'OW', value: Uint16Array.of(0x0102, 0x0304) },
    { tag: '00280010', vr: 'US', value: 258 },
    { tag: '00080060', vr: 'CS', value: 'MRI' },
  ];
  t.equal(
    bare(elements, EXPLICIT_LITTLE),
    '0800600043530400' + '4d524920' + '2800100055530200' + '0201' + 'e07f10004f57000004000000' + '02010403',
  );
  t.equal(
    bare(elements, IMPLICIT_LITTLE),
    '0800600004000000' + '4d524920' + '2800100002000000' + '0201' + 'e07f100004000000' + '02010403',
  );
  t.equal(
    bare(elements, EXPLICIT_BIG),
    '0008006043530004' + '4d524920' + '0028001055530002' + '0102' + '7fe000104f57000000000004' + '01020304',
  );
});

t.test('values take the form of their VR, padded to an even length', async (t) => {
  const written = (vr: string, value: Element['value']) =>
    bare([{ tag: '00091001', vr, value }], IMPLICIT_LITTLE).slice(16);
  const text = (vr: string, value: Element['value']) => Buffer.from(written(vr, value), 'hex').toString();
  t.equal(text('UI', '1.2'), '1.2\0');
  t.equal(text('LO', ['a', 'b']), 'a\\b ');
  t.equal(text('DS', [1.5, -2]), '1.5\\-2');
  t.equal(text('DS', 1 / 3), '0.33333333333333', 'a decimal string has at most 16 characters');
  t.equal(text('DS', -1.2345678901234567e-100), '-1.23456789e-100');
  t.equal(text('PN', 'é'), 'é');
  t.equal(written('AT', '00280010'), '28001000');
  t.equal(written('SS', -2), 'feff');
  t.equal(written('FD', 1), '000000000000f03f');
  t.equal(written('OB', Uint8Array.of(7)), '0700');
  t.equal(written('US', Uint8Array.of(1, 2, 3)), '01020300', 'raw bytes for any VR');
  t.equal(written('LO', ''), '');
});

t.test('sequences with told lengths and with delimiters', async (t) => {
  const value = [[{ tag: '00081155', vr: 'UI', value: '1.2' }], []];
  const item = '0800551155490400' + '312e3200';
  t.equal(
    bare([{ tag: '00081140', vr: 'SQ', value }], EXPLICIT_LITTLE),
    `08004011535100001c000000feff00e00c000000${item}feff00e000000000`,
  );
  t.equal(
    bare([{ tag: '00081140', vr: 'SQ', value, undefinedLength: true }], EXPLICIT_LITTLE),
    '0800401153510000ffffffff' +
      `feff00e0ffffffff${item}feff0de000000000` +
      'feff00e0fffffffffeff0de000000000' +
      'feffdde000000000',
  );
});

t.test('group lengths count the bytes of their group', async (t) => {
  const elements = [
    { tag: '00280010', vr: 'US', value: 1 },
    { tag: '00280011', vr: 'US', value: 1 },
    { tag: '00080060', vr: 'CS', value: 'MR' },
  ];
  t.equal(
    bare(elements, EXPLICIT_LITTLE, { groupLengths: true }),
    '08000000554c04000a000000' +
      '08006000435302004d52' +
      '28000000554c040014000000' +
      '28001000555302000100' +
      '28001100555302000100',
  );
  const wrong = { tag: '00280000', vr: 'UL', value: 99 };
  t.match(bare([wrong, ...elements], EXPLICIT_LITTLE, { groupLengths: true }), /28000000554c040063000000/);
});

t.test('the file meta group is explicit little endian under every syntax and knows its length', async (t) => {
  const elements = imageElements({
    rows: 1,
    columns: 1,
    pixels: Uint16Array.of(1),
    modality: 'MR',
    seed: 's',
  });
  for (const transferSyntax of [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED]) {
    const bytes = writePart10(elements, { transferSyntax });
    t.equal(Buffer.from(bytes.subarray(0, 132)).toString('latin1'), `${'\0'.repeat(128)}DICM`);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    t.equal(view.getUint32(132, true), 0x00000002);
    const dataSet = read(bytes);
    t.equal(dataSet.string('x00020010'), transferSyntax);
    t.equal(dataSet.string('x00020002'), '1.2.840.10008.5.1.4.1.1.4');
    t.equal(dataSet.string('x00020003'), seededUid('s instance'));
    t.equal(valueBytes(dataSet, 'x00020001'), '0001');
    t.match(dataSet.string('x00020012'), /^2\.25\.[1-9]\d+$/);
    const last = dataSet.elements.x00020012!;
    t.equal(
      dataSet.uint32('x00020000'),
      last.dataOffset + last.length - 144,
      'from behind itself to the end',
    );
  }
});

t.test('a file meta element that is given replaces the one made here', async (t) => {
  const bytes = writePart10([{ tag: '00020010', vr: 'UI', value: '1.2.3' }], {
    transferSyntax: EXPLICIT_LITTLE,
  });
  const meta = Buffer.from(bytes).toString('latin1');
  t.ok(meta.includes('UI\x06\x001.2.3\0'));
  t.notMatch(meta, /1\.2\.840/);
});

t.test('without its preamble or its meta group a file starts with what is left', async (t) => {
  const elements = [{ tag: '00080060', vr: 'CS', value: 'MR' }];
  t.match(bare(elements, EXPLICIT_LITTLE, { meta: true }), /^02000000554c/);
  t.match(bare(elements, EXPLICIT_LITTLE, { preamble: true }), /^(00){128}4449434d08006000/);
});

t.test('encapsulated frames, byte by byte, with and without a basic offset table', async (t) => {
  const frames = [[Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5)], [Uint8Array.of(6)]];
  const items =
    'feff00e00400000001020300' + 'feff00e0020000000405' + 'feff00e0020000000600' + 'feffdde000000000';
  const start = 'e07f10004f420000ffffffff';
  const pixels = (offsetTable: boolean) => [{ tag: '7fe00010', vr: 'OB', value: { frames, offsetTable } }];
  // The second frame starts behind items of 12 and 10 bytes.
  t.equal(bare(pixels(true), JPEG), `${start}feff00e0080000000000000016000000${items}`);
  t.equal(bare(pixels(false), JPEG), `${start}feff00e000000000${items}`);

  const image = imageElements({ rows: 1, columns: 1, frames: 2, bitsAllocated: 8, pixels: { frames } });
  const dataSet = read(writePart10(image, { transferSyntax: JPEG }));
  const frame = (index: number) =>
    Buffer.from(dicomParser.readEncapsulatedImageFrame(dataSet, dataSet.elements.x7fe00010!, index)).toString(
      'hex',
    );
  t.equal(frame(0), '010203000405');
  t.equal(frame(1), '0600');
});

t.test('what cannot be written is refused with its tag', async (t) => {
  t.throws(
    () => bare([{ tag: '8,10', vr: 'UI', value: '' }], EXPLICIT_LITTLE),
    new RangeError('a tag is eight hexadecimal digits, not "8,10"'),
  );
  t.throws(
    () => bare([{ tag: '00080060', vr: 'CS', value: 'x'.repeat(65536) }], EXPLICIT_LITTLE),
    new RangeError('(00080060) CS of 65536 bytes is longer than 65535'),
  );
  t.throws(
    () => bare([{ tag: '7fe00010', vr: 'OW', value: 5 }], EXPLICIT_LITTLE),
    new RangeError('(7fe00010) OW takes bytes or typed arrays'),
  );
});

t.test('an image says what its samples are', async (t) => {
  const made = (image: Parameters<typeof imageElements>[0]) =>
    new Map(imageElements(image).map(({ tag, value }) => [tag, value]));
  const size = { rows: 2, columns: 1 };
  const signed = made({ ...size, pixels: Int16Array.of(-1, 1), bitsStored: 12, rescaleIntercept: -1024 });
  t.same(
    ['00280100', '00280101', '00280102', '00280103'].map((tag) => signed.get(tag)),
    [16, 12, 11, 1],
  );
  t.same([signed.get('00281052'), signed.get('00281053')], [-1024, 1]);
  t.equal(signed.get('00280004'), 'MONOCHROME2');
  const colour = made({ ...size, samplesPerPixel: 3, pixels: new Uint8Array(6) });
  t.same(
    ['00280002', '00280004', '00280006', '00280103'].map((tag) => colour.get(tag)),
    [3, 'RGB', 0, 0],
  );
  const float = made({ ...size, pixels: new Float32Array(2) });
  t.ok(float.has('7fe00008'));
  t.notOk(float.has('00280101') || float.has('7fe00010'));
  const replaced = made({
    ...size,
    pixels: new Uint8Array(2),
    extra: [{ tag: '00280010', vr: 'US', value: 9 }],
  });
  t.equal(replaced.get('00280010'), 9);
});

t.test('a seed makes one UID, always the same', async (t) => {
  // sha256("abc") starts ba7816bf 8f01cfea 414140de 5dae2223; the version digit becomes 8, the variant 0x41 -> 0x81.
  t.equal(seededUid('abc'), `2.25.${0xba7816bf8f018fea814140de5dae2223n}`);
  fc.assert(fc.property(fc.string(), (seed) => /^2\.25\.[1-9]\d{0,38}$/.test(seededUid(seed))));
});

t.test('any samples come back from any native syntax', async (t) => {
  const syntaxes = fc.constantFrom(EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED);
  const samples = fc.oneof(
    fc.uint16Array({ minLength: 1, maxLength: 40 }),
    fc.int16Array({ minLength: 1, maxLength: 40 }),
    fc.int32Array({ minLength: 1, maxLength: 40 }),
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
  );
  const comeBack = fc.property(syntaxes, samples, (transferSyntax, pixels) => {
    const elements = imageElements({ rows: 1, columns: pixels.length, pixels });
    const dataSet = read(writePart10(elements, { transferSyntax }));
    const big = transferSyntax === EXPLICIT_BIG;
    const expected = Buffer.alloc(pixels.byteLength + (pixels.byteLength % 2));
    pixels.forEach((value: number, index: number) => {
      const bytes = pixels.BYTES_PER_ELEMENT;
      const unsigned = value < 0 ? value + 2 ** (8 * bytes) : value;
      if (big) expected.writeUIntBE(unsigned, index * bytes, bytes);
      else expected.writeUIntLE(unsigned, index * bytes, bytes);
    });
    return (
      valueBytes(dataSet, 'x7fe00010') === expected.toString('hex') &&
      dataSet.uint16('x00280011') === pixels.length
    );
  });
  t.doesNotThrow(() => fc.assert(comeBack));
});

/** One RLE segment with a single literal run (PS3.5 annex G): at most 128 bytes. */
function runLength(bytes: Uint8Array): Uint8Array {
  const header = new Uint8Array(64);
  header[0] = 1;
  header[4] = 64;
  return Uint8Array.of(...header, bytes.length - 1, ...bytes);
}

const PIXELS_BY_PYDICOM = `
import hashlib, json, sys
import pydicom
for path in sys.argv[1:]:
    data = pydicom.dcmread(path)
    pixels = data.pixel_array
    little = pixels.astype(pixels.dtype.newbyteorder('<'))
    print(json.dumps({
        'shape': list(pixels.shape),
        'kind': pixels.dtype.kind + str(pixels.dtype.itemsize),
        'sha256': hashlib.sha256(little.tobytes()).hexdigest(),
        'intercept': float(data.get('RescaleIntercept', 0)),
        'name': str(data.PatientName),
        'nested': [str(item.ReferencedSOPInstanceUID) for item in data.get('ReferencedImageSequence', [])],
    }))
`;

t.test(
  'pydicom reads the same pixels',
  { skip: withoutPython('pydicom, numpy', 'python3-pydicom python3-numpy') },
  async (t) => {
    const folder = t.testdir();
    const words = Int16Array.from({ length: 2 * 3 * 4 }, (_, index) => 500 * index - 4000);
    const bytes = Uint8Array.from({ length: 3 * 4 * 3 }, (_, index) => 7 * index);
    const floats = Float32Array.from({ length: 12 }, (_, index) => index / 7 - 1);
    const referenced = {
      tag: '00081140',
      vr: 'SQ',
      value: ['1.2.3', '1.2.4'].map((value) => [{ tag: '00081155', vr: 'UI', value }]),
    };
    const size = { rows: 3, columns: 4, patientName: 'Doe^Jo', rescaleIntercept: -7.5 };
    const paths: string[] = [];
    const expected: object[] = [];
    const add = (
      elements: Element[],
      transferSyntax: string,
      shape: number[],
      kind: string,
      samples: Samples,
    ) => {
      const path = join(folder, `${paths.length}.dcm`);
      writeFileSync(path, writePart10(elements, { transferSyntax, groupLengths: paths.length % 2 === 0 }));
      paths.push(path);
      const sha256 = createHash('sha256').update(sampleBytes(samples)).digest('hex');
      expected.push({ shape, kind, sha256, intercept: -7.5, name: 'Doe^Jo', nested: ['1.2.3', '1.2.4'] });
    };
    for (const syntax of [EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED]) {
      for (const undefinedLength of [false, true]) {
        const extra = [{ ...referenced, undefinedLength }];
        add(imageElements({ ...size, pixels: words, frames: 2, extra }), syntax, [2, 3, 4], 'i2', words);
        add(
          imageElements({ ...size, pixels: bytes, samplesPerPixel: 3, extra }),
          syntax,
          [3, 4, 3],
          'u1',
          bytes,
        );
        add(imageElements({ ...size, pixels: floats, extra }), syntax, [3, 4], 'f4', floats);
      }
    }
    for (const offsetTable of [true, false]) {
      const frames = [0, 12, 24].map((start) => [runLength(bytes.subarray(start, start + 12))]);
      const pixels = { frames, offsetTable };
      const image = imageElements({ ...size, pixels, bitsAllocated: 8, frames: 3, extra: [referenced] });
      add(image, '1.2.840.10008.1.2.5', [3, 3, 4], 'u1', bytes);
    }
    const lines = (await python(PIXELS_BY_PYDICOM, ...paths)).trim().split('\n');
    t.same(
      lines.map((line) => JSON.parse(line)),
      expected,
    );
  },
);
