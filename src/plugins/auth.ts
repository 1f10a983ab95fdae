import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { SlfError } from '../errors.js';
import type { Tokens } from '../tokens.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `open`: no token; `read`: any token; `write`: not with a read-only one. Without it GET and HEAD are `read`, the others `write`. */
    access?: 'open' | 'read' | 'write';
  }
}

function accessOf(request: FastifyRequest): 'open' | 'read' | 'write' {
  const { access } = request.routeOptions.config;
  if (access) return access;
  // What is not there changes nothing; that it is not there is told to any bearer.
  return request.is404 || request.method === 'GET' || request.method === 'HEAD' ? 'read' : 'write';
}

/** Why a request may not go on; null where it may. */
function refusal(request: FastifyRequest): SlfError | null {
  const access = accessOf(request);
  if (access === 'open') return null;
  const { bearer } = request;
  if (bearer === null)
    return new SlfError(
      'SLF_UNAUTHORIZED',
      'send "Authorization: Bearer TOKEN" with a token of SLICEFEED_TOKEN or SLICEFEED_TOKEN_FILE',
    );
  return bearer.may === 'read' && access === 'write'
    ? new SlfError('SLF_READ_ONLY_TOKEN', 'use a token without the prefix ro:')
    : null;
}

/** Asks for a token wherever there are tokens; a route's config says what it needs. */
export const auth = plugin<{ tokens: Tokens }>(
  async (app, { tokens }) => {
    if (!tokens.needed) return;
    app.addHook('onRequest', (request, _reply, done) => done(refusal(request) ?? undefined));
  },
  { name: 'auth', dependencies: ['failure', 'bearer'] },
);
