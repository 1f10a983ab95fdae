import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));
/** How a process ends that was asked to stop and did. */
export const ENDED_WELL = 'exit code 0';

const LOOK_EVERY_MS = 20;
/** Longer than the service gives itself. */
const STOP_WITHIN_MS = 20_000;
/** As many as the stack of a crash has. */
const TOLD_LINES = 20;

interface LogLine {
  readonly msg?: string;
  readonly url?: string;
}

/** `slicefeed serve` over a data folder as a process of its own, on a free port of this machine, as a user starts it. */
export class ServiceProcess {
  readonly log: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;
  readonly #endWithThis: () => void;
  #end: string | null = null;

  /** Its log goes to the file `log`. */
  constructor(options: { readonly data: string; readonly state: string; readonly log: string }) {
    this.log = options.log;
    const file = openSync(options.log, 'w', 0o600);
    const { data, state } = options;
    const own = ['--host', '127.0.0.1', '--port', '0', '--data', data, '--state', state];
    this.#child = spawn(process.execPath, [CLI, 'serve', ...own], {
      stdio: ['ignore', file, file],
      env: withoutSettings(process.env),
      // Ctrl-C in a terminal goes to a whole group of processes; this one is to be stopped once, by the demo.
      detached: true,
    });
    closeSync(file);
    this.#endWithThis = () => this.#child.kill('SIGTERM');
    process.once('exit', this.#endWithThis);
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      this.#child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    this.#ended.then((end) => {
      this.#end = end;
      process.off('exit', this.#endWithThis);
    });
  }

  /** Where it listens, as soon as its log says so. Throws when it ended instead. */
  async url(signal: AbortSignal): Promise<string> {
    for (;;) {
      const lines = readFileSync(this.log, 'utf8').split('\n').slice(0, -1).map(parseLine);
      const url = lines.find(({ msg }) => msg === 'slicefeed serves')?.url;
      if (url !== undefined) return url;
      if (this.#end !== null) throw this.failure(this.#end);
      await pause(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  /** The error of a service that ended in another way than it should, with the last lines of its log. */
  failure(end: string): Error {
    const last = readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-TOLD_LINES);
    return new Error(`the service ended with ${end}; its log ${this.log} ends with\n${last.join('\n')}`);
  }

  /** Asks it to stop and waits until it has; kills it when that takes too long. Answers how it ended, also where it had before: `ENDED_WELL`, another exit code, a signal. */
  async stop(): Promise<string> {
    if (this.#end !== null) return this.#end;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    try {
      return await this.#ended;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Settings of the person's own service (a token, a port) are not for this one. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('SLICEFEED_')));
}

/** A line of the log; what isn't JSON, such as a warning of Node, is text. */
function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { msg: line };
  }
}
