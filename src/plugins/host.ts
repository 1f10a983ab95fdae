import { isIP } from 'node:net';
import plugin from 'fastify-plugin';
import { SlfError } from '../errors.js';

/** Whether a Host header could be a name of the public DNS: neither an address nor a name of this machine or its network alone. */
function isPublicName(host: string): boolean {
  const name = host.replace(/:\d*$/, '').replace(/\.$/, '');
  if (name.startsWith('[') || isIP(name) !== 0) return false;
  return name.includes('.') && !name.toLowerCase().endsWith('.localhost');
}

/**
 * Refuses requests without a Host header, or with two (RFC 9112, section 3.2). Where no token is needed, names of the public DNS are refused as well: a web page
 * can have its own name lead to this machine, and would then read what only this machine may.
 */
export const host = plugin<{ localOnly: boolean }>(
  async (app, { localOnly }) => {
    app.addHook('onRequest', async (request) => {
      const { host: asked } = request.headers;
      const named = request.raw.rawHeaders.filter(
        (name, at) => at % 2 === 0 && name.toLowerCase() === 'host',
      );
      if (named.length > 1 || (named.length === 0 && request.raw.httpVersion === '1.1'))
        throw new SlfError('SLF_INVALID', 'an HTTP/1.1 request has one Host header');
      if (!localOnly || asked === undefined || request.routeOptions.config.access === 'open') return;
      if (isPublicName(asked))
        throw new SlfError(
          'SLF_HOST',
          'without a token the service answers to addresses and plain names alone: set SLICEFEED_TOKEN',
        );
    });
  },
  { name: 'host', dependencies: ['failure'] },
);
