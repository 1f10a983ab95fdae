import { createHmac, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type DestinationStream,
  type Logger,
  type LoggerOptions,
  pino,
  stdSerializers,
  stdTimeFunctions,
  symbols,
} from 'pino';
import { PinoPretty as pretty } from 'pino-pretty';
import type { Config } from './config.js';
import { PROBLEMS } from './core/problem.js';

const KEY_FILE = 'log.key';
const KEY_BYTES = 32;
const SHOWN = 16;

/** Lines wait so long for others to be written with them: a batch has three of its own, and each write is a trip to another thread. */
const TOGETHER_MS = 50;
const TOGETHER_BYTES = 12 * 1024;

/** The key of a state folder that ids in the log are hashed with, made with the first use: equal ids stay equal over restarts. */
function keyOf(state: string): string {
  const path = join(state, KEY_FILE);
  mkdirSync(state, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(path, `${randomBytes(KEY_BYTES).toString('hex')}\n`, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}

/** An error without its message, which may name files. */
function framesOf(error: Error): object {
  const { type, stack, code } = stdSerializers.err(error) as { type: string; stack: string; code?: string };
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return { type, ...(code === undefined ? {} : { code }), stack: frames.join('\n') };
}

/** How the log is written: JSON lines; study ids, and with them pairs and files, as they are or hashed with a key of the state folder. */
export function logOptions({ logLevel: level, hashStudyIds, state }: Config): LoggerOptions {
  const options: LoggerOptions = { level, base: null, timestamp: stdTimeFunctions.isoTime };
  if (!hashStudyIds) return options;
  const key = keyOf(state);
  const hashed = (text: string) => createHmac('sha256', key).update(text).digest('hex').slice(0, SHOWN);
  const ifText = (hash: (text: string) => string) => (value: unknown) =>
    typeof value === 'string' ? hash(value) : value;
  return {
    ...options,
    serializers: {
      study: ifText(hashed),
      file: ifText(hashed),
      pair: ifText((id) => id.split('/').map(hashed).join('/')),
      err: framesOf,
    },
    hooks: {
      // What a problem of no study says of its file may name others: only its code is left.
      logMethod(args, log) {
        const [fields] = args as unknown as [{ code?: string; pair?: string } | string];
        if (
          typeof fields === 'object' &&
          fields.pair === undefined &&
          Object.hasOwn(PROBLEMS, fields.code ?? '')
        )
          log.apply(this, [fields, fields.code]);
        else log.apply(this, args);
      },
    },
  };
}

/** Where lines go: `flush` hands on what `write` may hold back, but does nothing in the middle of a write. */
interface Lines {
  write(line: string): unknown;
  flush(): void;
  on(event: 'write', listener: (bytes: number) => void): unknown;
  on(event: 'drain', listener: () => void): unknown;
}

/** Writes lines together; one that warns or is worse leaves at once, and those before it with it. */
export function together(lines: Lines): DestinationStream {
  let isDue = false;
  // Bytes: of all lines, of those that are to leave, and of those that left.
  let handed = 0;
  let wanted = 0;
  let written = 0;
  const flush = () => {
    isDue = false;
    if (wanted === handed) return;
    wanted = handed;
    lines.flush();
  };
  lines.on('write', (bytes) => {
    written += bytes;
  });
  lines.on('drain', () => {
    if (written < wanted) lines.flush();
  });
  return {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 0,
    write(line: string) {
      handed += Buffer.byteLength(line);
      lines.write(line);
      if (this.lastLevel >= pino.levels.values.warn!) flush();
      else if (!isDue) {
        isDue = true;
        setTimeout(flush, TOGETHER_MS).unref();
      }
    },
  } as DestinationStream & { lastLevel: number };
}

/** Lines for people, on a terminal in colour: time, level, message, then each field. */
export function readable(
  destination: NodeJS.WritableStream,
  { colour }: { readonly colour: boolean },
): DestinationStream {
  return pretty({
    destination,
    colorize: colour,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  });
}

/**
 * Logs on stderr, because stdout is for results: lines for people on a terminal, or where the settings say so, else JSON lines.
 * JSON lines are written behind the request's back, in order, and flushed at the end.
 */
export function makeLog(config: Config): Logger {
  const { logFormat: format } = config;
  if (format === 'pretty' || (format === 'auto' && process.stderr.isTTY))
    return pino(logOptions(config), readable(process.stderr, { colour: process.stderr.isTTY }));
  const lines = pino.destination({ fd: 2, sync: false, minLength: TOGETHER_BYTES });
  return pino(logOptions(config), together(lines));
}
