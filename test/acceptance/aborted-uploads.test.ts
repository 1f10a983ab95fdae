import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { imageFile, squareContour } from '../fixtures/study-folder.js';
import { upload } from '../fixtures/upload.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

const PLACES = 64;
const CALLS = ['/v1/studies', '/v1/masks'] as const;
const ENDINGS = ['FIN', 'RST', 'half-close'] as const;
const DELAYS_MS = [null, 0, 1, 5] as const;

interface Sender {
  readonly path: (typeof CALLS)[number];
  /** Bytes of the request that are sent before the sender leaves. */
  readonly bytes: number;
  readonly ending: (typeof ENDINGS)[number];
  /** How long it stays after the last byte; null: it leaves in the same turn of the event loop. */
  readonly delayMs: (typeof DELAYS_MS)[number];
}

const FORM = [
  '--b\r\nContent-Disposition: form-data; name="f"; filename="1.txt"\r\n\r\n1 2\r\n',
  '--b\r\nContent-Disposition: form-data; name="g"\r\n\r\nvalue\r\n',
  '--b\r\nContent-Disposition: form-data; name="f"; filename="2.dcm"\r\n\r\nx\r\n--b--\r\n',
].join('');

function headOf(path: string, framing: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\n${framing}\r\n\r\n`;
}

/** Sends the first bytes of an upload and leaves; resolves when the connection is closed on this side. */
function abort(url: string, text: string, { bytes, ending, delayMs }: Sender): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
    const leave = () => {
      if (ending === 'FIN') socket.destroy();
      else if (ending === 'RST') socket.resetAndDestroy();
      // The socket waits for the service to close its side.
      else socket.end();
    };
    socket.on('end', () => socket.destroy());
    socket.on('connect', () => {
      socket.write(text.slice(0, bytes), () => {
        if (delayMs === null) leave();
        else setTimeout(leave, delayMs);
      });
    });
  });
}

async function abortAll(server: TestServer, senders: readonly Sender[], framing: string): Promise<void> {
  const left = [...senders];
  const worker = async () => {
    for (let sender = left.pop(); sender; sender = left.pop()) {
      const body = framing.startsWith('Transfer')
        ? `${FORM.length.toString(16)}\r\n${FORM}\r\n0\r\n\r\n`
        : FORM;
      await abort(server.url, headOf(sender.path, framing) + body, sender);
    }
  };
  await Promise.all(Array.from({ length: PLACES / 4 }, worker));
}

/**
 * Checks that every place is free again, that nothing is left of what was sent, and that the service ends.
 */
async function keepsNothing(t: Test, server: TestServer): Promise<void> {
  const incoming = join(server.config.state, 'uploads', 'incoming');
  while (readdirSync(incoming).length > 0) await sleep(5);
  const files = { '1.dcm': imageFile(), '1.txt': squareContour(2, 9) };
  const answers = await Promise.all(
    Array.from({ length: PLACES }, () => upload(`${server.url}/v1/masks`, files)),
  );
  t.same([...new Set(answers.map(({ status }) => status))], [200], 'every place is free');
  await server.close();
  t.same(readdirSync(incoming), []);
  t.same(server.log, [], 'a sender that leaves is no error');
}

for (const framing of [`Content-Length: ${FORM.length}`, 'Transfer-Encoding: chunked'])
  t.test(`senders that leave anywhere in an upload keep no place (${framing})`, async (t) => {
    const server = await startTestServer(t, temporaryFolder(t), {
      UPLOADS: String(PLACES),
      LOG_LEVEL: 'error',
    });
    await server.ready();
    const senders: Sender[] = [];
    for (const path of CALLS) {
      const head = headOf(path, framing).length;
      // Tries every ending at every byte; the delays alternate, so that each ending meets each delay at each
      // kind of byte.
      for (let at = -2; at < FORM.length; at++)
        for (const [nth, ending] of ENDINGS.entries())
          senders.push({
            path,
            bytes: head + at,
            ending,
            delayMs: DELAYS_MS[(at + 2 + nth) % DELAYS_MS.length]!,
          });
    }
    await abortAll(server, senders, framing);
    await keepsNothing(t, server);
  });
