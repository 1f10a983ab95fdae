import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import type { Parcel, ParcelFile } from './parcels.js';
import type { ServiceAt } from './service-at.js';

/** What the service answered; `body` is its JSON, or null where it was something else. */
export interface PushAnswer {
  readonly status: number;
  readonly retryAfterS: number | null;
  readonly body: Readonly<Record<string, unknown>> | null;
}

/** The file is not the one that was looked at before. */
class FileChanged extends Error {
  override readonly name = 'FileChanged';
}

/** Sends a parcel as one form, of a length that is told before; `onSent` is told of bytes. Rejects where nobody answers. */
export function sendParcel(
  url: URL,
  { token, authorities }: Pick<ServiceAt, 'token' | 'authorities'>,
  { files }: Parcel,
  onSent: (bytes: number) => void,
): Promise<PushAnswer> {
  const boundary = `slicefeed-${randomBytes(16).toString('hex')}`;
  const heads = files.map((file) => partHead(boundary, file));
  const end = Buffer.from(`--${boundary}--\r\n`);
  const length = files.reduce(
    (sum, { sizeBytes }, at) => sum + heads[at]!.length + sizeBytes + 2,
    end.length,
  );
  const make = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const request = make(url, {
      method: 'POST',
      ...(authorities === null ? {} : { ca: [...authorities] }),
      headers: {
        'content-type': `multipart/form-data; boundary=${boundary}`,
        'content-length': length,
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      },
    });
    const body = Readable.from(bodyOf(files, heads, end, onSent), { objectMode: false });
    let answered = false;
    request.once('response', (response) => {
      answered = true;
      const whole = readAnswer(response).finally(() => request.destroy());
      whole.then(resolve, reject);
      // An answer before the end of the body is a refusal: nothing more needs to be sent.
      body.unpipe(request);
      body.destroy();
    });
    request.on('error', (error) => {
      if (!answered) reject(error);
      body.destroy();
    });
    body.on('error', (error) => {
      if (answered) return;
      reject(error);
      request.destroy();
    });
    body.pipe(request);
  });
}

function partHead(boundary: string, { name }: ParcelFile): Buffer {
  // As browsers write it (HTML, "multipart/form-data encoding algorithm").
  const quoted = name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
  return Buffer.from(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
  );
}

async function* bodyOf(
  files: readonly ParcelFile[],
  heads: readonly Buffer[],
  end: Buffer,
  onSent: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for (const [at, { name, sizeBytes, content }] of files.entries()) {
    yield heads[at]!;
    let sent = 0;
    for await (const chunk of contentOf(content)) {
      sent += chunk.length;
      if (sent > sizeBytes) throw new FileChanged(`${name} became longer while it was sent`);
      yield chunk;
      onSent(chunk.length);
    }
    if (sent < sizeBytes) throw new FileChanged(`${name} became shorter while it was sent`);
    yield Buffer.from('\r\n');
  }
  yield end;
}

function contentOf(content: ParcelFile['content']): AsyncIterable<Buffer> | Iterable<Buffer> {
  if (Buffer.isBuffer(content)) return [content];
  return createReadStream(content.path, { highWaterMark: 256 * 1024 });
}

async function readAnswer(response: IncomingMessage): Promise<PushAnswer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  let body: PushAnswer['body'] = null;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // Some other server answers: its status says what there is to say.
  }
  const after = Number(response.headers['retry-after']);
  return {
    status: response.statusCode ?? 0,
    retryAfterS: Number.isFinite(after) ? after : null,
    body,
  };
}
