import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import fastify, { type FastifyRequest } from 'fastify';
import t from 'tap';
import { disconnect } from '../../src/plugins/disconnect.js';

type Teardown = { teardown(work: () => unknown): unknown };

/** An app whose `/hold` hands out each request, and answers when told to; `/` answers at once. */
async function start(t: Teardown) {
  const arrived: { request: FastifyRequest; answer(): void }[] = [];
  const waiting: ((held: (typeof arrived)[number]) => void)[] = [];
  const app = fastify({ forceCloseConnections: true });
  await app.register(disconnect);
  app.get('/hold', (request, reply) => {
    const held = { request, answer: () => void reply.send('held') };
    const next = waiting.shift();
    if (next) next(held);
    else arrived.push(held);
  });
  app.get('/', async (request) => {
    const { gone } = request;
    return `${gone.aborted} ${request.raw.socket.listenerCount('close')}`;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  return {
    port,
    held(): Promise<(typeof arrived)[number]> {
      const present = arrived.shift();
      return present ? Promise.resolve(present) : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

function ask(socket: Socket, path: string): void {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
}

t.test('the signal aborts when the asker leaves, and says so', async (t) => {
  const { port, held } = await start(t);
  const socket = connect(port);
  ask(socket, '/hold');
  const { request } = await held();
  const { gone } = request;
  t.equal(gone.aborted, false);
  t.equal(request.gone, gone, 'one signal for a request');
  const aborted = once(gone, 'abort');
  socket.destroy();
  await aborted;
  t.match(gone.reason, { name: 'Disconnected' });
});

t.test('who asks for the signal after the asker left gets one that is aborted', async (t) => {
  const { port, held } = await start(t);
  const socket = connect(port);
  ask(socket, '/hold');
  const { request } = await held();
  const closed = once(request.raw.socket, 'close');
  socket.destroy();
  await closed;
  t.equal(request.gone.aborted, true);
});

t.test('a request in line behind another learns that its asker left', async (t) => {
  const { port, held } = await start(t);
  const socket = connect(port);
  ask(socket, '/hold');
  ask(socket, '/hold');
  const [first, second] = [await held(), await held()];
  const aborted = Promise.all([first, second].map(({ request }) => once(request.gone, 'abort')));
  socket.destroy();
  await aborted;
  t.equal(second.request.gone.aborted, true);
});

t.test("an answer that was sent is not undone by the connection's end", async (t) => {
  const { port, held } = await start(t);
  const socket = connect(port);
  ask(socket, '/hold');
  const { request, answer } = await held();
  const { gone } = request;
  answer();
  await once(socket, 'data');
  const closed = once(request.raw.socket, 'close');
  socket.destroy();
  await closed;
  t.equal(gone.aborted, false);
});

t.test('a connection that serves many requests keeps no listener of them', async (t) => {
  const { port } = await start(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.teardown(() => agent.destroy());
  const fetchOnce = () =>
    new Promise<string>((resolve, reject) => {
      get({ port, host: '127.0.0.1', agent }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });
  const first = await fetchOnce();
  for (let i = 0; i < 20; i++) await fetchOnce();
  t.match(first, /^false \d+$/);
  t.equal(await fetchOnce(), first);
});
