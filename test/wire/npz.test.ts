import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import t from 'tap';
import { batchLayout, type TensorName, tensorOf } from '../../src/core/layout.js';
import type { BatchMetadata } from '../../src/wire/body.js';
import { npyCrcSeed, npyHeader, npzBody } from '../../src/wire/npz.js';
import { assemble, batchShapes, memberCrcs, sampleData, sampleMetadata } from './assemble.js';

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
  problems: [],
};

const CRCS: ReadonlyMap<TensorName, number> = new Map(
  TINY.tensors.map(({ name }, n) => [name, 0x01020304 + n * 0x01010101]),
);

t.test('a tiny batch is these zip records', async (t) => {
  const body = npzBody(TINY, METADATA, CRCS);
  const data = sampleData(TINY);
  const bytes = assemble(body, data);
  const json =
    '{"snapshot":"ab","specDigest":"cd","bytesVersion":"1","step":3,"epoch":0,"rank":null,' +
    '"pairIds":["S/48"],"structures":["i"],"rule":"pixel-center","problems":[]}';
  // 25 bytes of extra field move the member from 39 to 64; its array lies behind 128 bytes of npy header.
  t.equal(
    bytes.toString('hex', 0, 64),
    '504b0304140000000000000021000403020188000000880000000900190070616972732e6e7079' +
      `35d915004000${'00'.repeat(19)}`,
  );
  t.strictSame(bytes.subarray(64, 192), npyHeader(tensorOf(TINY, 'pairs')));
  t.strictSame(bytes.subarray(192, 200), data.subarray(0, 8));
  t.equal(bytes.toString('hex', 200, 204), '504b0304');
  t.equal(bytes.toString('utf8', 1675 - 159, 1675), json);
  t.equal(
    bytes.toString('hex', 1675),
    [
      '504b010214001400000000000000210004030201880000008800000009000000000000000000000000000000000070616972732e6e7079',
      '504b0102140014000000000000002100' +
        '05040302b0000000b00000000a00000000000000000000000000c8000000616666696e652e6e7079',
      '504b0102140014000000000000002100' +
        '0605040390000000900000000b00000000000000000000000000b001000073706163696e672e6e7079',
      '504b0102140014000000000000002100' +
        '0706050488000000880000000f0000000000000000000000000090020000736f7572636553686170652e6e7079',
      '504b0102140014000000000000002100' +
        '0807060584000000840000000a0000000000000000000000000088030000696d616765732e6e7079',
      '504b0102140014000000000000002100' +
        '0908070682000000820000000900000000000000000000000000440400006d61736b732e6e7079',
      '504b0102140014000000000000002100' +
        '0a090807810000008100000009000000000000000000000000000205000076616c69642e6e7079',
      '504b0102140014000000000000002100' +
        '0cb26b299f0000009f0000000d00000000000000000000000000c10500006d657461646174612e6a736f6e',
      '504b05060000000008000800c60100008b0600000000',
    ].join(''),
  );
  t.equal(body.sizeBytes, 2151);
  t.equal(bytes.length, 2151);
  t.equal(body.contentType, 'application/x-npz');
  t.equal(body.extension, 'npz');
});

t.test('a header of NumPy’s format 1.0 says the dtype and shape and fills 64 bytes', async (t) => {
  const text = "\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2, 3), }";
  const affine = Buffer.from(npyHeader(tensorOf(TINY, 'affine')));
  t.equal(affine.toString('latin1'), `${text.padEnd(127)}\n`);
  const vector = Buffer.from(npyHeader(tensorOf(TINY, 'valid'))).toString('latin1', 10);
  t.match(vector, /^\{'descr': '\|b1', 'fortran_order': False, 'shape': \(1,\), \} +\n$/);
});

t.test('the seed continued over the bytes is the CRC of the whole member', async (t) => {
  const tensor = tensorOf(TINY, 'spacing');
  const data = sampleData(TINY).subarray(tensor.offset, tensor.offset + tensor.sizeBytes);
  const whole = crc32(Buffer.concat([npyHeader(tensor), data]));
  t.equal(crc32(data.subarray(5), crc32(data.subarray(0, 5), npyCrcSeed(tensor))), whole);
});

t.test('a tensor without a CRC and metadata that does not fit are refused', async (t) => {
  const crcs = new Map(CRCS);
  crcs.delete('masks');
  t.throws(() => npzBody(TINY, METADATA, crcs), new Error('no CRC of tensor masks'));
  t.throws(() => npzBody(TINY, { ...METADATA, structures: [] }, CRCS), RangeError);
});

t.test(
  'of any shape: exact size, arrays at multiples of 64, extra fields that end where they say',
  async (t) => {
    const property = fc.property(batchShapes, (shape) => {
      const layout = batchLayout(shape);
      const data = sampleData(layout);
      const body = npzBody(layout, sampleMetadata(shape), memberCrcs(layout, data));
      const bytes = assemble(body, data);
      assert.equal(bytes.length, body.sizeBytes);
      assert.ok(
        body.pieces.every(
          (piece) => (piece instanceof Uint8Array ? piece.length : piece.to - piece.from) > 0,
        ),
      );
      let at = 0;
      for (const tensor of layout.tensors) {
        assert.equal(bytes.readUInt32LE(at), 0x04034b50);
        const member = bytes.subarray(at + 30 + bytes.readUInt16LE(at + 26) + bytes.readUInt16LE(at + 28));
        const extra = bytes.subarray(
          at + 30 + bytes.readUInt16LE(at + 26),
          member.byteOffset - bytes.byteOffset,
        );
        if (extra.length > 0) assert.equal(extra.readUInt16LE(2), extra.length - 4);
        const start = member.byteOffset - bytes.byteOffset + npyHeader(tensor).length;
        assert.equal((start - npyHeader(tensor).length) % 64, 0);
        assert.equal(start % 64, 0);
        assert.equal(crc32(member.subarray(0, bytes.readUInt32LE(at + 18))), bytes.readUInt32LE(at + 14));
        const end = tensor.offset + tensor.sizeBytes;
        assert.deepEqual(bytes.subarray(start, start + tensor.sizeBytes), data.subarray(tensor.offset, end));
        at = start + tensor.sizeBytes;
      }
    });
    t.doesNotThrow(() => fc.assert(property));
  },
);
