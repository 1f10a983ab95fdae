import t from 'tap';
import { maskOf, pairIdsOf, readBatch } from '../fixtures/batch.js';
import { onEveryFrame } from '../fixtures/bombs.js';
import { getBody, getJson, openSession } from '../fixtures/client.js';
import { segmentationFile } from '../fixtures/segmentation-file.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { imageFile, writeFiles } from '../fixtures/study-folder.js';
import { upload } from '../fixtures/upload.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const PLANE = { orientation: [1, 0, 0, 0, 1, 0], spacingMm: [1, 1] } as const;
const SPACE = '1.2.4';

/** Three images 3 mm apart of a study of its own. */
function imagesOf(study: string): Record<string, Uint8Array> {
  const images = [0, 1, 2].map((at): [string, Uint8Array] => [
    `${study}/${at}.dcm`,
    imageFile(at, {
      rows: 8,
      columns: 8,
      studyUid: study,
      seriesUid: `${study}.1`,
      sopInstanceUid: `${study}.9.${at}`,
      position: [0, 0, 3 * at],
      ...PLANE,
      extra: [{ tag: '00200052', vr: 'UI', value: SPACE }],
    }),
  ]);
  return Object.fromEntries(images);
}

/** A square of `side` × `side` pixels at a height, as contour and as values. */
const square = (side: number, z: number) => ({
  points: [-0.5, -0.5, z, side - 0.5, -0.5, z, side - 0.5, side - 0.5, z, -0.5, side - 0.5, z],
});
const squareValues = (side: number) =>
  Array.from({ length: 64 }, (_, at) => Number(at % 8 < side && at < 8 * side));

/**
 * Contours of 1, 4 and 9 pixels that all name the first image; the last one is 0.4 mm off the second one,
 * which it names.
 */
const CONTOURS = structureSetFile({
  studyUid: '1.7',
  frameOfReference: SPACE,
  rois: [
    {
      name: 'V',
      contours: [
        { ...square(1, 0), images: ['1.7.9.0'] },
        { ...square(2, 6), images: ['1.7.9.0'] },
        { ...square(3, 3.4), images: ['1.7.9.1'] },
      ],
    },
  ],
});
/** Frames of 1, 4 and 9 pixels that all name the first image. */
const FRAMES = segmentationFile({
  rows: 8,
  columns: 8,
  studyUid: '1.8',
  frameOfReference: SPACE,
  ...PLANE,
  segments: [{ label: 'T' }],
  frames: [1, 2, 3].map((side, at) => ({
    values: squareValues(side),
    position: [0, 0, 3 * at],
    sources: ['1.8.9.0'],
  })),
});
const BY_CONTOURS = { ...imagesOf('1.7'), '1.7/rs.dcm': CONTOURS };
const BY_FRAMES = { ...imagesOf('1.8'), '1.8/seg.dcm': FRAMES };

const folder = temporaryFolder(t);
writeFiles(folder, { ...BY_CONTOURS, ...BY_FRAMES });
const { url, ready } = await startTestServer(t, folder);
await ready();

/** For each pair of a body how many pixels its mask has. */
function pixelsIn(body: Uint8Array): Record<string, number> {
  const read = readBatch(body);
  const pixels = (slot: number) =>
    maskOf(read.tensors.masks!, slot, 0).reduce((sum, value) => sum + Number(value > 0), 0);
  return Object.fromEntries(pairIdsOf(read).map((id, slot) => [id, pixels(slot)]));
}

async function sessionOf(serverUrl: string, structure: string, spec: object = {}) {
  const { id, pairs } = await openSession(serverUrl, { structures: [structure], batchSize: 3, ...spec });
  return { pairs, pixels: pixelsIn(await getBody(`${serverUrl}/v1/sessions/${id}/batches/0`)) };
}

const V = { '1.7/1.7.9.0': 1, '1.7/1.7.9.1': 9, '1.7/1.7.9.2': 4 };
const T = { '1.8/1.8.9.0': 1, '1.8/1.8.9.1': 4, '1.8/1.8.9.2': 9 };

t.test('each contour and frame is on the image in whose plane it lies, whatever it names', async (t) => {
  t.strictSame((await sessionOf(url, 'V')).pixels, V);
  t.strictSame((await sessionOf(url, 'T')).pixels, T);
  const { problems } = await getJson<{ problems: { code: string; detail: string }[] }>(
    `${url}/v1/studies/1.7`,
  );
  t.strictSame(
    problems.map(({ code, detail }) => `${code} ${detail}`),
    [
      'CONTOUR_OFF_PLANE ROI 1: contour 2: it lies in the plane of another image than it names; placed there',
      'CONTOUR_OFF_PLANE ROI 1: contour 3: it lies off the plane of the image that it names, which is the nearest; dropped upon it',
    ],
  );
});

t.test('the report says how far off, and a session leaves such pairs out', async (t) => {
  const { findings } = await getJson<{
    findings: { code: string; pair: string; value: number; detail: string }[];
  }>(`${url}/v1/report`);
  t.strictSame(
    findings.filter(({ code }) => code === 'OFF_PLANE').map(({ pair, value }) => [pair, value]),
    [
      ['1.7/1.7.9.1', 0.4],
      ['1.7/1.7.9.2', 6],
      ['1.8/1.8.9.1', 3],
      ['1.8/1.8.9.2', 6],
    ],
  );
  const left = await sessionOf(url, 'V', { exclude: ['OFF_PLANE'], batchSize: 1 });
  t.strictSame(left, { pairs: 1, pixels: { '1.7/1.7.9.0': 1 } });
});

t.test('the same through an upload and through masks', async (t) => {
  const other = await startTestServer(t, temporaryFolder(t));
  await other.ready();
  const sent = await upload(`${other.url}/v1/studies?id=sent`, BY_CONTOURS);
  t.equal(sent.status, 201, String(sent.body));
  t.strictSame((await sessionOf(other.url, 'V')).pixels, {
    'sent/1.7.9.0': 1,
    'sent/1.7.9.1': 9,
    'sent/1.7.9.2': 4,
  });
  const masks = await upload(`${other.url}/v1/masks?batchSize=3`, BY_FRAMES);
  t.strictSame(Object.values(pixelsIn(masks.body)), Object.values(T));
});

t.test('an upload whose contours would take too much says which file, and why', async (t) => {
  const answer = await upload(`${url}/v1/masks`, onEveryFrame(5_000, 4_096));
  t.equal(answer.status, 422);
  t.match(JSON.parse(String(answer.body)), {
    code: 'SLF_NO_PAIRS',
    detail: /LIMIT_EXCEEDED: its contours take more than \d+ bytes/,
  });
});
