import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface Teardown {
  teardown(work: () => unknown): unknown;
}

/** A program of test/fixtures by its name. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}.js`, import.meta.url));
}

/** A process that stays until it is killed, and the first line that it printed. */
export interface Running {
  readonly line: string;
  readonly process: ChildProcess;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

/** Runs a fixture until the test ends. */
export async function run(t: Teardown, name: string, ...args: string[]): Promise<Running> {
  const process = spawn(globalThis.process.execPath, [fixture(name), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(process, 'exit');
  const kill = async () => {
    process.kill('SIGKILL');
    await exited;
  };
  t.teardown(kill);
  const lines = createInterface(process.stdout);
  const [line] = (await Promise.race([once(lines, 'line'), exited])) as [unknown];
  if (typeof line !== 'string') throw new Error(`${name} ended before it printed a line`);
  return { line, process, kill };
}

/** Whether a process of this id runs; one that has ended and that nobody has waited for yet doesn't. */
export function isThere(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

const GONE_WITHIN_MS = 60_000;

/** Resolves when a process that is no child of ours is gone; rejects after a minute. */
export async function goneAfter(pid: number): Promise<void> {
  const startedAt = performance.now();
  // Nothing tells of the end of a process that is nobody's child here.
  while (isThere(pid)) {
    if (performance.now() - startedAt > GONE_WITHIN_MS) throw new Error(`process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The promise's value, or a rejection where it takes longer: a wait that has an end. */
export function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limitMs} ms`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
