import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import t from 'tap';
import { DEFAULT_LIMITS, type HeaderRead, readHeader } from '../../src/core/dicom.js';
import { sharedData } from '../shared-data.js';

const FIRST_PIECE = 65_536;

/** Reads as a loader does, in pieces that grow; counts the calls. */
function stepwise(bytes: Uint8Array): { read: HeaderRead; calls: number } {
  for (let size = Math.min(FIRST_PIECE, bytes.length), calls = 1; ; calls++) {
    const read = readHeader(bytes.subarray(0, size), bytes.length, DEFAULT_LIMITS);
    if (read.kind !== 'more') return { read, calls };
    if (read.atLeastBytes <= size) throw new Error('no progress');
    size = read.atLeastBytes;
  }
}

async function filesOf(folder: string): Promise<{ name: string; bytes: Uint8Array }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.tsv'))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { name: relative(folder, path), bytes: new Uint8Array(readFileSync(path)) };
    });
}

function table(path: string): Record<string, string>[] {
  const [names, ...rows] = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t'));
  return rows.map((row) => Object.fromEntries(names!.map((name, i) => [name, row[i] ?? ''])));
}

const missing = (name: string) => `the real data is missing: ../shared/data/${name}`;

const sunnybrook = sharedData('sunnybrook', 'dicoms');
t.test(
  'every image of the cardiac data, without a note',
  { skip: sunnybrook === null && missing('sunnybrook') },
  async (t) => {
    const files = await filesOf(sunnybrook!);
    t.ok(files.length > 200);
    for (const { name, bytes } of files) {
      const { read, calls } = stepwise(bytes);
      const expected = {
        header: { rows: 256, columns: 256, frames: 1, modality: 'MR', photometric: 'MONOCHROME2' },
      };
      if (!t.match(read, { ...expected, kind: 'header' }, name)) continue;
      if (read.kind !== 'header') continue;
      t.strictSame([read.header.notes, calls], [[], 1], name);
      t.ok(read.header.spacingMm && read.header.position && read.header.orientation, name);
    }
  },
);

const golden = sharedData('dicom', 'golden.tsv');
t.test(
  'the golden images in every transfer syntax',
  { skip: golden === null && missing('dicom') },
  async (t) => {
    for (const row of table(golden!)) {
      const { read } = stepwise(new Uint8Array(readFileSync(sharedData('dicom', row.path!)!)));
      if (row.transfer_syntax === '1.2.840.10008.1.2.1.99') {
        t.equal(read.kind, 'deflated', row.path!);
        continue;
      }
      if (read.kind !== 'header') {
        t.fail(`${row.path}: ${JSON.stringify(read)}`);
        continue;
      }
      const { frames, rows, columns, samplesPerPixel, transferSyntax } = read.header;
      const shape = [
        ...(frames > 1 ? [frames] : []),
        rows,
        columns,
        ...(samplesPerPixel > 1 ? [samplesPerPixel] : []),
      ];
      t.strictSame([transferSyntax, shape.join('x')], [row.transfer_syntax, row.shape], row.path!);
    }
  },
);

const malformed = sharedData('malformed', 'index.tsv');
t.test(
  'broken, truncated and hostile files: one answer each',
  { skip: malformed === null && missing('malformed') },
  async (t) => {
    const peers = new Map(table(malformed!).map((row) => [row.path!, row['pydicom_2.3.1_gdcm']!]));
    const files = await filesOf(sharedData('malformed')!);
    t.ok(files.length > 150);
    for (const { name, bytes } of files) {
      const { read } = stepwise(bytes);
      if (read.kind === 'refused') {
        t.notMatch(read.problem.detail, /\n|[^ -~]|FUZZ|XXXX/, name);
        continue;
      }
      const shape = /^OK \(([\d, ]+)\)/
        .exec(peers.get(name) ?? '')?.[1]
        ?.split(', ')
        .map(Number);
      if (shape === undefined || read.kind !== 'header') continue;
      const { rows, columns } = read.header;
      t.ok(shape.includes(rows) && shape.includes(columns), `${name}: the peer's shape`);
    }
  },
);

t.test('what is made of some of them', { skip: malformed === null && missing('malformed') }, async (t) => {
  const code = (name: string): string => {
    const { read } = stepwise(new Uint8Array(readFileSync(sharedData('malformed', name)!)));
    return read.kind === 'refused' ? read.problem.code : read.kind;
  };
  const corpus = 'dicom-fuzzing-corpus';
  for (const [name, expected] of [
    ['dcm4che/no_preamble_dicm_in_data', 'NO_PIXELS'],
    ['dcm4che/Tag-0040-A170-VR-CS.dcm', 'NO_PIXELS'],
    [`${corpus}/cat02_vr_mismatch/TC0243_pixeldata_OB_as_OW.dcm`, 'PIXELS_SHORT'],
    [`${corpus}/cat04_pixel_data/TC0295_rows_zero.dcm`, 'HEADER_BROKEN'],
    [`${corpus}/cat04_pixel_data/TC0317_bits_ba_128.dcm`, 'PIXELS_UNSUPPORTED'],
    [`${corpus}/cat04_pixel_data/TC0339_mf_nf_million.dcm`, 'LIMIT_EXCEEDED'],
    [`${corpus}/cat05_transfer_syntax/TC0345_deflate_corrupt.dcm`, 'HEADER_BROKEN'],
    [`${corpus}/cat07_file_meta/TC0377_no_preamble.dcm`, 'header'],
    [`${corpus}/cat07_file_meta/TC0381_preamble_127.dcm`, 'NOT_DICOM'],
    ['pydicom/dicomdirtests/DICOMDIR-bigEnd', 'NO_PIXELS'],
    ['fo-dicom/GH179B.dcm', 'HEADER_BROKEN'],
  ] as const) {
    t.equal(code(name), expected, name);
  }
});
