import { join } from 'node:path';
import t from 'tap';
import { seededUid } from '../../src/demo/part10.js';
import { maskOf, pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, type OpenedSession } from '../fixtures/client.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { imageFile, writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const SPACE = '1.2.4';
const STUDY = '1.2.1';
const uid = (height: number) => seededUid(`image ${height}`);

function image(height: number): Uint8Array {
  return imageFile(height, {
    rows: 8,
    columns: 8,
    studyUid: STUDY,
    seriesUid: `${STUDY}.1`,
    sopInstanceUid: uid(height),
    position: [0, 0, height],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [1, 1],
    extra: [{ tag: '00200052', vr: 'UI', value: SPACE }],
  });
}

/** An ROI of squares of `side` × `side` pixels at these heights. */
function squares(name: string, side: number, ...heights: number[]) {
  const far = 0.5 + side;
  return {
    name,
    contours: heights.map((z) => ({ points: [0.5, 0.5, z, far, 0.5, z, far, far, z, 0.5, far, z] })),
  };
}

function drawn(uidEnd: number, date: string, ...rois: ReturnType<typeof squares>[]): Uint8Array {
  return structureSetFile({
    studyUid: STUDY,
    sopInstanceUid: `1.9.${uidEnd}`,
    frameOfReference: SPACE,
    series: [`${STUDY}.1`],
    rois,
    extra: [{ tag: '30060008', vr: 'DA', value: date }],
  });
}

const folder = join(temporaryFolder(t), 'data');
writeFiles(folder, {
  ...Object.fromEntries([0, 3, 6, 9].map((height) => [`${height}.dcm`, image(height)])),
  'r1.dcm': drawn(1, '20210101', squares('Heart', 2, 0, 3), squares('Cord', 1, 9)),
  'r2.dcm': drawn(2, '20200101', squares('heart', 3, 3, 6)),
  // Its Cord is that of r1.dcm.
  'r3.dcm': drawn(3, '20190101', squares('cord', 2, 6), squares('Cord', 1, 9)),
});
const server = await startTestServer(t, folder);
await server.ready();

const RENAME = { Heart: ['heart'] };

async function post(body: object): Promise<{ status: number; answer: OpenedSession & { detail: string } }> {
  const { status, body: answer } = await ask(`${server.url}/v1/sessions`, {
    method: 'POST',
    body: { shuffle: false, structures: ['Heart'], rename: RENAME, ...body },
  });
  return { status, answer: JSON.parse(answer.toString()) };
}

/** Opens a session and returns the pixels of each pair's first mask by height, and the batch's problems. */
async function drawnBy(body: object): Promise<{ pixels: [number, number][]; problems: string[] }> {
  const { status, answer } = await post(body);
  if (status !== 201) throw new Error(JSON.stringify(answer));
  const batch = readBatch((await ask(`${server.url}/v1/sessions/${answer.id}/batches/0`)).body);
  const heights = new Map([0, 3, 6, 9].map((height) => [`${STUDY}/${uid(height)}`, height]));
  const pixels = pairIdsOf(batch).map((id, slot): [number, number] => {
    const mask = maskOf(batch.tensors.masks!, slot, 0);
    return [heights.get(id!)!, mask.reduce((sum, value) => sum + value, 0)];
  });
  const problems = JSON.parse(batch.metadata.problems ?? '[]') as { code: string }[];
  return { pixels, problems: problems.map(({ code }) => code) };
}

t.test('names that a session joins compete like one name', async (t) => {
  for (const missing of ['exclude', 'empty'])
    t.match(await post({ missing }), {
      status: 422,
      answer: {
        code: 'SLF_SOURCES_DIFFER',
        field: 'sources',
        detail:
          `study ${STUDY}: "Heart" (renamed from "heart") is drawn in r1.dcm and in r2.dcm, on images of one ` +
          'series; say which one is used with sources, for example {"file": ["r2.dcm"]} or {"latest": true}',
      },
    });
  t.match(await post({ structures: ['All'], rename: { All: ['heart', 'Heart'] } }), {
    status: 422,
    answer: { code: 'SLF_SOURCES_DIFFER' },
  });
  t.match(await post({ structures: undefined, rename: { Heart: ['heart'] } }), { status: 422 });
  t.equal((await post({ rename: {} })).status, 201, 'each name alone has one source');
  t.equal((await post({ structures: ['Cord'] })).status, 201, 'a structure that was not renamed');
});

t.test('a session chooses among the sources of joined names', async (t) => {
  const first = {
    pixels: [
      [0, 4],
      [3, 4],
    ],
    problems: [],
  };
  const second = {
    pixels: [
      [3, 9],
      [6, 9],
    ],
    problems: [],
  };
  t.strictSame(await drawnBy({ sources: { file: ['r1.dcm'] } }), first);
  t.strictSame(await drawnBy({ sources: { file: ['r2.dcm'] } }), second);
  t.strictSame(await drawnBy({ sources: { latest: true } }), first);
  t.strictSame(await drawnBy({ sources: { join: true } }), {
    pixels: [
      [0, 4],
      [3, 9],
      [6, 9],
    ],
    problems: [],
  });
  t.strictSame(
    await drawnBy({ structures: ['Heart', 'Cord'], missing: 'empty', sources: { file: ['r1.dcm'] } }),
    {
      pixels: [
        [0, 4],
        [3, 4],
        [9, 0],
      ],
      problems: ['STRUCTURE_MISSING', 'STRUCTURE_MISSING', 'STRUCTURE_MISSING'],
    },
    'the slice that only the other source draws on is no pair',
  );
});

t.test('a source keeps the name that it has as a copy of another source', async (t) => {
  const cords = { structures: ['Cord'], rename: { Cord: ['cord'] } };
  t.match(await post(cords), { status: 422, answer: { code: 'SLF_SOURCES_DIFFER' } });
  t.strictSame(await drawnBy({ ...cords, sources: { file: ['r1.dcm'] } }), {
    pixels: [[9, 1]],
    problems: [],
  });
  t.strictSame(await drawnBy({ ...cords, sources: { file: ['r3.dcm'] } }), {
    pixels: [
      [6, 4],
      [9, 1],
    ],
    problems: [],
  });
});
