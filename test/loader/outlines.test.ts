import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { fillRuns } from '../../src/core/runs.js';
import type { Segmentation } from '../../src/core/segment-rasters.js';
import { DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE } from '../../src/demo/part10.js';
import { withSourceFile } from '../../src/loader/files.js';
import { readSegments, readStructures } from '../../src/loader/outlines.js';
import { LIMITS } from '../fixtures/image-files.js';
import { type SegmentationOptions, segmentationFile } from '../fixtures/segmentation-file.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';

const folder = temporaryFolder(t);

async function segments(options: SegmentationOptions, limits = LIMITS): Promise<Segmentation> {
  writeFileSync(join(folder, 'seg.dcm'), segmentationFile(options));
  return await readSegments(folder, 'seg.dcm', limits);
}

/** The masks of a segmentation by frame and structure. */
function masksOf({ rasters, runs, rows, columns, segments: named }: Segmentation): [string, Uint8Array][] {
  return rasters.map(({ segment, frame, first, count }) => {
    const mask = new Uint8Array(rows * columns);
    fillRuns(runs.subarray(2 * first, 2 * (first + count)), mask.length, mask, 0);
    return [`${frame} ${named[segment]!.structure}`, mask];
  });
}

function texts(segmentation: Segmentation): string[] {
  return masksOf(segmentation).map(([name, mask]) => `${name} ${mask.join('')}`);
}

t.test('frames of single bits, which begin anywhere in a byte', async (t) => {
  const frames = [
    { values: [1, 0, 1, 0, 1, 0], segment: 2 },
    { values: [0, 0, 0, 0, 0, 0], segment: 1 },
    { values: [1, 1, 1, 0, 0, 1], segment: 1 },
  ];
  const named = [{ label: 'Liver' }, { label: 'Spleen' }];
  for (const transferSyntax of [IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED, '1.2.840.10008.1.2.1'])
    for (const undefinedLength of [true, false]) {
      const found = await segments({
        rows: 2,
        columns: 3,
        segments: named,
        frames,
        transferSyntax,
        undefinedLength,
      });
      t.strictSame(texts(found), ['0 Spleen 101010', '2 Liver 111001'], transferSyntax);
      t.strictSame(found.problems, []);
    }
});

t.test('frames of single bits that are padded to whole bytes are read', async (t) => {
  const frames = ['101010', '011001', '111000', '000111', '100100'];
  const found = await segments({
    rows: 2,
    columns: 3,
    segments: [{ label: 'A' }],
    frames: frames.map((bits) => ({ values: [...bits].map(Number) })),
    pixels: Uint8Array.from(frames, (bits) => Number.parseInt([...bits].reverse().join(''), 2)),
  });
  t.strictSame(
    texts(found),
    frames.map((bits, at) => `${at} A ${bits}`),
  );
  t.match(found.problems, [{ code: 'HEADER_REPAIRED', detail: /filled up to 1 bytes each/ }]);
});

t.test('any bits of any frames come back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 7 }),
      fc.array(fc.array(fc.nat(1), { minLength: 49, maxLength: 49 }), { minLength: 1, maxLength: 5 }),
      async (rows, columns, all) => {
        const frames = all.map((values) => ({ values: values.slice(0, rows * columns) }));
        const found = await segments({ rows, columns, segments: [{ label: 'A' }], frames });
        const wanted = frames.flatMap(({ values }, frame) =>
          values.includes(1) ? [`${frame} A ${values.join('')}`] : [],
        );
        return String(texts(found)) === String(wanted);
      },
    ),
    { numRuns: 30 },
  );
});

t.test('a fractional pixel is inside from a share of the whole that is told', async (t) => {
  const fractional = {
    type: 'FRACTIONAL',
    rows: 1,
    columns: 5,
    whole: 200,
    segments: [{ label: 'A' }],
    frames: [{ values: [0, 99, 100, 101, 200] }],
  };
  t.strictSame(texts(await segments(fractional)), ['0 A 00111']);
  const found = await segments(fractional, { ...LIMITS, segmentFraction: 1 });
  t.strictSame(texts(found), ['0 A 00001']);
  t.equal(found.threshold, 1);
});

t.test('a fractional segment with no pixel over the threshold is left out and reported', async (t) => {
  const found = await segments({
    type: 'FRACTIONAL',
    rows: 1,
    columns: 3,
    whole: 255,
    segments: [{ label: 'A' }, { label: 'B' }, { label: 'C' }],
    frames: [
      { values: [0, 100, 127] },
      { values: [90, 100, 0] },
      { values: [1, 200, 3], segment: 2 },
      { values: [1, 100, 3], segment: 2 },
      { values: [0, 0, 0], segment: 3 },
    ],
  });
  t.strictSame(texts(found), ['2 B 010']);
  t.strictSame(
    found.problems.map(({ code, detail }) => `${code} ${detail}`),
    [
      'SEGMENT_BELOW_THRESHOLD segment 1: no pixel of it reaches SLICEFEED_SEGMENT_THRESHOLD of MaximumFractionalValue; left out',
    ],
  );
});

t.test('a label map: each value a segment; background and padding none', async (t) => {
  const frames = [{ values: [0, 1, 300, 5, 7, 1] }, { values: [0, 0, 0, 0, 0, 0] }];
  const found = await segments({
    type: 'LABELMAP',
    bits: 16,
    rows: 2,
    columns: 3,
    segments: [
      { number: 0, label: 'Background' },
      { number: 1, label: 'Liver' },
      { number: 9, label: 'Air', code: ['125040', 'DCM'] },
      { number: 300, label: 'Spine' },
    ],
    frames,
    extra: [{ tag: '00280120', vr: 'US', value: 5 }],
  });
  t.strictSame(texts(found), ['0 Liver 010001', '0 Spine 001000']);
  t.strictSame(
    found.segments.map(({ structure }) => structure),
    ['Liver', 'Spine'],
  );
  t.match(found.problems, [{ code: 'SEGMENT_UNKNOWN', detail: /^frame 1:/ }]);
});

t.test('planes and sources of frames, their own before the shared ones', async (t) => {
  const values = [1, 1];
  const { frames, images, series } = await segments({
    rows: 1,
    columns: 2,
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [2, 3],
    series: ['1.9'],
    segments: [{ label: 'A' }],
    frames: [
      { values, position: [1, 2, 3], sources: ['1.5', { uid: '1.6', frames: [2, 4] }] },
      { values, position: [1, 2, 4], orientation: [0, 1, 0, 0, 0, 1], spacingMm: [5, 6] },
      { values },
    ],
  });
  t.strictSame(
    frames.map(({ plane }) => plane),
    [
      { position: [1, 2, 3], orientation: [1, 0, 0, 0, 1, 0], spacingMm: [2, 3] },
      { position: [1, 2, 4], orientation: [0, 1, 0, 0, 0, 1], spacingMm: [5, 6] },
      null,
    ],
  );
  t.strictSame(images, ['1.5', '1.6']);
  t.strictSame(series, ['1.9']);
  t.strictSame(frames[0]!.references, [
    { image: 0, frame: null },
    { image: 1, frame: 2 },
    { image: 1, frame: 4 },
  ]);
});

t.test(
  'segments without a label or with one of another, and frames of a segment that is not there',
  async (t) => {
    const values = [1];
    const found = await segments({
      rows: 1,
      columns: 1,
      segments: [{}, { label: 'A' }, { label: 'A' }],
      frames: [
        { values, segment: 1 },
        { values, segment: 3 },
        { values, segment: 8 },
      ],
    });
    t.strictSame(texts(found), ['0 segment-1 1', '1 A 1']);
    t.strictSame(
      found.problems.map(({ code, detail }) => `${code} ${detail.split(':')[0]}`),
      ['STRUCTURE_NAME segment 1', 'STRUCTURE_NAME segment 3', 'SEGMENT_UNKNOWN frame 3'],
    );
  },
);

t.test('segments that share a number are used if they are the same, else left out', async (t) => {
  const frames = [
    { values: [1, 0], segment: 1 },
    { values: [0, 1], segment: 2 },
    { values: [1, 1], segment: '03' },
  ];
  const base = { rows: 1, columns: 2, frames };
  const found = await segments({
    ...base,
    segments: [
      { label: 'A' },
      { label: 'B' },
      { number: 2, label: 'C' },
      { number: '+3', label: 'D' },
      { number: 1, label: 'A' },
    ],
  });
  t.strictSame(texts(found), ['0 A 10', '2 D 11']);
  t.strictSame(
    found.problems.map(({ code, detail }) => `${code} ${detail}`),
    [
      'SEGMENT_NUMBER_TWICE SegmentNumber 2: several segments have this number: left out; give each a number of its own',
      'SEGMENT_UNKNOWN frame 2: SegmentSequence does not have its segment, or has several of its number; left out',
    ],
  );
  const labels = await segments({
    ...base,
    type: 'LABELMAP',
    segments: [{ label: 'A' }, { number: 1, label: 'B' }, { number: 2, label: 'C' }],
    frames: [{ values: [1, 2] }],
  });
  t.strictSame(texts(labels), ['0 C 01']);
  t.match(labels.problems, [{ code: 'SEGMENT_NUMBER_TWICE' }, { code: 'SEGMENT_UNKNOWN' }]);
});

t.test('what contradicts itself, or is over a limit, is refused with its reason', async (t) => {
  const good: SegmentationOptions = {
    rows: 2,
    columns: 2,
    segments: [{ label: 'A' }],
    frames: [{ values: [1, 0, 1, 0] }],
  };
  const refused = (options: Partial<SegmentationOptions>, limits = LIMITS) =>
    segments({ ...good, ...options }, limits).then(
      () => 'read',
      ({ code }: { code: string }) => code,
    );
  t.equal(await refused({}), 'read');
  t.equal(await refused({ type: 'SURFACE' }), 'HEADER_BROKEN');
  t.equal(await refused({ extra: [{ tag: '00280008', vr: 'IS', value: 20 }] }), 'PIXELS_SHORT');
  t.equal(await refused({ extra: [{ tag: '52009230', vr: 'SQ', value: [[], []] }] }), 'HEADER_BROKEN');
  t.equal(await refused({ type: 'FRACTIONAL', bits: 1 }), 'HEADER_BROKEN');
  t.equal(await refused({ extra: [{ tag: '00280010', vr: 'US', value: 65_535 }] }), 'LIMIT_EXCEEDED');
  const busy = { rows: 64, columns: 64, frames: [{ values: Array.from({ length: 4096 }, (_, i) => i % 2) }] };
  t.equal(await refused(busy, { ...LIMITS, headerBytes: 12_000 }), 'LIMIT_EXCEEDED');
});

t.test('a deflated structure set, and one that is too large', async (t) => {
  const bytes = structureSetFile({
    transferSyntax: DEFLATED,
    rois: [{ name: 'A', contours: [{ points: [0, 0, 5, 4, 0, 5, 0, 4, 5] }] }],
  });
  writeFileSync(join(folder, 'rt.dcm'), bytes);
  const read = (limits = LIMITS) => withSourceFile(folder, 'rt.dcm', (file) => readStructures(file, limits));
  t.strictSame([...read().points], [0, 0, 5, 4, 0, 5, 0, 4, 5]);
  t.throws(() => read({ ...LIMITS, headerBytes: 400 }), { code: 'HEADER_TOO_LARGE' });
  writeFileSync(join(folder, 'rt.dcm'), bytes.subarray(0, bytes.length - 9));
  t.throws(() => read(), { code: 'HEADER_BROKEN' });
});

// SHA-256 of (pixel_array[frame] == number) as bytes 0 and 1, by pydicom 2.3.1.
const DCMQI: Readonly<Record<string, readonly string[]>> = {
  'liver.dcm': ['0 Liver e036a07b502fdfd1', '1 Liver 3478bdb213cf9846', '2 Liver 0673ae15a18b058e'],
  'partial_overlaps.dcm': [
    '0 GREEN fa661628e8710b51',
    '1 ORANGE c98e8f487bda5cb4',
    '2 PURPLE 9f1efb587fed738e',
    '3 PURPLE 9f1efb587fed738e',
    '4 PURPLE aa734bcf74e3abe0',
    '5 LIGHT_BLUE 11688b059aa90dcf',
    '6 DARK_BLUE 469d34968b87eec5',
  ],
  'sparse-labelmap-ppv5.dcm': ['0 Liver 82ab87e4a42fcb85', '1 Liver 82ab87e4a42fcb85'],
  '23x38x3/seg/label.seg': [
    '0 Liver aeff0e450ba33379',
    '1 Liver a3d345f27aadf796',
    '2 Liver aeff0e450ba33379',
  ],
};
const dcmqi = sharedData('seg', 'dcmqi', 'segmentations');

t.test(
  'real segmentations, bit for bit',
  { skip: dcmqi === null && 'the seg data is not here' },
  async (t) => {
    for (const [path, wanted] of Object.entries(DCMQI)) {
      const found = masksOf(await readSegments(dcmqi!, path, LIMITS));
      t.strictSame(
        found.map(
          ([name, mask]) => `${name} ${createHash('sha256').update(mask).digest('hex').slice(0, 16)}`,
        ),
        wanted,
        path,
      );
    }
  },
);
