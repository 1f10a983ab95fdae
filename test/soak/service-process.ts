import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { childrenOf } from '../fixtures/command.js';

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const READY_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 60_000;

export interface ServiceFolders {
  readonly data: string;
  readonly state: string;
  readonly spool: string;
}

/** `slicefeed serve` as a process that is killed and started again over the same state, at the same address. */
export class ServiceProcess {
  readonly url: string;
  readonly log: string;
  kills = 0;
  loaderKills = 0;
  #arguments: readonly string[];
  #process: ChildProcess;

  private constructor(folders: ServiceFolders, port: number, loaders: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.log = join(folders.state, 'service.log');
    this.#arguments = [
      ...['--data', folders.data, '--state', folders.state, '--spool', folders.spool],
      ...['--port', String(port), '--loaders', String(loaders), '--memory-budget', '128MiB'],
      ...['--log-level', 'warn'],
    ];
    this.#process = this.#spawn();
  }

  /** Resolves when its first scan is done and a loader is ready. */
  static async start(folders: ServiceFolders, loaders: number): Promise<ServiceProcess> {
    const service = new ServiceProcess(folders, await freePort(), loaders);
    await service.ready();
    return service;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  async ready(): Promise<void> {
    const until = Date.now() + READY_WITHIN_MS;
    for (;;) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => null);
      await answer?.arrayBuffer();
      if (answer?.ok) return;
      if (Date.now() > until) throw new Error(`the service is not ready: ${this.lastWords()}`);
      await pause(20);
    }
  }

  /** SIGKILL, and a new start at once; resolves when the new process is on its way. */
  async killAndRestart(): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await gone;
    this.kills++;
    this.#process = this.#spawn();
  }

  /** SIGKILL to one of its loaders; nothing where it has none at this moment. */
  killLoader(choose: (count: number) => number): void {
    const loaders = childrenOf(this.pid);
    const pid = loaders[choose(loaders.length)];
    if (pid === undefined) return;
    try {
      process.kill(pid, 'SIGKILL');
      this.loaderKills++;
    } catch {
      // It ended meanwhile.
    }
  }

  /** Asks it to stop and answers how it ended: its exit code or a signal. */
  async stop(): Promise<number | string> {
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_WITHIN_MS);
    const [code, signal] = (await gone) as [number | null, string | null];
    clearTimeout(timer);
    return code ?? signal ?? 'unknown';
  }

  /** Ends it whatever it does; for the way out after an error. */
  end(): void {
    this.#process.kill('SIGKILL');
  }

  lastWords(): string {
    return readFileSync(this.log, 'utf8').trimEnd().split('\n').slice(-10).join('\n');
  }

  #spawn(): ChildProcess {
    const log = openSync(this.log, 'a');
    const child = spawn(process.execPath, [CLI, 'serve', ...this.#arguments], {
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH ?? '' },
    });
    closeSync(log);
    return child;
  }
}

/**
 * A free port below those that the system gives to outgoing connections: a client that tries again and again to reach a service that is
 * away could be given the service's own port, and would then talk to itself.
 */
/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
