import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { type OpenedSession, openSession } from '../fixtures/client.js';
import {
  contourPath,
  imageFile,
  imagePath,
  linkTable,
  squareContour,
  writeFiles,
} from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';
import { python, withoutPython } from '../python.js';

const withoutNumpy = withoutPython('numpy', 'python3-numpy');
const withoutPeers =
  withoutNumpy || withoutPython('pydicom', 'python3-pydicom') || withoutPython('PIL', 'python3-pil');

/** A trainer's own reader, and a way to say what it read. */
const READER = `
import glob, io, json, os, sys, urllib.request
import numpy
def get(url):
    return urllib.request.urlopen(url).read()
DTYPES = {'BOOL': '?', 'U8': 'u1', 'I16': '<i2', 'U16': '<u2', 'I32': '<i4', 'I64': '<i8', 'F16': '<f2', 'F32': '<f4', 'F64': '<f8'}
def safetensors(body):
    start = 8 + int.from_bytes(body[:8], 'little')
    header = json.loads(body[8:start])
    metadata = header.pop('__metadata__')
    return metadata, start, {name: numpy.frombuffer(body, DTYPES[t['dtype']], (t['data_offsets'][1] - t['data_offsets'][0])
        // numpy.dtype(DTYPES[t['dtype']]).itemsize, start + t['data_offsets'][0]).reshape(t['shape']) for name, t in header.items()}
`;

const COMPARE_FORMATS = `${READER}
seen = []
for step in range(int(sys.argv[2])):
    url = sys.argv[1] + '/batches/%d' % step
    body = get(url)
    metadata, start, tensors = safetensors(body)
    npz = numpy.load(io.BytesIO(get(url + '?format=npz')), allow_pickle=False)
    plain = json.loads(npz['metadata.json'])
    read = {k: v if isinstance(plain[k], str) else json.loads(v) for k, v in metadata.items()}
    seen.append({
        'names': sorted(tensors),
        'members': sorted(npz.files),
        'equal': all(tensors[n].dtype == npz[n].dtype and tensors[n].shape == npz[n].shape
                     and tensors[n].tobytes() == npz[n].tobytes() for n in tensors),
        'aligned': start % 64 == 0 and all(x.flags.aligned for x in tensors.values()),
        'shapes': {n: [x.dtype.name, list(x.shape)] for n, x in tensors.items()},
        'metadata': plain == read,
        'pairs': read['pairIds'],
        'sums': [int(tensors['images'].sum()), int(tensors['masks'].sum())],
    })
print(json.dumps(seen))
`;

interface Seen {
  readonly names: string[];
  readonly members: string[];
  readonly equal: boolean;
  readonly aligned: boolean;
  readonly shapes: Record<string, [string, number[]]>;
  readonly metadata: boolean;
  readonly pairs: string[];
  readonly sums: [number, number];
}

const folder = join(temporaryFolder(t), 'phantom');
await makePhantom(folder, { studies: 2, slices: 3, phases: 4, rows: 48, columns: 40 });
const server = await startTestServer(t, folder);
await server.ready();

async function open(spec: object): Promise<{ url: string; session: OpenedSession }> {
  const session = await openSession(server.url, spec);
  return { url: `${server.url}/v1/sessions/${session.id}`, session };
}

t.test('numpy reads the same batch of both formats', { skip: withoutNumpy }, async (t) => {
  const { url, session } = await open({ structures: ['i'], epochs: 1, batchSize: 5 });
  const seen: Seen[] = JSON.parse(await python(COMPARE_FORMATS, url, String(session.steps)));
  const names = ['affine', 'images', 'masks', 'pairs', 'sourceShape', 'spacing', 'valid'];
  t.equal(seen.length, 3);
  for (const [step, one] of seen.entries()) {
    t.strictSame(one.names, names, `step ${step}: tensors`);
    t.strictSame(one.members, [...names, 'metadata.json'].sort(), `step ${step}: members`);
    t.ok(one.equal, `step ${step}: tensors are equal`);
    t.ok(one.aligned, `step ${step}: tensors are aligned`);
    t.ok(one.metadata, `step ${step}: metadata is equal`);
    t.ok(one.sums[0] > 0 && one.sums[1] > 0, `step ${step}: neither black nor empty`);
    const b = step === 2 ? 2 : 5;
    t.strictSame(one.shapes, {
      pairs: ['int64', [b]],
      affine: ['float64', [b, 2, 3]],
      spacing: ['float64', [b, 2]],
      sourceShape: ['int32', [b, 2]],
      images: ['int16', [b, 1, 48, 40]],
      masks: ['bool', [b, 1, 48, 40]],
      valid: ['bool', [b]],
    });
  }
  t.equal(new Set(seen.flatMap(({ pairs }) => pairs)).size, session.pairs);
});

const COMPARE_PEERS = `${READER}
import pydicom
from PIL import Image, ImageDraw
root, url, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
links = dict(line.split(',') for line in open(root + '/link.csv').read().split('\\n')[1:])
wrong, pairs = [], []
for step in range(steps):
    metadata, _, x = safetensors(get(url + '/batches/%d' % step))
    structures = json.loads(metadata['structures'])
    for slot, pair in enumerate(json.loads(metadata['pairIds'])):
        pairs.append(pair)
        study, number = pair.split('/')
        image = pydicom.dcmread('%s/dicoms/%s/%s.dcm' % (root, study, number))
        rows, columns = image.pixel_array.shape
        if not (x['images'][slot, 0] == image.pixel_array).all(): wrong.append(pair + ' image')
        if x['spacing'][slot].tolist() != [float(s) for s in image.PixelSpacing]: wrong.append(pair + ' spacing')
        if x['sourceShape'][slot].tolist() != [rows, columns]: wrong.append(pair + ' sourceShape')
        if x['affine'][slot].tolist() != [[1, 0, 0], [0, 1, 0]]: wrong.append(pair + ' affine')
        if not x['valid'][slot]: wrong.append(pair + ' valid')
        for place, name in enumerate(structures):
            path = '%s/contourfiles/%s/%s-contours/IM-0001-%04d-%scontour-manual.txt' % (root, links[study], name, int(number), name)
            points = [tuple(float(v) for v in line.split()) for line in open(path)]
            mask = Image.new('L', (columns, rows), 0)
            ImageDraw.Draw(mask).polygon(points, outline=0, fill=1)
            if not (x['masks'][slot, place] == numpy.array(mask).astype(bool)).all(): wrong.append('%s mask %s' % (pair, name))
print(json.dumps([wrong, pairs]))
`;

for (const values of ['stored', 'rescaled'])
  t.test(
    `pixels and pil masks are those of pydicom and Pillow, values ${values}`,
    { skip: withoutPeers },
    async (t) => {
      const spec = {
        structures: ['o', 'i'],
        epochs: 1,
        batchSize: 4,
        image: { values },
        mask: { rule: 'pil' },
      };
      const { url, session } = await open(spec);
      const [wrong, pairs] = JSON.parse(await python(COMPARE_PEERS, folder, url, String(session.steps)));
      t.strictSame(wrong, []);
      t.equal(pairs.length, 6);
      t.equal(new Set(pairs).size, 6);
    },
  );

const COMPARE_RESCALED = `${READER}
import pydicom
from pydicom.pixel_data_handlers.util import apply_modality_lut
root, url = sys.argv[1:3]
seen = []
for number in (1, 2, 3):
    image = pydicom.dcmread('%s/dicoms/A/%d.dcm' % (root, number))
    wanted = {'stored': image.pixel_array, 'rescaled': apply_modality_lut(image.pixel_array, image)}
    for values in wanted:
        _, _, x = safetensors(get('%s/v1/studies/A/pairs/%d?values=%s' % (url, number, values)))
        seen.append([x['images'].dtype.name, bool((x['images'][0, 0] == wanted[values]).all())])
print(json.dumps(seen))
`;

t.test('slopes, intercepts and signs are those of pydicom', { skip: withoutPeers }, async (t) => {
  const folder = temporaryFolder(t);
  const signed = Int16Array.from({ length: 256 }, (_, at) => at * 16 - 2048);
  writeFiles(folder, {
    'link.csv': linkTable(['A', 'a']),
    [imagePath('A', 1)]: imageFile(0, { rescaleSlope: 2, rescaleIntercept: -1024 }),
    [imagePath('A', 2)]: imageFile(1, { rescaleSlope: 0.5, rescaleIntercept: 10 }),
    [imagePath('A', 3)]: imageFile(2, { pixels: signed, rescaleSlope: 1, rescaleIntercept: -1 }),
    [contourPath('a', 1)]: squareContour(2, 9),
  });
  const server = await startTestServer(t, folder);
  await server.ready();
  t.strictSame(JSON.parse(await python(COMPARE_RESCALED, folder, server.url)), [
    ['int16', true],
    ['int16', true],
    ['int16', true],
    ['float32', true],
    ['int16', true],
    ['int16', true],
  ]);
});
