import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { DEFAULT_LIMITS, type HeaderRead, type ImageHeader, readHeader } from '../../src/core/dicom.js';
import { headerOfFrame } from '../../src/core/dicom-frames.js';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import {
  type Element,
  EXPLICIT_BIG,
  EXPLICIT_LITTLE,
  IMPLICIT_LITTLE,
  type Part10Options,
  writePart10,
} from '../../src/demo/part10.js';

const SMALL: ImageOptions = { rows: 2, columns: 3, pixels: Uint16Array.of(1, 2, 3, 4, 5, 6) };

function file(image: Partial<ImageOptions> = {}, options: Partial<Part10Options> = {}): Uint8Array {
  return writePart10(imageElements({ ...SMALL, ...image }), { transferSyntax: EXPLICIT_LITTLE, ...options });
}

function whole(bytes: Uint8Array, limits = DEFAULT_LIMITS): HeaderRead {
  return readHeader(bytes, bytes.length, limits);
}

/** Reads as a loader does: a first piece, then as much as is asked for. */
function stepwise(bytes: Uint8Array, first: number): HeaderRead {
  for (let size = Math.min(first, bytes.length); ; ) {
    const read = readHeader(bytes.subarray(0, size), bytes.length, DEFAULT_LIMITS);
    if (read.kind !== 'more') return read;
    if (read.atLeastBytes <= size || read.atLeastBytes > bytes.length) throw new Error('no progress');
    size = read.atLeastBytes;
  }
}

function header(bytes: Uint8Array): ImageHeader {
  const read = whole(bytes);
  if (read.kind !== 'header') throw new Error(JSON.stringify(read));
  return read.header;
}

function problem(read: HeaderRead): string {
  return read.kind === 'refused' ? read.problem.code : read.kind;
}

function noteCodes(image: Partial<ImageOptions>): string[] {
  return header(file(image)).notes.map(({ code }) => code);
}

const us = (tag: string, value: number): Element => ({ tag, vr: 'US', value });
const ds = (tag: string, value: Element['value']): Element => ({ tag, vr: 'DS', value });

t.test('every field of an image', async (t) => {
  const bytes = file({
    pixels: Int16Array.of(-1, 2, 3, 4, 5, 6),
    bitsStored: 12,
    modality: 'MR',
    sopInstanceUid: '1.2.3.007',
    studyUid: '1.2.4',
    seriesUid: '1.2.5',
    patientId: 'PID-1',
    instanceNumber: 48,
    spacingMm: [1.5, 2],
    position: [1, -2, 3.5],
    orientation: [1, 0, 0, 0, 1, 0],
    rescaleSlope: 2.5,
    rescaleIntercept: -1024,
    extra: [
      ds('00281050', ['40', '300']),
      ds('00281051', ['400', '1500']),
      { tag: '00280120', vr: 'SS', value: -2000 },
      { tag: '00200052', vr: 'UI', value: '1.2.6' },
    ],
  });
  t.strictSame(header(bytes), {
    sopInstanceUid: '1.2.3.007',
    sopClassUid: '1.2.840.10008.5.1.4.1.1.4',
    studyUid: '1.2.4',
    seriesUid: '1.2.5',
    frameOfReferenceUid: '1.2.6',
    modality: 'MR',
    patientId: 'PID-1',
    seriesNumber: null,
    instanceNumber: 48,
    transferSyntax: EXPLICIT_LITTLE,
    rows: 2,
    columns: 3,
    frames: 1,
    samplesPerPixel: 1,
    photometric: 'MONOCHROME2',
    planar: 0,
    bitsAllocated: 16,
    bitsStored: 12,
    highBit: 11,
    signed: true,
    pixelKind: 'integer',
    rescale: { slope: 2.5, intercept: -1024 },
    window: [
      { center: 40, width: 400 },
      { center: 300, width: 1500 },
    ],
    voiFunction: 'LINEAR',
    modalityTable: null,
    voiTable: null,
    palette: null,
    paddingValue: -2000,
    paddingLimit: null,
    spacingMm: [1.5, 2],
    position: [1, -2, 3.5],
    orientation: [1, 0, 0, 0, 1, 0],
    triggerMs: null,
    pixelData: { tag: '(7FE0,0010)', vr: 'OW', offset: bytes.length - 12, length: 12, frames: null },
    headerBytes: bytes.length - 12,
    notes: [],
  });
});

t.test('what a file does not say', async (t) => {
  const { rescale, window, paddingValue, spacingMm, position, orientation, modality, patientId, ...rest } =
    header(file({ extra: [{ tag: '00080060', vr: 'CS', value: '' }] }));
  t.strictSame(rescale, { slope: 1, intercept: 0 });
  t.strictSame(window, []);
  t.strictSame(
    [paddingValue, spacingMm, position, orientation, modality, patientId, rest.instanceNumber],
    [null, null, null, null, null, null, null],
  );
});

t.test('the same header in every encoding of it', async (t) => {
  const explicit = header(file());
  for (const options of [
    { transferSyntax: IMPLICIT_LITTLE },
    { transferSyntax: EXPLICIT_BIG },
    { transferSyntax: EXPLICIT_LITTLE, groupLengths: true },
    { transferSyntax: EXPLICIT_LITTLE, meta: false },
    { transferSyntax: EXPLICIT_LITTLE, meta: false, preamble: false },
    { transferSyntax: IMPLICIT_LITTLE, meta: false, preamble: false },
    { transferSyntax: EXPLICIT_LITTLE, preamble: false },
  ]) {
    const bytes = file({}, options);
    const read = header(bytes);
    const offset = bytes.length - 12;
    t.strictSame(
      { ...read, notes: [] },
      {
        ...explicit,
        transferSyntax: options.transferSyntax,
        headerBytes: offset,
        pixelData: {
          ...explicit.pixelData,
          vr: options.transferSyntax === IMPLICIT_LITTLE ? null : 'OW',
          offset,
        },
      },
      JSON.stringify(options),
    );
  }
});

t.test('a file that says explicit and is implicit is read as it is, with a note', async (t) => {
  const meta: Element = { tag: '00020010', vr: 'UI', value: EXPLICIT_LITTLE };
  const bytes = file({ extra: [meta] }, { transferSyntax: IMPLICIT_LITTLE });
  const read = header(bytes);
  t.equal(read.rows, 2);
  t.strictSame(
    read.notes.map(({ code }) => code),
    ['TRANSFER_SYNTAX_ODD'],
  );
});

t.test('reading in pieces gives what reading at once gives', async (t) => {
  const nested: Element = {
    tag: '00081140',
    vr: 'SQ',
    undefinedLength: true,
    value: [[{ tag: '00081155', vr: 'UI', value: '1.2' }], [us('00280010', 9)]],
  };
  const bytes = file({ extra: [nested, { tag: '00091001', vr: 'OB', value: new Uint8Array(5000) }] });
  const expected = whole(bytes);
  for (let first = 0; first <= bytes.length; first += first < 700 ? 1 : 97) {
    const read = stepwise(bytes, first);
    if (read.kind !== 'header') t.strictSame(read, expected, `first piece of ${first} bytes`);
  }
  t.strictSame(stepwise(bytes, 0), expected);
  t.strictSame(stepwise(bytes, 150), expected);
  t.equal(header(bytes).rows, 2, 'Rows inside a sequence is not the image');
});

t.test('it asks for what it needs and at least doubles', async (t) => {
  const bytes = file({ extra: [{ tag: '00091001', vr: 'OB', value: new Uint8Array(50_000) }] });
  t.strictSame(readHeader(bytes.subarray(0, 1000), bytes.length, DEFAULT_LIMITS).kind, 'more');
  const read = readHeader(bytes.subarray(0, 1000), bytes.length, DEFAULT_LIMITS);
  t.ok(read.kind === 'more' && read.atLeastBytes > 50_000 && read.atLeastBytes < 51_500);
  t.strictSame(readHeader(bytes.subarray(0, 200), 1_000_000, DEFAULT_LIMITS), {
    kind: 'more',
    atLeastBytes: 400,
  });
});

t.test('pixel bytes are never asked for, but their number is checked against the file', async (t) => {
  const bytes = file({ rows: 100, columns: 100, pixels: new Uint16Array(10_000) });
  const headerBytes = bytes.length - 20_000;
  t.equal(readHeader(bytes.subarray(0, headerBytes), bytes.length, DEFAULT_LIMITS).kind, 'header');
  t.equal(
    problem(readHeader(bytes.subarray(0, headerBytes), bytes.length - 1, DEFAULT_LIMITS)),
    'PIXELS_SHORT',
  );
});

t.test('what is not an image', async (t) => {
  t.equal(problem(whole(new Uint8Array(0))), 'NOT_DICOM');
  t.equal(problem(whole(new TextEncoder().encode('1.5 2.5\n3 4\n'))), 'NOT_DICOM');
  t.equal(problem(whole(new Uint8Array(1000))), 'NOT_DICOM');
  t.equal(problem(whole(Uint8Array.of(8, 0, 5, 0, 67, 83, 1, 0))), 'HEADER_BROKEN');
  const elements = imageElements(SMALL).filter(({ tag }) => tag !== '7fe00010');
  const without = (sopClass: string) =>
    whole(
      writePart10(
        [...elements.filter(({ tag }) => tag !== '00080016'), { tag: '00080016', vr: 'UI', value: sopClass }],
        {
          transferSyntax: EXPLICIT_LITTLE,
        },
      ),
    );
  t.match(without('1.2.840.10008.5.1.4.1.1.481.3'), { problem: { code: 'NO_PIXELS', detail: /RTSTRUCT/ } });
  t.match(without('1.2.840.10008.5.1.4.1.1.66.4'), { problem: { code: 'NO_PIXELS', detail: /SEG/ } });
  t.match(without('1.2.840.10008.5.1.4.1.1.88.11'), {
    problem: { code: 'NO_PIXELS', detail: /structured report/ },
  });
  t.match(without('9.9.9.9'), { problem: { code: 'NO_PIXELS', detail: 'the file has no pixel data' } });
});

t.test('an object without pixels is told from its first bytes, up to the series that it is of', async (t) => {
  const ids = { sopInstanceUid: '1.2.3', studyUid: '1.2.4', seriesUid: '1.2.5' };
  const sopClassUid = '1.2.840.10008.5.1.4.1.1.481.3';
  const bytes = file({ sopClassUid, ...ids });
  const end = Buffer.from(bytes).indexOf('1.2.5') + 10;
  t.match(readHeader(bytes.subarray(0, end), 400_000_000, DEFAULT_LIMITS), {
    kind: 'refused',
    problem: { code: 'NO_PIXELS' },
    object: { kind: 'RTSTRUCT', sopClassUid, ...ids },
  });
});

t.test('what is refused says which object it is, as far as it was read', async (t) => {
  const ids = { sopInstanceUid: '1.2.3', studyUid: '1.2.4', seriesUid: '1.2.5' };
  const bytes = file(ids);
  const sopClassUid = '1.2.840.10008.5.1.4.1.1.7';
  const cut = whole(bytes.subarray(0, bytes.length - 1));
  t.strictSame(cut.kind === 'refused' && cut.object, { kind: null, sopClassUid, ...ids });
  const early = whole(bytes.subarray(0, Buffer.from(bytes).indexOf('1.2.4') + 2));
  t.match(early, {
    kind: 'refused',
    object: { kind: null, sopInstanceUid: '1.2.3', studyUid: '', seriesUid: '' },
  });
  t.match(whole(Buffer.from('no DICOM at all')), { kind: 'refused', object: { studyUid: '' } });
});

t.test('a header cut anywhere is broken', async (t) => {
  const bytes = file();
  for (let size = 140; size < bytes.length - 12; size++) {
    const code = problem(whole(bytes.subarray(0, size)));
    if (!['HEADER_BROKEN', 'NO_PIXELS', 'PIXELS_SHORT'].includes(code)) t.fail(`${code} at ${size}`);
  }
  t.equal(problem(whole(bytes.subarray(0, bytes.length - 30))), 'HEADER_BROKEN');
  t.equal(problem(whole(bytes.subarray(0, bytes.length - 12))), 'PIXELS_SHORT');
  t.equal(problem(whole(bytes.subarray(0, bytes.length - 1))), 'PIXELS_SHORT');
});

t.test('the pixel description is checked before anything is made of it', async (t) => {
  const code = (...extra: Element[]) => problem(whole(file({ extra })));
  t.equal(code(us('00280010', 0)), 'HEADER_BROKEN');
  t.equal(code(us('00280011', 16_385)), 'LIMIT_EXCEEDED');
  t.equal(code({ tag: '00280010', vr: 'US', value: new Uint8Array(0) }), 'HEADER_BROKEN');
  t.equal(code({ tag: '00280008', vr: 'IS', value: '4097' }), 'LIMIT_EXCEEDED');
  t.equal(code({ tag: '00280008', vr: 'IS', value: '-1' }), 'HEADER_BROKEN');
  t.equal(code({ tag: '00280008', vr: 'IS', value: '1A' }), 'HEADER_BROKEN');
  t.equal(code({ tag: '00280008', vr: 'IS', value: '2' }), 'PIXELS_SHORT');
  t.equal(code(us('00280100', 24)), 'PIXELS_UNSUPPORTED');
  t.equal(code(us('00280103', 2)), 'HEADER_BROKEN');
  t.equal(code(us('00280002', 4)), 'PIXELS_UNSUPPORTED');
  t.equal(code(us('00280002', 3), us('00280006', 2)), 'HEADER_BROKEN');
  t.equal(code(us('00280010', 16_384), us('00280011', 16_384)), 'LIMIT_EXCEEDED');
  t.equal(code(us('00280010', 3)), 'PIXELS_SHORT');
});

t.test('bits and names that cannot be are read as other readers do, with a note', async (t) => {
  const repaired = (...extra: Element[]) => {
    const { bitsStored, highBit, photometric, notes } = header(file({ extra }));
    return [bitsStored, highBit, photometric, ...notes.map(({ code }) => code)];
  };
  t.strictSame(repaired(us('00280101', 17)), [16, 15, 'MONOCHROME2', 'HEADER_REPAIRED']);
  t.strictSame(repaired(us('00280101', 0)), [16, 15, 'MONOCHROME2', 'HEADER_REPAIRED']);
  t.strictSame(repaired(us('00280102', 16)), [16, 15, 'MONOCHROME2', 'HEADER_REPAIRED']);
  t.strictSame(repaired(us('00280101', 12), us('00280102', 10)), [12, 11, 'MONOCHROME2', 'HEADER_REPAIRED']);
  t.strictSame(repaired({ tag: '00280004', vr: 'CS', value: 'RGB' }), [
    16,
    15,
    'MONOCHROME2',
    'HEADER_REPAIRED',
  ]);
  t.strictSame(repaired({ tag: '00280004', vr: 'CS', value: '' }), [
    16,
    15,
    'MONOCHROME2',
    'HEADER_REPAIRED',
  ]);
});

t.test('what is over in the pixel data: a pad byte is silent, more gets a note', async (t) => {
  const odd = { rows: 1, columns: 3, pixels: Uint8Array.of(1, 2, 3) };
  t.strictSame(noteCodes(odd), []);
  t.equal(header(file(odd)).pixelData.length, 4);
  t.strictSame(noteCodes({ rows: 1 }), ['PIXELS_LONG']);
});

t.test('pixel data and transfer syntax have to agree about fragments', async (t) => {
  const fragments = { frames: [[Uint8Array.of(1, 2)]] };
  const jpeg = '1.2.840.10008.1.2.4.70';
  const read = header(file({ pixels: fragments }, { transferSyntax: jpeg }));
  t.equal(read.transferSyntax, jpeg);
  t.equal(read.pixelData.length, null);
  t.equal(problem(whole(file({ pixels: fragments }))), 'HEADER_BROKEN');
  t.equal(problem(whole(file({}, { transferSyntax: jpeg }))), 'HEADER_BROKEN');
});

t.test(
  'a data set that is deflated is handed back to be inflated; an unknown transfer syntax is not shown',
  async (t) => {
    const deflated = file({}, { transferSyntax: '1.2.840.10008.1.2.1.99' });
    const found = whole(deflated);
    if (found.kind !== 'deflated') throw new Error(JSON.stringify(found));
    const plain = Buffer.concat([
      deflated.subarray(0, found.offset),
      inflateRawSync(deflated.subarray(found.offset)),
    ]);
    const read = readHeader(plain, plain.length, DEFAULT_LIMITS, true);
    t.match(read, { header: { rows: 2, columns: 3, transferSyntax: '1.2.840.10008.1.2.1.99' } });
    const unknown = whole(file({}, { transferSyntax: '1.2.3.4.5.99999' }));
    t.equal(problem(unknown), 'TRANSFER_SYNTAX_UNSUPPORTED');
    t.notMatch(JSON.stringify(unknown), /99999/);
  },
);

t.test('float and double pixels', async (t) => {
  t.match(header(file({ pixels: new Float32Array(6) })), {
    pixelKind: 'float',
    bitsAllocated: 32,
    bitsStored: 32,
    pixelData: { tag: '(7FE0,0008)' },
  });
  t.match(header(file({ pixels: new Float64Array(6) })), {
    pixelKind: 'double',
    pixelData: { tag: '(7FE0,0009)' },
  });
});

t.test('oddities that are read around leave a note', async (t) => {
  const extra = (...elements: Element[]) => noteCodes({ extra: elements });
  t.strictSame(extra(ds('00281053', 'abc')), ['RESCALE_INVALID']);
  t.strictSame(extra(ds('00281053', '0'), ds('00281052', '-5')), ['RESCALE_INVALID']);
  t.strictSame(header(file({ extra: [ds('00281053', '0'), ds('00281052', '-5')] })).rescale, {
    slope: 1,
    intercept: 0,
  });
  t.strictSame(extra(ds('00281052', '-5')), []);
  t.strictSame(extra(ds('00280030', '0\\1')), ['SPACING_INVALID']);
  t.strictSame(extra(ds('00280030', '1')), ['SPACING_INVALID']);
  t.strictSame(extra(ds('00181164', '0.1\\0.2')), ['SPACING_AT_DETECTOR']);
  t.strictSame(header(file({ extra: [ds('00181164', '0.1\\0.2')] })).spacingMm, [0.1, 0.2]);
  t.strictSame(header(file({ extra: [ds('00181164', '9\\9')], spacingMm: [1, 2] })).spacingMm, [1, 2]);
  t.strictSame(extra({ tag: '00283000', vr: 'SQ', value: [[us('00283002', 1)]] }), ['MODALITY_LUT']);
  t.strictSame(extra({ tag: '00280008', vr: 'IS', value: '0' }), ['HEADER_REPAIRED']);
  t.strictSame(extra({ tag: '00280103', vr: 'US', value: new Uint8Array(0) }), ['HEADER_REPAIRED']);
});

t.test('identifiers of any text; long ones are shortened and stay apart', async (t) => {
  t.equal(header(file({ sopInstanceUid: 'not a uid .01' })).sopInstanceUid, 'not a uid .01');
  const stem = '1.2.3.'.repeat(20);
  const [a, b] = [`${stem}4`, `${stem}5`].map((uid) => header(file({ sopInstanceUid: uid })));
  t.equal(a!.sopInstanceUid.length, 64);
  t.equal(a!.sopInstanceUid.slice(0, 48), `${stem.slice(0, 47)}~`);
  t.not(a!.sopInstanceUid, b!.sopInstanceUid);
  t.match(a!.notes, [{ code: 'IDENTIFIER_LONG' }]);
  const elements = imageElements(SMALL).filter(({ tag }) => tag !== '00080018' && tag !== '0020000d');
  const meta: Element = { tag: '00020003', vr: 'UI', value: '1.2.33' };
  const read = header(writePart10([...elements, meta], { transferSyntax: EXPLICIT_LITTLE }));
  t.strictSame([read.sopInstanceUid, read.studyUid], ['1.2.33', '']);
  t.strictSame(
    read.notes.map(({ code }) => code),
    ['HEADER_REPAIRED', 'HEADER_REPAIRED'],
  );
});

t.test('functional groups of an enhanced image', async (t) => {
  const sq = (tag: string, ...value: (readonly Element[])[]): Element => ({ tag, vr: 'SQ', value });
  const rescale = (slope: string) => sq('00289145', [ds('00281052', '-10'), ds('00281053', slope)]);
  const place = (z: string) => sq('00209113', [ds('00200032', `0\\0\\${z}`)]);
  const image = (first: Element, second: Element, undefinedLength: boolean): Uint8Array =>
    file({
      frames: 2,
      rows: 1,
      extra: [
        {
          ...sq('52009229', [sq('00289110', [ds('00280030', '0.5\\0.25')]), us('00281053', 7)]),
          undefinedLength,
        },
        { ...sq('52009230', [first, place('1')], [second, place('2')]), undefinedLength },
      ],
    });
  for (const undefinedLength of [false, true]) {
    const same = whole(image(rescale('2'), rescale('2'), undefinedLength));
    t.match(same, {
      kind: 'header',
      header: { spacingMm: [0.5, 0.25], rescale: { slope: 2, intercept: -10 }, position: null, notes: [] },
    });
    t.strictSame(same.kind === 'header' && same.frames, [
      { header: { position: [0, 0, 1] }, timing: {} },
      { header: { position: [0, 0, 2] }, timing: {} },
    ]);
    const other = whole(image(rescale('2'), rescale('3'), undefinedLength));
    t.match(other, { kind: 'header', header: { rescale: { slope: 2, intercept: -10 } } });
    t.strictSame(other.kind === 'header' && other.frames, [
      { header: { position: [0, 0, 1], rescale: { slope: 2, intercept: -10 } }, timing: {} },
      { header: { position: [0, 0, 2], rescale: { slope: 3, intercept: -10 } }, timing: {} },
    ]);
  }
});

t.test('a frame’s own group goes before the shared one, and that before the top level', async (t) => {
  const sq = (tag: string, ...value: (readonly Element[])[]): Element => ({ tag, vr: 'SQ', value });
  const window = (center: string) =>
    sq('00289132', [
      ds('00281050', center),
      ds('00281051', '100'),
      { tag: '00281056', vr: 'CS', value: 'SIGMOID' },
    ]);
  const time = (index: number, at: string) =>
    sq('00209111', [
      { tag: '00209128', vr: 'UL', value: index },
      { tag: '00189074', vr: 'DT', value: at },
    ]);
  const read = whole(
    file({
      frames: 3,
      rows: 1,
      pixels: new Uint16Array(9),
      spacingMm: [9, 9],
      extra: [
        ds('00281050', '1'),
        ds('00281051', '2'),
        sq('52009229', [window('40'), sq('00289110', [ds('00280030', '0.5\\0.25')])]),
        sq(
          '52009230',
          [time(1, '20200101100000.5')],
          [window('50'), time(2, '20200101100001')],
          [time(3, '20200101100002')],
        ),
      ],
    }),
  );
  t.match(read, { kind: 'header', header: { spacingMm: [0.5, 0.25], voiFunction: 'SIGMOID', notes: [] } });
  if (read.kind !== 'header') throw new Error(read.kind);
  const { header, frames, timing } = read;
  t.strictSame(
    [0, 1, 2].map((frame) => headerOfFrame(header, frames, frame).window),
    [40, 50, 40].map((center) => [{ center, width: 100 }]),
  );
  const times = [0, 1, 2].map((frame) => ({ ...timing, ...frames?.[frame]?.timing }));
  t.strictSame(
    times.map(({ temporalPosition }) => temporalPosition),
    [1, 2, 3],
  );
  t.equal(times[1]!.acquired! - times[0]!.acquired!, 0.5);
});

t.test('per-frame groups of another number than there are frames are used as far as they go', async (t) => {
  const sq = (tag: string, ...value: (readonly Element[])[]): Element => ({ tag, vr: 'SQ', value });
  const place = (z: string) => sq('00209113', [ds('00200032', `0\\0\\${z}`)]);
  const read = whole(
    file({ frames: 2, rows: 1, extra: [sq('52009230', [place('1')], [place('2')], [place('3')])] }),
  );
  t.match(read, { header: { notes: [{ code: 'HEADER_REPAIRED', detail: /2 frames.* 3$/ }] } });
  t.equal(read.kind === 'header' && read.frames?.length, 2);
  const fewer = whole(
    file({ frames: 2, rows: 1, position: [0, 0, 9], extra: [sq('52009230', [place('1')])] }),
  );
  t.match(fewer, { frames: [{ header: { position: [0, 0, 1] } }, { header: { position: [0, 0, 9] } }] });
});

t.test('the frames of a dose grid lie where its offsets say', async (t) => {
  const grid = (offsets: string) =>
    whole(
      file({
        frames: 2,
        rows: 1,
        position: [1, 2, 3],
        orientation: [1, 0, 0, 0, -1, 0],
        extra: [ds('3004000c', offsets)],
      }),
    );
  const places = (read: HeaderRead) =>
    read.kind === 'header' && read.frames?.map(({ header }) => header.position);
  t.strictSame(places(grid('0\\2.5')), [
    [1, 2, 3],
    [1, 2, 0.5],
  ]);
  t.strictSame(places(grid('3\\5.5')), [
    [1, 2, 3],
    [1, 2, 5.5],
  ]);
  for (const unusable of ['0', '0\\2,5', ''])
    t.match(
      whole(
        file({
          sopClassUid: '1.2.840.10008.5.1.4.1.1.481.2',
          frames: 2,
          rows: 1,
          position: [1, 2, 3],
          extra: [ds('3004000c', unusable), ds('3004000e', '1')],
        }),
      ),
      {
        frames: [{ header: { position: null } }, { header: { position: null } }],
        header: { position: null, notes: [{ code: 'POSITION_INVALID', detail: /GridFrameOffsetVector/ }] },
      },
      unusable,
    );
});

t.test('a VOI table in the functional groups is used, per frame', async (t) => {
  const sq = (tag: string, ...value: (readonly Element[])[]): Element => ({ tag, vr: 'SQ', value });
  const us3 = (vr: string, ...value: number[]): Element => ({ tag: '00283002', vr, value });
  const entries = (...values: number[]): Element => ({
    tag: '00283006',
    vr: 'OW',
    value: Uint16Array.from(values),
  });
  for (const undefinedLength of [false, true]) {
    const voi = (...items: Element[]) => sq('00289132', [{ ...sq('00283010', items), undefinedLength }]);
    const shared = sq('52009229', [voi(us3('US', 2, 7, 12), entries(1, 2))]);
    const own = [voi(us3('SS', 3, -5, 8), entries(1, 2, 3))];
    const bad = [voi(us3('US', 2, 7, 12))];
    const read = whole(
      file({ frames: 3, rows: 1, pixels: new Uint16Array(9), extra: [shared, sq('52009230', [], own, bad)] }),
    );
    if (read.kind !== 'header') throw new Error(read.kind);
    const tables = [0, 1, 2].map((frame) => headerOfFrame(read.header, read.frames, frame).voiTable);
    t.match(tables, [{ entries: 2, first: 7, bits: 12 }, { entries: 3, first: -5, bits: 8 }, null]);
    t.match(read.header.notes, [{ code: 'MODALITY_LUT' }]);
    t.equal(read.header.notes.length, 1);
  }
});

t.test('a lookup table with missing entries is reported and left out', async (t) => {
  const table = (bits: number, bytes: Uint8Array, isSegmented = false) =>
    [1, 2, 3].flatMap((colour): Element[] => [
      { tag: `0028110${colour}`, vr: 'US', value: [4, 0, bits] },
      { tag: `002812${isSegmented ? 2 : 0}${colour}`, vr: 'OW', value: bytes },
    ]);
  const palette = (...told: Parameters<typeof table>) =>
    header(file({ photometric: 'PALETTE COLOR', extra: table(...told) }));
  const line = Uint8Array.of(0, 1, 10, 1, 3, 40);
  for (const found of [
    palette(8, Uint8Array.of(1, 2, 3, 4)),
    palette(16, new Uint8Array(8)),
    palette(8, line, true),
  ])
    t.match(found, { photometric: 'PALETTE COLOR', palette: [{ entries: 4 }, {}, {}], notes: [] });
  for (const found of [
    palette(8, Uint8Array.of(1, 2)),
    palette(16, new Uint8Array(6)),
    palette(8, line.subarray(0, 4), true),
    palette(16, line, true),
  ])
    t.match(found, {
      photometric: 'MONOCHROME2',
      palette: null,
      notes: [{ code: 'HEADER_REPAIRED', detail: /no palette that can be read/ }],
    });
  const modality: Element = {
    tag: '00283000',
    vr: 'SQ',
    value: [
      [
        { tag: '00283002', vr: 'US', value: [4, 0, 16] },
        { tag: '00283006', vr: 'OW', value: new Uint8Array(6) },
      ],
    ],
  };
  t.match(header(file({ extra: [modality] })), { modalityTable: null, notes: [{ code: 'MODALITY_LUT' }] });
});

t.test('an icon in a sequence is not the image', async (t) => {
  const icon: Element = {
    tag: '00880200',
    vr: 'SQ',
    value: [
      [us('00280010', 64), us('00280011', 64), { tag: '7fe00010', vr: 'OB', value: new Uint8Array(4096) }],
    ],
  };
  for (const undefinedLength of [true, false]) {
    const read = header(file({ extra: [{ ...icon, undefinedLength }] }));
    t.strictSame([read.rows, read.columns, read.pixelData.length], [2, 3, 12]);
  }
});

/** An explicit data set of `depth` sequences of undefined length in each other, never ended, after a plausible start. */
function nest(depth: number): Uint8Array {
  const start = Buffer.from(file()).subarray(0, -12 - 12);
  const level = Buffer.from([
    0x08, 0, 0x40, 0x11, 0x53, 0x51, 0, 0, 255, 255, 255, 255, 254, 255, 0, 224, 255, 255, 255, 255,
  ]);
  return Buffer.concat([start, ...Array<Buffer>(depth).fill(level)]);
}

t.test('nesting over the limit is refused, also where it would overflow a stack', async (t) => {
  t.equal(problem(whole(nest(64))), 'HEADER_BROKEN', 'within the limit it merely never ends');
  t.equal(problem(whole(nest(65))), 'LIMIT_EXCEEDED');
  t.equal(problem(whole(nest(100_000))), 'LIMIT_EXCEEDED');
});

t.test('a million elements and huge lengths are refused by a limit', async (t) => {
  const start = Buffer.from(file()).subarray(0, -12 - 12);
  const empty = Buffer.from([0x29, 0, 0x10, 0, 0x4c, 0x4f, 0, 0]);
  t.equal(problem(whole(Buffer.concat([start, ...Array<Buffer>(1_000_000).fill(empty)]))), 'LIMIT_EXCEEDED');
  const huge = Buffer.from([0x29, 0, 0x10, 0, 0x4f, 0x42, 0, 0, 0xf0, 255, 255, 255]);
  t.equal(problem(whole(Buffer.concat([start, huge]))), 'HEADER_BROKEN');
  const large = readHeader(Buffer.concat([start, huge]), 2 ** 40, DEFAULT_LIMITS);
  t.equal(problem(large), 'HEADER_TOO_LARGE');
  t.equal(problem(readHeader(file(), 2 ** 40, { ...DEFAULT_LIMITS, headerBytes: 200 })), 'HEADER_TOO_LARGE');
});

t.test('details hold no text of the file', async (t) => {
  const secret = 'SECRET';
  const image = { patientId: secret, patientName: secret, photometric: secret, modality: secret };
  for (const extra of [
    ds('00281053', secret),
    ds('00280030', secret),
    { tag: '00280008', vr: 'IS', value: secret },
  ]) {
    const read = whole(file({ ...image, extra: [extra] }));
    t.notMatch(read.kind === 'header' ? JSON.stringify(read.header.notes) : JSON.stringify(read), /SECRET/);
  }
});

t.test('whatever the bytes, an answer comes back that survives JSON', async (t) => {
  const seeds = [file({ frames: 1, patientId: 'x' }), file({}, { transferSyntax: IMPLICIT_LITTLE }), nest(3)];
  const edit = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
  const survives = fc.property(
    fc.constantFrom(...seeds),
    fc.array(edit, { minLength: 1, maxLength: 8 }),
    fc.nat(),
    (seed, edits, cut) => {
      const bytes = Uint8Array.from(seed);
      for (const { at, value } of edits) bytes[132 + (at % (bytes.length - 132))] = value;
      const read = stepwise(bytes.subarray(0, bytes.length - (cut % 3 === 0 ? cut % bytes.length : 0)), 64);
      return (
        JSON.stringify(JSON.parse(JSON.stringify(read))) === JSON.stringify(read) && read.kind !== 'more'
      );
    },
  );
  t.doesNotThrow(() => fc.assert(survives, { numRuns: 3000 }));
  const anything = fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => whole(bytes).kind !== 'more');
  t.doesNotThrow(() => fc.assert(anything, { numRuns: 500 }));
});
