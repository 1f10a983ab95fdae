import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { envSchema } from 'env-schema';
import {
  type Containment,
  type FindingLimits,
  parseContainments,
  parseFindingLimits,
} from './core/finding-codes.js';
import { coreLimit, memoryLimitBytes, openFilesLimit } from './machine.js';
import { allowedValues, type GivenSettings, isSize, type SettingName, Settings } from './settings.js';
import { NO_SIZE, sizeBytes } from './size.js';
import type { UploadLimits } from './sources/staging.js';
import { parseTokens, TokenError } from './tokens.js';

/** The settings as the process uses them: sizes in bytes, folders absolute, every default worked out. */
export interface Config {
  readonly data: string;
  readonly state: string;
  readonly host: string;
  readonly port: number;
  readonly tokens: readonly string[];
  /** Absolute; empty: none. */
  readonly tokenFile: string;
  readonly requestsAMinute: number;
  /** Null: plain HTTP. */
  readonly tls: { readonly certPath: string; readonly keyPath: string } | null;
  readonly connections: number;
  readonly readerMs: number;
  readonly insecure: boolean;
  readonly loaders: number;
  readonly loaderMemoryBytes: number;
  readonly pairTimeoutMs: number;
  readonly planeToleranceMm: number;
  readonly segmentFraction: number;
  readonly budgetBytes: number;
  readonly batchBytesLimit: number;
  readonly spool: string;
  /** Null: as much as the disk lends; 0: none. */
  readonly decodeCacheBytes: number | null;
  readonly uploads: UploadLimits;
  readonly uploadsAtOnce: number;
  readonly slowMs: number;
  readonly findingLimits: FindingLimits;
  readonly containments: readonly Containment[];
  readonly sessionIdleMs: number;
  readonly sessionsOfToken: number;
  readonly specBytesLimit: number;
  readonly snapshotDays: number;
  readonly hashStudyIds: boolean;
  readonly logLevel: string;
  readonly logFormat: string;
}

/** A setting that can't be used; the message names it and is meant for people. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

function bytesOf(text: string): number {
  const bytes = sizeBytes(text);
  if (bytes === null) throw new ConfigError(`"${text}" ${NO_SIZE}`);
  return bytes;
}

function tlsPaths({ TLS_CERT, TLS_KEY }: GivenSettings): Config['tls'] {
  if (TLS_CERT === '' && TLS_KEY === '') return null;
  if (TLS_CERT === '' || TLS_KEY === '')
    throw new ConfigError(
      `SLICEFEED_TLS_${TLS_CERT === '' ? 'CERT' : 'KEY'} is missing: HTTPS takes a certificate and its key`,
    );
  return { certPath: resolve(TLS_CERT), keyPath: resolve(TLS_KEY) };
}

function tokensOf(text: string): readonly string[] {
  if (text === '') return [];
  try {
    const tokens = parseTokens(text);
    // If the list turns out empty, a service that should ask for a token would be open to all.
    if (tokens.length === 0) throw new TokenError('it holds no token: give one, or leave the setting out');
    return tokens;
  } catch (error) {
    throw new ConfigError(`SLICEFEED_TOKEN: ${(error as Error).message}`);
  }
}

function atLeast(
  name: 'LOADER_MEMORY' | 'BATCH_BYTES' | 'SPEC_BYTES' | 'UPLOAD_BYTES' | 'ZIP_BYTES',
  settings: GivenSettings,
  least: string,
): number {
  const bytes = bytesOf(settings[name]);
  if (bytes < bytesOf(least))
    throw new ConfigError(`SLICEFEED_${name} must be at least ${least}: "${settings[name]}"`);
  return bytes;
}

/** A setting in its own little language. */
function parsed<T>(
  name: 'QUALITY_LIMITS' | 'QUALITY_INSIDE',
  settings: GivenSettings,
  parse: (text: string) => T,
): T {
  try {
    return parse(settings[name]);
  } catch (error) {
    throw new ConfigError(`SLICEFEED_${name} ${(error as Error).message}`);
  }
}

/** Files that the service opens beside its connections: catalogue, segments, pipes to loaders. */
const FILES_KEPT = 256;

/** What Kubernetes sets by itself where a service is named slicefeed. */
const KUBERNETES_PORT = /^tcp:\/\//;

/**
 * Reads every setting from the environment; `options` (setting names without the prefix) win.
 * Throws `ConfigError` with one line for each setting that can't be used.
 */
export function readConfig(
  env: NodeJS.ProcessEnv,
  options: Partial<Record<SettingName, string>> = {},
): Config {
  const given: Record<string, string> = {};
  for (const name of Object.keys(Settings.properties) as SettingName[]) {
    const value = options[name] ?? env[`SLICEFEED_${name}`];
    if (value !== undefined && value !== '') given[name] = value;
  }
  const settings = check(given);
  const memory = memoryLimitBytes();
  const budgetBytes = bytesOf(settings.MEMORY_BUDGET) || Math.floor(memory / 4);
  const loaderMemoryBytes = Math.min(atLeast('LOADER_MEMORY', settings, '64MiB'), Math.floor(memory / 4));
  // One loader more works in the background.
  const room = Math.max(1, Math.floor((memory - budgetBytes) / loaderMemoryBytes) - 1);
  const data = settings.DATA === '' ? '' : resolve(settings.DATA);
  return {
    data,
    state: settings.STATE === '' ? defaultState(env, data) : resolve(settings.STATE),
    host: settings.HOST,
    port: settings.PORT,
    tokens: tokensOf(settings.TOKEN),
    tokenFile: settings.TOKEN_FILE === '' ? '' : resolve(settings.TOKEN_FILE),
    requestsAMinute: settings.RATE_LIMIT,
    tls: tlsPaths(settings),
    connections: Math.max(1, Math.min(settings.CONNECTIONS, openFilesLimit() - FILES_KEPT)),
    readerMs: Math.ceil(settings.READER_MINUTES * 60_000),
    insecure: settings.INSECURE === '1',
    loaders: settings.LOADERS || Math.max(1, Math.min(coreLimit() - 1, room)),
    loaderMemoryBytes,
    pairTimeoutMs: settings.PAIR_SECONDS * 1000,
    planeToleranceMm: settings.PLANE_TOLERANCE_MM,
    segmentFraction: settings.SEGMENT_THRESHOLD,
    budgetBytes,
    batchBytesLimit: atLeast('BATCH_BYTES', settings, '1KiB'),
    spool: settings.SPOOL === '' ? '' : resolve(settings.SPOOL),
    decodeCacheBytes: settings.DECODE_CACHE === '' ? null : bytesOf(settings.DECODE_CACHE),
    uploads: {
      bytes: atLeast('UPLOAD_BYTES', settings, '1KiB'),
      files: settings.UPLOAD_FILES,
      zipBytes: atLeast('ZIP_BYTES', settings, '1KiB'),
      zipRatio: settings.ZIP_RATIO,
    },
    uploadsAtOnce: settings.UPLOADS,
    slowMs: Math.ceil(settings.SLOW_SECONDS * 1000),
    findingLimits: parsed('QUALITY_LIMITS', settings, parseFindingLimits),
    containments: parsed('QUALITY_INSIDE', settings, parseContainments),
    sessionIdleMs: settings.SESSION_IDLE_MINUTES * 60_000,
    sessionsOfToken: settings.SESSIONS,
    specBytesLimit: atLeast('SPEC_BYTES', settings, '1KiB'),
    snapshotDays: settings.SNAPSHOT_DAYS,
    hashStudyIds: settings.LOG_STUDY_IDS === 'hash',
    logLevel: settings.LOG_LEVEL,
    logFormat: settings.LOG_FORMAT,
  };
}

function check(given: Record<string, string>): GivenSettings {
  try {
    return envSchema<GivenSettings>({ schema: Settings, data: given, env: false });
  } catch (error) {
    const faults = (error as { errors?: { instancePath: string; message?: string }[] }).errors ?? [];
    const lines = faults.map(({ instancePath, message }) => {
      const name = instancePath.slice(1) as SettingName;
      const hint = KUBERNETES_PORT.test(given[name] ?? '')
        ? ' (Kubernetes sets it by itself for a service named slicefeed: set enableServiceLinks: false, or rename it)'
        : '';
      const allowed = allowedValues(name);
      const reason = isSize(name)
        ? NO_SIZE
        : allowed
          ? `must be one of ${allowed.join(', ')}`
          : (message ?? 'is not usable');
      return `SLICEFEED_${name} ${reason}: "${name === 'TOKEN' ? '…' : given[name]}"${hint}`;
    });
    throw new ConfigError([...new Set(lines)].join('\n') || String(error));
  }
}

function defaultState(env: NodeJS.ProcessEnv, data: string): string {
  const base = env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const name = `${basename(data) || 'root'}-${createHash('sha256').update(data).digest('hex').slice(0, 8)}`;
  return join(base, 'slicefeed', name);
}

/** Whether an address can be reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
