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
  }
}

const signals = new WeakMap<FastifyRequest, AbortSignal>();

// The socket's event, not the request's: a pipelined second request never sees its own close.
function signalOf(request: FastifyRequest): AbortSignal {
  const present = signals.get(request);
  if (present) return present;
  const controller = new AbortController();
  const { socket } = request.raw;
  const onClose = () => controller.abort(new Disconnected('the connection closed'));
  if (socket.destroyed) onClose();
  else {
    // Pipelined requests listen side by side.
    socket.setMaxListeners(0);
    socket.once('close', onClose);
    // Keep-alive connections live through many requests: what is answered no longer listens.
    answers.get(request)?.once('finish', () => socket.off('close', onClose));
  }
  signals.set(request, controller.signal);
  return controller.signal;
}

const answers = new WeakMap<FastifyRequest, NodeJS.EventEmitter>();

export const disconnect = plugin(
  async (app) => {
    app.addHook('onRequest', async (request, reply) => {
      answers.set(request, reply.raw);
    });
    app.decorateRequest('gone', {
      getter() {
        return signalOf(this as FastifyRequest);
      },
    });
  },
  { name: 'disconnect' },
);
