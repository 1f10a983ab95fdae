import rateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { SlfError } from '../errors.js';
import type { Tokens } from '../tokens.js';
import { Disconnected } from './disconnect.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `spared`: who may call it is not counted: batches, which have limits of their own, and what tells whether the service lives. */
    rate?: 'spared';
  }
}

const WINDOW_MS = 60_000;

function isSpared(request: FastifyRequest, tokens: Tokens): boolean {
  const { rate, access } = request.routeOptions.config;
  if (rate !== 'spared') return false;
  // Who tries tokens is counted wherever they are tried.
  return access === 'open' || !tokens.needed || request.bearer !== null;
}

/** Bounds how often one token asks, or without a known one an address. `perMinute` 0: no bound. */
export const rate = plugin<{ tokens: Tokens; perMinute: number }>(
  async (app, { tokens, perMinute }) => {
    if (perMinute === 0) return;
    await app.register(rateLimit, { global: false });
    const byToken = app.createRateLimit({
      max: perMinute,
      timeWindow: WINDOW_MS,
      keyGenerator: (request) => request.bearer?.key ?? '',
    });
    const byAddress = app.createRateLimit({ max: perMinute, timeWindow: WINDOW_MS });
    const counted = async (request: FastifyRequest) => {
      // A connection that was reset has lost its address.
      if (!request.bearer && request.raw.socket.remoteAddress === undefined)
        throw new Disconnected('the connection closed before its request was looked at');
      const count = await (request.bearer ? byToken : byAddress)(request);
      if (count.isAllowed || !count.isExceeded) return;
      const retryAfterS = Math.max(1, count.ttlInSeconds);
      throw new SlfError(
        'SLF_TOO_MANY_REQUESTS',
        `more than ${perMinute} requests within a minute: wait ${retryAfterS} s, as Retry-After says. Batches are not counted`,
        { retryAfterS },
      );
    };
    app.addHook('onRequest', (request, _reply, done) => {
      if (isSpared(request, tokens)) done();
      else counted(request).then(() => done(), done);
    });
  },
  { name: 'rate', dependencies: ['failure', 'bearer'] },
);
