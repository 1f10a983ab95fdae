import type { FastifyPluginAsync } from 'fastify';
import { SlfError } from '../src/errors.js';

/** Calls of the contract that this release does not build yet. */
const CALLS: readonly (readonly ['GET' | 'POST' | 'DELETE', string])[] = [];

/** Refuses by name what is to come, so that nobody takes it for missing. */
export const notBuilt: FastifyPluginAsync = async (app) => {
  for (const [method, url] of CALLS)
    app.route({
      method,
      url,
      exposeHeadRoute: false,
      schema: { hide: true },
      handler: async () => {
        throw new SlfError(
          'SLF_NOT_BUILT',
          `${method} ${url} is part of the contract and comes with a later release`,
        );
      },
    });
};
