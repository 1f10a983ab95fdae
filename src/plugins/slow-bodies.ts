import type { IncomingMessage, ServerResponse } from 'node:http';
import plugin from 'fastify-plugin';
import { refuseConnection } from './failure.js';

/** An upload that brings fewer bytes a second counts as stalled. */
const LEAST_BYTES_A_SECOND = 1024;
/** How long the rest of an unwanted body is read, so that its sender can read the answer. */
const LINGER_MS = 10_000;
const CLOSES_WITHIN_MS = 1_000;

interface Watched {
  /** Bytes that its connection had received when the current period began. */
  bytes: number;
  sinceMs: number;
  /** An upload may take any time as long as bytes arrive. */
  readonly isUpload: boolean;
  /** Whether it was too slow at the last check. */
  overdue: boolean;
  readonly response: ServerResponse;
}

/**
 * Ends requests with a slow body, with 408 if no answer has begun. A form of files may take any time, as long
 * as each period of `slowMs` brings 1 KiB for each second; it is not ended while the service itself does not
 * read it. Any other body is held in memory until it is whole, and has `slowMs` in all. A body that goes on
 * after its answer is read for a while, so that the answer arrives, and then cut off.
 */
export const slowBodies = plugin<{ slowMs: number }>(
  async (app, { slowMs }) => {
    const watched = new Map<IncomingMessage, Watched>();
    const lingerMs = Math.min(LINGER_MS, slowMs);
    const leastBytes = (LEAST_BYTES_A_SECOND * slowMs) / 1_000;
    const goesOn = (request: IncomingMessage, seen: Watched) =>
      seen.isUpload && (request.socket.bytesRead - seen.bytes >= leastBytes || request.readableLength > 0);
    const look = () => {
      const now = performance.now();
      for (const [request, seen] of watched) {
        const { socket } = request;
        if (request.complete || request.destroyed || socket.destroyed) {
          watched.delete(request);
          continue;
        }
        if (goesOn(request, seen)) {
          seen.bytes = socket.bytesRead;
          seen.sinceMs = now;
          seen.overdue = false;
        } else if (now - seen.sinceMs >= slowMs && !seen.overdue) {
          // After a long turn of the event loop, data that has arrived is read before the next check.
          seen.overdue = true;
        } else if (seen.overdue) {
          watched.delete(request);
          // Once an answer has begun, another one can't be sent.
          if (seen.response.headersSent) socket.destroy();
          else
            refuseConnection(Object.assign(new Error('slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), socket);
          setTimeout(() => socket.destroy(), CLOSES_WITHIN_MS).unref();
        }
      }
    };
    const timer = setInterval(look, Math.min(1_000, Math.max(10, slowMs / 4)));
    timer.unref();
    app.addHook('onClose', async () => clearInterval(timer));
    app.addHook('onRequest', ({ raw, method }, reply, done) => {
      const { 'content-length': length, 'transfer-encoding': encoding, 'content-type': type } = raw.headers;
      const hasBody = method !== 'GET' && method !== 'HEAD' && (encoding !== undefined || Number(length) > 0);
      if (hasBody && !raw.complete)
        watched.set(raw, {
          bytes: raw.socket.bytesRead,
          sinceMs: performance.now(),
          overdue: false,
          isUpload: /^multipart\//i.test(type ?? ''),
          response: reply.raw,
        });
      done();
    });
    app.addHook('onResponse', ({ raw }, _reply, done) => {
      done();
      if (raw.complete || raw.destroyed) return;
      raw.unpipe();
      raw.resume();
      const { socket } = raw;
      setTimeout(() => {
        if (!raw.complete) socket.destroy();
      }, lingerMs).unref();
    });
  },
  { name: 'slow-bodies' },
);
