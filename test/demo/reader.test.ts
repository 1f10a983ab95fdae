import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { parseSafetensors, Reader } from '../../src/demo/reader.js';

function body(header: object, data: readonly number[]): ArrayBuffer {
  const json = Buffer.from(JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes.buffer;
}

const TWO = {
  __metadata__: { step: '7' },
  pairs: { dtype: 'U16', shape: [2], data_offsets: [0, 4] },
  valid: { dtype: 'BOOL', shape: [2], data_offsets: [4, 6] },
};

interface Teardown {
  teardown(work: () => unknown): unknown;
}

async function serve(t: Teardown, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('a body is taken apart by its header', async (t) => {
  const { metadata, tensors } = parseSafetensors(body(TWO, [1, 2, 3, 4, 5, 6]));
  t.same(metadata, { step: '7' });
  t.same([...tensors.keys()], ['pairs', 'valid']);
  t.same([...tensors.get('valid')!.bytes], [5, 6]);
  t.equal(tensors.get('pairs')!.dtype, 'U16');
});

t.test('a body that is not whole, or longer than it says, is refused', async (t) => {
  const whole = body(TWO, [1, 2, 3, 4, 5, 6]);
  t.throws(() => parseSafetensors(whole.slice(0, 3)), new RangeError('a body of 3 bytes has no header'));
  t.throws(() => parseSafetensors(whole.slice(0, 60)), new RangeError('the body ends within its header'));
  t.throws(
    () => parseSafetensors(whole.slice(0, -1)),
    new RangeError('the body ends within its tensor valid'),
  );
  t.throws(
    () => parseSafetensors(body(TWO, [1, 2, 3, 4, 5, 6, 7])),
    new RangeError('1 bytes follow the body'),
  );
});

t.test('a busy service is asked again, any other refusal is told in its words', async (t) => {
  let asked = 0;
  const url = await serve(t, (request, response) => {
    asked++;
    if (request.url === '/v1/sessions/gone')
      return response
        .writeHead(404, { 'content-type': 'application/problem+json' })
        .end('{"code":"SLF_NOT_FOUND","detail":"no session gone"}');
    if (asked === 1) return response.writeHead(503, { 'retry-after': '0' }).end();
    return response.end('{"waitMs":1,"hits":2,"misses":3}');
  });
  const reader = new Reader(url, new AbortController().signal);
  t.same(await reader.readTimings('s'), { waitMs: 1, hits: 2, misses: 3 });
  t.equal(asked, 2);
  await t.rejects(
    reader.readTimings('gone'),
    new Error('GET /v1/sessions/gone was answered 404: SLF_NOT_FOUND: no session gone'),
  );
});
