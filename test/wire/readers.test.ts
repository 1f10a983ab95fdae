import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { open, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import t, { type Test } from 'tap';
import {
  type BatchLayout,
  type BatchShape,
  batchLayout,
  type DType,
  tensorOf,
} from '../../src/core/layout.js';
import { makePhantom } from '../../src/demo/phantom.js';
import { npyCrcSeed, npzBody } from '../../src/wire/npz.js';
import { problemBody, safetensorsBody } from '../../src/wire/safetensors.js';
import { ask, openSession } from '../fixtures/client.js';
import { startCommand } from '../fixtures/command.js';
import { temporaryFolder } from '../helper.js';
import { hasPython, PYTHON, python, withoutPython } from '../python.js';
import { assemble, memberCrcs, sampleData, sampleMetadata } from './assemble.js';

const README = new URL('../../../src/wire/README.md', import.meta.url);
const withoutNumpy = withoutPython('numpy', 'python3-numpy');

function shapeOf(imageDtype: DType, changes: Partial<BatchShape> = {}): BatchShape {
  const sizes = { slots: 3, channels: 1, rows: 5, columns: 7, structures: 2 } as const;
  return { ...sizes, imageDtype, maskDtype: 'bool', ...changes };
}

const LAYOUTS = [
  shapeOf('uint8', { channels: 3 }),
  shapeOf('int16'),
  shapeOf('uint16', { maskDtype: 'float32' }),
  shapeOf('int32'),
  shapeOf('float16', { structures: 0 }),
  shapeOf('float32', { slots: 1 }),
  shapeOf('int16', { slots: 0 }),
].map(batchLayout);

/** What a reader should print of a batch: `[name, dtype, shape, sha256]` of each tensor, in stored order. */
function expected(layout: BatchLayout, data: Buffer): unknown[] {
  return layout.tensors.map(({ name, dtype, shape, offset, sizeBytes }) => {
    const bytes = data.subarray(offset, offset + sizeBytes);
    return [name, dtype, shape, createHash('sha256').update(bytes).digest('hex')];
  });
}

/**
 * The README's reader for `module`, as it stands there: for torch with the lines that it has instead of
 * NumPy's.
 */
async function readmeScript(module: 'numpy' | 'torch'): Promise<string> {
  const text = await readFile(README, 'utf8');
  const scripts = [...text.matchAll(/^```python\n(.*?)^```$/gms)].map(([, code]) => code ?? '');
  const find = (name: string) => {
    const script = scripts.find((code) => code.startsWith(`import http.client, json, math, ${name}\n`));
    if (script === undefined) throw new Error(`no script for ${name} in src/wire/README.md`);
    return script;
  };
  // Names that are defined again replace the ones before.
  return module === 'numpy' ? find('numpy') : find('numpy') + find('torch');
}

const PRINT_BODIES = `
import hashlib, sys
seen = []
told = None
with open(sys.argv[1], 'rb') as stream:
    try:
        for metadata, tensors in bodies(stream):
            arrays = [(name, as_numpy(x)) for name, x in tensors.items()]
            seen.append([metadata, [[n, a.dtype.name, a.shape, hashlib.sha256(a.tobytes()).hexdigest()] for n, a in arrays]])
    except RuntimeError as error: told = str(error)
print(json.dumps([seen, told]))
`;

async function checkReader(t: Test, script: string, layouts: readonly BatchLayout[]): Promise<void> {
  const file = join(t.testdir(), 'stream.safetensors');
  const bodies = layouts.map((layout) =>
    assemble(safetensorsBody(layout, sampleMetadata(layout.shape)), sampleData(layout)),
  );
  const last = assemble(problemBody(sampleMetadata(shapeOf('int16'))), Buffer.alloc(0));
  await writeFile(file, Buffer.concat([...bodies, last]));
  const [seen, told]: [[Record<string, string>, unknown[]][], string] = JSON.parse(
    await python(script + PRINT_BODIES, file),
  );
  t.strictSame(
    seen.map(([, tensors]) => tensors),
    layouts.map((layout) => expected(layout, sampleData(layout))),
  );
  t.strictSame(JSON.parse(told), sampleMetadata(shapeOf('int16')).problems);
  const { snapshot, specDigest, bytesVersion, rule, ...json } = seen[0]![0];
  const parsed = Object.entries(json).map(([name, text]) => [name, JSON.parse(text)]);
  t.strictSame(
    { snapshot, specDigest, bytesVersion, rule, ...Object.fromEntries(parsed) },
    sampleMetadata(layouts[0]!.shape),
  );
  const [first] = bodies;
  for (const size of [first!.length - 1, 300, 9, 8, 5]) {
    const cut = join(t.testdir({ 'cut.safetensors': first!.subarray(0, size) }), 'cut.safetensors');
    await t.rejects(
      python(script + PRINT_BODIES, cut),
      /EOFError: the stream ends within a body/,
      `${size} bytes`,
    );
  }
}

t.test('the README’s NumPy reader reads every body of a stream', { skip: withoutNumpy }, async (t) => {
  const script = await readmeScript('numpy');
  await checkReader(t, `${script}\nas_numpy = lambda x: x\n`, LAYOUTS);
});

t.test('the README’s reader takes a chunked HTTP answer as its stream', { skip: withoutNumpy }, async (t) => {
  const bytes = LAYOUTS.map((layout) =>
    assemble(safetensorsBody(layout, sampleMetadata(layout.shape)), sampleData(layout)),
  );
  const stream = Buffer.concat(bytes);
  const server = createServer((_, response) => {
    for (let at = 0; at < stream.length; at += 1001) response.write(stream.subarray(at, at + 1001));
    response.end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const script = `${await readmeScript('numpy')}
import sys, urllib.request
print(json.dumps([sum(x.nbytes for x in arrays.values()) for _, arrays in bodies(urllib.request.urlopen(sys.argv[1]))]))
`;
  const sizes = JSON.parse(await python(script, `http://127.0.0.1:${port}/`));
  t.strictSame(
    sizes,
    LAYOUTS.map(({ sizeBytes }) => sizeBytes),
  );
});

const READ_UNTIL_IT_ENDS = `
import sys, urllib.request
count = 0
try:
    for metadata, tensors in bodies(urllib.request.urlopen(sys.argv[1])):
        count += 1
        if tensors['images'].shape != (2, 1, 32, 32): raise ValueError(tensors['images'].shape)
        if count == 3: print('it reads', flush=True)
    print('the stream ended')
except Exception as error:
    print(type(error).__name__, error)
`;

t.test(
  'a reader of the page is told that the service stops, or was killed',
  { skip: withoutNumpy },
  async (t) => {
    const data = join(temporaryFolder(t), 'data');
    await makePhantom(data, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });
    const script = (await readmeScript('numpy')) + READ_UNTIL_IT_ENDS;
    for (const [signal, told] of [
      ['SIGTERM', /^RuntimeError \[\{"code":"SLF_CLOSING",/],
      ['SIGKILL', /^EOFError the stream (was cut off|ends within a body)\n$/],
    ] as const) {
      const args = ['serve', '--data', data, '--state', temporaryFolder(t), '--spool', temporaryFolder(t)];
      const service = startCommand(t, [...args, '--port', '0', '--loaders', '1']);
      const url = await service.serving();
      while ((await ask(`${url}/readyz`)).status !== 200)
        await new Promise((resolve) => setTimeout(resolve, 20));
      const { id, steps } = await openSession(url, { batchSize: 2 });
      t.equal(steps, null, 'a stream without an end');
      const reader = spawn(PYTHON, ['-c', script, `${url}/v1/sessions/${id}/stream`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      t.teardown(() => reader.kill('SIGKILL'));
      let printed = '';
      for await (const text of reader.stdout.setEncoding('utf8')) {
        printed += text;
        if (printed === 'it reads\n') service.kill(signal);
      }
      t.match(printed.replace('it reads\n', ''), told, signal);
      await service.ended;
    }
  },
);

// Too large a package to ask of every machine, so it may be missing in CI as well.
const withoutTorch = hasPython('torch') ? false : "Python's torch is missing: apt-get install python3-torch";

t.test('the README’s torch reader reads every body of a stream', { skip: withoutTorch }, async (t) => {
  const script = await readmeScript('torch');
  const hasUint16 = (await python("import torch; print(hasattr(torch, 'uint16'))")).trim() === 'True';
  const layouts = LAYOUTS.filter(({ shape }) => hasUint16 || shape.imageDtype !== 'uint16');
  await checkReader(t, `${script}\nas_numpy = lambda x: x.numpy()\n`, layouts);
});

const READ_NPZ = `
import hashlib, json, sys, zipfile, numpy
seen = []
for path in sys.argv[1:]:
    with zipfile.ZipFile(path) as z:
        broken, dates = z.testzip(), sorted({i.date_time for i in z.infolist()})
    with numpy.load(path, allow_pickle=False) as batch:
        names = list(batch)
        metadata = json.loads(batch['metadata.json'])
        arrays = [(n, batch[n]) for n in names if n != 'metadata.json']
    seen.append([broken, dates, names, metadata,
                 [[n, a.dtype.name, a.shape, hashlib.sha256(a.tobytes()).hexdigest()] for n, a in arrays]])
print(json.dumps(seen))
`;

t.test('numpy.load reads an npz of every element type', { skip: withoutNumpy }, async (t) => {
  const files = LAYOUTS.map((layout) => {
    const data = sampleData(layout);
    return assemble(npzBody(layout, sampleMetadata(layout.shape), memberCrcs(layout, data)), data);
  });
  const folder = t.testdir(Object.fromEntries(files.map((bytes, n) => [`${n}.npz`, bytes])));
  const seen = JSON.parse(await python(READ_NPZ, ...files.map((_, n) => join(folder, `${n}.npz`))));
  t.strictSame(
    seen,
    LAYOUTS.map((layout) => [
      null,
      [[1980, 1, 1, 0, 0, 0]],
      [...layout.tensors.map(({ name }) => name), 'metadata.json'],
      sampleMetadata(layout.shape),
      expected(layout, sampleData(layout)),
    ]),
  );
});

t.test('values arrive as they were written', { skip: withoutNumpy }, async (t) => {
  const layout = batchLayout(shapeOf('int16', { slots: 2, rows: 1, columns: 2, structures: 1 }));
  const data = Buffer.alloc(layout.sizeBytes);
  data.writeBigInt64LE(5_000_000_000n, tensorOf(layout, 'pairs').offset);
  data.writeBigInt64LE(-1n, tensorOf(layout, 'pairs').offset + 8);
  data.writeDoubleLE(1.25, tensorOf(layout, 'spacing').offset);
  data.writeInt32LE(16384, tensorOf(layout, 'sourceShape').offset + 4);
  data.writeInt16LE(-1024, tensorOf(layout, 'images').offset + 2);
  data[tensorOf(layout, 'masks').offset + 3] = 1;
  data[tensorOf(layout, 'valid').offset] = 1;
  const metadata = sampleMetadata(layout.shape);
  const folder = t.testdir({
    'batch.npz': assemble(npzBody(layout, metadata, memberCrcs(layout, data)), data),
    'batch.safetensors': assemble(safetensorsBody(layout, metadata), data),
  });
  const script = `${await readmeScript('numpy')}
import sys
npz = numpy.load(sys.argv[1] + '/batch.npz')
[(_, arrays)] = bodies(open(sys.argv[1] + '/batch.safetensors', 'rb'))
print(json.dumps([[x[name].tolist() for name in arrays if name != 'affine'] for x in (npz, arrays)]))
`;
  const values = [
    [5_000_000_000, -1],
    [
      [1.25, 0],
      [0, 0],
    ],
    [
      [0, 16384],
      [0, 0],
    ],
    [[[[0, -1024]]], [[[0, 0]]]],
    [[[[false, false]]], [[[false, true]]]],
    [true, false],
  ];
  t.strictSame(JSON.parse(await python(script, folder)), [values, values]);
});

const READ_ZIP64 = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as z:
    sizes = {i.filename: i.file_size for i in z.infolist()}
    valid, metadata = z.read('valid.npy')[-2:].hex(), json.loads(z.read('metadata.json'))
    images = z.open('images.npy').read(64).decode('latin1')
print(json.dumps([sizes, valid, metadata, images]))
`;

t.test('a batch over 4 GiB is a zip64 file', { skip: withoutPython('zipfile', 'python3') }, async (t) => {
  const side = 16384;
  const layout = batchLayout(
    shapeOf('int32', { slots: 2, channels: 3, rows: side, columns: side, structures: 0 }),
  );
  const crcs = new Map(layout.tensors.map((tensor) => [tensor.name, npyCrcSeed(tensor)]));
  const metadata = sampleMetadata(layout.shape);
  const valid = tensorOf(layout, 'valid');
  crcs.set('valid', crc32(Buffer.from([1, 0]), npyCrcSeed(valid)));
  const body = npzBody(layout, metadata, crcs);
  const path = join(t.testdir(), 'large.npz');
  // Only what is not zero is written, so the file takes next to no room on the disk.
  const file = await open(path, 'w');
  let at = 0;
  for (const piece of body.pieces) {
    if (piece instanceof Uint8Array) await file.write(piece, 0, piece.length, at);
    else if (piece.from === valid.offset) await file.write(Buffer.from([1, 0]), 0, 2, at);
    at += piece instanceof Uint8Array ? piece.length : piece.to - piece.from;
  }
  await file.close();
  t.equal(body.sizeBytes, at);
  const [sizes, flags, json, images] = JSON.parse(await python(READ_ZIP64, path));
  t.equal(sizes['images.npy'], 128 + 2 * 3 * side * side * 4);
  t.equal(sizes['valid.npy'], 128 + 2);
  t.equal(flags, '0100');
  t.strictSame(json, metadata);
  t.ok(images.startsWith("\x93NUMPY\x01\x00v\x00{'descr': '<i4'"));
});
