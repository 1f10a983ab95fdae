import type { ServerResponse } from 'node:http';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';

/** The asker's connection closed. */
export class Disconnected extends Error {
  override readonly name = 'Disconnected';
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborts when the connection closes before the answer is sent; made on first use. */
    readonly gone: AbortSignal;
    /** What `gone` answered; null before its first use. */
    madeGone: AbortSignal | null;
    /** Null before the first hook. */
    response: ServerResponse | null;
  }
}

// The socket's event, not the request's: a pipelined second request never sees its own close.
function signalOf({ raw: { socket }, response }: FastifyRequest): AbortSignal {
  const controller = new AbortController();
  const onClose = () => controller.abort(new Disconnected('the connection closed'));
  if (socket.destroyed) onClose();
  else {
    // Pipelined requests listen side by side.
    socket.setMaxListeners(0);
    socket.once('close', onClose);
    // Keep-alive connections live through many requests: what is answered no longer listens.
    response?.once('finish', () => socket.off('close', onClose));
  }
  return controller.signal;
}

export const disconnect = plugin(
  async (app) => {
    app.decorateRequest('response', null);
    app.decorateRequest('madeGone', null);
    app.addHook('onRequest', (request, reply, done) => {
      request.response = reply.raw;
      done();
    });
    app.decorateRequest('gone', {
      getter() {
        const request = this as FastifyRequest;
        request.madeGone ??= signalOf(request);
        return request.madeGone;
      },
    });
  },
  { name: 'disconnect' },
);
