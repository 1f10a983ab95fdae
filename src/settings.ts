import { type Static, Type } from 'typebox';
import { SIZE_PATTERN } from './size.js';

const Size = (fallback: string, description: string) =>
  Type.String({ pattern: `^${SIZE_PATTERN}$`, default: fallback, description });

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
    description:
      'bearer tokens, comma-separated; one with `ro:` in front may only read, open sessions, and end those that it opened; an empty value counts as none given, commas or spaces alone are an error',
  }),
  TOKEN_FILE: Type.String({
    default: '',
    description:
      'a file with more of them, a line each or comma-separated, lines that begin with `#` left out; read again when it changes',
  }),
  TLS_CERT: Type.String({
    default: '',
    description:
      'a file with the certificate chain in PEM form: the service speaks HTTPS; needs `SLICEFEED_TLS_KEY`',
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
  INSECURE: Type.Union(
    ['', '0', '1'].map((form) => Type.Literal(form)),
    { default: '', description: '`1`: run without a token on an address other than loopback' },
  ),
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
    description:
      'seconds that loading one pair may take before its loader is stopped; a file of a scan may take a second more for every 4 MiB of it, up to 512 MiB',
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
    pattern: `^(${SIZE_PATTERN})?$`,
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
      'seconds for the head of a request, and again for its JSON body; an upload that is stalled for this long is ended',
  }),
  SESSION_IDLE_MINUTES: Type.Number({
    exclusiveMinimum: 0,
    default: 30,
    description: 'minutes after which a session left alone gives up its warm batches',
  }),
  SESSIONS: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 1000,
    description:
      'sessions that one token may have, idle ones included; without tokens, all sessions together',
  }),
  SPEC_BYTES: Size('256KiB', 'the largest spec of a session as JSON, with its lists of studies and series'),
  SNAPSHOT_DAYS: Type.Number({
    minimum: 0,
    default: 30,
    description:
      'days that a snapshot is kept after the last session that stood on it; at most 1,000 are kept in this way',
  }),
  LOG_STUDY_IDS: Type.Union(
    ['plain', 'hash'].map((form) => Type.Literal(form)),
    {
      default: 'plain',
      description:
        '`hash`: ids of studies and pairs and names of files are written to the log as keyed hashes',
    },
  ),
  LOG_FORMAT: Type.Union(
    ['auto', 'json', 'pretty'].map((form) => Type.Literal(form)),
    {
      default: 'auto',
      description:
        '`json`: a JSON object a line; `pretty`: for people; `auto`: pretty on a terminal, else JSON',
    },
  ),
  LOG_LEVEL: Type.Union(
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'].map((level) => Type.Literal(level)),
    { default: 'info', description: '`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`' },
  ),
});

/** Every setting as it is given, before sizes are counted and folders found. */
export type GivenSettings = Static<typeof Settings>;

export type SettingName = keyof GivenSettings;

/** The values that a setting may have, if they are a list; an empty one is as good as none. */
export function allowedValues(name: SettingName): readonly string[] | null {
  const { anyOf } = Settings.properties[name] as { anyOf?: readonly { readonly const: string }[] };
  return anyOf ? anyOf.map(({ const: value }) => value).filter((value) => value !== '') : null;
}

/** Whether a setting is a size in bytes. */
export function isSize(name: SettingName): boolean {
  return (Settings.properties[name] as { pattern?: string }).pattern?.includes(SIZE_PATTERN) ?? false;
}
