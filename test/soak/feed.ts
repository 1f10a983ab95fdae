import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

/** An answer that no other try will mend. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** The service is away or asks to be asked again. */
class TryAgain extends Error {
  constructor(
    message: string,
    readonly afterMs: number,
  ) {
    super(message);
  }
}

const AWAY_MS = 50;
const SILENT_MS = 120_000;
const PATIENCE_MS = 240_000;
const AGAIN_CODES = new Set([
  'SLF_LOADER',
  'SLF_BUDGET',
  'SLF_BUSY',
  'SLF_ROOM',
  'SLF_CLOSING',
  'SLF_NOT_READY',
]);

/** What `open` writes to the service. */
export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly json?: object;
}

/** The connections of one trainer; asks again after lost connections, and after 503 when `Retry-After` has passed. */
export class Feed {
  lost = 0;
  busy = 0;
  longestMs = 0;
  #url: string;
  #agent = new Agent({ keepAlive: true, maxSockets: 4 });

  constructor(url: string) {
    this.#url = url;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** A whole body. Throws `Refused`. */
  body(ask: Ask): Promise<Buffer> {
    return this.#patiently(ask.path, async () => {
      const answer = await this.#open(ask);
      const body = await whole(answer);
      const { statusCode: status = 0 } = answer;
      const told = answer.headers['slicefeed-bytes'];
      if (told !== undefined && Number(told) !== body.length)
        throw new Refused(`${ask.path}: ${body.length} bytes in place of ${told}`);
      if (status >= 200 && status < 300) return body;
      throw refusal(ask.path, status, answer.headers['retry-after'], body);
    });
  }

  async json<T>(ask: Ask): Promise<T> {
    return JSON.parse((await this.body(ask)).toString('utf8')) as T;
  }

  /**
   * The safetensors bodies of a stream as they come; ends early where the connection is lost or the stream says that it can't go on, and
   * closes the connection where the caller leaves the loop. Throws `Refused`.
   */
  async *bodies(ask: Ask): AsyncGenerator<Buffer> {
    const answer = await this.#patiently(ask.path, async () => {
      const opened = await this.#open(ask);
      if (opened.statusCode === 200) return opened;
      const { statusCode = 0, headers } = opened;
      throw refusal(ask.path, statusCode, headers['retry-after'], await whole(opened));
    });
    let held: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of answer) {
        held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
        for (let size = bodyBytes(held); size !== null && size <= held.length; size = bodyBytes(held)) {
          const body = held.subarray(0, size);
          held = held.subarray(size);
          const problem = problemOf(body);
          if (problem) {
            if (!AGAIN_CODES.has(problem.code))
              throw new Refused(`${ask.path}: ${problem.code}: ${problem.detail}`);
            this.busy++;
            return;
          }
          yield body;
        }
      }
      if (held.length > 0) throw new Refused(`${ask.path}: the stream ended well within a body`);
    } catch (error) {
      if (!isLost(error)) throw error;
      this.lost++;
    } finally {
      answer.destroy();
    }
  }

  async #patiently<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    for (;;) {
      try {
        const result = await attempt();
        this.longestMs = Math.max(this.longestMs, performance.now() - startedAt);
        return result;
      } catch (error) {
        const again = error instanceof TryAgain;
        if (!again && !isLost(error)) throw error;
        if (performance.now() - startedAt > PATIENCE_MS)
          throw new Refused(`${what}: no answer for ${PATIENCE_MS / 1000} s: ${(error as Error).message}`);
        if (again) this.busy++;
        else this.lost++;
        await pause(again ? error.afterMs : AWAY_MS);
      }
    }
  }

  #open({ method = 'GET', path, json }: Ask): Promise<IncomingMessage> {
    const { promise, resolve, reject } = withResolvers<IncomingMessage>();
    const headers = json === undefined ? {} : { 'content-type': 'application/json' };
    const call = request(`${this.#url}${path}`, { method, headers, agent: this.#agent }, resolve);
    call.once('error', reject);
    call.setTimeout(SILENT_MS, () => call.destroy(new Refused(`${path}: silent for ${SILENT_MS / 1000} s`)));
    call.end(json === undefined ? undefined : JSON.stringify(json));
    return promise;
  }
}

function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

async function whole(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function refusal(path: string, status: number, retryAfter: string | undefined, body: Buffer): Error {
  const words = `${path}: ${status} ${body.toString('utf8').slice(0, 500)}`;
  if (status !== 503) return new Refused(words);
  if (retryAfter === undefined || !/^\d+$/.test(retryAfter))
    return new Refused(`${words}, without Retry-After`);
  return new TryAgain(words, Number(retryAfter) * 1000);
}

function isLost(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    code === 'ECONNREFUSED' ||
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    code === 'ERR_STREAM_PREMATURE_CLOSE'
  );
}

type Header = Record<string, { data_offsets?: [number, number]; problems?: string }>;

function headerOf(body: Buffer): Header | null {
  if (body.length < 8) return null;
  const end = 8 + Number(body.readBigUInt64LE(0));
  return body.length < end ? null : (JSON.parse(body.toString('utf8', 8, end)) as Header);
}

/** The length of the body that begins here; null where too little of it has come. */
function bodyBytes(held: Buffer): number | null {
  const header = headerOf(held);
  if (!header) return null;
  const ends = Object.values(header).map(({ data_offsets }) => data_offsets?.[1] ?? 0);
  return 8 + Number(held.readBigUInt64LE(0)) + Math.max(0, ...ends);
}

/** What a body without tensors says; null for a batch. */
function problemOf(body: Buffer): { code: string; detail: string } | null {
  const { __metadata__, ...tensors } = headerOf(body)!;
  if (Object.keys(tensors).length > 0) return null;
  return JSON.parse(__metadata__?.problems ?? '[]')[0] ?? { code: 'none', detail: 'a body without tensors' };
}
