import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { maskOf, pairIdsOf, readBatch } from '../fixtures/batch.js';
import { ask, getBody, getJson } from '../fixtures/client.js';
import { refused } from '../fixtures/problem.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
const truth = await makePhantom(folder, { studies: 3, slices: 2, phases: 3, rows: 40, columns: 32 });
const server = await startTestServer(t, folder);
await server.ready();
const studies = `${server.url}/v1/studies`;
const first = `${studies}/PHANTOM001`;

interface StudyRow {
  readonly id: string;
}
interface PairRow {
  readonly id: string;
  readonly slice: string;
  readonly file: string;
}
interface Page {
  readonly studies: StudyRow[];
  readonly pairs: PairRow[];
  readonly next: string | null;
}

const PHANTOM = { slices: 6, pairs: 4, structures: { i: 4, o: 2 }, rows: 40, columns: 32 };

t.test('the studies are listed with their counts', async (t) => {
  const { studies: rows, next } = await getJson<Page>(studies);
  t.strictSame(rows, [
    { id: 'PHANTOM001', ...PHANTOM, problems: 0 },
    { id: 'PHANTOM002', ...PHANTOM, problems: 0 },
    { id: 'PHANTOM003', ...PHANTOM, problems: 0 },
  ]);
  t.equal(next, null);
});

t.test('a study is shown with the list of its problems', async (t) => {
  t.match(await getJson(first), { id: 'PHANTOM001', ...PHANTOM, problems: [] });
  const { sources } = await getJson<{ sources: object[] }>(first);
  t.strictSame(sources, [
    { kind: 'text', file: 'contourfiles/SF-RING-1', series: null, structures: ['i', 'o'], parts: 6 },
  ]);
});

t.test('the pairs of a study come in the order of their numbers', async (t) => {
  const { pairs, next } = await getJson<Page>(`${first}/pairs`);
  const { images } = truth.studies[0]!;
  t.equal(next, null);
  t.strictSame(
    pairs,
    images
      .filter(({ contours }) => contours.length > 0)
      .map(({ slice, file, contours }) => ({
        id: `PHANTOM001/${slice}`,
        slice,
        file,
        structures: contours.map(({ structure }) => structure),
        rows: 40,
        columns: 32,
        transferSyntax: '1.2.840.10008.1.2.1',
      })),
  );
  t.ok(pairs.every(({ file }) => existsSync(join(folder, file))));
});

t.test('all=1 lists the slices without a contour too', async (t) => {
  const { pairs } = await getJson<Page>(`${first}/pairs?all=1`);
  t.strictSame(
    pairs.map(({ slice }) => slice),
    ['1', '2', '3', '4', '5', '6'],
  );
});

async function pages(url: string, of: (page: Page) => string[]): Promise<string[][]> {
  const seen: string[][] = [];
  let after = '';
  for (;;) {
    const page = await getJson<Page>(`${url}${after}`);
    seen.push(of(page));
    if (page.next === null || seen.length > 9) return seen;
    after = `&after=${encodeURIComponent(page.next)}`;
  }
}

t.test('lists come page by page, nothing twice and nothing left out', async (t) => {
  const ids = (page: Page) => page.studies.map(({ id }) => id);
  t.strictSame(await pages(`${studies}?limit=2`, ids), [['PHANTOM001', 'PHANTOM002'], ['PHANTOM003']]);
  t.strictSame(await pages(`${studies}?limit=1`, ids), [['PHANTOM001'], ['PHANTOM002'], ['PHANTOM003']]);
  t.strictSame(await pages(`${studies}?limit=3`, ids), [['PHANTOM001', 'PHANTOM002', 'PHANTOM003']]);
  const slices = (page: Page) => page.pairs.map(({ slice }) => slice);
  t.strictSame(await pages(`${first}/pairs?limit=3`, slices), [['1', '2', '4'], ['5']]);
  t.strictSame(await pages(`${first}/pairs?limit=4&all=1`, slices), [
    ['1', '2', '3', '4'],
    ['5', '6'],
  ]);
  t.strictSame(await pages(`${first}/pairs?limit=1000`, slices), [['1', '2', '4', '5']]);
});

t.test('an empty after is the start of a list', async (t) => {
  t.equal((await getJson<Page>(`${studies}?after=`)).studies.length, 3);
  t.equal((await getJson<Page>(`${first}/pairs?after=`)).pairs.length, 4);
});

t.test('a page that makes no sense is refused by the name of its field', async (t) => {
  for (const list of [studies, `${first}/pairs`, `${server.url}/v1/sessions`]) {
    for (const limit of ['0', '1001', '-1', 'x', '1.5']) {
      const { field } = await refused(t, `${list}?limit=${limit}`, {}, 400, 'SLF_INVALID');
      t.equal(field, 'limit');
    }
    t.match(await refused(t, `${list}?colour=red`, {}, 400, 'SLF_INVALID'), { field: 'colour' });
  }
  t.match(await refused(t, `${first}/pairs?after=x`, {}, 400, 'SLF_INVALID'), { field: 'after' });
  t.match(await refused(t, `${first}/pairs?all=2`, {}, 400, 'SLF_INVALID'), { field: 'all' });
});

t.test('what is not there is not found, and no id leads out of the folder', async (t) => {
  const ids = ['nobody', '..', '%2e%2e', '..%2f..%2fetc%2fpasswd', '%00', 'a'.repeat(200), 'PHANTOM001%20'];
  for (const id of ids) {
    const answer = await ask(`${studies}/${id}`);
    t.equal(answer.status, 404, id);
    t.match(answer.headers.get('content-type'), /^application\/problem\+json/, id);
  }
  await refused(t, `${studies}/nobody`, {}, 404, 'SLF_STUDY_UNKNOWN');
  await refused(t, `${studies}/nobody/pairs`, {}, 404, 'SLF_STUDY_UNKNOWN');
  await refused(t, `${studies}/nobody/pairs/1`, {}, 404, 'SLF_STUDY_UNKNOWN');
  await refused(t, `${first}/pairs/99`, {}, 404, 'SLF_PAIR_UNKNOWN');
  await refused(t, `${first}/pairs/..%2f1`, {}, 404, 'SLF_PAIR_UNKNOWN');
  await refused(t, `${first}/pairs/99/overlay.png`, {}, 404, 'SLF_PAIR_UNKNOWN');
});

t.test('one pair comes as a batch body of size 1', async (t) => {
  const batch = readBatch(await getBody(`${first}/pairs/1`));
  t.strictSame(
    Object.entries(batch.tensors).map(([name, { dtype, shape }]) => [name, dtype, shape]),
    [
      ['pairs', 'I64', [1]],
      ['affine', 'F64', [1, 2, 3]],
      ['spacing', 'F64', [1, 2]],
      ['sourceShape', 'I32', [1, 2]],
      ['images', 'I16', [1, 1, 40, 32]],
      ['masks', 'BOOL', [1, 2, 40, 32]],
      ['valid', 'BOOL', [1]],
    ],
  );
  t.equal(batch.dataStart % 64, 0);
  t.strictSame(pairIdsOf(batch), ['PHANTOM001/1']);
  t.match(batch.metadata, {
    structures: '["i","o"]',
    rule: 'pixel-center',
    problems: '[]',
    bytesVersion: /./,
  });
  t.ok(Object.values(batch.metadata).every((value) => typeof value === 'string'));
  t.ok(maskOf(batch.tensors.masks!, 0, 0).includes(1), 'the inner mask is drawn');
});

t.test('one pair takes structures in the order asked, and a rule', async (t) => {
  const both = readBatch(await getBody(`${first}/pairs/1?structures=o,i`));
  const [outer, inner] = [maskOf(both.tensors.masks!, 0, 0), maskOf(both.tensors.masks!, 0, 1)];
  const count = (mask: Buffer) => mask.reduce((sum, value) => sum + value, 0);
  t.equal(both.metadata.structures, '["o","i"]');
  t.ok(count(outer) > count(inner), 'the outer mask is larger');
  const pil = readBatch(await getBody(`${first}/pairs/1?structures=i&rule=pil`));
  t.equal(pil.metadata.rule, 'pil');
  t.ok(count(pil.tensors.masks!.bytes) < count(inner), 'pil erodes');
  const none = readBatch(await getBody(`${first}/pairs/3`));
  t.strictSame(none.tensors.masks!.shape, [1, 0, 40, 32], 'a slice without a contour has no mask');
  const asked = await refused(t, `${first}/pairs/2?structures=o`, {}, 422, 'SLF_NO_PAIRS');
  t.equal(asked.field, 'structures');
});

t.test('one pair has its tag, its length and its name', async (t) => {
  const answer = await ask(`${first}/pairs/1`);
  const etag = answer.headers.get('etag') ?? '';
  t.match(etag, /^"[^"]+"$/);
  t.equal(answer.headers.get('content-type'), 'application/x-safetensors');
  t.equal(answer.headers.get('slicefeed-bytes'), String(answer.body.length));
  t.match(answer.headers.get('content-disposition'), /^attachment; filename="[\w.-]+\.safetensors"$/);
  const again = await ask(`${first}/pairs/1`, { headers: { 'if-none-match': etag } });
  t.strictSame([again.status, again.body.length, again.headers.get('etag')], [304, 0, etag]);
  const other = await ask(`${first}/pairs/1?rule=pil`, { headers: { 'if-none-match': etag } });
  t.equal(other.status, 200, 'another rule is another body');
  const npz = await ask(`${first}/pairs/1`, {
    headers: { accept: 'application/x-npz', 'if-none-match': etag },
  });
  t.strictSame([npz.status, npz.headers.get('content-type')], [200, 'application/x-npz']);
  t.match(npz.headers.get('content-disposition'), /\.npz"$/);
  t.not(npz.headers.get('etag'), etag);
});

t.test('a pair’s picture has the size asked for and shows its contours', async (t) => {
  const picture = async (path: string) => {
    const answer = await ask(`${first}/pairs/${path}`);
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('content-type'), 'image/png');
    t.equal(answer.body.toString('latin1', 1, 4), 'PNG');
    return answer.body;
  };
  const size = (png: Buffer) => [png.readUInt32BE(16), png.readUInt32BE(20)];
  const plain = await picture('1/overlay.png');
  t.ok(size(plain)[0]! >= 32 && size(plain)[1]! >= 40);
  const large = await picture('1/overlay.png?scale=4');
  t.ok(size(large)[0]! >= 128 && size(large)[1]! >= 160);
  t.not(plain.equals(await picture('1/overlay.png?structures=i')), true, 'fewer structures, another picture');
  t.ok(plain.equals(await picture('1/overlay.png')), 'the same picture again');
  await picture('3/overlay.png');
  for (const scale of ['0', '9', 'x'])
    t.match(await refused(t, `${first}/pairs/1/overlay.png?scale=${scale}`, {}, 400, 'SLF_INVALID'), {
      field: 'scale',
    });
});
