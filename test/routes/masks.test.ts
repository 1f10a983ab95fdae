import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decode as decodePng } from 'fast-png';
import t from 'tap';
import { maskOf, pairIdsOf, type ReadBatch, readBatch } from '../fixtures/batch.js';
import { checkProblem } from '../fixtures/problem.js';
import { contourPath, imageFile, imagePath, linkTable, squareContour } from '../fixtures/study-folder.js';
import { toldLoaders } from '../fixtures/told.js';
import { type Files, formOf, upload } from '../fixtures/upload.js';
import { zipFile } from '../fixtures/zip-file.js';
import { startTestServer, temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';

const server = await startTestServer(t, temporaryFolder(t));
const url = `${server.url}/v1/masks`;

/** The bodies of an answer, one after the other. */
function bodiesOf(whole: Buffer): ReadBatch[] {
  const bodies: ReadBatch[] = [];
  for (let at = 0; at < whole.length; ) {
    const headerEnd = at + 8 + Number(whole.readBigUInt64LE(at));
    const header = JSON.parse(whole.toString('utf8', at + 8, headerEnd)) as Record<
      string,
      { data_offsets?: [number, number] }
    >;
    const data = Math.max(0, ...Object.values(header).map(({ data_offsets }) => data_offsets?.[1] ?? 0));
    bodies.push(readBatch(whole.subarray(at, headerEnd + data)));
    at = headerEnd + data;
  }
  return bodies;
}

async function masksOf(files: Files, query = ''): Promise<ReadBatch[]> {
  const answer = await upload(url + query, files);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  return bodiesOf(answer.body);
}

function problemsOf({ metadata }: ReadBatch): { code: string; file: string | null }[] {
  return JSON.parse(metadata.problems!);
}

function leftovers(): string[] {
  return readdirSync(join(server.config.state, 'uploads', 'incoming'));
}

const pixels = (mask: Buffer) => mask.reduce((sum, value) => sum + value, 0);

t.test('one image and one contour are a pair, whatever they are called', async (t) => {
  const [body, ...others] = await masksOf({ blob: imageFile(), 'blob (1)': squareContour(2, 9) });
  t.equal(others.length, 0);
  t.same(body!.tensors.images!.shape, [1, 1, 16, 16]);
  t.equal(pixels(maskOf(body!.tensors.masks!, 0, 0)), 49);
  t.same(problemsOf(body!), []);
  t.same(leftovers(), [], 'nothing is kept');
});

t.test('a zip that is neither named so nor sent alone is not opened', async (t) => {
  const zip = zipFile([{ name: 'a.npy', content: 'x' }]);
  const image = { '1.dcm': imageFile(), '1.txt': squareContour(2, 9) };
  const [body] = await masksOf({ ...image, 'a.npz': zip, 'b.npz': zip });
  t.same(pairIdsOf(body!), ['upload/1']);
  t.same(
    problemsOf(body!).map(({ code, file }) => [code, file]),
    [
      ['FILE_NOT_PAIRED', 'a.npz'],
      ['FILE_NOT_PAIRED', 'b.npz'],
    ],
  );
  const zipped = zipFile(Object.entries(image).map(([name, content]) => ({ name, content })));
  const [alone] = await masksOf({ blob: zipped });
  t.same(pairIdsOf(alone!), ['upload/1']);
  const [beside] = await masksOf({ 'STUDY.ZIP': zipped, 'a.npz': zip });
  t.same(pairIdsOf(beside!), ['upload/1']);
  t.same(
    problemsOf(beside!).map(({ code, file }) => [code, file]),
    [['FILE_NOT_PAIRED', 'a.npz']],
  );
});

t.test('names of one image and one contour that say other numbers are a conflict', async (t) => {
  const contour = { 'IM-0001-0060-icontour-manual.txt': squareContour(2, 9) };
  const answer = await upload(url, { '47.dcm': imageFile(60), ...contour });
  t.match(JSON.parse(String(answer.body)), {
    status: 422,
    detail: /its name says image 60, and the name of the only image says 47: give both one number/,
  });
  const [body] = await masksOf({ 'foo.dcm': imageFile(47), ...contour });
  t.equal(pixels(maskOf(body!.tensors.masks!, 0, 0)), 49);
});

t.test('a whole patient comes as several bodies, in the order of the slices', async (t) => {
  const files: Record<string, string | Uint8Array> = { 'link.csv': linkTable(['P', 'o']) };
  for (const number of [10, 9, 8, 7]) files[imagePath('P', number)] = imageFile(number);
  for (const number of [9, 8, 10]) files[contourPath('o', number)] = squareContour(1, number);
  const bodies = await masksOf(files, '?batchSize=2');
  t.same(bodies.map(pairIdsOf), [['P/8', 'P/9'], ['P/10']]);
  const masks = bodies.flatMap(({ tensors: { masks } }) =>
    Array.from({ length: masks!.shape[0]! }, (_, slot) => pixels(maskOf(masks!, slot, 0))),
  );
  t.same(masks, [49, 64, 81]);
  const zipped = zipFile(
    Object.entries(files).map(([name, content]) => ({ name: `all/${name}`, content, deflate: true })),
  );
  const unzipped = await masksOf({ 'any.zip': zipped }, '?batchSize=2');
  t.same(unzipped, bodies, 'a zip of the same files, in a folder of their own, gives the same bytes');
  t.same(leftovers(), []);
});

t.test('contours go to the image of their number; what has none is told', async (t) => {
  const [body] = await masksOf({
    '7.dcm': imageFile(7),
    'IM-0001-0008.dcm': imageFile(8),
    'IM-0001-0008-icontour-manual.txt': squareContour(0, 4),
    'IM-0001-0007-ocontour-manual.txt': squareContour(0, 5),
    'IM-0001-0099-icontour-manual.txt': squareContour(0, 6),
    'notes.txt': 'of the radiologist',
    'cut.dcm': imageFile(9).subarray(0, 300),
  });
  t.same(pairIdsOf(body!), ['upload/7', 'upload/8']);
  t.equal(body!.metadata.structures, '["i","o"]');
  t.same(
    problemsOf(body!)
      .map(({ code, file }) => `${code} ${file}`)
      .sort(),
    [
      'CONTOUR_WITHOUT_IMAGE IM-0001-0099-icontour-manual.txt',
      'HEADER_BROKEN cut.dcm',
      'NOT_A_CONTOUR notes.txt',
      'STRUCTURE_MISSING 7.dcm',
      'STRUCTURE_MISSING IM-0001-0008.dcm',
    ],
  );
  const [only] = await masksOf(
    {
      '7.dcm': imageFile(7),
      '8.dcm': imageFile(8),
      'IM-0001-0008-icontour-manual.txt': squareContour(0, 4),
      'IM-0001-0007-icontour-manual.txt': squareContour(0, 4),
      'IM-0001-0008-ocontour-manual.txt': squareContour(0, 5),
    },
    '?missing=exclude',
  );
  t.same(pairIdsOf(only!), ['upload/8']);
});

t.test('one pair may be asked for as its overlay, or as arrays', async (t) => {
  const files = { '1.dcm': imageFile(), '1.txt': squareContour(2, 9) };
  const png = await upload(`${url}?format=png&scale=3`, files);
  t.equal(png.headers.get('content-type'), 'image/png');
  const { width, height } = decodePng(png.body);
  t.ok(width >= 48 && height >= 48);
  const npz = await upload(url, files, { accept: 'application/x-npz' });
  t.equal(npz.headers.get('content-type'), 'application/x-npz');
  const two = { ...files, '2.dcm': imageFile(2), '2.txt': squareContour(2, 8) };
  checkProblem(t, await upload(`${url}?format=png`, two), 406, 'SLF_NOT_ACCEPTABLE');
  checkProblem(t, await upload(`${url}?format=npz&batchSize=1`, two), 406, 'SLF_NOT_ACCEPTABLE');
});

t.test('what gives no pair says why', async (t) => {
  const refuse = async (files: Files, status: number, code: string, query = '') =>
    (await checkProblem(t, await upload(url + query, files), status, code)).detail;
  t.match(await refuse({ '1.dcm': imageFile() }, 422, 'SLF_NO_PAIRS'), /no contour/);
  const odd = { '1.dcm': imageFile(1, { position: [1, 2, 3], orientation: [1, 0, 0, 1, 0, 0] }) };
  t.match(await refuse(odd, 422, 'SLF_NO_PAIRS'), /no contour/, 'whatever is odd about the image');
  t.match(await refuse({ '1.txt': squareContour(1, 3) }, 422, 'SLF_NO_PAIRS'), /no image/);
  t.match(
    await refuse(
      { '1.dcm': imageFile(), 'IM-0001-0002-icontour-manual.txt': squareContour(1, 3) },
      422,
      'SLF_NO_PAIRS',
    ),
    /its name says image 2, and the name of the only image says 1/,
    'one and one, whose names contradict each other',
  );
  const sizes = {
    '1.dcm': imageFile(),
    '1.txt': squareContour(1, 3),
    '2.dcm': imageFile(2, { rows: 8 }),
    '2.txt': squareContour(1, 3),
  };
  t.equal((await masksOf(sizes)).length, 2, 'a body for each shape');
  t.match(await refuse(sizes, 422, 'SLF_NO_PAIRS', '?structures=o'), /there are contour/);
  t.same(leftovers(), []);
});

const sunnybrook = sharedData('sunnybrook');

t.test(
  'a zip of real patients gives the reference masks, by both rules',
  { skip: sunnybrook ? false : 'the folder of real data is missing' },
  async (t) => {
    const root = sunnybrook!;
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.(dcm|txt|csv)$/.test(path))
      .map((name) => ({ name, content: readFileSync(join(root, name)) }));
    const links = readFileSync(join(root, 'link.csv'), 'utf8')
      .split('\n')
      .map((line) => line.trim().split(','));
    const [, ...table] = readFileSync(join(root, 'reference_masks.tsv'), 'utf8').trim().split('\n');
    const [names, ...rows] = table.map((line) => line.split('\t'));
    const references = rows.map((row) => Object.fromEntries(names!.map((name, at) => [name, row[at]])));
    const zip = { 'patients.zip': zipFile(files) };
    for (const [rule, column] of [
      ['pixel-center', 'EO0_sha256'],
      ['pil', 'PIL_sha256'],
    ] as const) {
      const drawn = new Map<string, string>();
      for (const body of await masksOf(zip, `?batchSize=32&rule=${rule}`)) {
        const structures = JSON.parse(body.metadata.structures!) as string[];
        pairIdsOf(body).forEach((pair, slot) => {
          for (const [at, structure] of structures.entries())
            drawn.set(
              `${pair} ${structure}`,
              createHash('sha256')
                .update(maskOf(body.tensors.masks!, slot, at))
                .digest('hex'),
            );
        });
      }
      t.equal(references.length, 84);
      for (const row of references) {
        const [, original, number, structure] = /^contourfiles\/([^/]+)\/.*-(\d{4})-([io])contour/.exec(
          row.contour!,
        )!;
        const [patient] = links.find((link) => link[1] === original)!;
        t.equal(drawn.get(`${patient}/${Number(number)} ${structure}`), row[column], row.contour);
      }
    }
  },
);

t.test(
  'the first batch is sent while the next is still being decoded; one that breaks is told in a last body',
  async (t) => {
    const told = toldLoaders(t);
    const other = await startTestServer(t, temporaryFolder(t), {}, told.options);
    const files = {
      '1.dcm': imageFile(1),
      '1.txt': squareContour(2, 9),
      '2.dcm': imageFile(2),
      '2.txt': squareContour(2, 8),
    };
    // The third file of the upload is its second image.
    told.tell({ 2: 'hold' });
    const answer = await fetch(`${other.url}/v1/masks?batchSize=1`, { method: 'POST', body: formOf(files) });
    const reader = answer.body!.getReader();
    let whole = Buffer.alloc(0);
    const firstEnd = () =>
      whole.length < 8 ? Number.POSITIVE_INFINITY : 8 + Number(whole.readBigUInt64LE(0)) + 16 * 16 * 3;
    while (whole.length < firstEnd()) {
      const { value } = await reader.read();
      whole = Buffer.concat([whole, value!]);
    }
    t.ok(await told.held(), 'the second one is with its loader');
    told.tell({});
    for (let part = await reader.read(); !part.done; part = await reader.read())
      whole = Buffer.concat([whole, part.value]);
    t.same(bodiesOf(whole).map(pairIdsOf), [['upload/1'], ['upload/2']]);
    told.tell({ 2: 'crash' });
    const broken = bodiesOf((await upload(`${other.url}/v1/masks?batchSize=1`, files)).body);
    t.same(
      broken.map(({ tensors }) => Object.keys(tensors).length > 0),
      [true, false],
    );
    t.match(problemsOf(broken[1]!), [{ code: 'SLF_PAIR_FAILED', pair: 'upload/2', file: '2.dcm' }]);
    t.same(readdirSync(join(other.config.state, 'uploads', 'incoming')), []);
  },
);

t.test(
  'an answer that is not read holds no place of those who upload; calls are logged and counted',
  async (t) => {
    const other = await startTestServer(t, temporaryFolder(t), { UPLOADS: '1' });
    await other.ready();
    const large = { rows: 2048, columns: 2048, patientId: 'SECRET' };
    const form = formOf({
      'doe/1.dcm': imageFile(1, large),
      'doe/1.txt': squareContour(2, 900),
      'doe/2.dcm': imageFile(2, large),
      'doe/2.txt': squareContour(2, 900),
    });
    const leaving = new AbortController();
    const slow = await fetch(`${other.url}/v1/masks?batchSize=1`, {
      method: 'POST',
      body: form,
      signal: leaving.signal,
    });
    t.equal(slow.status, 200);
    const small = { 'doe/1.dcm': imageFile(), 'doe/1.txt': squareContour(2, 9) };
    t.equal((await upload(`${other.url}/v1/masks`, small)).status, 200);
    t.equal((await upload(`${other.url}/v1/studies`, small)).status, 201);
    t.equal((await upload(`${other.url}/v1/masks`, { 'a.txt': 'x' })).status, 422);
    leaving.abort();
    await slow.arrayBuffer().catch(() => {});
    const left = await other.logged(({ msg }) => msg === 'masks of an upload not taken: the reader left');
    t.match(left, { files: 4, pairs: 2 });
    const sent = await other.logged(({ msg }) => msg === 'masks of an upload sent');
    t.match(sent, { files: 2, pairs: 1, problems: 0, bodies: 1, bytes: Number, ms: Number });
    t.notMatch(JSON.stringify(other.log), /doe|SECRET/, 'no name is in the log');
    const counts = ['sent', 'left', 'refused'].map(
      (result) => `slicefeed_mask_uploads_total{result="${result}"} 1\n`,
    );
    // A call counts when its files are gone, which is behind its line of the log.
    for (let metrics = ''; !counts.every((count) => metrics.includes(count)); )
      metrics = await (await fetch(`${other.url}/metrics`)).text();
  },
);
