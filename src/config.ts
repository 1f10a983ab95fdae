import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { envSchema } from 'env-schema';
import { type Static, Type } from 'typebox';
import {
  type Containment,
  type FindingLimits,
  parseContainments,
  parseFindingLimits,
} from './core/finding-codes.js';
import { coreLimit, memoryLimitBytes, openFilesLimit } from './machine.js';
import type { UploadLimits } from './sources/staging.js';
import { parseTokens } from './tokens.js';

const Size = (fallback: string, description: string) =>
  Type.String({ pattern: '^[0-9]+ ?(B|KiB|MiB|GiB)?$', default: fallback, description });

/** Every setting: `SLICEFEED_<NAME>` in the environment, `--name` on the command line. The README's table is made from it. */
export const Settings = Type.Object({
  DATA: Type.String({ default: '', description: 'the data folder; needed by `serve`' }),
  STATE: Type.String({
    default: '',
    description:
      'the folder for catalogue and sessions; empty: one for each data folder below `~/.local/state/slicefeed`',
  }),
  HOST: Type.String({ default: '127.0.0.1', description: 'the address to listen on' }),
  PORT: Type.Integer({ minimum: 0, maximum: 65535, default: 8080, description: 'the port; 0: a free one' }),
  TOKEN: Type.String({
    default: '',
    description: 'bearer tokens, comma-separated; `ro:` in front: may open sessions and read only',
  }),
  TOKEN_FILE: Type.String({
    default: '',
    description:
      'a file with more of them, a line each or comma-separated, lines that begin with `#` left out; read again when it changes',
  }),
  TLS_CERT: Type.String({
    default: '',
    description: 'a file with the certificate chain in PEM form: the service speaks HTTPS; needs `TLS_KEY`',
  }),
  TLS_KEY: Type.String({
    default: '',
    description: 'a file with the key of that certificate; both are read again when they change',
  }),
  CONNECTIONS: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 1024,
    description:
      'connections that may be open at a time, fewer where the process may open few files; beyond, unused ones are closed',
  }),
  READER_MINUTES: Type.Number({
    exclusiveMinimum: 0,
    maximum: 10_000,
    default: 30,
    description: 'minutes that a reader may take nothing of an answer before its connection is closed',
  }),
  RATE_LIMIT: Type.Integer({
    minimum: 0,
    maximum: 1_000_000_000,
    default: 6000,
    description:
      'requests a minute of one token, or of one address without a known one; batches are not counted; 0: no limit',
  }),
  INSECURE: Type.String({
    pattern: '^[01]?$',
    default: '',
    description: '`1`: run without a token on an address other than loopback',
  }),
  LOADERS: Type.Integer({
    minimum: 0,
    maximum: 256,
    default: 0,
    description: 'loader child processes; 0: cores - 1 by the container’s quota, at least 1',
  }),
  LOADER_MEMORY: Size(
    '1GiB',
    'memory a loader may use before it is stopped; less where the container is small',
  ),
  PAIR_SECONDS: Type.Number({
    exclusiveMinimum: 0,
    default: 10,
    description: 'seconds that loading one pair may take before its loader is stopped',
  }),
  PLANE_TOLERANCE_MM: Type.Number({
    minimum: 0,
    default: 0.1,
    description: 'how far off the plane of an image a contour that names no image may lie, in mm',
  }),
  SEGMENT_THRESHOLD: Type.Number({
    exclusiveMinimum: 0,
    maximum: 1,
    default: 0.5,
    description: 'the share of its maximum from which a pixel of a FRACTIONAL segmentation is inside',
  }),
  MEMORY_BUDGET: Size('0', 'bytes for batches of all sessions; 0: a quarter of the memory the container has'),
  BATCH_BYTES: Size('256MiB', 'the largest batch of one rank'),
  SPOOL: Type.String({
    default: '',
    description: 'the folder for warm batches; empty: `/dev/shm` where it has room, else the state folder',
  }),
  DECODE_CACHE: Type.String({
    pattern: '^([0-9]+ ?(B|KiB|MiB|GiB)?)?$',
    default: '',
    description:
      'bytes of decoded frames of compressed images that are kept in the state folder; empty: `8GiB`, or a tenth of the free disk where that is less; 0: none',
  }),
  UPLOAD_BYTES: Size('2GiB', 'the largest upload'),
  UPLOAD_FILES: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 10_000,
    description: 'files in an upload, those of a zip counted one by one',
  }),
  UPLOADS: Type.Integer({
    minimum: 1,
    maximum: 1000,
    default: 4,
    description: 'uploads that may be under way at a time',
  }),
  ZIP_BYTES: Size('4GiB', 'bytes that an uploaded zip may expand to'),
  ZIP_RATIO: Type.Integer({
    minimum: 1,
    default: 20,
    description: 'how many times its size an uploaded zip may expand to, counted from 16 MiB on',
  }),
  QUALITY_LIMITS: Type.String({
    default: '',
    description:
      'other thresholds of the quality report: `TINY=20,CENTRE_JUMP=off`; `docs/quality.md` has every code with what it ships with',
  }),
  QUALITY_INSIDE: Type.String({
    default: 'i:o',
    description: 'structures that should contain others, inner before outer: `i:o,lumen:wall`',
  }),
  SLOW_SECONDS: Type.Number({
    exclusiveMinimum: 0,
    maximum: 86_400,
    default: 30,
    description:
      'seconds that the head of a request may take, and after which one whose body has stopped coming is ended',
  }),
  SESSION_IDLE_MINUTES: Type.Number({
    exclusiveMinimum: 0,
    default: 30,
    description: 'minutes after which a session left alone gives up its warm batches',
  }),
  SNAPSHOT_DAYS: Type.Number({
    minimum: 0,
    default: 30,
    description: 'days that a snapshot is kept after the last session that stood on it',
  }),
  LOG_STUDY_IDS: Type.Union(
    ['plain', 'hash'].map((form) => Type.Literal(form)),
    {
      default: 'plain',
      description:
        '`hash`: ids of studies and pairs and names of files are written to the log as keyed hashes',
    },
  ),
  LOG_LEVEL: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info', description: '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`' },
  ),
});

export type SettingName = keyof Static<typeof Settings>;

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
  readonly snapshotDays: number;
  readonly hashStudyIds: boolean;
  readonly logLevel: string;
}

/** A setting that can't be used; the message names it and is meant for people. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const UNITS = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** `512MiB` as bytes. */
export function sizeBytes(text: string): number {
  const [, digits, unit] = /^(\d+) ?(B|KiB|MiB|GiB)?$/.exec(text) ?? [];
  if (digits === undefined) throw new ConfigError(`"${text}" is not a size such as 512MiB`);
  return Number(digits) * UNITS[(unit ?? 'B') as keyof typeof UNITS];
}

function tlsPaths({ TLS_CERT, TLS_KEY }: Static<typeof Settings>): Config['tls'] {
  if (TLS_CERT === '' && TLS_KEY === '') return null;
  if (TLS_CERT === '' || TLS_KEY === '')
    throw new ConfigError(
      `SLICEFEED_TLS_${TLS_CERT === '' ? 'CERT' : 'KEY'} is missing: HTTPS takes a certificate and its key`,
    );
  return { certPath: resolve(TLS_CERT), keyPath: resolve(TLS_KEY) };
}

function tokensOf(text: string): readonly string[] {
  try {
    return parseTokens(text);
  } catch (error) {
    throw new ConfigError(`SLICEFEED_TOKEN: ${(error as Error).message}`);
  }
}

function atLeast(
  name: 'LOADER_MEMORY' | 'BATCH_BYTES' | 'UPLOAD_BYTES' | 'ZIP_BYTES',
  settings: Static<typeof Settings>,
  least: string,
): number {
  const bytes = sizeBytes(settings[name]);
  if (bytes < sizeBytes(least))
    throw new ConfigError(`SLICEFEED_${name} must be at least ${least}: "${settings[name]}"`);
  return bytes;
}

/** A setting in its own little language. */
function parsed<T>(
  name: 'QUALITY_LIMITS' | 'QUALITY_INSIDE',
  settings: Static<typeof Settings>,
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
  const budgetBytes = sizeBytes(settings.MEMORY_BUDGET) || Math.floor(memory / 4);
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
    decodeCacheBytes: settings.DECODE_CACHE === '' ? null : sizeBytes(settings.DECODE_CACHE),
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
    snapshotDays: settings.SNAPSHOT_DAYS,
    hashStudyIds: settings.LOG_STUDY_IDS === 'hash',
    logLevel: settings.LOG_LEVEL,
  };
}

function check(given: Record<string, string>): Static<typeof Settings> {
  try {
    return envSchema<Static<typeof Settings>>({ schema: Settings, data: given, env: false });
  } catch (error) {
    const faults = (error as { errors?: { instancePath: string; message?: string }[] }).errors ?? [];
    const lines = faults.map(({ instancePath, message }) => {
      const name = instancePath.slice(1) as SettingName;
      const hint = KUBERNETES_PORT.test(given[name] ?? '')
        ? ' (Kubernetes sets it by itself for a service named slicefeed: set enableServiceLinks: false, or rename it)'
        : '';
      return `SLICEFEED_${name} ${message ?? 'is not usable'}: "${name === 'TOKEN' ? '…' : given[name]}"${hint}`;
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
