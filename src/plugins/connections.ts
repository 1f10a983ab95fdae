import type { Socket } from 'node:net';
import plugin from 'fastify-plugin';

/** How long a reader that is in the middle of a body may go on when the service closes. */
const READERS_LEAVE_MS = 5_000;

/**
 * Ends connections when the service closes: at once where no answer is under way, also those that never asked for anything (which Node
 * does not count as idle); after a while those whose readers don't read.
 */
export const connections = plugin(
  async (app) => {
    const answering = new Map<Socket, number>();
    app.server.on('connection', (socket: Socket) => {
      answering.set(socket, 0);
      socket.once('close', () => answering.delete(socket));
    });
    app.server.prependListener('request', ({ socket }, response) => {
      answering.set(socket, (answering.get(socket) ?? 0) + 1);
      response.once('close', () => {
        const left = (answering.get(socket) ?? 1) - 1;
        if (answering.has(socket)) answering.set(socket, left);
        if (closing && left === 0) socket.destroySoon();
      });
    });
    let closing = false;
    let last: NodeJS.Timeout | undefined;
    app.addHook('preClose', async () => {
      closing = true;
      for (const [socket, answers] of answering) if (answers === 0) socket.destroySoon();
      last = setTimeout(() => app.server.closeAllConnections(), READERS_LEAVE_MS);
    });
    app.addHook('onClose', async () => clearTimeout(last));
  },
  { name: 'connections' },
);
