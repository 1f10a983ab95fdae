import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { maskOf, pairIdsOf, type ReadTensor, readBatch, slotOf } from '../fixtures/batch.js';
import { getBody, getJson, openSession } from '../fixtures/client.js';
import { startTestServer } from '../helper.js';
import { python, withoutPython } from '../python.js';
import { sharedData } from '../shared-data.js';

const data = sharedData('sunnybrook');
const withoutData = data === null ? 'the Sunnybrook data is missing: ../shared/data/sunnybrook' : false;
const withoutPydicom = withoutData || withoutPython('pydicom', 'python3-pydicom python3-numpy');

type Rule = 'pixel-center' | 'pil';

/** One line of the table of reference masks. */
interface Reference {
  readonly study: string;
  readonly slice: string;
  readonly structure: string;
  readonly masks: Readonly<Record<Rule, string>>;
}

function references(folder: string): Reference[] {
  const links = readFileSync(join(folder, 'link.csv'), 'utf8').trim().split(/\r?\n/).slice(1);
  const patientOf = new Map(links.map((line) => line.split(',').reverse() as [string, string]));
  const lines = readFileSync(join(folder, 'reference_masks.tsv'), 'utf8').trim().split('\n');
  const [names = [], ...rows] = lines.filter((line) => !line.startsWith('#')).map((line) => line.split('\t'));
  return rows.map((row) => {
    const value = (name: string) => row[names.indexOf(name)] ?? '';
    const [, original = '', number = '', structure = ''] =
      /^contourfiles\/([^/]+)\/.*IM-0001-0*(\d+)-([io])contour/.exec(value('contour')) ?? [];
    const masks = { 'pixel-center': value('EO0_sha256'), pil: value('PIL_sha256') };
    return { study: patientOf.get(original) ?? '', slice: number, structure, masks };
  });
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The values of one slot's image as int32, whatever they travelled as. */
function widened({ dtype }: ReadTensor, bytes: Buffer): Buffer {
  const own = new Uint8Array(bytes).buffer;
  const values = dtype === 'I16' ? new Int16Array(own) : dtype === 'U16' ? new Uint16Array(own) : null;
  if (!values) throw new Error(`images of ${dtype}`);
  return Buffer.from(Int32Array.from(values).buffer);
}

/** Each image's stored values by pydicom: the file to the SHA-256 of its pixels as int32. */
const STORED = `
import glob, hashlib, json, os, sys, pydicom
root = sys.argv[1]
print(json.dumps({os.path.relpath(path, root):
    hashlib.sha256(pydicom.dcmread(path).pixel_array.astype('<i4').tobytes()).hexdigest()
    for path in glob.glob(root + '/dicoms/*/*.dcm')}))
`;

interface PairRow {
  readonly id: string;
  readonly file: string;
  readonly structures: string[];
}

/** Every slice of every study, page by page. */
async function slices(): Promise<PairRow[]> {
  const { studies } = await getJson<{ studies: { id: string }[] }>(`${url}/v1/studies`);
  const rows: PairRow[] = [];
  for (const { id } of studies) {
    let after = '';
    for (;;) {
      const page = await getJson<{ pairs: PairRow[]; next: string | null }>(
        `${url}/v1/studies/${id}/pairs?all=1${after}`,
      );
      rows.push(...page.pairs);
      if (page.next === null) break;
      after = `&after=${encodeURIComponent(page.next)}`;
    }
  }
  return rows;
}

async function serve(folder: string): Promise<string> {
  const server = await startTestServer(t, resolve(folder));
  await server.ready();
  return server.url;
}

const url = data === null ? '' : await serve(data);
const stored: Readonly<Record<string, string>> = withoutPydicom
  ? {}
  : JSON.parse(await python(STORED, data ?? ''));

t.test('every mask of both rules is that of the reference table', { skip: withoutData }, async (t) => {
  const wanted = references(data ?? '');
  t.equal(wanted.length, 84);
  for (const rule of ['pixel-center', 'pil'] as const) {
    const other: string[] = [];
    for (const { study, slice, structure, masks } of wanted) {
      const path = `/v1/studies/${study}/pairs/${slice}?structures=${structure}&rule=${rule}`;
      const { tensors, metadata } = readBatch(await getBody(url + path));
      const seen = [metadata.rule, metadata.structures, sha256(tensors.masks!.bytes)];
      const right = [rule, JSON.stringify([structure]), masks[rule]];
      if (seen.join() !== right.join()) other.push(path);
    }
    t.strictSame(other, [], rule);
  }
});

t.test('every image with values=stored is what pydicom reads', { skip: withoutPydicom }, async (t) => {
  const all = await slices();
  t.strictSame(all.map(({ file }) => file).sort(), Object.keys(stored).sort());
  const other: string[] = [];
  for (const { id, file } of all) {
    const [study, slice] = id.split('/');
    const body = await getBody(`${url}/v1/studies/${study}/pairs/${slice}?values=stored`);
    const { images } = readBatch(body).tensors;
    if (sha256(widened(images!, images!.bytes)) !== stored[file]) other.push(file);
  }
  t.strictSame(other, []);
});

t.test('an epoch gives every pair once, the same images and masks', { skip: withoutPydicom }, async (t) => {
  const fileOf = new Map((await slices()).map(({ id, file }) => [id, file]));
  const wanted = references(data ?? '').filter(({ structure }) => structure === 'i');
  const maskById = new Map(wanted.map((one) => [`${one.study}/${one.slice}`, one.masks]));
  for (const rule of ['pixel-center', 'pil'] as const) {
    const spec = { structures: ['i'], epochs: 1, batchSize: 7, image: { values: 'stored' }, mask: { rule } };
    const { id, steps, pairs } = await openSession(url, spec);
    t.equal(pairs, wanted.length);
    const seen: string[] = [];
    const other: string[] = [];
    for (let step = 0; step < (steps ?? 0); step++) {
      const batch = readBatch(await getBody(`${url}/v1/sessions/${id}/batches/${step}`));
      const { images, masks } = batch.tensors;
      pairIdsOf(batch).forEach((pair, slot) => {
        seen.push(pair ?? 'none');
        const image = sha256(widened(images!, slotOf(images!, slot)));
        const mask = sha256(maskOf(masks!, slot, 0));
        if (image !== stored[fileOf.get(pair ?? '') ?? '']) other.push(`image ${pair}`);
        if (mask !== maskById.get(pair ?? '')?.[rule]) other.push(`mask ${pair}`);
      });
    }
    t.strictSame(seen.sort(), [...maskById.keys()].sort());
    t.strictSame(other, []);
  }
});

t.test('both structures of a pair keep the session’s order', { skip: withoutData }, async (t) => {
  const wanted = new Map(
    references(data ?? '').map((one) => [`${one.study}/${one.slice}/${one.structure}`, one.masks.pil]),
  );
  const { id, steps } = await openSession(url, { structures: ['o', 'i'], epochs: 1, mask: { rule: 'pil' } });
  const seen: [string, string][] = [];
  for (let step = 0; step < (steps ?? 0); step++) {
    const batch = readBatch(await getBody(`${url}/v1/sessions/${id}/batches/${step}`));
    pairIdsOf(batch).forEach((pair, slot) => {
      for (const [place, structure] of ['o', 'i'].entries())
        seen.push([`${pair}/${structure}`, sha256(maskOf(batch.tensors.masks!, slot, place))]);
    });
  }
  t.ok(seen.length > 0);
  t.strictSame(
    seen.filter(([key, mask]) => wanted.get(key) !== mask),
    [],
  );
});
