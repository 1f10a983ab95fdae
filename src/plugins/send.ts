import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Lease } from '../engine/engine.js';
import type { Body, Piece } from '../wire/body.js';
import { CHUNK_BYTES, type SendBuffers } from '../wire/buffers.js';

/**
 * Waits until the answers to earlier requests of the same connection have been sent: a pipelined request that can't be answered yet
 * takes no batch and no place from others. Rejects when the connection closes.
 */
export function firstInLine(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { gone } = request;
  const response = reply.raw;
  if (response.socket) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onGone = () => reject(gone.reason);
    gone.addEventListener('abort', onGone, { once: true });
    if (gone.aborted) onGone();
    response.once('socket', () => {
      gone.removeEventListener('abort', onGone);
      resolve();
    });
  });
}

/** Writes one chunk and waits until it has left this process; false when the connection closed instead. */
function write(response: ServerResponse, chunk: Uint8Array, gone: AbortSignal): Promise<boolean> {
  if (gone.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const settle = (whole: boolean) => {
      gone.removeEventListener('abort', onGone);
      resolve(whole);
    };
    const onGone = () => settle(false);
    gone.addEventListener('abort', onGone, { once: true });
    response.write(chunk, (error) => settle(!error));
  });
}

function finish(response: ServerResponse, gone: AbortSignal): Promise<boolean> {
  if (gone.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    gone.addEventListener('abort', () => resolve(response.writableFinished), { once: true });
    response.end(() => resolve(true));
  });
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

/**
 * Writes one body in large chunks; false when the connection closed before all of it had left. `beforeLast` runs when all but the
 * last byte has left.
 */
async function writeBody(
  response: ServerResponse,
  body: Body,
  lease: Lease | null,
  buffers: SendBuffers,
  gone: AbortSignal,
  beforeLast: () => void,
): Promise<boolean> {
  const at = { piece: 0, offset: 0 };
  let left = body.sizeBytes;
  const writeNext = async (bytes: number) => {
    const buffer = buffers.take(bytes);
    let written = false;
    try {
      const filled = fill(body.pieces, at, buffer.subarray(0, Math.min(buffer.length, bytes)), lease);
      written = await write(response, buffer.subarray(0, filled), gone);
      left -= filled;
    } finally {
      buffers.end(buffer, written);
    }
    return written;
  };
  while (left > 1) if (!(await writeNext(Math.min(left - 1, CHUNK_BYTES)))) return false;
  beforeLast();
  return writeNext(1);
}

/**
 * An answer of bodies one after the other, chunked, straight to the connection. Nothing rejects because the reader left; what fails
 * for another reason closes the connection, which is the only way left to say that a body is not whole.
 */
export class BodyStream {
  #request: FastifyRequest;
  #response: ServerResponse;
  #gone: AbortSignal;
  #buffers: SendBuffers;

  /** Sends the reply's headers; from here on the answer is the stream's. */
  constructor(request: FastifyRequest, reply: FastifyReply, buffers: SendBuffers, contentType: string) {
    this.#buffers = buffers;
    this.#request = request;
    this.#gone = request.gone;
    reply.hijack();
    this.#response = reply.raw;
    this.#response.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': contentType,
    });
  }

  /**
   * Writes a body; `lease` is needed where it has ranges. `beforeLast` runs when all but the last byte has left: what it writes down is
   * there before any reader can have the whole body, so that no crash loses a delivery. Answers whether all of it was handed to the network.
   */
  async write(body: Body, lease: Lease | null, beforeLast: () => void = () => {}): Promise<boolean> {
    try {
      return await writeBody(this.#response, body, lease, this.#buffers, this.#gone, beforeLast);
    } catch (error) {
      this.#request.raw.socket.destroy();
      throw error;
    }
  }

  /** Ends the answer; whether the network took the end as well. */
  end(): Promise<boolean> {
    return finish(this.#response, this.#gone);
  }
}
