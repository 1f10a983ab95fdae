import { createHmac } from 'node:crypto';
import { Writable } from 'node:stream';
import {
  type DestinationStream,
  type Logger,
  type LoggerOptions,
  pino,
  stdSerializers,
  stdTimeFunctions,
} from 'pino';
import { PinoPretty as pretty } from 'pino-pretty';
import type { Config } from './config.js';
import { PROBLEMS } from './core/problem.js';
import { stderrLines } from './log-lines.js';
import { stateKey } from './state-key.js';

const SHOWN = 16;

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
  const key = stateKey(state);
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

/** Lines for people, in colour on a terminal: time, level, message, then each field. */
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
 * Logs to stderr, because stdout is for results: lines for people on a terminal or if the settings say so,
 * else JSON lines. Except on a terminal, lines are written in order without making a request wait, even if
 * their reader stalls.
 */
export function makeLog(config: Config): Logger {
  const { logFormat: format } = config;
  const isTerminal = process.stderr.isTTY;
  const isPretty = format === 'pretty' || (format === 'auto' && isTerminal);
  if (isPretty && isTerminal) return pino(logOptions(config), readable(process.stderr, { colour: true }));
  const lines = stderrLines();
  const write = (chunk: Buffer, _: string, done: () => void) => {
    lines.write(chunk.toString());
    done();
  };
  const log = pino(
    logOptions(config),
    isPretty ? readable(new Writable({ write }), { colour: false }) : lines,
  );
  lines.onLeftOut = (count) => log.warn({ lines: count }, 'lines of the log were left out: nobody took them');
  return log;
}
