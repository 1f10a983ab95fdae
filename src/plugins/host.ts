import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
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

/** Whether an Origin header (RFC 6454, section 7) names the service itself, under the name that it is asked by. */
function isOwnOrigin(origin: string, asked: string): boolean {
  return origin.toLowerCase().replace(/^https?:\/\//, '') === asked.toLowerCase();
}

function refusal(request: FastifyRequest, localOnly: boolean): SlfError | null {
  const { host: asked, origin } = request.headers;
  const named = countHosts(request.raw.rawHeaders);
  if (named > 1 || (named === 0 && request.raw.httpVersion === '1.1'))
    return new SlfError('SLF_INVALID', 'an HTTP/1.1 request has one Host header');
  if (!localOnly || asked === undefined || request.routeOptions.config.access === 'open') return null;
  if (isPublicName(asked))
    return new SlfError(
      'SLF_HOST',
      'without a token the service answers to addresses and plain names alone: set SLICEFEED_TOKEN',
    );
  if (origin !== undefined && !isOwnOrigin(origin, asked))
    return new SlfError(
      'SLF_ORIGIN',
      'without a token the service answers to no page of another site: set SLICEFEED_TOKEN',
    );
  return null;
}

/**
 * Refuses requests without a Host header, or with two (RFC 9112, section 3.2). Where no token is needed, names of the public DNS are refused as well: a web page
 * can have its own name lead to this machine, and would then read what only this machine may. So are requests that pages of other sites
 * have a browser send: a form needs nobody's leave to upload or to move a cursor.
 */
export const host = plugin<{ localOnly: boolean }>(
  async (app, { localOnly }) => {
    app.addHook('onRequest', (request, _reply, done) => done(refusal(request, localOnly) ?? undefined));
  },
  { name: 'host', dependencies: ['failure'] },
);
