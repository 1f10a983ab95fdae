import type { FastifyRequest } from 'fastify';
import plugin from 'fastify-plugin';
import type { Bearer, Tokens } from '../tokens.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, by the token that was sent; null where none or an unknown one was. Looked up on first use. */
    readonly bearer: Bearer | null;
    /** What `bearer` found; undefined before its first use. */
    knownBearer: Bearer | null | undefined;
  }
}

function bearerOf(request: FastifyRequest, tokens: Tokens): Bearer | null {
  const [, token] = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  return token === undefined ? null : tokens.find(token);
}

export const bearer = plugin<{ tokens: Tokens }>(
  async (app, { tokens }) => {
    app.decorateRequest('knownBearer', undefined);
    app.decorateRequest('bearer', {
      getter() {
        const request = this as FastifyRequest;
        if (request.knownBearer === undefined) request.knownBearer = bearerOf(request, tokens);
        return request.knownBearer;
      },
    });
  },
  { name: 'bearer' },
);
