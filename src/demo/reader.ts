import { setTimeout as pause } from 'node:timers/promises';

/** One tensor as it lies in a body: C order, little-endian. */
export interface Tensor {
  /** As safetensors calls it: `U16`, `BOOL`, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** A view into the body that was received. */
  readonly bytes: Uint8Array;
}

/** The tensors of one body with its metadata, whose values are texts. */
export interface Tensors {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A batch as a trainer has it. */
export interface ReceivedBatch extends Tensors {
  readonly step: number;
  readonly sizeBytes: number;
  /** From asking until the last byte was here. */
  readonly waitMs: number;
  /** The part of it that the service spent on loading, by its `Server-Timing` header. */
  readonly loadingMs: number;
  readonly warm: boolean;
}

/** What opening a session answers, as far as it is read here. */
export interface OpenedSession {
  readonly id: string;
  readonly pairs: number;
  readonly stepsPerEpoch: number;
  readonly batchBytes: number;
  readonly spec: { readonly structures: readonly string[]; readonly batchSize: number };
}

/** What the service says of a session's waits. */
export interface SessionTimings {
  readonly waitMs: number;
  readonly hits: number;
  readonly misses: number;
}

interface TensorHeader {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [from: number, to: number];
}

const LENGTH_BYTES = 8;
const ATTEMPTS = 10;

/** Takes a safetensors body apart. Throws a RangeError where it isn't whole. */
export function parseSafetensors(body: ArrayBuffer): Tensors {
  if (body.byteLength < LENGTH_BYTES)
    throw new RangeError(`a body of ${body.byteLength} bytes has no header`);
  const data = LENGTH_BYTES + Number(new DataView(body).getBigUint64(0, true));
  if (data > body.byteLength) throw new RangeError('the body ends within its header');
  const json = new TextDecoder().decode(new Uint8Array(body, LENGTH_BYTES, data - LENGTH_BYTES));
  const { __metadata__: metadata, ...headers } = JSON.parse(json) as {
    __metadata__: Record<string, string>;
  } & Record<string, TensorHeader>;
  const tensors = new Map<string, Tensor>();
  let end = data;
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(
    headers as Record<string, TensorHeader>,
  )) {
    const [from, to] = data_offsets;
    if (data + to > body.byteLength) throw new RangeError(`the body ends within its tensor ${name}`);
    tensors.set(name, { dtype, shape, bytes: new Uint8Array(body, data + from, to - from) });
    end = Math.max(end, data + to);
  }
  if (end !== body.byteLength) throw new RangeError(`${body.byteLength - end} bytes follow the body`);
  return { metadata, tensors };
}

/** Asks a service as a trainer does: with a second try where it says 503, and errors that are told in its own words. */
export class Reader {
  readonly url: string;
  readonly #signal: AbortSignal;

  constructor(url: string, signal: AbortSignal) {
    this.url = url;
    this.#signal = signal;
  }

  async openSession(spec: object): Promise<OpenedSession> {
    const answer = await this.#ask('/v1/sessions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(spec),
    });
    return (await answer.json()) as OpenedSession;
  }

  async readTimings(session: string): Promise<SessionTimings> {
    return (await (await this.#ask(`/v1/sessions/${session}`)).json()) as SessionTimings;
  }

  async readBatch(session: string, step: number): Promise<ReceivedBatch> {
    const askedAt = performance.now();
    const answer = await this.#ask(`/v1/sessions/${session}/batches/${step}`);
    const body = await answer.arrayBuffer();
    const waitMs = performance.now() - askedAt;
    return {
      ...parseSafetensors(body),
      step,
      sizeBytes: body.byteLength,
      waitMs,
      loadingMs: Number(/wait;dur=([\d.]+)/.exec(answer.headers.get('server-timing') ?? '')?.[1]),
      warm: answer.headers.get('slicefeed-warm') === 'hit',
    };
  }

  /** The service's picture of a batch, a PNG. */
  async readOverlay(session: string, step: number): Promise<Uint8Array> {
    const answer = await this.#ask(`/v1/sessions/${session}/batches/${step}/overlay.png`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  async #ask(path: string, request: RequestInit = {}): Promise<Response> {
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#fetch(path, request);
      if (answer.ok) return answer;
      const text = await answer.text();
      if (answer.status !== 503 || attempt === ATTEMPTS)
        throw new Error(`${request.method ?? 'GET'} ${path} was answered ${answer.status}: ${reason(text)}`);
      await pause(1000 * Number(answer.headers.get('retry-after') ?? 1), undefined, { signal: this.#signal });
    }
  }

  async #fetch(path: string, request: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.url}${path}`, { ...request, signal: this.#signal });
    } catch (error) {
      this.#signal.throwIfAborted();
      const { cause } = error as { cause?: Error };
      throw new Error(`${request.method ?? 'GET'} ${path} failed: ${(cause ?? (error as Error)).message}`);
    }
  }
}

function reason(problem: string): string {
  try {
    const { code, detail } = JSON.parse(problem) as { code: string; detail: string };
    return `${code}: ${detail}`;
  } catch {
    return problem;
  }
}
