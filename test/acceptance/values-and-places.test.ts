import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { EXPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';
import { pairIdsOf } from '../fixtures/batch.js';
import { getJson } from '../fixtures/client.js';
import { openFeed } from '../fixtures/feed.js';
import { numbersOf } from '../fixtures/numbers.js';
import { upload } from '../fixtures/upload.js';
import { startTestServer, temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';

interface Study {
  readonly problems: readonly { readonly code: string; readonly file: string; readonly detail: string }[];
}

async function serve(t: Test, folder: string) {
  const server = await startTestServer(t, folder);
  await server.ready();
  return server;
}

/** Serves a folder of faults; null if the shared data is missing, as in CI. */
async function serveFaults(t: Test, name: string) {
  const folder = sharedData('faults', name, 'data');
  if (folder !== null) return serve(t, folder);
  t.equal(process.env.CI, undefined, 'the shared data is there in CI');
  t.comment('skipped: the shared data is not there; set SLICEFEED_TEST_DATA');
  return null;
}

const IMAGES = { structures: [], batchSize: 1, shuffle: false, epochs: 1 } as const;

/** Returns the first pixels of each slice in order, with the end of its id. */
async function slicesOf(url: string, image: object, count: number, studies: string[] | 'all' = 'all') {
  const feed = await openFeed(url, { ...IMAGES, studies, image });
  const found: { id: string; values: number[]; dtype: string }[] = [];
  for (let step = 0; step < count; step++) {
    const batch = await feed.batch(step);
    const id = pairIdsOf(batch)[0]!;
    const { dtype } = batch.tensors.images!;
    found.push({
      id: id.slice(id.indexOf('/') + 1),
      dtype,
      values: [...numbersOf(batch.tensors.images!, 0)],
    });
  }
  return found;
}

async function problemsOf(url: string, study: string): Promise<string[]> {
  const { problems } = await getJson<Study>(`${url}/v1/studies/${study}`);
  return problems.map(({ code, file }) => `${code} ${file}`);
}

t.test('jpeg-ls-signed-12: samples of 12 bits have their sign', async (t) => {
  const server = await serveFaults(t, 'jpeg-ls-signed-12');
  if (!server) return;
  const [slice] = await slicesOf(server.url, {}, 1);
  t.strictSame([slice!.dtype, slice!.values.slice(0, 4)], ['I16', [1275, -1698, -1314, -1079]]);
  t.strictSame([Math.min(...slice!.values), Math.max(...slice!.values)], [-2048, 2047]);
  t.strictSame(await problemsOf(server.url, '2.25.1'), []);
});

t.test('dose-scaling: a dose grid is in units of dose', async (t) => {
  const server = await serveFaults(t, 'dose-scaling');
  if (!server) return;
  const [slice] = await slicesOf(server.url, {}, 1);
  t.strictSame(
    [slice!.dtype, slice!.values.slice(0, 4)],
    ['F32', [22.25, 26.9075, 25.8875, 17.1625].map(Math.fround)],
  );
});

t.test('padding-normalised: the lowest value of the rest is 0', async (t) => {
  const server = await serveFaults(t, 'padding-normalised');
  if (!server) return;
  const [stored] = await slicesOf(server.url, { values: 'stored' }, 1);
  const rest = stored!.values.filter((value) => value !== -2000);
  t.equal(stored!.values.length - rest.length, 4 * 32, 'four rows');
  const [minmax] = await slicesOf(server.url, { normalize: 'minmax', values: 'stored' }, 1);
  const [low, high] = [Math.min(...rest), Math.max(...rest)];
  t.strictSame(
    minmax!.values,
    stored!.values.map((value) => (value === -2000 ? 0 : Math.fround((value - low) / (high - low)))),
  );
});

t.test('decimal-commas: positions that cannot be read are reported for each file', async (t) => {
  const server = await serveFaults(t, 'decimal-commas');
  if (!server) return;
  const problems = await problemsOf(server.url, '2.25.1');
  const told = problems.filter((problem) => problem.startsWith('POSITION_INVALID'));
  t.strictSame(
    told,
    [0, 1, 2, 3].map((number) => `POSITION_INVALID ${number}.dcm`),
  );
});

t.test('siemens-mosaic: no contour is placed on a mosaic by coordinates', async (t) => {
  const server = await serveFaults(t, 'siemens-mosaic');
  if (!server) return;
  const problems = await problemsOf(server.url, '2.25.1');
  for (const problem of ['MOSAIC m.dcm', 'CONTOUR_WITHOUT_PLACE rs.dcm'])
    t.ok(problems.includes(problem), problem);
  t.match(await getJson(`${server.url}/v1/studies/2.25.1`), { slices: 1, pairs: 0, structures: {} });
});

/** A small image of one value. */
const slice = (name: string, value: number, image: Partial<ImageOptions>): Uint8Array =>
  writePart10(
    imageElements({
      rows: 2,
      columns: 2,
      pixels: Int16Array.of(value, value, value, value),
      studyUid: '1.2.3',
      seriesUid: '1.2.3.4',
      sopInstanceUid: `1.2.3.4.${name}`,
      ...image,
    }),
    { transferSyntax: EXPLICIT_LITTLE },
  );

const AXIAL = [1, 0, 0, 0, 1, 0] as const;
const FLIPPED = [-1, 0, 0, 0, 1, 0] as const;
const CORONAL = [1, 0, 0, 0, 0, -1] as const;
const time = (value: string) => [{ tag: '00080032', vr: 'TM', value }];

const SERIES = {
  'normals to either side': {
    files: [0, 1, 2, 3, 4].map((z) =>
      slice(`${z}`, z, {
        position: [0, 0, 3 * z],
        orientation: z % 2 ? FLIPPED : AXIAL,
        instanceNumber: 9 - z,
      }),
    ),
    order: [0, 1, 2, 3, 4],
    codes: [],
  },
  'a localizer': {
    files: [
      ...[2, 1, 0].map((z) =>
        slice(`${z}`, z, { position: [0, 0, 3 * z], orientation: AXIAL, instanceNumber: 5 + z }),
      ),
      slice('9', 9, { position: [-9, 4, 9], orientation: CORONAL, instanceNumber: 1 }),
    ],
    order: [9, 0, 1, 2],
    codes: ['SLICE_ORDER'],
  },
  'past midnight': {
    files: ['235958', '235959.5', '000001', '000003'].map((told, at) =>
      slice(`${9 - at}`, at, { extra: time(told) }),
    ),
    order: [0, 1, 2, 3],
    codes: ['SLICE_ORDER'],
  },
};

for (const [name, { files, order, codes }] of Object.entries(SERIES))
  t.test(`order with ${name}, in a folder and in an upload`, async (t) => {
    const folder = join(temporaryFolder(t), 'data');
    mkdirSync(folder);
    files.forEach((bytes, at) => {
      writeFileSync(join(folder, `${at}.dcm`), bytes);
    });
    const server = await serve(t, folder);
    const inOrder = async (studies: string[]) =>
      (await slicesOf(server.url, {}, order.length, studies)).map(({ values }) => values[0]);
    t.strictSame(await inOrder(['1.2.3']), order);
    const codesOf = async (study: string) =>
      (await problemsOf(server.url, study)).map((problem) => problem.split(' ')[0]);
    t.strictSame(await codesOf('1.2.3'), codes);
    const sent = Object.fromEntries(files.map((bytes, at) => [`${at}.dcm`, bytes]));
    const answer = await upload(`${server.url}/v1/studies?id=sent`, sent);
    t.equal(answer.status, 201);
    t.strictSame(await inOrder(['sent']), order);
    t.strictSame(await codesOf('sent'), codes);
  });
