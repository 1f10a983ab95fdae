import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerOptions,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TlsFiles } from './tls.js';

export interface ListenerOptions {
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  /** How long the head of a request may take, and a TLS handshake. */
  readonly slowMs: number;
}

/** The most requests of one connection that may wait behind the one that is being answered. */
const MOST_WAITING = 64;
/** The most bytes that the heads of these requests may take in memory. */
const MOST_WAITING_BYTES = 64 * 1024;
/** The memory that a header takes in addition to its text. */
const HEADER_BYTES = 64;
const KEEP_ALIVE_MS = 72_000;
const LONGEST_CHECK_MS = 5_000;

/** The HTTP server below the framework, with the bounds that Node holds by itself. */
export function makeListener(handler: RequestListener, { tls, slowMs }: ListenerOptions): Server {
  const options: ServerOptions = {
    headersTimeout: slowMs,
    // Whole bodies have no bound: an upload takes what it takes as long as it goes on, which the plugin slow-bodies sees to.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(LONGEST_CHECK_MS, Math.ceil(slowMs / 4)),
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Refused by the plugin host, in the form that all errors have.
    requireHostHeader: false,
  };
  const ordered = oneAtATime(handler);
  if (!tls) return created(createServer(options, ordered));
  const secure = { ...options, ...tls, minVersion: 'TLSv1.2' as const, handshakeTimeout: slowMs };
  return created(createTlsServer(secure, ordered));
}

function created(server: Server): Server {
  // "100-continue" is Node's own affair; another expectation may be left out of account (RFC 9110, section 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  return server;
}

interface Waiting {
  count: number;
  bytes: number;
}

function headBytes({ url = '', rawHeaders }: IncomingMessage): number {
  return rawHeaders.reduce((sum, text) => sum + text.length + HEADER_BYTES / 2, url.length);
}

/**
 * Handles the requests of a connection one after the other, each when the answers before it have left. A
 * pipelined request that waits holds only its head: no file, no answer in memory, no place of others. When a
 * connection closes, or sends too many requests, its waiting requests are dropped.
 */
function oneAtATime(handler: RequestListener): RequestListener {
  const waitingOf = new WeakMap<Socket, Waiting>();
  return (request, response) => {
    const { socket } = request;
    // Node parses a read to its end, even if it holds too many requests.
    if (socket.destroyed) return;
    if (response.socket) {
      handler(request, response);
      return;
    }
    const waiting = waitingOf.get(socket) ?? { count: 0, bytes: 0 };
    const bytes = headBytes(request);
    if (waiting.count >= MOST_WAITING || waiting.bytes + bytes > MOST_WAITING_BYTES) {
      socket.destroy();
      return;
    }
    waiting.count++;
    waiting.bytes += bytes;
    waitingOf.set(socket, waiting);
    // Node gives an answer its connection once the answer before it has gone to the network.
    response.once('socket', () => {
      waiting.count--;
      waiting.bytes -= bytes;
      handler(request, response);
    });
  };
}
