import { join } from 'node:path';
import t from 'tap';
import { type Element, seededUid } from '../../src/demo/part10.js';
import { maskOf, pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, getJson, jsonOf, type OpenedSession } from '../fixtures/client.js';
import { segmentationFile } from '../fixtures/segmentation-file.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { imageFile, writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const STUDY = '1.2.3';
const SPACE = '1.2.4';
const SERIES = '1.2.5';
const [ROWS, COLUMNS] = [8, 10];
const HEIGHTS = [0, 3, 6, 9] as const;
const uid = (height: number) => seededUid(`image ${height}`);

function image(height: number): Uint8Array {
  return imageFile(height, {
    rows: ROWS,
    columns: COLUMNS,
    studyUid: STUDY,
    seriesUid: SERIES,
    sopInstanceUid: uid(height),
    position: [100, 200, height],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [2, 0.5],
    extra: [{ tag: '00200052', vr: 'UI', value: SPACE } satisfies Element],
  });
}

/** A square whose inside are the pixels from column and row `from` up to `to`, not included, in mm. */
function square(height: number, from: number, to: number): number[] {
  const x = (column: number) => 100 + 0.5 * (column - 0.5);
  const y = (row: number) => 200 + 2 * (row - 0.5);
  return [
    [x(from), y(from)],
    [x(to), y(from)],
    [x(to), y(to)],
    [x(from), y(to)],
  ].flatMap(([a, b]) => [a!, b!, height]);
}

const structures = structureSetFile({
  studyUid: STUDY,
  sopInstanceUid: '1.9.1',
  frameOfReference: SPACE,
  series: [SERIES],
  rois: [
    {
      name: 'Ring',
      contours: [
        { points: square(0, 1, 7), images: [uid(0)] },
        { points: square(0, 3, 5), images: [uid(0)] },
        // Without a name, by its plane; and one that lies between two slices.
        { points: square(3.01, 2, 4) },
        { points: square(4.5, 2, 4) },
      ],
    },
    {
      name: 'Hole, drawn',
      contours: [
        { type: 'CLOSEDPLANAR_XOR', points: square(6, 1, 7), images: [uid(6)] },
        { type: 'CLOSEDPLANAR_XOR', points: square(6, 3, 5), images: [uid(6)] },
        { points: square(30, 1, 2), images: ['1.9.9.9'] },
        { type: 'POINT', points: [100, 200, 0] },
      ],
    },
  ],
});

const dots = (...places: number[]) =>
  Array.from({ length: ROWS * COLUMNS }, (_, at) => Number(places.includes(at)));
const segments = segmentationFile({
  rows: ROWS,
  columns: COLUMNS,
  studyUid: STUDY,
  sopInstanceUid: '1.9.2',
  frameOfReference: SPACE,
  series: [SERIES],
  orientation: [1, 0, 0, 0, 1, 0],
  spacingMm: [2, 0.5],
  segments: [{ label: 'Ring' }, { label: 'Dots' }],
  frames: [
    { segment: 2, values: dots(0, 11, 79), position: [100, 200, 9], sources: [uid(9)] },
    { segment: 1, values: dots(5), position: [100, 200, 9], sources: [uid(9)] },
    { segment: 1, values: dots(5), position: [100, 200, 0], sources: [uid(0)] },
    { segment: 2, values: dots(5, 6), position: [100, 200, 0] },
  ],
});

const folder = join(temporaryFolder(t), 'data');
const FILES = {
  ...Object.fromEntries(HEIGHTS.map((height) => [`images/${height}.dcm`, image(height)])),
  'contours/rt.dcm': structures,
  'contours/seg.dcm': segments,
};
writeFiles(folder, FILES);
const server = await startTestServer(t, folder);
await server.ready();
const study = `${server.url}/v1/studies/${STUDY}`;

function picture(mask: Uint8Array): string[] {
  return Array.from({ length: ROWS }, (_, row) =>
    [...mask.subarray(row * COLUMNS, (row + 1) * COLUMNS)].map((value) => (value ? '#' : '.')).join(''),
  );
}

async function maskAt(height: number, query: string): Promise<string[]> {
  const answer = await ask(`${study}/pairs/${uid(height)}?${query}`);
  if (answer.status !== 200) throw new Error(answer.body.toString());
  return picture(maskOf(readBatch(answer.body).tensors.masks!, 0, 0));
}

const FULL = [
  '..........',
  '.######...',
  '.######...',
  '.######...',
  '.######...',
  '.######...',
  '.######...',
  '..........',
];
const RING = [
  '..........',
  '.######...',
  '.######...',
  '.##..##...',
  '.##..##...',
  '.######...',
  '.######...',
  '..........',
];
const RING_WITH_DOT = ['.....#....', ...RING.slice(1)];
const DOTS = [
  '#.........',
  '.#........',
  '..........',
  '..........',
  '..........',
  '..........',
  '..........',
  '.........#',
];

t.test('a study names its sources, and what is odd about each', async (t) => {
  const found = await getJson<{ problems: { code: string; file: string; detail: string }[] }>(study);
  t.match(found, {
    slices: 4,
    pairs: 4,
    structures: { Dots: 2, 'Hole, drawn': 1, Ring: 3 },
    sources: [
      { kind: 'rtstruct', file: 'contours/rt.dcm', structures: ['Hole, drawn', 'Ring'], parts: 5 },
      { kind: 'seg', file: 'contours/seg.dcm', structures: ['Dots', 'Ring'], parts: 4 },
    ],
  });
  t.strictSame(
    found.problems.map(({ code, file, detail }) => `${code} ${file} ${detail.split(':')[0]}`),
    [
      'CONTOUR_OPEN contours/rt.dcm ROI 2',
      'CONTOUR_NESTED contours/rt.dcm ROI 1',
      'CONTOUR_WITHOUT_PLACE contours/rt.dcm ROI 1',
      'CONTOUR_WITHOUT_IMAGE contours/rt.dcm ROI 2',
      'STRUCTURE_UNUSABLE contours/rt.dcm Ring',
      'CONTOUR_TWICE contours/seg.dcm 1 structure(s) are also in contours/rt.dcm, on images of one series',
    ],
  );
});

t.test('holes as they are asked for, rasters as they are, under every rule', async (t) => {
  t.strictSame(await maskAt(0, 'structures=Ring'), FULL);
  t.strictSame(await maskAt(0, 'structures=Ring&holes=xor'), RING);
  t.strictSame(await maskAt(6, 'structures=Hole,%20drawn'), RING);
  t.strictSame(await maskAt(6, 'structures=Hole,%20drawn&holes=union'), FULL);
  for (const rule of ['pixel-center', 'pil', 'opencv'])
    t.strictSame(await maskAt(9, `structures=Dots&rule=${rule}`), DOTS, rule);
  const answer = await ask(`${study}/pairs/${uid(9)}?structures=Dots&rule=coverage`);
  const { bytes } = readBatch(answer.body).tensors.masks!;
  const shares = new Float32Array(Uint8Array.from(bytes).buffer);
  t.strictSame(picture(Uint8Array.from(shares)), DOTS);
  const overlay = await ask(`${study}/pairs/${uid(0)}/overlay.png?scale=4`);
  t.equal(overlay.headers.get('content-type'), 'image/png');
});

t.test('a session takes structures of several sources by name; missing and rename go over all', async (t) => {
  const open = async (body: object) =>
    jsonOf<OpenedSession>(
      await ask(`${server.url}/v1/sessions`, { method: 'POST', body: { shuffle: false, ...body } }),
      201,
    );
  const first = async ({ id }: OpenedSession) =>
    readBatch((await ask(`${server.url}/v1/sessions/${id}/batches/0`)).body);
  const both = await first(
    await open({ structures: ['Dots', 'Ring'], sources: { join: true }, mask: { holes: 'xor' } }),
  );
  t.strictSame(pairIdsOf(both), [`${STUDY}/${uid(0)}`, `${STUDY}/${uid(9)}`]);
  t.strictSame(picture(maskOf(both.tensors.masks!, 0, 1)), RING_WITH_DOT);
  t.strictSame(picture(maskOf(both.tensors.masks!, 1, 0)), DOTS);
  const some = await first(
    await open({ structures: ['Dots', 'Ring'], sources: { kind: ['rtstruct'] }, missing: 'empty' }),
  );
  t.strictSame(
    pairIdsOf(some),
    [0, 3, 9].map((height) => `${STUDY}/${uid(height)}`),
  );
  t.notOk(maskOf(some.tensors.masks!, 1, 0).includes(1), 'no dots are drawn where there are none');
  const renamed = await first(
    await open({
      structures: ['any'],
      rename: { any: ['Dots', 'Hole, drawn'] },
      sources: { join: true },
      mask: { holes: 'standard' },
    }),
  );
  t.strictSame(
    pairIdsOf(renamed),
    [0, 6, 9].map((height) => `${STUDY}/${uid(height)}`),
  );
  t.strictSame(picture(maskOf(renamed.tensors.masks!, 1, 0)), RING);
  t.strictSame(picture(maskOf(renamed.tensors.masks!, 2, 0)), DOTS);
});

t.test('the masks of images that are sent along with a structure set and a segmentation', async (t) => {
  const form = new FormData();
  for (const [name, bytes] of Object.entries(FILES)) form.append('file', new Blob([bytes]), name);
  const answer = await fetch(`${server.url}/v1/masks?structures=Hole, drawn,Dots&missing=empty`, {
    method: 'POST',
    body: form,
  });
  const body = Buffer.from(await answer.arrayBuffer());
  t.equal(answer.status, 200, answer.ok ? '' : body.toString());
  const { tensors } = readBatch(body);
  const pictures = Array.from({ length: tensors.masks!.shape[0]! }, (_, at) =>
    [0, 1].map((structure) => picture(maskOf(tensors.masks!, at, structure)).join('')),
  );
  t.ok(pictures.some(([ring]) => ring === RING.join('')));
  t.ok(pictures.some(([, dots]) => dots === DOTS.join('')));
});
