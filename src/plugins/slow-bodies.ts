import type { IncomingMessage, ServerResponse } from 'node:http';
import plugin from 'fastify-plugin';
import { refuseConnection } from './failure.js';

/** A body that brings less than this in the time it has is not coming. */
const LEAST_BYTES = 1024;
/** Of a body that is not wanted any more so long is read on, so that its sender can read the answer. */
const LINGER_MS = 10_000;
const CLOSES_WITHIN_MS = 1_000;

interface Watched {
  bytes: number;
  sinceMs: number;
  readonly response: ServerResponse;
}

/**
 * Ends requests whose body has stopped coming, with 408 where nothing was answered yet; one that the service itself does not read on is not
 * to blame. A body that goes on behind its answer is read for a while, so that the answer arrives, and then cut off.
 */
export const slowBodies = plugin<{ slowMs: number }>(
  async (app, { slowMs }) => {
    const watched = new Map<IncomingMessage, Watched>();
    const lingerMs = Math.min(LINGER_MS, slowMs);
    const look = () => {
      const now = performance.now();
      for (const [request, seen] of watched) {
        const { socket } = request;
        if (request.complete || request.destroyed || socket.destroyed) {
          watched.delete(request);
          continue;
        }
        if (socket.bytesRead - seen.bytes >= LEAST_BYTES || request.readableLength > 0) {
          seen.bytes = socket.bytesRead;
          seen.sinceMs = now;
        } else if (now - seen.sinceMs >= slowMs) {
          watched.delete(request);
          // Once its answer has begun, or another one goes before it, no word fits in between.
          if (seen.response.headersSent || !seen.response.socket) socket.destroy();
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
      const { 'content-length': length, 'transfer-encoding': encoding } = raw.headers;
      const hasBody = method !== 'GET' && method !== 'HEAD' && (encoding !== undefined || Number(length) > 0);
      if (hasBody && !raw.complete)
        watched.set(raw, { bytes: raw.socket.bytesRead, sinceMs: performance.now(), response: reply.raw });
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
