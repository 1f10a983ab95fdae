import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { batchLayout } from '../../src/core/layout.js';
import type { BatchMetadata } from '../../src/wire/body.js';
import { problemBody, safetensorsBody } from '../../src/wire/safetensors.js';
import { assemble, batchShapes, sampleData, sampleMetadata } from './assemble.js';

const TINY = batchLayout({
  slots: 1,
  channels: 1,
  rows: 1,
  columns: 2,
  structures: 1,
  imageDtype: 'int16',
  maskDtype: 'bool',
});

const METADATA: BatchMetadata = {
  snapshot: 'ab',
  specDigest: 'cd',
  bytesVersion: '1',
  step: 3,
  epoch: 0,
  rank: null,
  pairIds: ['S/48'],
  structures: ['i'],
  rule: 'pixel-center',
  problems: [{ code: 'CONTOUR_OUTSIDE', pair: 'S/48', file: 'a/b.txt', detail: 'clipped' }],
};

t.test('a tiny batch is these bytes', async (t) => {
  const body = safetensorsBody(TINY, METADATA);
  const bytes = assemble(body, sampleData(TINY));
  const json = [
    '{"__metadata__":{"snapshot":"ab","specDigest":"cd","bytesVersion":"1","step":"3","epoch":"0",',
    '"rank":"null","pairIds":"[\\"S/48\\"]","structures":"[\\"i\\"]","rule":"pixel-center",',
    '"problems":"[{\\"code\\":\\"CONTOUR_OUTSIDE\\",\\"pair\\":\\"S/48\\",\\"file\\":\\"a/b.txt\\",',
    '\\"detail\\":\\"clipped\\"}]"},',
    '"pairs":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},',
    '"affine":{"dtype":"F64","shape":[1,2,3],"data_offsets":[8,56]},',
    '"spacing":{"dtype":"F64","shape":[1,2],"data_offsets":[56,72]},',
    '"sourceShape":{"dtype":"I32","shape":[1,2],"data_offsets":[72,80]},',
    '"images":{"dtype":"I16","shape":[1,1,1,2],"data_offsets":[80,84]},',
    '"masks":{"dtype":"BOOL","shape":[1,1,1,2],"data_offsets":[84,86]},',
    '"valid":{"dtype":"BOOL","shape":[1],"data_offsets":[86,87]}}',
  ].join('');
  t.equal(bytes.toString('hex', 0, 24), 'f8020000000000007b225f5f6d657461646174615f5f223a');
  t.equal(bytes.toString('utf8', 8, 768).trimEnd(), json);
  t.equal(bytes.toString('latin1', 8 + json.length, 768), ' '.repeat(760 - json.length));
  t.strictSame(bytes.subarray(768), sampleData(TINY));
  t.equal(body.sizeBytes, 768 + 87);
  t.strictSame(body.pieces[1], { from: 0, to: 87 });
  t.equal(body.pieces.length, 2);
  t.equal(body.contentType, 'application/x-safetensors');
  t.equal(body.extension, 'safetensors');
});

t.test('each element type has its name in the header', async (t) => {
  const names = {
    uint8: 'U8',
    int16: 'I16',
    uint16: 'U16',
    int32: 'I32',
    float16: 'F16',
    float32: 'F32',
  } as const;
  for (const imageDtype of Object.keys(names) as (keyof typeof names)[]) {
    const layout = batchLayout({ ...TINY.shape, imageDtype, maskDtype: 'float32' });
    const header = headerOf(assemble(safetensorsBody(layout, METADATA), sampleData(layout)));
    t.equal(header.images?.dtype, names[imageDtype]);
    t.equal(header.masks?.dtype, 'F32');
  }
});

t.test('a body that reports a problem has metadata and no tensors', async (t) => {
  const body = problemBody(METADATA);
  const bytes = assemble(body, Buffer.alloc(0));
  const header = JSON.parse(bytes.toString('utf8', 8));
  t.strictSame(Object.keys(header), ['__metadata__']);
  t.strictSame(JSON.parse(header.__metadata__.problems), METADATA.problems);
  t.equal(bytes.length, body.sizeBytes);
  t.equal(Number(bytes.readBigUInt64LE()), bytes.length - 8);
  t.equal(bytes.length % 64, 0);
});

t.test('a batch without slots is a header alone', async (t) => {
  const layout = batchLayout({ ...TINY.shape, slots: 0 });
  const body = safetensorsBody(layout, { ...METADATA, pairIds: [] });
  t.equal(body.pieces.length, 1);
  const header = headerOf(assemble(body, Buffer.alloc(0)));
  t.strictSame(header.masks, { dtype: 'BOOL', shape: [0, 1, 1, 2], data_offsets: [0, 0] });
});

t.test('fields beyond the contract do not travel, and their order does not matter', async (t) => {
  const { snapshot, ...rest } = METADATA;
  const shuffled = { ...rest, host: 'gpu1', snapshot };
  t.strictSame(safetensorsBody(TINY, shuffled).pieces[0], safetensorsBody(TINY, METADATA).pieces[0]);
});

t.test('metadata that does not fit the tensors is refused', async (t) => {
  t.throws(
    () => safetensorsBody(TINY, { ...METADATA, pairIds: [] }),
    new RangeError('0 pair ids for 1 slots'),
  );
  t.throws(
    () => safetensorsBody(TINY, { ...METADATA, structures: ['i', 'o'] }),
    new RangeError('2 structure names for 1 masks a slot'),
  );
});

t.test('of any shape: exact size, data at a multiple of 64, offsets that end the body', async (t) => {
  const property = fc.property(batchShapes, fc.string({ unit: 'binary', maxLength: 80 }), (shape, detail) => {
    const layout = batchLayout(shape);
    const data = sampleData(layout);
    const problems = [{ code: 'X', pair: null, file: null, detail }];
    const body = safetensorsBody(layout, { ...sampleMetadata(shape), problems });
    const bytes = assemble(body, data);
    const start = 8 + Number(bytes.readBigUInt64LE());
    const { __metadata__, ...tensors } = headerOf(bytes);
    assert.equal(bytes.length, body.sizeBytes);
    assert.equal(start % 64, 0);
    assert.equal(start + Math.max(...Object.values(tensors).map((x) => x.data_offsets[1])), bytes.length);
    assert.deepEqual(bytes.subarray(start), data);
    assert.deepEqual(
      Object.keys(tensors),
      layout.tensors.map(({ name }) => name),
    );
    assert.deepEqual(JSON.parse((__metadata__ as unknown as { problems: string }).problems), problems);
    assert.ok(
      body.pieces.every((piece) => (piece instanceof Uint8Array ? piece.length : piece.to - piece.from) > 0),
    );
  });
  t.doesNotThrow(() => fc.assert(property));
});

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

function headerOf(bytes: Buffer): Record<string, Entry> {
  return JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE())));
}
