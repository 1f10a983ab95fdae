import type { Socket } from 'node:net';
import plugin from 'fastify-plugin';

/** The most bytes of answers that may wait for their readers. */
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

/** Answers that are made and not yet sent, oldest first. */
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

  /**
   * Counts an answer, and ends connections to make room for it. Returns a function to call once the answer is
   * sent.
   */
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

  /** An answer that is larger than the limit may wait if it is the only one. */
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
 * Limits the bytes of answers that wait for their readers, per address and in all. To make room for a new
 * answer, the oldest waiting connection is ended: one of the same address, or, for the limit in all, one of
 * the address with the most waiting bytes. Batches are not counted here: they are sent from segments in the
 * memory budget.
 */
export const unsent = plugin<{ limits?: UnsentLimits }>(
  async (app, { limits = LIMITS }) => {
    const answers = new UnsentAnswers(limits, () =>
      app.log.info('closed a connection: too many bytes waited for its reader'),
    );
    app.addHook('onSend', (request, reply, payload, done) => {
      const isBytes = typeof payload === 'string' || payload instanceof Uint8Array;
      // If the connection closed while the answer was made, nobody waits for it and no further `close` event
      // comes.
      if (isBytes && !reply.raw.destroyed)
        reply.raw.once('close', answers.add(request.raw.socket, Buffer.byteLength(payload)));
      done(null, payload);
    });
  },
  { name: 'unsent' },
);
