// Writes docs/transfer-syntaxes.md: `node scripts/transfer-syntaxes.mjs [GOLDEN.tsv]`, after a build. Each golden image is decoded as in a
// loader, without GOLDEN.tsv those of ../shared/data/dicom; lossy ones are compared pixel by pixel with pydicom and its plugins too
// (`PYTHON`, else /usr/bin/python3). What the golden images lack is encoded here and decoded again.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import { CODECS } from '../dist/src/codecs/codecs.js';
import { transferSyntaxName } from '../dist/src/core/dicom-uids.js';
import { PixelError } from '../dist/src/core/pixels.js';
import { imageElements } from '../dist/src/demo/image-elements.js';
import { writePart10 } from '../dist/src/demo/part10.js';
import { encodeFrame, encodeXl } from '../dist/test/fixtures/encoders.js';
import {
  byPixel,
  decodeFrame,
  readImageFile,
  tableRows,
  valuesDigest,
} from '../dist/test/fixtures/image-files.js';

const LOSSY = ['50', '51', '53', '55', '81', '91'].map((end) => `1.2.840.10008.1.2.4.${end}`);
/** Counts that two decoders of a lossy image may differ by, grey and colour. */
const [GREY, COLOUR] = [2, 4];

const table = process.argv[2] ?? '../shared/data/dicom/golden.tsv';
const root = resolve(dirname(table));
const tallies = new Map();
const tallyOf = (uid) => {
  if (!tallies.has(uid))
    tallies.set(uid, {
      files: 0,
      exact: 0,
      within: 0,
      others: 0,
      refused: 0,
      made: 0,
      same: 0,
      compared: 0,
      most: 0,
    });
  return tallies.get(uid);
};
for (const uid of new Set(CODECS.flatMap(({ transferSyntaxes }) => transferSyntaxes))) tallyOf(uid);

/** Every value of every frame, by pixel. */
async function valuesOf(image) {
  const frames = [];
  for (let frame = 0; frame < image.header.frames; frame++)
    frames.push(Array.from(byPixel(await decodeFrame(image, frame)), Number));
  return frames.flat();
}

function difference(a, b) {
  return a.length === b.length
    ? a.reduce((most, value, at) => Math.max(most, Math.abs(value - b[at])), 0)
    : Infinity;
}

/** The values that pydicom makes of files, null for each that it does not read. */
function peerValues(paths) {
  const folder = mkdtempSync(join(tmpdir(), 'slicefeed-peer-'));
  const script = fileURLToPath(new URL('./decode-peer.py', import.meta.url));
  execFileSync(process.env.PYTHON ?? '/usr/bin/python3', [script, folder, ...paths], { stdio: 'ignore' });
  const values = paths.map((_, number) => {
    const path = join(folder, String(number));
    if (!existsSync(path)) return null;
    const bytes = Uint8Array.from(readFileSync(path));
    return Array.from(new BigInt64Array(bytes.buffer), Number);
  });
  rmSync(folder, { recursive: true });
  return values;
}

const rows = tableRows(table);
const lossy = rows.filter(({ transfer_syntax: uid }) => LOSSY.includes(uid)).map(({ path }) => path);
const peers = new Map(
  peerValues(lossy.map((path) => join(root, path))).map((values, at) => [lossy[at], values]),
);
for (const { path, transfer_syntax: uid, sha256 } of rows) {
  const tally = tallyOf(uid);
  tally.files += 1;
  try {
    const image = readImageFile(root, path);
    const limit = image.header.samplesPerPixel === 3 ? COLOUR : GREY;
    const peer = peers.get(path) ?? null;
    const most = peer === null ? null : difference(await valuesOf(image), peer);
    if (most !== null) {
      tally.compared += 1;
      tally.most = Math.max(tally.most, most);
    }
    const isExact = (await valuesDigest(image)) === sha256;
    tally[isExact ? 'exact' : most !== null && most <= limit ? 'within' : 'others'] += 1;
  } catch (error) {
    if (!(error instanceof PixelError)) throw error;
    tally.refused += 1;
  }
}

/** Images of every depth and sign that a transfer syntax may have, each with how it is encoded. */
function* images() {
  const size = { rows: 21, columns: 34 };
  const kinds = [
    ['1.2.840.10008.1.2.4.80', 'JPEG-LS', [8, 12, 16], [false]],
    ['1.2.840.10008.1.2.4.90', 'JPEG 2000', [8, 12, 16], [false, true]],
    ['1.2.840.10008.1.2.4.110', 'JPEG XL', [8, 16], [false]],
    ...['201', '202', '203'].map((end) => [
      `1.2.840.10008.1.2.4.${end}`,
      'HTJ2K',
      [8, 12, 16],
      [false, true],
    ]),
    ['1.2.840.10008.1.2.1.98', 'plain', [8, 12, 16], [false, true]],
    ['1.2.840.10008.1.2.8.1', 'deflated', [8, 12, 16], [false, true]],
  ];
  for (const [uid, kind, depths, signs] of kinds)
    for (const bits of depths) for (const signed of signs) yield { uid, kind, ...size, bits, signed };
}

function samplesOf({ rows, columns, bits, signed }) {
  const Values = bits > 8 ? (signed ? Int16Array : Uint16Array) : signed ? Int8Array : Uint8Array;
  const low = signed ? -(2 ** (bits - 1)) : 0;
  return Values.from({ length: rows * columns }, (_, at) => low + ((at * 7919) % 2 ** bits));
}

async function encoded(image, samples) {
  const bytes = new Uint8Array(samples.buffer);
  if (image.kind === 'plain') return bytes;
  if (image.kind === 'deflated') return deflateRawSync(bytes);
  if (image.kind === 'JPEG XL') return encodeXl(image, samples);
  return encodeFrame(image.kind, image, samples, (encoder) => {
    if (image.kind === 'HTJ2K') encoder.setProgressionOrder(2);
  });
}

const folder = mkdtempSync(join(tmpdir(), 'slicefeed-made-'));
for (const image of images()) {
  const { uid, rows, columns, bits, signed } = image;
  const samples = samplesOf(image);
  const frame = await encoded(image, samples);
  const described = { rows, columns, bitsAllocated: bits > 8 ? 16 : 8, bitsStored: bits, signed };
  const elements = imageElements({ ...described, pixels: { frames: [[frame]] } });
  writeFileSync(join(folder, 'a.dcm'), writePart10(elements, { transferSyntax: uid }));
  const tally = tallyOf(uid);
  tally.made += 1;
  if (difference(await valuesOf(readImageFile(folder, 'a.dcm')), Array.from(samples)) === 0) tally.same += 1;
}
rmSync(folder, { recursive: true });

const cells = (values) => `| ${values.join(' | ')} |`;
const lines = [...tallies]
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([uid, { files, exact, within, others, refused, made, same, compared, most }]) =>
    cells([
      transferSyntaxName(uid) ?? uid,
      files,
      exact,
      within,
      others,
      refused,
      compared === 0 ? '' : `${compared}: ${most}`,
      made === 0 ? '' : `${made}: ${same}`,
    ]),
  );
const notes = readFileSync(new URL('./transfer-syntaxes.md', import.meta.url), 'utf8');
const head = [
  'transfer syntax',
  'files',
  'exact',
  'within',
  'others',
  'refused',
  'pixel by pixel',
  'made here',
];
const text = `# Transfer syntaxes

Every transfer syntax that is read, and what became of the public images that the project is tried on: each was decoded to
stored values and their SHA-256 compared with that of other decoders (pydicom, GDCM, dcmtk). *Exact*: every value is the same, in
lossy images too; *within*: no pixel differs from pydicom's by more than ${GREY} counts (grey) or ${COLOUR} (colour), which lossy images may;
*others*: a decoded image with other values. *Pixel by pixel*: how many lossy images pydicom with GDCM reads as well, and the greatest
difference of any pixel of them. *Made here*: images of 8 and 16, most of 12 bits too, signed and not, that were encoded for the purpose, and how
many of them came back as they were. Made by \`node scripts/transfer-syntaxes.mjs\`.

${cells(head)}
${cells(head.map(() => '---'))}
${lines.join('\n')}

${notes}`;
writeFileSync(fileURLToPath(new URL('../docs/transfer-syntaxes.md', import.meta.url)), text);
