import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask } from '../fixtures/client.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });
const server = await startTestServer(t, folder, { CONNECTIONS: '40', SLOW_SECONDS: '0.4' });
await server.ready();

const HOST = 'Host: x\r\n';
const JSON_BODY = 'Content-Type: application/json\r\n';

/** Sends bytes and reads until the service closes the connection or an answer is whole. */
async function answerTo(bytes: string): Promise<{ status: number; code: string | null }> {
  const connection = await rawConnection(t, server.url);
  connection.socket.write(bytes, 'latin1');
  const { status, headers, body } = await connection.answer();
  connection.socket.destroy();
  const isProblem = headers['content-type'] === 'application/problem+json';
  return { status, code: isProblem ? JSON.parse(body.toString()).code : null };
}

async function stillReady(): Promise<boolean> {
  return (await ask(`${server.url}/readyz`)).status === 200;
}

t.test('what two readers could read in two ways is refused', async (t) => {
  const post = (headers: string, body: string) => `POST /v1/scan HTTP/1.1\r\n${HOST}${headers}\r\n${body}`;
  const smuggled = `GET /livez HTTP/1.1\r\n${HOST}\r\n`;
  const ambiguous = {
    'both lengths': post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${smuggled}`),
    'two lengths': post('Content-Length: 2\r\nContent-Length: 3\r\n', '{} '),
    'one length twice': post('Content-Length: 2\r\nContent-Length: 2\r\n', '{}'),
    'a list of lengths': post('Content-Length: 2, 2\r\n', '{}'),
    'a signed length': post('Content-Length: +2\r\n', '{}'),
    'a coding that is none': post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
    'a coding after chunked': post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'),
    'a folded header': post('X-A: a\r\n b\r\n', ''),
    'a folded coding': post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'),
    'a space before the colon': post('Content-Length : 2\r\n', '{}'),
    'a bare line feed': 'GET /livez HTTP/1.1\nHost: x\n\n',
    'a bare return': 'GET /livez HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n',
    'a zero byte': post('X-A: a\0b\r\n', ''),
    'two hosts': `GET /livez HTTP/1.1\r\n${HOST}Host: y\r\n\r\n`,
    'no host': 'GET /livez HTTP/1.1\r\n\r\n',
    'an endless chunk extension': post(
      'Transfer-Encoding: chunked\r\n',
      `2;${'a'.repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
    ),
    'a chunk of any size': post('Transfer-Encoding: chunked\r\n', 'ffffffffffffffffff\r\n{}'),
  };
  for (const [what, bytes] of Object.entries(ambiguous))
    t.strictSame(await answerTo(bytes), { status: 400, code: 'SLF_INVALID' }, what);
  t.ok(await stillReady());
});

t.test('heads over the limit are refused, long ids below it looked up', async (t) => {
  const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`;
  const tooLarge = { status: 431, code: 'SLF_HEAD_TOO_LARGE' };
  t.strictSame(await answerTo(get('/livez', `X: ${'a'.repeat(20_000)}\r\n`)), tooLarge);
  t.strictSame(await answerTo(get('/livez', 'ab: 12345\r\n'.repeat(4000))), tooLarge);
  t.strictSame(await answerTo(get(`/v1/studies/${'a'.repeat(20_000)}`)), tooLarge);
  t.match(await answerTo(get(`/v1/studies/${'a'.repeat(15_000)}`)), { status: 404 });
  for (const path of ['/v1/studies/%zz', '/v1/studies/%ff%00', '/v1/sessions/%e0%a4%a'])
    t.strictSame(await answerTo(get(path)), { status: 400, code: 'SLF_INVALID' }, path);
  for (const path of ['/docs/static/..%2f..%2f..%2fpackage.json', '/docs/static/../../../../etc/passwd'])
    t.ok([400, 404].includes((await answerTo(get(path))).status), path);
  t.ok(await stillReady());
});

t.test('methods and expectations that nobody serves do no harm', async (t) => {
  for (const method of ['TRACE', 'OPTIONS', 'PATCH', 'PROPFIND'])
    t.match(await answerTo(`${method} /livez HTTP/1.1\r\n${HOST}\r\n`), {
      status: 404,
      code: 'SLF_ROUTE_UNKNOWN',
    });
  t.match(await answerTo(`BREW /livez HTTP/1.1\r\n${HOST}\r\n`), { status: 400, code: 'SLF_INVALID' });
  t.match(await answerTo(`GET /livez HTTP/1.1\r\n${HOST}Expect: coffee\r\n\r\n`), { status: 200 });
  t.match(await answerTo(`GET /livez HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n`), {
    status: 200,
  });
});

t.test('JSON of any shape is refused or taken, and changes no object of the service', async (t) => {
  const sent = async (body: string, type = JSON_BODY) =>
    answerTo(
      `POST /v1/sessions HTTP/1.1\r\n${HOST}${type}Content-Length: ${Buffer.byteLength(body, 'latin1')}\r\n\r\n${body}`,
    );
  const invalid = { status: 400, code: 'SLF_INVALID' };
  t.strictSame(await sent('{"__proto__": {"batchSize": 1}}'), invalid);
  t.strictSame(await sent('{"rename": {"__proto__": ["i"]}}'), invalid);
  t.strictSame(await sent('{"constructor": {"prototype": {"x": 1}}}'), invalid);
  t.strictSame(await sent('['.repeat(500_000)), invalid);
  t.strictSame(await sent(`${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}`), invalid);
  t.strictSame(await sent('{"seed": 1e400}'), invalid);
  t.strictSame(await sent(`{"studies": ["${'a'.repeat(1024 * 1024)}"]}`), {
    status: 413,
    code: 'SLF_TOO_LARGE',
  });
  for (const structure of ['__proto__', 'constructor', 'hasOwnProperty'])
    t.strictSame(await sent(`{"structures": ["${structure}"]}`), { status: 422, code: 'SLF_NO_PAIRS' });
  for (const study of ['\\u0000', '\\ud800', '../../etc/passwd', '\xff\xfe'])
    t.strictSame(await sent(`{"studies": ["${study}"]}`), { status: 422, code: 'SLF_STUDY_MISSING' });
  for (const type of [
    '',
    'Content-Type: text/xml\r\n',
    'Content-Type: application/x-www-form-urlencoded\r\n',
    'Content-Type: \xff;;\r\n',
  ])
    t.strictSame(await sent('{}', type), { status: 415, code: 'SLF_MEDIA_TYPE' }, type);
  t.equal(({} as { batchSize?: number }).batchSize, undefined);
  t.ok(await stillReady());
});

t.test('heads and bodies that do not go on are told so and closed', async (t) => {
  const slow = { status: 408, code: 'SLF_TOO_SLOW' };
  const post = `POST /v1/sessions HTTP/1.1\r\n${HOST}${JSON_BODY}`;
  const answers = await Promise.all([
    answerTo(''),
    answerTo(`GET /livez HTTP/1.1\r\n${HOST}X: `),
    answerTo(`${post}Content-Length: 100\r\n\r\n{`),
    answerTo(`${post}Transfer-Encoding: chunked\r\n\r\n5\r\n{`),
  ]);
  t.strictSame(answers, [slow, slow, slow, slow]);
});

/** Resolves when a connection is closed, by whatever means. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Writes a byte now and then until the connection closes. */
async function trickle(head: string, byte: string): Promise<void> {
  const connection = await rawConnection(t, server.url);
  const { socket } = connection;
  socket.on('error', () => {});
  socket.write(head);
  const more = setInterval(() => socket.write(byte), 20);
  socket.resume();
  await closed(socket);
  clearInterval(more);
}

t.test('a JSON body that never ends is refused, however much it sends', async (t) => {
  const post = `POST /v1/sessions HTTP/1.1\r\n${HOST}${JSON_BODY}`;
  const steady = async (head: string, piece: string) => {
    const connection = await rawConnection(t, server.url);
    const { socket } = connection;
    socket.on('error', () => {});
    socket.write(head);
    // 100 KiB a second: more than an upload has to bring.
    const more = setInterval(() => socket.write(piece), 10);
    const { status } = await connection.answer();
    clearInterval(more);
    return status;
  };
  t.equal(await steady(`${post}Content-Length: 1000000\r\n\r\n`, ' '.repeat(1024)), 408);
  t.equal(await steady(`${post}Transfer-Encoding: chunked\r\n\r\n`, `400\r\n${' '.repeat(1024)}\r\n`), 408);
});

t.test(
  'an upload may take any time while it sends enough, and is ended if it sends too little',
  async (t) => {
    const part = '--b\r\nContent-Disposition: form-data; name="file"; filename="1.dcm"\r\n\r\n';
    const upload = async (piece: string, pieces: number) => {
      const connection = await rawConnection(t, server.url);
      const { socket } = connection;
      socket.on('error', () => {});
      const answer = connection.answer();
      const type = 'Content-Type: multipart/form-data; boundary=b\r\n';
      socket.write(`POST /v1/masks HTTP/1.1\r\n${HOST}${type}Transfer-Encoding: chunked\r\n\r\n`);
      const send = (text: string) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
      send(part);
      let left = pieces;
      const more = setInterval(() => {
        if (left-- > 0) send(piece);
        else {
          send('\r\n--b--\r\n');
          socket.write('0\r\n\r\n');
          clearInterval(more);
        }
      }, 50);
      const { status } = await answer;
      clearInterval(more);
      return status;
    };
    // Two and a half times as long as SLOW_SECONDS.
    t.equal(await upload('x'.repeat(2_000), 20), 422, 'it came to its end: there is no image in it');
    t.equal(await upload('x', 1_000), 408);
  },
);

t.test('a byte now and then does not keep a connection', async (t) => {
  await Promise.all([
    trickle(`GET /livez HTTP/1.1\r\n${HOST}`, 'X: y\r\n'),
    trickle(`POST /v1/sessions HTTP/1.1\r\n${HOST}${JSON_BODY}Content-Length: 100000\r\n\r\n`, ' '),
    // Answered at once; what still comes is read for a while only.
    trickle(`POST /v1/nowhere HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`, '1\r\nx\r\n'),
  ]);
  t.ok(await stillReady());
});

async function open(count: number, bytes: string): Promise<Socket[]> {
  const { hostname, port } = new URL(server.url);
  const sockets: Socket[] = [];
  for (let n = 0; n < count; n++) {
    const socket = connect({ host: hostname, port: Number(port) });
    t.teardown(() => socket.destroy());
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write(bytes);
    sockets.push(socket);
  }
  return sockets;
}

t.test('a client that opens a thousand connections loses the oldest, and keeps nobody out', async (t) => {
  for (const bytes of ['', 'GET /livez HT']) {
    const sockets = await open(1000, bytes);
    const { status } = await ask(`${server.url}/livez`);
    t.equal(status, 200);
    t.equal((await ask(`${server.url}/v1/studies/PHANTOM001/pairs/1`)).status, 200);
    const connections = await new Promise<number>((resolve) =>
      server.listener.getConnections((_, count) => resolve(count)),
    );
    t.ok(connections <= 40 + 16, `${connections} are open`);
    for (const socket of sockets) socket.destroy();
  }
});

t.test('who pipelines without end is left', async (t) => {
  const connection = await rawConnection(t, server.url);
  const { socket } = connection;
  socket.on('error', () => {});
  socket.resume();
  socket.write(`GET /livez HTTP/1.1\r\n${HOST}\r\n`.repeat(20_000));
  await closed(socket);
  t.ok(await stillReady());
});

t.test('no fault of the service showed in all this', async (t) => {
  t.strictSame(
    server.log.filter(({ level }) => Number(level) >= 50),
    [],
  );
});
