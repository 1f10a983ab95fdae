import { isIP } from 'node:net';
import plugin from 'fastify-plugin';
import { SlfError } from '../errors.js';

/** Whether a Host header could be a name of the public DNS: neither an address nor a name of this machine or its network alone. */
function isPublicName(host: string): boolean {
  const name = host.replace(/:\d*$/, '').replace(/\.$/, '');
  if (name.startsWith('[') || isIP(name) !== 0) return false;
  return name.includes('.') && !name.toLowerCase().endsWith('.localhost');
}

/** How many Host headers there are among names and values in turn. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]!.length === 4 && rawHeaders[at]!.toLowerCase() === 'host') count++;
  return count;
}

/**
 * Refuses requests without a Host header, or with two (RFC 9112, section 3.2). Where no token is needed, names of the public DNS are refused as well: a web page
 * can have its own name lead to this machine, and would then read what only this machine may.
 */
export const host = plugin<{ localOnly: boolean }>(
  async (app, { localOnly }) => {
    app.addHook('onRequest', (request, _reply, done) => {
      const { host: asked } = request.headers;
      const named = countHosts(request.raw.rawHeaders);
      const isOpen = !localOnly || asked === undefined || request.routeOptions.config.access === 'open';
      if (named > 1 || (named === 0 && request.raw.httpVersion === '1.1'))
        done(new SlfError('SLF_INVALID', 'an HTTP/1.1 request has one Host header'));
      else if (!isOpen && isPublicName(asked))
        done(
          new SlfError(
            'SLF_HOST',
            'without a token the service answers to addresses and plain names alone: set SLICEFEED_TOKEN',
          ),
        );
      else done();
    });
  },
  { name: 'host', dependencies: ['failure'] },
);
