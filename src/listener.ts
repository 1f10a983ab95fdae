import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TlsFiles } from './tls.js';

export interface ListenerOptions {
  /** Null: plain HTTP. */
  readonly tls: TlsFiles | null;
  /** How long the head of a request may take, and a TLS handshake. */
  readonly slowMs: number;
}

/** Requests of one connection that may wait for their answers; what pipelines more would have the processor to itself. */
const MOST_PIPELINED = 64;
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
  const bounded = boundPipelines(handler);
  if (!tls) return created(createServer(options, bounded));
  const secure = { ...options, ...tls, minVersion: 'TLSv1.2' as const, handshakeTimeout: slowMs };
  return created(createTlsServer(secure, bounded));
}

function created(server: Server): Server {
  // "100-continue" is Node's own affair; another expectation may be left out of account (RFC 9110, section 10.1.1).
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  return server;
}

function boundPipelines(handler: RequestListener): RequestListener {
  const waiting = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    // What was read together with the request that went too far is still parsed.
    if (socket.destroyed) return;
    const count = (waiting.get(socket) ?? 0) + 1;
    if (count > MOST_PIPELINED) {
      socket.destroy();
      return;
    }
    waiting.set(socket, count);
    response.once('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1));
    handler(request, response);
  };
}
