import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import fastify from 'fastify';
import t from 'tap';
import { type UnsentLimits, unsent } from '../../src/plugins/unsent.js';

const MIB = 1024 ** 2;
/** More bytes than the network takes of an answer that nobody reads. */
const ANSWER = Buffer.alloc(16 * MIB, 'a');

/**
 * Starts an app whose `/large` answers 16 MiB. Returns a function that asks for it from an address and reads
 * nothing.
 */
async function start(t: { teardown(work: () => unknown): unknown }, limits: UnsentLimits) {
  const log: string[] = [];
  const logger = { level: 'info', stream: { write: (line: string) => void log.push(JSON.parse(line).msg) } };
  const app = fastify({ forceCloseConnections: true, logger });
  await app.register(unsent, { limits });
  app.get('/late', async ({ raw }, reply) => {
    await once(raw.socket, 'close');
    void reply.send(ANSWER);
    return reply;
  });
  app.get('/large', async () => ANSWER);
  app.get('/text', async () => 'b'.repeat(ANSWER.length));
  await app.listen({ port: 0, host: '0.0.0.0' });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const ended = () => log.filter((line) => line.startsWith('closed a connection')).length;
  const late = async () => {
    const socket = connect({ port, host: '127.0.0.1' });
    const asked = once(app.server, 'request');
    socket.write('GET /late HTTP/1.1\r\nHost: x\r\n\r\n');
    const [request] = await asked;
    const closed = once(request.socket, 'close');
    socket.destroy();
    await closed;
    await new Promise((resolve) => setImmediate(resolve));
  };
  const ask = async (localAddress: string, path = '/large'): Promise<Socket> => {
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    const asked = once(app.server, 'request');
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const [request] = await asked;
    // Its answer is made in the turns behind the request.
    await new Promise<void>((resolve) => {
      const look = () => (request.socket.writableLength > 0 ? resolve() : setImmediate(look));
      look();
    });
    return socket;
  };
  return { ask, late, ended };
}

/** Reads the rest of an answer; returns the number of bytes until the connection ended. */
async function readAll(socket: Socket): Promise<number> {
  let bytes = 0;
  try {
    for await (const chunk of socket) bytes += (chunk as Buffer).length;
  } catch {
    // Cut off: the count says so.
  }
  return bytes;
}

t.test('an address that reads nothing loses the connections that have waited longest', async (t) => {
  const { ask, ended } = await start(t, { ofAddress: 40 * MIB, inAll: 400 * MIB });
  const first = await ask('127.0.0.1');
  const second = await ask('127.0.0.1', '/text');
  const elsewhere = await ask('127.0.0.2');
  const third = await ask('127.0.0.1');
  t.ok((await readAll(first)) < ANSWER.length, 'the first made room for the third');
  t.equal(ended(), 1);
  for (const kept of [second, elsewhere, third]) t.ok((await readAll(kept)) > ANSWER.length);
});

t.test('addresses together lose the connections of the one that most bytes wait for', async (t) => {
  const { ask } = await start(t, { ofAddress: 400 * MIB, inAll: 56 * MIB });
  const alone = await ask('127.0.0.2');
  const first = await ask('127.0.0.1');
  const second = await ask('127.0.0.1');
  const third = await ask('127.0.0.3');
  t.ok((await readAll(first)) < ANSWER.length);
  for (const kept of [alone, second, third]) t.ok((await readAll(kept)) > ANSWER.length);
});

t.test('an answer that was sent, or whose reader left, no longer counts', async (t) => {
  const { ask } = await start(t, { ofAddress: 20 * MIB, inAll: 20 * MIB });
  for (let n = 0; n < 3; n++) t.ok((await readAll(await ask('127.0.0.1'))) > ANSWER.length);
  const left = await ask('127.0.0.1');
  left.destroy();
  const kept = await ask('127.0.0.1');
  t.ok((await readAll(kept)) > ANSWER.length);
});

t.test('an answer over the limit may wait alone', async (t) => {
  const { ask } = await start(t, { ofAddress: MIB, inAll: MIB });
  t.ok((await readAll(await ask('127.0.0.1'))) > ANSWER.length);
});

t.test('an answer whose reader left before it was made is not counted', async (t) => {
  const { ask, late, ended } = await start(t, { ofAddress: 20 * MIB, inAll: 20 * MIB });
  for (let n = 0; n < 3; n++) await late();
  t.ok((await readAll(await ask('127.0.0.1'))) > ANSWER.length);
  t.equal(ended(), 0);
});
