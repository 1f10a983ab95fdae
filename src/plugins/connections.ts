import type { Socket } from 'node:net';
import plugin from 'fastify-plugin';
import { isLoopback } from '../config.js';
import { refuseConnection, TooManyConnections } from './failure.js';

/** How long a reader that is in the middle of a body may go on when the service closes. */
const READERS_LEAVE_MS = 5_000;

export interface ConnectionLimits {
  /** Connections that may be open at a time. */
  readonly most: number;
  /** How long a reader may take nothing of an answer that waits for it. */
  readonly readerMs: number;
}

/** So many more may come from this machine itself, so that what watches over the service is answered. */
const KEPT_FOR_LOOPBACK = 16;

interface Connection {
  /** What is read from and written to; over TLS another one than that which was accepted. */
  socket: Socket;
  readonly address: string;
  /** Answers under way. */
  answers: number;
}

/** The same for a connection before and after it turned to TLS. */
function peerOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

/** All open connections, those that were used least lately first. */
class OpenConnections {
  #open = new Set<Connection>();
  #bySocket = new WeakMap<Socket, Connection>();
  #byPeer = new Map<string, Connection>();
  #counts = new Map<string, number>();

  get size(): number {
    return this.#open.size;
  }

  all(): Iterable<Connection> {
    return this.#open;
  }

  add(socket: Socket): void {
    const connection = { socket, address: socket.remoteAddress ?? '', answers: 0 };
    const peer = peerOf(socket);
    this.#open.add(connection);
    this.#bySocket.set(socket, connection);
    this.#byPeer.set(peer, connection);
    this.#count(connection.address, 1);
    socket.once('close', () => {
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
      this.#forget(connection);
    });
  }

  /** A connection turned to TLS. */
  secured(socket: Socket): void {
    const connection = this.#byPeer.get(peerOf(socket));
    if (!connection) return;
    connection.socket = socket;
    this.#bySocket.set(socket, connection);
  }

  find(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket);
  }

  used(connection: Connection): void {
    if (this.#open.delete(connection)) this.#open.add(connection);
  }

  /** Ends a connection that does nothing, of the address that has most; false where all are in use. */
  endIdlest(): boolean {
    let idlest: Connection | null = null;
    let most = 0;
    for (const connection of this.#open) {
      const count = this.#counts.get(connection.address) ?? 0;
      if (connection.answers > 0 || count <= most) continue;
      idlest = connection;
      most = count;
    }
    if (!idlest) return false;
    idlest.socket.destroy();
    this.#forget(idlest);
    return true;
  }

  #forget(connection: Connection): void {
    if (this.#open.delete(connection)) this.#count(connection.address, -1);
  }

  #count(address: string, change: 1 | -1): void {
    const count = (this.#counts.get(address) ?? 0) + change;
    if (count > 0) this.#counts.set(address, count);
    else this.#counts.delete(address);
  }
}

/**
 * Bounds connections. Where there are too many, those give way that do nothing, of the address that has most, longest unused first; a reader
 * that stands still loses its own. When the service closes they end: at once where no answer is under way, also those that never
 * asked for anything (which Node does not count as idle); after a while those whose readers don't read.
 */
export const connections = plugin<ConnectionLimits>(
  async (app, { most, readerMs }) => {
    const open = new OpenConnections();
    let closing = false;

    app.server.on('connection', (socket: Socket) => {
      const room = isLoopbackPeer(socket) ? most + KEPT_FOR_LOOPBACK : most;
      if (open.size < room || open.endIdlest()) open.add(socket);
      else refuseConnection(new TooManyConnections(), socket);
    });
    app.server.on('secureConnection', (socket: Socket) => open.secured(socket));
    app.server.prependListener('request', ({ socket }, response) => {
      const connection = open.find(socket);
      if (!connection) return;
      connection.answers++;
      response.once('close', () => {
        connection.answers--;
        if (connection.answers > 0) return;
        open.used(connection);
        if (closing) socket.destroySoon();
      });
    });
    app.server.setTimeout(readerMs, (socket: Socket) => {
      const waits = (open.find(socket)?.answers ?? 0) > 0;
      // An answer that is not there yet keeps its reader waiting, not the other way round.
      if (waits && socket.writableLength === 0) return;
      if (waits) app.log.info('a reader stood still and was left');
      socket.destroy();
    });

    let last: NodeJS.Timeout | undefined;
    app.addHook('preClose', async () => {
      closing = true;
      for (const { socket, answers } of open.all()) if (answers === 0) socket.destroySoon();
      last = setTimeout(() => app.server.closeAllConnections(), READERS_LEAVE_MS);
    });
    app.addHook('onClose', async () => clearTimeout(last));
  },
  { name: 'connections' },
);

function isLoopbackPeer({ remoteAddress = '' }: Socket): boolean {
  return isLoopback(remoteAddress.replace(/^::ffff:/, ''));
}
