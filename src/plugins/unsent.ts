import type { Socket } from 'node:net';
import plugin from 'fastify-plugin';

/** How many bytes of answers may wait for their readers. */
export interface UnsentLimits {
  /** For the readers of one address. */
  readonly ofAddress: number;
  readonly inAll: number;
}

const LIMITS: UnsentLimits = { ofAddress: 64 * 1024 ** 2, inAll: 256 * 1024 ** 2 };

interface Unsent {
  readonly socket: Socket;
  readonly address: string;
  readonly bytes: number;
}

/** Answers that are made and have not left, the oldest first. */
class UnsentAnswers {
  #answers = new Set<Unsent>();
  #byAddress = new Map<string, number>();
  #bytes = 0;
  #limits: UnsentLimits;
  #onEnd: () => void;

  /** `onEnd` is called for each connection that is ended. */
  constructor(limits: UnsentLimits, onEnd: () => void) {
    this.#limits = limits;
    this.#onEnd = onEnd;
  }

  /** Counts an answer, ending connections to make room for it; returns a function that is called once the answer has left. */
  add(socket: Socket, bytes: number): () => void {
    const address = socket.remoteAddress ?? '';
    while (this.#isOver(this.#byAddress.get(address) ?? 0, bytes, this.#limits.ofAddress))
      this.#endOldest(address);
    while (this.#isOver(this.#bytes, bytes, this.#limits.inAll)) this.#endOldest(this.#largestAddress());
    const answer = { socket, address, bytes };
    this.#answers.add(answer);
    this.#count(address, bytes);
    return () => this.#forget(answer);
  }

  /** An answer that is larger than the limit may wait alone. */
  #isOver(waiting: number, bytes: number, limit: number): boolean {
    return waiting > 0 && waiting + bytes > limit;
  }

  #largestAddress(): string {
    let largest = '';
    let most = 0;
    for (const [address, bytes] of this.#byAddress) {
      if (bytes <= most) continue;
      largest = address;
      most = bytes;
    }
    return largest;
  }

  #endOldest(address: string): void {
    for (const answer of this.#answers) {
      if (answer.address !== address) continue;
      answer.socket.destroy();
      this.#forget(answer);
      this.#onEnd();
      return;
    }
  }

  #forget(answer: Unsent): void {
    if (this.#answers.delete(answer)) this.#count(answer.address, -answer.bytes);
  }

  #count(address: string, change: number): void {
    this.#bytes += change;
    const bytes = (this.#byAddress.get(address) ?? 0) + change;
    if (bytes > 0) this.#byAddress.set(address, bytes);
    else this.#byAddress.delete(address);
  }
}

/**
 * Bounds the bytes of answers that wait for their readers, for each address and in all. A new answer has room made for it: the connection
 * that has waited longest ends, of the same address or of the one that most bytes wait for. Batches are not counted here: they leave
 * from segments that the memory budget holds.
 */
export const unsent = plugin<{ limits?: UnsentLimits }>(
  async (app, { limits = LIMITS }) => {
    const answers = new UnsentAnswers(limits, () =>
      app.log.info('closed a connection: too many bytes waited for its reader'),
    );
    app.addHook('onSend', (request, reply, payload, done) => {
      const isBytes = typeof payload === 'string' || payload instanceof Uint8Array;
      // Nobody waits for an answer whose connection closed while it was made, and its end is not told again.
      if (isBytes && !reply.raw.destroyed)
        reply.raw.once('close', answers.add(request.raw.socket, Buffer.byteLength(payload)));
      done(null, payload);
    });
  },
  { name: 'unsent' },
);
