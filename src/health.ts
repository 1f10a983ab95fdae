import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIPv6 } from 'node:net';
import type { Config } from './config.js';

const ANSWERS_WITHIN_MS = 5_000;

/**
 * Returns the address at which this machine asks a service with these settings: a wildcard address is no
 * address to ask.
 */
export function ownUrl({ host, port, tls }: Pick<Config, 'host' | 'port' | 'tls'>, path: string): URL {
  const address = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new URL(`${tls ? 'https' : 'http'}://${isIPv6(address) ? `[${address}]` : address}:${port}${path}`);
}

/** A service's answer; a null status with the reason if it does not answer. */
export interface Health {
  readonly status: number | null;
  readonly said: string;
}

/**
 * Asks a service of this machine. Its certificate is not checked, because nothing secret is sent, the check
 * is not about trust, and the certificate may be for another name than the address.
 */
export function askHealth(url: URL): Promise<Health> {
  const make = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException) =>
      resolve({ status: null, said: error.code ?? error.message });
    const options = {
      agent: false,
      rejectUnauthorized: false,
      signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
    };
    const request = make(url, options, (response) => {
      let said = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      response.on('error', failed);
      response.on('end', () => resolve({ status: response.statusCode ?? null, said }));
    });
    request.on('error', failed);
    request.end();
  });
}
