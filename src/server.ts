import { randomBytes } from 'node:crypto';
import type { Server as Listener } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import closeWithGrace from 'close-with-grace';
import type { Logger } from 'pino';
import { buildApp } from './app.js';
import { type Config, ConfigError, isLoopback } from './config.js';
import { Ending } from './ending.js';
import { makeLog } from './log.js';
import { type Service, type ServiceOptions, startService } from './service.js';
import { followTlsFiles, readTlsFiles, TlsError, type TlsFiles } from './tls.js';
import { followTokenFile, readTokenFile } from './token-file.js';
import { Tokens } from './tokens.js';

/** A service that listens. */
export interface Server {
  readonly url: string;
  readonly service: Service;
  readonly listener: Listener;
  /** Ends the server; a second call waits for the first. */
  close(): Promise<void>;
}

/**
 * Returns the tokens that are asked for: those of the settings and of their file, else beyond loopback one that
 * is made here and that somebody must be shown.
 */
function tokensFor(config: Config): { readonly tokens: Tokens; readonly made: string | null } {
  const given = [...config.tokens, ...tokensOfFile(config)];
  if (given.length > 0 || config.insecure || isLoopback(config.host))
    return { tokens: new Tokens(given), made: null };
  const made = randomBytes(24).toString('base64url');
  return { tokens: new Tokens([made]), made };
}

function tokensOfFile({ tokenFile }: Config): readonly string[] {
  if (tokenFile === '') return [];
  try {
    return readTokenFile(tokenFile);
  } catch (error) {
    throw new ConfigError(`SLICEFEED_TOKEN_FILE ${tokenFile}: ${(error as Error).message}`);
  }
}

function tlsFilesOf({ certPath, keyPath }: NonNullable<Config['tls']>): TlsFiles {
  try {
    return readTlsFiles(certPath, keyPath);
  } catch (error) {
    throw error instanceof TlsError ? new ConfigError(error.message) : error;
  }
}

/** Of this time readers have 5 s to read the rest of their bodies. */
const HTTP_ENDS_MS = 6_000;
/** Each part has its own limit. */
const INSIDE_ENDS_MS = 8_500;

/** Starts the service and listens. Throws an error for people when it can't. */
export async function startServer(
  config: Config,
  log: Logger,
  options: ServiceOptions = {},
): Promise<Server> {
  const { tokens, made } = tokensFor(config);
  const tls = config.tls && tlsFilesOf(config.tls);
  const service = await startService(config, log, options);
  const ending = new Ending(log);
  ending.add('inside', INSIDE_ENDS_MS, () => service.close());
  try {
    const app = await buildApp(service, log, { ...config, tokens, tls });
    ending.add('http', HTTP_ENDS_MS, () => app.close());
    if (config.tls) {
      const unfollow = await followTlsFiles(config.tls, app.server as TlsServer, log, (expires) =>
        service.metrics.certificateExpiry.set(expires.getTime() / 1000),
      );
      app.addHook('onClose', async () => unfollow());
    }
    if (config.tokenFile !== '') {
      const unfollow = await followTokenFile(config.tokenFile, config.tokens, tokens, log);
      app.addHook('onClose', async () => unfollow());
    }
    const spoken = (address: string) => (tls ? address.replace(/^http:/, 'https:') : address);
    const heard = await app.listen({
      host: config.host,
      port: config.port,
      // The framework does not know what its listener speaks.
      listenTextResolver: (address) => `listening on ${spoken(address)}`,
    });
    // A service that can't listen has no use for a token.
    if (made !== null) process.stderr.write(`No SLICEFEED_TOKEN was given. The token of this run: ${made}\n`);
    const url = spoken(heard);
    log.info(
      {
        url,
        data: config.data,
        state: config.state,
        spool: service.spool.folder,
        shared: service.spool.isShared,
        loaders: config.loaders,
        budgetMiB: Math.round(config.budgetBytes / 1024 ** 2),
      },
      'slicefeed serves',
    );
    return { url, service, listener: app.server, close: () => ending.run() };
  } catch (error) {
    // The log has the parts that did not end well; the start's own failure is the error to throw.
    await ending.run().catch(() => {});
    throw listenError(error as NodeJS.ErrnoException, config);
  }
}

/** Returns the error for people if the address or the port can't be listened on; other errors as they are. */
function listenError(error: NodeJS.ErrnoException, { host, port }: Config): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new Error(`port ${port} on ${host} is taken: choose another with --port, or 0 for a free one`);
    case 'EACCES':
      return new Error(`this user may not listen on port ${port}: choose one from 1024 on with --port`);
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
      return new Error(`${host} is no address of this machine: choose one with --host or SLICEFEED_HOST`);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Error(
        `no address is known for the host ${host} (${error.code}): choose an address of this machine with --host or SLICEFEED_HOST`,
      );
    default:
      return error;
  }
}

const CLOSE_WITHIN_MS = 15_000;

/** Runs the service until it is told to stop. */
export async function serve(config: Config): Promise<void> {
  process.title = 'slicefeed';
  // What the service and its loaders write is for its user alone.
  process.umask(0o077);
  const log = makeLog(config);
  let isLost = false;
  const starting = startServer(config, log, {
    screen: process.stderr,
    // The service ends with a failure, and its supervisor starts it again.
    onLost: () => {
      isLost = true;
      void grace.close();
    },
  });
  const logger = { error: (said: unknown) => log.error(String(said)) };
  const grace = closeWithGrace({ delay: CLOSE_WITHIN_MS, logger }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'the service failed');
    log.info({ signal }, 'closing');
    const server = await starting;
    // The log has each part that did not end well.
    const isClosed = await server.close().then(
      () => true,
      () => false,
    );
    if (isClosed) log.info('closed');
    await new Promise<void>((resolve) => log.flush(() => resolve()));
    if (!isClosed || isLost) process.exit(1);
  });
  await starting;
}
