import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext } from 'node:tls';
import type { BaseLogger } from 'pino';
import { watchFiles } from './watched-files.js';

/** A certificate chain and its key, in PEM form. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Files that TLS can't be spoken with; the message is meant for people, names the setting and quotes nothing of a key. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

function read(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new TlsError(`${setting} ${path}: it can't be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function parsed<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    return null;
  }
}

/** Reads a certificate and its key and looks whether they go together. Throws `TlsError`. */
export function readTlsFiles(certPath: string, keyPath: string): TlsFiles {
  const cert = read('SLICEFEED_TLS_CERT', certPath);
  const key = read('SLICEFEED_TLS_KEY', keyPath);
  const first = parsed(() => new X509Certificate(cert));
  if (!first) throw new TlsError(`SLICEFEED_TLS_CERT ${certPath}: it holds no certificate in PEM form`);
  const secret = parsed(() => createPrivateKey(key));
  if (!secret)
    throw new TlsError(`SLICEFEED_TLS_KEY ${keyPath}: it holds no key in PEM form without a passphrase`);
  if (!first.checkPrivateKey(secret))
    throw new TlsError(
      `SLICEFEED_TLS_KEY ${keyPath}: it is not the key of the first certificate in ${certPath}`,
    );
  if (!parsed(() => createSecureContext({ cert, key })))
    throw new TlsError(`SLICEFEED_TLS_CERT ${certPath}: TLS can't be spoken with it, it may be too weak`);
  return { cert, key };
}

/** When the first certificate of a chain ends, by its own word. */
function validTo({ cert }: TlsFiles): Date {
  return new Date(new X509Certificate(cert).validTo);
}

function tell(ends: Date, log: Pick<BaseLogger, 'info' | 'warn'>): void {
  const fields = { validTo: ends.toISOString() };
  if (ends.getTime() < Date.now()) log.warn(fields, 'the certificate has expired');
}

/**
 * Reloads a certificate and its key whenever they change; while the new ones can't be used, the last good
 * ones stay. `onUsed` is called with the time at which the certificate in use expires. Returns a function
 * that stops this.
 */
export async function followTlsFiles(
  { certPath, keyPath }: { readonly certPath: string; readonly keyPath: string },
  server: Pick<Server, 'setSecureContext'>,
  log: Pick<BaseLogger, 'info' | 'warn' | 'error'>,
  onUsed: (expires: Date) => void = () => {},
): Promise<() => void> {
  const use = () => {
    const files = readTlsFiles(certPath, keyPath);
    server.setSecureContext({ ...files, minVersion: 'TLSv1.2' });
    const ends = validTo(files);
    onUsed(ends);
    tell(ends, log);
  };
  const unwatch = await watchFiles([certPath, keyPath], () => {
    try {
      use();
      log.info('certificate read again');
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'the certificate is unusable: the last good one stays');
    }
  });
  // They may have changed between the start's reading and the first look.
  use();
  return unwatch;
}
