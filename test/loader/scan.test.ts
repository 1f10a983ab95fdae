import { createHash } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t from 'tap';
import type { LoaderLimits, ScanFinding, ScanUnit } from '../../src/loader/messages.js';
import { scan } from '../../src/loader/scan.js';
import { encodeFrame } from '../fixtures/encoders.js';
import { losslessJpeg } from '../fixtures/jpeg-writer.js';
import { temporaryFolder } from '../helper.js';
import { LIMITS } from './scripted.js';
import { dicomFile, guardAt, writeImage } from './sources.js';

const IMAGE = { rows: 2, columns: 3, pixels: Uint16Array.of(1, 2, 3, 4, 5, 6) };

function image(path: string, withChecksums = false): ScanUnit {
  return { path, kind: 'image', sizeBytes: 0, withChecksums };
}

function text(path: string, kind: 'contour' | 'table' = 'contour'): ScanUnit {
  return { path, kind, sizeBytes: 0, withChecksums: false };
}

async function scanOne(root: string, unit: ScanUnit, limits: LoaderLimits = LIMITS): Promise<ScanFinding> {
  const [finding, ...others] = await scan({ kind: 'scan', root, units: [unit] }, limits);
  if (!finding || others.length > 0) throw new Error('one finding for each unit');
  return finding;
}

t.test('an image gives its header and the digest of all before its pixels', async (t) => {
  const folder = temporaryFolder(t);
  const { header, headerDigest, guard } = writeImage(folder, 'a.dcm', { ...IMAGE, spacingMm: [2, 1] });
  t.strictSame(await scanOne(folder, image('a.dcm')), {
    kind: 'image',
    header,
    timing: { triggerMs: null, acquired: null, content: null, temporalPosition: null },
    frames: null,
    headerDigest,
    patient: null,
    checksums: null,
    guard,
  });
});

t.test('the digest tells headers apart and not pixels', async (t) => {
  const folder = temporaryFolder(t);
  const digestOf = async (name: string, changes: object) => {
    writeImage(folder, name, { ...IMAGE, ...changes });
    const finding = await scanOne(folder, image(name));
    return finding.kind === 'image' ? finding.headerDigest : null;
  };
  const digest = await digestOf('a.dcm', {});
  t.match(digest, /^[0-9a-f]{64}$/);
  t.equal(await digestOf('b.dcm', { pixels: Uint16Array.of(6, 5, 4, 3, 2, 1) }), digest);
  t.not(await digestOf('c.dcm', { rescaleSlope: 2, rescaleIntercept: 0 }), digest);
});

t.test('each frame has a checksum where it is asked for', async (t) => {
  const folder = temporaryFolder(t);
  const pixels = Uint16Array.of(1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16);
  writeImage(folder, 'a.dcm', { ...IMAGE, frames: 2, pixels });
  const frames = [pixels.subarray(0, 6), pixels.subarray(6)];
  t.match(await scanOne(folder, image('a.dcm', true)), {
    checksums: frames.map((frame) => crc32(Buffer.from(frame.slice().buffer))),
  });
});

t.test('the patient leaves as a hash alone', async (t) => {
  const folder = temporaryFolder(t);
  writeImage(folder, 'a.dcm', { ...IMAGE, patientId: 'Jane-1965', patientName: 'Doe^Jane' });
  const finding = await scanOne(folder, image('a.dcm'));
  t.match(finding, {
    patient: createHash('sha256').update('Jane-1965').digest('hex'),
    header: { patientId: null },
  });
  t.notMatch(JSON.stringify(finding), /Jane/);
});

t.test('a header longer than the first bytes that are read', async (t) => {
  const folder = temporaryFolder(t);
  const extra = [{ tag: '00091010', vr: 'OB', value: new Uint8Array(200_000) }];
  const { header } = writeImage(folder, 'a.dcm', { ...IMAGE, extra });
  t.ok(header.headerBytes > 200_000);
  t.match(await scanOne(folder, image('a.dcm')), {
    kind: 'image',
    header: { headerBytes: header.headerBytes },
  });
  t.match(await scanOne(folder, image('a.dcm'), { ...LIMITS, headerBytes: 100_000 }), {
    kind: 'refused',
    code: 'HEADER_TOO_LARGE',
  });
});

t.test('what is no image is refused with a reason, and the others go on', async (t) => {
  const folder = temporaryFolder(t);
  writeImage(folder, 'good.dcm', IMAGE);
  writeFileSync(join(folder, 'empty.dcm'), '');
  writeFileSync(join(folder, 'text.dcm'), 'not an image');
  writeImage(folder, 'cut.dcm', IMAGE);
  truncateSync(join(folder, 'cut.dcm'), dicomFile(IMAGE).length - 2);
  const units = ['empty.dcm', 'text.dcm', 'gone.dcm', 'cut.dcm', 'good.dcm'].map((path) => image(path));
  t.match(await scan({ kind: 'scan', root: folder, units }, LIMITS), [
    { kind: 'refused', code: 'NOT_DICOM' },
    { kind: 'refused', code: 'NOT_DICOM' },
    { kind: 'refused', code: 'FILE_UNREADABLE' },
    { kind: 'refused', code: 'PIXELS_SHORT' },
    { kind: 'image' },
  ]);
});

t.test('an image that no codec reads is refused', async (t) => {
  const folder = temporaryFolder(t);
  writeImage(folder, 'a.dcm', { rows: 2, columns: 2, pixels: new BigUint64Array(4) });
  t.match(await scanOne(folder, image('a.dcm')), { kind: 'refused', code: 'PIXELS_UNSUPPORTED' });
});

t.test('what a compressed frame says otherwise than the header is known before it is decoded', async (t) => {
  const folder = temporaryFolder(t);
  const size = { rows: 8, columns: 8 };
  const frame = await encodeFrame('JPEG-LS', { ...size, bits: 8 }, new Uint8Array(64));
  const image8 = { ...size, bitsAllocated: 8, pixels: { frames: [[frame]] } };
  const notesOf = async (changes: object, end: string) => {
    writeImage(folder, 'a.dcm', { ...image8, ...changes }, `1.2.840.10008.1.2.4.${end}`);
    const found = await scanOne(folder, image('a.dcm'));
    return found.kind === 'image' ? found.header.notes.map(({ detail }) => detail) : found;
  };
  t.strictSame(await notesOf({}, '80'), []);
  t.strictSame(await notesOf({ bitsStored: 7 }, '80'), [
    'the compressed image has samples of 8 bits, BitsStored says 7',
  ]);
  t.strictSame(await notesOf({}, '90'), [
    'the frame is a JPEG-LS image, which the transfer syntax does not say',
  ]);
  const open = frame.subarray(0, -2);
  t.strictSame(await notesOf({ pixels: { frames: [[open]] } }, '80'), [
    'the compressed image lacks its last marker; it was added',
  ]);
});

t.test('an image of which every load would fail is refused by the scan', async (t) => {
  const folder = temporaryFolder(t);
  const size = { rows: 8, columns: 8 };
  const good = await encodeFrame('JPEG-LS', { ...size, bits: 8 }, new Uint8Array(64));
  const wavelet = await encodeFrame('JPEG 2000', { ...size, bits: 8 }, new Uint8Array(64));
  const deep = Uint8Array.from(wavelet);
  deep[42] = 19;
  const arithmetic = Uint8Array.from(losslessJpeg(8, 8, new Array(64).fill(1)));
  arithmetic[3] = 0xc9;
  const scanned = async (frames: readonly Uint8Array[], end: string, changes: object = {}) => {
    const pixels = { frames: frames.map((frame) => [frame]) };
    const image8 = { ...size, bitsAllocated: 8, frames: frames.length, pixels, ...changes };
    writeImage(folder, 'a.dcm', image8, `1.2.840.10008.1.2.${end}`);
    return scanOne(folder, image('a.dcm'));
  };
  for (const [frame, end, detail, changes] of [
    [Uint8Array.of(1, 2, 3, 4), '4.80', 'the frame holds no JPEG image', {}],
    [good, '4.80', 'the compressed image has 8 rows of 8, the header says 8 of 9', { columns: 9 }],
    [good, '4.80', 'the compressed image has 1 components, SamplesPerPixel says 3', { samplesPerPixel: 3 }],
    [wavelet.subarray(0, 60), '4.90', 'the JPEG 2000 codestream is cut off', {}],
    [wavelet.subarray(0, -20), '4.90', 'the JPEG 2000 codestream is cut off', {}],
    [deep, '4.90', 'the compressed image has samples of 20 bits, BitsAllocated says 8', {}],
    [deep, '4.90', 'samples of 20 bits; JPEG 2000 is read up to 16', { bitsAllocated: 32, bitsStored: 16 }],
    [arithmetic, '4.70', 'the JPEG image is hierarchical or arithmetic-coded', {}],
    [new Uint8Array(70), '5', 'the frame says it has 0 RLE segments; its description asks for 1', {}],
    [new Uint8Array(40), '5', 'the frame ends inside its RLE header', {}],
    [new Uint8Array(40), '1.98', 'the frame needs 64 bytes of pixel data, the file has 40', {}],
    [new Uint8Array(40), '4.110', 'the frame holds no JPEG XL image', {}],
  ] as const)
    t.match(await scanned([frame], end, changes), { kind: 'refused', detail }, detail);
  const bad = Uint8Array.of(1, 2, 3, 4);
  t.match(await scanned([bad, bad, bad], '4.80'), { kind: 'refused', code: 'PIXELS_SHORT' });
  const some = await scanned([bad, bad, good], '4.80');
  t.match(some.kind === 'image' && some.header.notes, [
    { code: 'PIXELS_SHORT', detail: 'frame 1: the frame holds no JPEG image' },
  ]);
  const long = Uint8Array.from([
    0xff,
    0xd8,
    0xff,
    0xfe,
    0x20,
    0,
    ...new Uint8Array(0x1ffe),
    ...good.subarray(2),
  ]);
  t.match(await scanned([long], '4.80'), { kind: 'image' }, 'a comment of 8 KiB before the image');
});

t.test('a file over the limit is not read', async (t) => {
  const folder = temporaryFolder(t);
  writeImage(folder, 'a.dcm', IMAGE);
  const sizeBytes = dicomFile(IMAGE).length;
  t.match(await scanOne(folder, image('a.dcm'), { ...LIMITS, fileBytes: sizeBytes }), { kind: 'image' });
  t.match(await scanOne(folder, image('a.dcm'), { ...LIMITS, fileBytes: sizeBytes - 1 }), {
    kind: 'refused',
    code: 'LIMIT_EXCEEDED',
  });
});

t.test('a contour is read as it is written, with what is wrong with it', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'good.txt'), '1 2\n3 4\n5.5 6\n');
  writeFileSync(join(folder, 'bad.txt'), '1 2\n3 four\n');
  t.match(await scanOne(folder, text('good.txt')), {
    kind: 'contour',
    contour: { ok: true, points: Float64Array.of(1, 2, 3, 4, 5.5, 6), problems: [] },
  });
  t.match(await scanOne(folder, text('bad.txt')), {
    kind: 'contour',
    contour: { ok: false, problem: { code: 'CONTOUR_NOT_A_NUMBER', line: 2 } },
  });
});

t.test('a contour of more text than its points can need is never used in part', async (t) => {
  const folder = temporaryFolder(t);
  const limits = { ...LIMITS, contourPoints: 4 };
  const long = (x: number, y: number) => `${x} ${y}${' '.repeat(96)}\n`;
  writeFileSync(join(folder, 'a.txt'), [long(0, 0), long(9, 0), long(9, 9), long(0, 9)].join(''));
  const finding = await scanOne(folder, text('a.txt'), limits);
  const points = finding.kind === 'contour' && finding.contour.ok ? finding.contour.points : null;
  t.ok(points === null || points.length === 8, `${points}`);
});

t.test('a link table is read', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'link.csv'), 'patient_id,original_id\nA,B');
  t.strictSame(await scanOne(folder, text('link.csv', 'table')), {
    kind: 'table',
    table: { rows: [{ patient: 'A', original: 'B', line: 2 }], problems: [] },
  });
});

t.test('a path that leaves its source is never opened', async (t) => {
  const folder = temporaryFolder(t);
  writeImage(folder, 'a.dcm', IMAGE);
  await t.rejects(scanOne(join(folder, 'b'), image('../a.dcm')), { message: 'the path leaves its source' });
});

t.test('the guard is that of the file', async (t) => {
  const folder = temporaryFolder(t);
  writeImage(folder, 'a.dcm', IMAGE);
  t.match(await scanOne(folder, image('a.dcm')), { guard: guardAt(folder, 'a.dcm') });
});
