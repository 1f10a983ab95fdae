import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { makeListener } from '../../src/listener.js';
import { ask } from '../fixtures/client.js';
import { openedSince, openFiles } from '../fixtures/open-files.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { startTestServer, temporaryFolder } from '../helper.js';

interface Held {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A listener that answers nothing by itself, with a connection to it. */
async function holding(t: Test) {
  const held: Held[] = [];
  const listener = makeListener((request, response) => held.push({ request, response }), {
    tls: null,
    slowMs: 60_000,
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.teardown(() => listener.close());
  const socket = connect((listener.address() as AddressInfo).port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => {});
  return {
    held,
    socket,
    /** Resolves when so many requests have been parsed. */
    parsed(count: number): Promise<void> {
      let seen = 0;
      return new Promise((resolve) =>
        listener.on('request', () => {
          if (++seen === count) resolve();
        }),
      );
    },
  };
}

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

t.test('a request is handled when the answers before it have left', async (t) => {
  const { held, socket, parsed } = await holding(t);
  const all = parsed(3);
  socket.write(get('/a') + get('/b') + get('/c'));
  await all;
  t.strictSame(
    held.map(({ request }) => request.url),
    ['/a'],
  );
  held[0]!.response.end('first');
  await once(held[0]!.response, 'close');
  t.strictSame(
    held.map(({ request }) => request.url),
    ['/a', '/b'],
  );
  held[1]!.response.write('a part');
  t.equal(held.length, 2, 'half an answer has not left');
  held[1]!.response.end();
  await once(held[1]!.response, 'close');
  t.equal(held[2]!.request.url, '/c');
  held[2]!.response.end();
});

t.test('requests that wait are never handled once their connection has ended', async (t) => {
  const { held, socket, parsed } = await holding(t);
  const all = parsed(2);
  socket.write(get('/a') + get('/b'));
  await all;
  const { response } = held[0]!;
  const gone = once(response, 'close');
  socket.destroy();
  await gone;
  response.end('nobody reads it');
  await new Promise((resolve) => setImmediate(resolve));
  t.equal(held.length, 1);
});

t.test('a connection whose waiting requests are too many or too large is closed', async (t) => {
  for (const [what, request, count] of [
    ['65 that wait', get('/'), 66],
    ['heads of 13 KiB', get('/', `X: ${'x'.repeat(13_000)}\r\n`), 7],
    ['many small headers', get('/', 'a:b\r\n'.repeat(300)), 6],
  ] as const) {
    const { held, socket } = await holding(t);
    const left = closed(socket);
    socket.resume();
    socket.write(request.repeat(count));
    await left;
    t.equal(held.length, 1, what);
  }
  const { held, socket, parsed } = await holding(t);
  const all = parsed(65);
  socket.write(get('/').repeat(65));
  await all;
  t.notOk(socket.destroyed, '64 may wait');
  t.equal(held.length, 1);
});

const PAGE = '/docs/static/swagger-ui-bundle.js';

t.test('readers that leave files of the page leave none of them open', async (t) => {
  const server = await startTestServer(t, temporaryFolder(t));
  await server.ready();
  const before = openFiles();
  for (const path of [PAGE, '/openapi.json', '/docs/json', '/docs/yaml', '/docs']) {
    const connections = await Promise.all(Array.from({ length: 8 }, () => rawConnection(t, server.url)));
    for (const connection of connections) connection.get(...Array.from({ length: 60 }, () => path));
    await Promise.all(connections.map((connection) => connection.some(1)));
    for (const [at, { socket }] of connections.entries())
      if (at % 2 === 0) socket.destroy();
      else socket.resetAndDestroy();
    await ask(`${server.url}/livez`);
    t.strictSame(openedSince(before), [], path);
  }
  const { status, headers, body } = await ask(server.url + PAGE);
  t.equal(status, 200);
  t.equal(headers.get('content-type'), 'text/javascript; charset=utf-8');
  t.equal(headers.get('content-length'), String(body.length));
  t.ok(body.length > 1_000_000);
});

t.test('of pipelined requests whose answers nobody reads one answer a connection is made', async (t) => {
  const server = await startTestServer(t, temporaryFolder(t));
  await server.ready();
  let unsent = 0;
  const sockets = new Set<Socket>();
  server.listener.on('connection', (socket) => sockets.add(socket));
  const connections = await Promise.all(Array.from({ length: 16 }, () => rawConnection(t, server.url)));
  for (const connection of connections) connection.get(...Array.from({ length: 60 }, () => PAGE));
  await Promise.all(connections.map((connection) => connection.some(1)));
  for (const socket of sockets) unsent += socket.writableLength;
  const { body } = await ask(server.url + PAGE);
  t.ok(unsent <= 16 * (body.length + 1024), `${unsent} bytes wait: one answer for each connection`);
});
