import { join } from 'node:path';
import t from 'tap';
import { type Element, seededUid } from '../../src/demo/part10.js';
import { maskOf, pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, getJson, jsonOf, type OpenedSession } from '../fixtures/client.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { imageFile, writeFiles } from '../fixtures/study-folder.js';
import { formOf } from '../fixtures/upload.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const SPACE = '1.2.4';
const HEIGHTS = [0, 3, 6, 9] as const;
const uid = (study: string, height: number) => seededUid(`image ${study} ${height}`);

function image(study: string, height: number): Uint8Array {
  return imageFile(height, {
    rows: 8,
    columns: 8,
    studyUid: study,
    seriesUid: `${study}.1`,
    sopInstanceUid: uid(study, height),
    position: [0, 0, height],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [1, 1],
    extra: [{ tag: '00200052', vr: 'UI', value: SPACE } satisfies Element],
  });
}

/** Makes a structure set with a square of the given number of pixels at each height. */
function drawn(study: string, uidEnd: number, date: string, side: number, ...heights: number[]): Uint8Array {
  const far = 0.5 + side;
  return structureSetFile({
    studyUid: study,
    sopInstanceUid: `1.9.${uidEnd}`,
    frameOfReference: SPACE,
    series: [`${study}.1`],
    rois: [
      {
        name: 'Heart',
        contours: heights.map((z) => ({ points: [0.5, 0.5, z, far, 0.5, z, far, far, z, 0.5, far, z] })),
      },
      { name: `Other ${uidEnd}`, contours: [{ points: [0.5, 0.5, 9, 2.5, 0.5, 9, 2.5, 2.5, 9] }] },
    ],
    extra: [
      { tag: '30060008', vr: 'DA', value: date },
      { tag: '0020000e', vr: 'UI', value: `1.6.${uidEnd}` },
    ],
  });
}

const CONTESTED = '1.2.1';
const CALM = '1.2.2';
const OLD = 'contested/old.dcm';
const NEW = 'contested/new.dcm';
const COPY = 'contested/new.dcm.copy.dcm';
const FILES = {
  ...Object.fromEntries(HEIGHTS.map((height) => [`contested/${height}.dcm`, image(CONTESTED, height)])),
  [OLD]: drawn(CONTESTED, 1, '20200101', 2, 0, 3),
  [NEW]: drawn(CONTESTED, 2, '20210101', 3, 3, 6),
  [COPY]: drawn(CONTESTED, 2, '20210101', 3, 3, 6),
};
const folder = join(temporaryFolder(t), 'data');
writeFiles(folder, {
  ...FILES,
  'calm/0.dcm': image(CALM, 0),
  'calm/rt.dcm': drawn(CALM, 3, '20190101', 4, 0),
});
const server = await startTestServer(t, folder);
await server.ready();
const pairsOf = `${server.url}/v1/studies/${CONTESTED}/pairs`;

function counts(body: Buffer): Record<string, number> {
  const batch = readBatch(body);
  return Object.fromEntries(
    pairIdsOf(batch).map((id, slot) => {
      const mask = maskOf(batch.tensors.masks!, slot, 0);
      return [id!, mask.reduce((sum, value) => sum + value, 0)];
    }),
  );
}

async function post(body: object): Promise<{ status: number; answer: OpenedSession & { detail: string } }> {
  const { status, body: answer } = await ask(`${server.url}/v1/sessions`, {
    method: 'POST',
    body: { shuffle: false, structures: ['Heart'], ...body },
  });
  return { status, answer: JSON.parse(answer.toString()) };
}

async function drawnBy(body: object): Promise<Record<string, number>> {
  const { status, answer } = await post(body);
  if (status !== 201) throw new Error(JSON.stringify(answer));
  return counts((await ask(`${server.url}/v1/sessions/${answer.id}/batches/0`)).body);
}

const at = (height: number) => `${CONTESTED}/${uid(CONTESTED, height)}`;
const CALM_PAIR = { [`${CALM}/${uid(CALM, 0)}`]: 16 };
const BY_OLD = { [at(0)]: 4, [at(3)]: 4 };
const BY_NEW = { [at(3)]: 9, [at(6)]: 9 };

t.test('a structure of two sources is refused with both files, unless nobody asks for it', async (t) => {
  for (const body of [{}, { structures: undefined }, { rename: { Heart: ['heart'] } }, { missing: 'empty' }])
    t.match(await post(body), {
      status: 422,
      answer: {
        code: 'SLF_SOURCES_DIFFER',
        field: 'sources',
        detail: `study ${CONTESTED}: "Heart" is drawn in ${OLD} and in ${NEW}, on images of one series; say which one is used with sources, for example {"file": ["${NEW}"]} or {"latest": true}`,
      },
    });
  const calm = await post({ studies: [CALM] });
  t.equal(calm.status, 201);
  t.notOk('sources' in (calm.answer as unknown as { spec: object }).spec);
  t.equal((await post({ structures: ['Other 1'] })).status, 201);
  t.equal((await post({ structures: [] })).status, 201);
  t.equal((await post({ where: { series: [`${CALM}.1`] } })).status, 201);
});

t.test('a session chooses a source by file, series or date, or joins all of them', async (t) => {
  t.strictSame(await drawnBy({ sources: { file: [OLD] } }), { ...BY_OLD, ...CALM_PAIR });
  t.strictSame(await drawnBy({ sources: { file: [COPY] } }), { ...BY_NEW, ...CALM_PAIR }, 'a copy of it');
  t.strictSame(await drawnBy({ sources: { series: ['1.6.2'] } }), { ...BY_NEW, ...CALM_PAIR });
  t.strictSame(await drawnBy({ sources: { latest: true } }), { ...BY_NEW, ...CALM_PAIR });
  t.strictSame(await drawnBy({ sources: { kind: ['rtstruct'], latest: true } }), { ...BY_NEW, ...CALM_PAIR });
  t.strictSame(await drawnBy({ sources: { join: true } }), {
    [at(0)]: 4,
    [at(3)]: 9,
    [at(6)]: 9,
    ...CALM_PAIR,
  });
  const refusals = [
    [{ kind: ['rtstruct'] }, /sources does not leave one of them/],
    [{ kind: ['seg'] }, /sources does not leave one of them/],
    [{ file: ['gone.dcm'] }, /sources\.file names "gone\.dcm", which is no source of contours/],
    [{ series: ['1.6.9'] }, /sources\.series names "1\.6\.9"/],
    [{ join: true, latest: true }, /sources\.join takes every source/],
  ] as const;
  for (const [sources, detail] of refusals)
    t.match(await post({ sources }), { status: 422, answer: { detail } });
  t.match(await post({ sources: { latest: true, newest: true } }), { status: 400 });
});

t.test('a slice without contours of the chosen source lacks the structure', async (t) => {
  const { answer } = await post({
    structures: ['Heart', 'Other 1', 'Other 2'],
    missing: 'empty',
    studies: [CONTESTED],
    sources: { file: [OLD] },
  });
  const listed = await getJson<{ pairs: { id: string; structures: string[]; missing: string[] }[] }>(
    `${server.url}/v1/sessions/${answer.id}/pairs`,
  );
  t.strictSame(
    listed.pairs.map(({ id, structures }) => [id, structures.join()]),
    [
      [at(0), 'Heart'],
      [at(3), 'Heart'],
      [at(9), 'Other 1,Other 2'],
    ],
  );
  const body = readBatch((await ask(`${server.url}/v1/sessions/${answer.id}/batches/0`)).body);
  const problems = JSON.parse(body.metadata.problems!) as { pair: string; detail: string }[];
  t.match(
    problems.filter(({ detail }) => /Heart/.test(detail)),
    [{ code: 'STRUCTURE_MISSING', pair: at(9) }],
  );
});

t.test('the choice of sources is kept with the snapshot', async (t) => {
  const { answer } = await post({ sources: { latest: true } });
  const { snapshot } = answer;
  t.match(answer, { spec: { sources: { latest: true } } });
  t.strictSame(await drawnBy({ snapshot }), { ...BY_NEW, ...CALM_PAIR });
  t.strictSame(await drawnBy({ snapshot, sources: { latest: true } }), { ...BY_NEW, ...CALM_PAIR });
  t.match(await post({ snapshot, sources: { file: [OLD] } }), {
    status: 422,
    answer: { code: 'SLF_SPEC_CONFLICT', field: 'sources' },
  });
  const byFile = await post({ sources: { file: [NEW] } });
  t.not(byFile.answer.snapshot, snapshot, 'what was asked for is part of its name');
});

t.test(
  'outside a session the first source is used and reported, unless the request names another',
  async (t) => {
    const pair = async (height: number, query: string) =>
      await ask(`${pairsOf}/${uid(CONTESTED, height)}?structures=Heart${query}`);
    const first = await pair(3, '');
    t.strictSame(counts(first.body), { [at(3)]: 4 });
    t.match(JSON.parse(readBatch(first.body).metadata.problems!), [
      { code: 'CONTOUR_TWICE', file: OLD, detail: /^Heart is drawn in contested\/new\.dcm as well/ },
    ]);
    const other = await pair(3, `&source=${NEW}`);
    t.strictSame(counts(other.body), { [at(3)]: 9 });
    t.strictSame(JSON.parse(readBatch(other.body).metadata.problems!), []);
    t.not(first.headers.get('etag'), other.headers.get('etag'));
    t.match(jsonOf(await pair(6, ''), 422), { detail: /the one in use does not have it on this slice/ });
    t.strictSame(counts((await pair(6, `&source=${NEW}`)).body), { [at(6)]: 9 });
    t.match(jsonOf(await pair(3, '&source=gone.dcm'), 400), { field: 'source' });
    const plain = await ask(`${pairsOf}/${uid(CONTESTED, 6)}`);
    t.match(
      JSON.parse(readBatch(plain.body).metadata.structures!),
      [],
      'by default what the slice carries of it',
    );
    for (const query of ['', `?source=${NEW}`]) {
      const overlay = await ask(`${pairsOf}/${uid(CONTESTED, 3)}/overlay.png${query}`);
      t.equal(overlay.headers.get('content-type'), 'image/png');
    }
    const masks = async (query: string) =>
      counts((await ask(`${server.url}/v1/studies/${CONTESTED}/masks?structures=Heart${query}`)).body);
    t.strictSame(await masks(''), BY_OLD);
    t.strictSame(await masks(`&source=${NEW}`), BY_NEW);
  },
);

t.test(
  'the quality report looks at the first source, and leaves nothing out by it for another',
  async (t) => {
    const report = await getJson<{ findings: { pair: string; structure: string }[] }>(
      `${server.url}/v1/studies/${CONTESTED}/report`,
    );
    t.strictSame(
      report.findings.filter(({ pair, structure }) => structure === 'Heart' && pair === at(6)),
      [],
    );
    t.match(await post({ exclude: ['TINY'], sources: { latest: true } }), {
      status: 422,
      answer: { code: 'SLF_SPEC_CONFLICT', field: 'exclude' },
    });
    t.strictSame(
      await drawnBy({ exclude: ['TINY'], sources: { file: [OLD] } }),
      CALM_PAIR,
      'squares of four pixels are tiny',
    );
  },
);

t.test(
  'uploads for masks and uploaded studies choose among sources like studies of the folder',
  async (t) => {
    const masks = async (query: string) => {
      const answer = await fetch(`${server.url}/v1/masks?structures=Heart${query}`, {
        method: 'POST',
        body: formOf(FILES),
      });
      return Buffer.from(await answer.arrayBuffer());
    };
    const first = await masks('');
    t.strictSame(counts(first), BY_OLD);
    t.match(
      (JSON.parse(readBatch(first).metadata.problems!) as { code: string; file: string }[]).filter(
        ({ code }) => code === 'CONTOUR_TWICE',
      ),
      [{ file: COPY, detail: /^2 structure\(s\) are the same in contested\/new\.dcm/ }, { file: NEW }],
    );
    t.strictSame(counts(await masks(`&source=${NEW}`)), BY_NEW);
    t.strictSame(counts(await masks(`&source=${COPY}`)), BY_NEW);
    const uploaded = await fetch(`${server.url}/v1/studies?id=UP`, { method: 'POST', body: formOf(FILES) });
    t.equal(uploaded.status, 201);
    t.match(await uploaded.json(), {
      sources: [
        { file: OLD, series: '1.6.1' },
        { file: NEW, series: '1.6.2' },
        { file: COPY, parts: 0 },
      ],
    });
    t.match(await post({ studies: ['UP'] }), { status: 422, answer: { code: 'SLF_SOURCES_DIFFER' } });
    t.strictSame(await drawnBy({ studies: ['UP'], sources: { latest: true } }), {
      [`UP/${uid(CONTESTED, 3)}`]: 9,
      [`UP/${uid(CONTESTED, 6)}`]: 9,
    });
  },
);
