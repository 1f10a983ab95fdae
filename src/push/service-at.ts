import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';
import { parseTokenLines, parseTokens } from '../tokens.js';
import { WrongUse } from '../wrong-use.js';

/** A service that studies are sent to. */
export interface ServiceAt {
  readonly url: URL;
  readonly token: string | null;
  /** PEM certificates of the authorities that may sign its certificate; null: those that Node knows. */
  readonly authorities: readonly string[] | null;
}

/**
 * Reads a service's address, token file and certificates from the command line and the environment. Throws
 * `WrongUse`.
 */
export function serviceAt(
  to: string | undefined,
  tokenFile: string | undefined,
  caFile: string | undefined,
): ServiceAt {
  const url = to !== undefined && URL.canParse(to) ? new URL(to) : null;
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new WrongUse('push needs the URL of a service: --to http://127.0.0.1:8080');
  if (caFile !== undefined && url.protocol !== 'https:')
    throw new WrongUse('--ca is for a service that speaks TLS: write https:// in --to');
  return { url, token: tokenOf(tokenFile), authorities: caFile === undefined ? null : authoritiesOf(caFile) };
}

/** Returns the token to push with: of several, one that may change something. */
function tokenOf(file: string | undefined): string | null {
  const tokens = file === undefined ? parseTokens(process.env.SLICEFEED_TOKEN ?? '') : tokensOfFile(file);
  return tokens.find((token) => !token.startsWith('ro:')) ?? tokens[0] ?? null;
}

function tokensOfFile(path: string): string[] {
  try {
    return parseTokenLines(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new WrongUse(`the token file ${path} cannot be used (${code ?? message})`);
  }
}

function authoritiesOf(path: string): string[] {
  try {
    const text = readFileSync(path, 'utf8');
    // Check that at least its first certificate can be read.
    new X509Certificate(text);
    return [...rootCertificates, text];
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const why = code.startsWith('ERR_') || code === '' ? 'it holds no certificate in PEM form' : code;
    throw new WrongUse(`the file of certificates ${path} cannot be used (${why})`);
  }
}

/** Describes, for people, what went wrong on the way to a service. */
export function unanswered(error: NodeJS.ErrnoException, { origin, hostname }: URL): string {
  switch (error.code) {
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `nobody answers at ${origin} (${error.code}): is the service running, and is --to right?`;
    case 'ECONNRESET':
    case 'EPIPE':
      return `${origin} closed the connection (${error.code}): look at its log, then push again; what is there already stays`;
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `${origin} does not speak TLS: write http:// in place of https://`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `no known authority signed the certificate of ${origin} (${error.code}): give the certificate of its authority with --ca FILE`;
    case 'CERT_HAS_EXPIRED':
      return `the certificate of ${origin} has expired`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${origin} is for another name than ${hostname}: use the name that it is for in --to`;
    default:
      return error.message;
  }
}
