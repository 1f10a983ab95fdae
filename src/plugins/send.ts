import type { ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Lease } from '../engine/engine.js';
import type { Body, Piece } from '../wire/body.js';
import { CHUNK_BYTES, type SendBuffers } from '../wire/buffers.js';

/** An answer's way out: what is written is waited for, and a connection that closes ends every wait. */
class Way {
  #response: ServerResponse;
  #gone: AbortSignal;
  /** Ends the wait under way, if there is one. */
  #settle: ((whole: boolean) => void) | null = null;
  /** What leaves with the next thing that is written. */
  #held: Uint8Array | null = null;

  constructor(response: ServerResponse, gone: AbortSignal) {
    this.#response = response;
    this.#gone = gone;
    gone.addEventListener('abort', () => this.#end(response.writableFinished), { once: true });
  }

  /** Writes one chunk and waits until it has left this process; false when the connection closed instead. */
  write(chunk: Uint8Array): Promise<boolean> {
    return this.writeTogether([chunk]);
  }

  /** Writes chunks in one go; like `write`. */
  writeTogether(chunks: readonly Uint8Array[]): Promise<boolean> {
    return this.#wait((done) => {
      const response = this.#response;
      // Node 24 lets go of the socket before it frames what the response held: a reader would wake for the head alone.
      const { socket } = response;
      socket?.cork();
      response.cork();
      this.#writeHeld();
      chunks.forEach((chunk, at) => {
        response.write(chunk, at === chunks.length - 1 ? done : undefined);
      });
      response.uncork();
      socket?.uncork();
    });
  }

  /**
   * Has a chunk leave with the next one where that is written at once, so that the reader does not wake for it alone, and else with the
   * next turn of the loop. False when the connection is closed.
   */
  writeSoon(chunk: Uint8Array): boolean {
    if (this.#gone.aborted) return false;
    this.#held = chunk;
    setImmediate(() => this.#writeHeld());
    return true;
  }

  /** Ends the answer, with its last bytes in one go; whether the network took the end as well. */
  finish(last: Uint8Array | null = this.#takeHeld()): Promise<boolean> {
    return this.#wait((done) => (last ? this.#response.end(last, done) : this.#response.end(done)));
  }

  #takeHeld(): Uint8Array | null {
    const held = this.#held;
    this.#held = null;
    return held;
  }

  #writeHeld(): void {
    const held = this.#takeHeld();
    if (held && !this.#gone.aborted) this.#response.write(held);
  }

  #wait(start: (done: (error?: Error | null) => void) => void): Promise<boolean> {
    if (this.#gone.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#settle = resolve;
      start((error) => this.#end(!error));
    });
  }

  #end(whole: boolean): void {
    this.#settle?.(whole);
    this.#settle = null;
  }
}

/** Fills `into` with the bytes of pieces from where `at` stands, and moves it; answers how many. */
function fill(
  pieces: readonly Piece[],
  at: { piece: number; offset: number },
  into: Buffer,
  lease: Lease | null,
): number {
  let filled = 0;
  while (filled < into.length && at.piece < pieces.length) {
    const piece = pieces[at.piece]!;
    const length = piece instanceof Uint8Array ? piece.length : piece.to - piece.from;
    const part = Math.min(length - at.offset, into.length - filled);
    if (piece instanceof Uint8Array) into.set(piece.subarray(at.offset, at.offset + part), filled);
    else if (!lease) throw new Error('a body with ranges needs a lease');
    else lease.read(piece.from + at.offset, part, into.subarray(filled));
    filled += part;
    at.offset += part;
    if (at.offset === length) {
      at.piece++;
      at.offset = 0;
    }
  }
  return filled;
}

/** Writes all of a body but its last byte in large chunks, and answers that byte; null when the connection closed before. */
async function writeAllButLast(
  way: Way,
  body: Body,
  lease: Lease | null,
  buffers: SendBuffers,
): Promise<Uint8Array | null> {
  const at = { piece: 0, offset: 0 };
  for (let left = body.sizeBytes - 1; left > 0; ) {
    const bytes = Math.min(left, CHUNK_BYTES);
    const buffer = buffers.take(bytes);
    let written = false;
    try {
      const filled = fill(body.pieces, at, buffer.subarray(0, Math.min(buffer.length, bytes)), lease);
      written = await way.write(buffer.subarray(0, filled));
      left -= filled;
    } finally {
      buffers.end(buffer, written);
    }
    if (!written) return null;
  }
  const last = Buffer.alloc(1);
  fill(body.pieces, at, last, lease);
  return last;
}

/**
 * The same where the data section lies in memory that this process sees: there is nothing to copy, and all of it but its last `lastBytes`
 * leaves in one go; what it answers lies in that memory too.
 */
async function writeViewButLast(
  way: Way,
  body: Body,
  lastBytes: number,
  view: Uint8Array,
): Promise<Uint8Array | null> {
  const views = body.pieces.map((piece) =>
    piece instanceof Uint8Array ? piece : view.subarray(piece.from, piece.to),
  );
  const end = views[views.length - 1]!;
  const last = end.subarray(Math.max(0, end.length - lastBytes));
  const chunks = [...views.slice(0, -1), end.subarray(0, -last.length)].filter(({ length }) => length > 0);
  return (await way.writeTogether(chunks)) ? last : null;
}

/**
 * What is held back of a body in memory until its delivery is written down. With a single byte the reader has all the rest by then, sleeps, and is woken
 * for that byte alone.
 */
const LAST_BYTES = 64 * 1024;

/**
 * An answer of bodies one after the other, chunked, straight to the connection. Nothing rejects because the reader left; what fails
 * for another reason closes the connection, which is the only way left to say that a body is not whole.
 */
export class BodyStream {
  #request: FastifyRequest;
  #way: Way;
  #buffers: SendBuffers;

  /** Sends the reply's headers; from here on the answer is the stream's. */
  constructor(request: FastifyRequest, reply: FastifyReply, buffers: SendBuffers, contentType: string) {
    this.#buffers = buffers;
    this.#request = request;
    this.#way = new Way(reply.raw, request.gone);
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': contentType,
    });
  }

  /**
   * Writes a body; `lease` is needed where it has ranges. `beforeLast` runs when all but the end of the body has left: what it writes down is
   * there before any reader can have the whole body, so that no crash loses a delivery. The last byte leaves with the body that follows
   * at once, or by itself. Answers whether the connection is still there for it.
   */
  async write(body: Body, lease: Lease | null, beforeLast: () => void = () => {}): Promise<boolean> {
    const last = await this.#allButLast(body, 1, lease, beforeLast);
    // A copy: the lease ends before it leaves.
    return last !== null && this.#way.writeSoon(Buffer.from(last));
  }

  /** Like `write`, for the last body: its end and that of the answer leave in one go. Answers whether the network took both. */
  async writeLast(body: Body, lease: Lease | null, beforeLast: () => void): Promise<boolean> {
    const last = await this.#allButLast(body, LAST_BYTES, lease, beforeLast);
    return last !== null && this.#way.finish(last);
  }

  /** Ends the answer; whether the network took the end as well. */
  end(): Promise<boolean> {
    return this.#way.finish();
  }

  async #allButLast(
    body: Body,
    lastBytes: number,
    lease: Lease | null,
    beforeLast: () => void,
  ): Promise<Uint8Array | null> {
    try {
      // TLS encrypts everything that is written at once into additional memory.
      const view = this.#request.raw.socket instanceof TLSSocket ? null : lease?.view;
      const last = view
        ? await writeViewButLast(this.#way, body, lastBytes, view)
        : await writeAllButLast(this.#way, body, lease, this.#buffers);
      if (last) beforeLast();
      return last;
    } catch (error) {
      this.#request.raw.socket.destroy();
      throw error;
    }
  }
}
