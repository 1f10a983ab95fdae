import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import { SlfError } from '../errors.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `open`: no token; `write`: not with a read-only token; otherwise any token. */
    access?: 'open' | 'write';
  }
}

const READ_ONLY = 'ro:';

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** Finds what a bearer may do: every token is compared, in constant time, whichever matches. */
export function tokenCheck(tokens: readonly string[]): (bearer: string) => 'full' | 'read' | null {
  const known: { digest: Buffer; may: 'full' | 'read' }[] = [];
  for (const token of tokens) {
    const readOnly = token.startsWith(READ_ONLY);
    known.push({ digest: digest(token), may: readOnly ? 'read' : 'full' });
    // A bearer may come with the prefix or without it.
    if (readOnly) known.push({ digest: digest(token.slice(READ_ONLY.length)), may: 'read' });
  }
  return (bearer) => {
    const asked = digest(bearer);
    let may: 'full' | 'read' | null = null;
    for (const token of known)
      if (timingSafeEqual(token.digest, asked))
        may = may === 'full' || token.may === 'full' ? 'full' : 'read';
    return may;
  };
}

function bearerOf(request: FastifyRequest): string | null {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  return bearer ?? null;
}

/** Asks for a token wherever there are tokens; a route's config says what it needs. */
export const auth = plugin<{ tokens: readonly string[] }>(
  async (app, { tokens }) => {
    if (tokens.length === 0) return;
    const may = tokenCheck(tokens);
    app.addHook('onRequest', async (request) => {
      const { access } = request.routeOptions.config;
      if (access === 'open') return;
      const bearer = bearerOf(request);
      const granted = bearer === null ? null : may(bearer);
      if (granted === null)
        throw new SlfError(
          'SLF_UNAUTHORIZED',
          'send "Authorization: Bearer TOKEN" with a token of SLICEFEED_TOKEN',
        );
      if (granted === 'read' && access === 'write')
        throw new SlfError('SLF_READ_ONLY_TOKEN', 'use a token without the prefix ro:');
    });
  },
  { name: 'auth', dependencies: ['failure'] },
);
