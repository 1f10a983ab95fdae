import type { IncomingHttpHeaders } from 'node:http';
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

/**
 * Whether a browser sends this request for a page of another site. A script or a form sends an Origin header.
 * For pictures, frames and links, which are GETs, only Sec-Fetch-Site tells (W3C Fetch Metadata, section
 * 2.3): another port of this machine is `same-site`, an address that was typed in is `none`.
 */
function isFromOtherSite({ origin, 'sec-fetch-site': site }: IncomingHttpHeaders, asked: string): boolean {
  if (origin !== undefined) return !isOwnOrigin(origin, asked);
  return site === 'cross-site' || site === 'same-site';
}

function refusal(request: FastifyRequest, localOnly: boolean): SlfError | null {
  const { host: asked } = request.headers;
  const named = countHosts(request.raw.rawHeaders);
  if (named > 1 || (named === 0 && request.raw.httpVersion === '1.1'))
    return new SlfError('SLF_INVALID', 'an HTTP/1.1 request has one Host header');
  if (!localOnly || asked === undefined || request.routeOptions.config.access === 'open') return null;
  if (isPublicName(asked))
    return new SlfError(
      'SLF_HOST',
      'without a token the service answers to addresses and plain names alone: set SLICEFEED_TOKEN',
    );
  if (isFromOtherSite(request.headers, asked))
    return new SlfError(
      'SLF_ORIGIN',
      'without a token the service answers to no page of another site: set SLICEFEED_TOKEN, or open the address by hand',
    );
  return null;
}

/**
 * Refuses requests without a Host header, or with two (RFC 9112, section 3.2). Where no token is needed,
 * names of the public DNS are refused as well: a web page can have its own name lead to this machine, and
 * would then read what only this machine may. So are requests that pages of other sites have a browser send:
 * a form needs nobody's leave to upload or to move a cursor, nor a picture to have a batch counted as
 * delivered.
 */
export const host = plugin<{ localOnly: boolean }>(
  async (app, { localOnly }) => {
    app.addHook('onRequest', (request, _reply, done) => done(refusal(request, localOnly) ?? undefined));
  },
  { name: 'host', dependencies: ['failure'] },
);
