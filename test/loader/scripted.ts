import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { DEFAULT_LIMITS } from '../../src/core/dicom.js';
import type { ChildOptions } from '../../src/loader/child.js';
import type { LoaderLimits, Task } from '../../src/loader/messages.js';
import { LoaderPool, type PoolOptions } from '../../src/loader/pool.js';
import { temporaryFolder } from '../helper.js';
import { fixture } from './processes.js';

type Teardown = Parameters<typeof temporaryFolder>[0];

export const LIMITS: LoaderLimits = {
  ...DEFAULT_LIMITS,
  fileBytes: 1_000_000,
  contourPoints: 1000,
  keptBytes: 1_000_000,
  segmentFraction: 0.5,
};

/** A task for the scripted loader: one unit for each thing to do. */
export function script(...does: string[]): Task<'scan'> {
  const units = does.map((path) => ({ path, kind: 'contour' as const, sizeBytes: 0, withChecksums: false }));
  return { kind: 'scan', root: '/', units };
}

/** What the scripted loader answered for a unit; `done`: the tasks it had finished before. */
export interface Answer {
  readonly path: string;
  readonly pid: number;
  readonly done: number;
}

export function answers(outcomes: readonly unknown[]): Answer[] {
  return outcomes.map((outcome) => JSON.parse((outcome as { detail: string }).detail));
}

/** A unit that a loader holds. */
export interface Held {
  readonly pid: number;
  release(): void;
}

/** Where scripted loaders say that they hold a unit (`hold:NAME`), and wait to be released. */
export interface Latches {
  readonly env: Record<string, string>;
  /** The next loader that holds this name; each is given out once. */
  held(name: string): Promise<Held>;
}

export async function startLatches(t: Teardown): Promise<Latches> {
  const path = join(temporaryFolder(t), 'latch');
  const arrived = new Map<string, Held[]>();
  const waiting = new Map<string, ((held: Held) => void)[]>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // A loader that is killed while it holds leaves its end of the socket broken.
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      const { name, pid } = JSON.parse(String(bytes)) as { name: string; pid: number };
      const held = { pid, release: () => void socket.write('.') };
      const next = waiting.get(name)?.shift();
      if (next) next(held);
      else arrived.set(name, [...(arrived.get(name) ?? []), held]);
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    env: { LATCH: path },
    held(name) {
      const present = arrived.get(name)?.shift();
      if (present) return Promise.resolve(present);
      return new Promise((resolve) => waiting.set(name, [...(waiting.get(name) ?? []), resolve]));
    },
  };
}

/** Options of a child that runs the scripted loader. */
export function scripted(changes: Partial<ChildOptions> = {}): ChildOptions {
  return { limits: LIMITS, memoryBytes: 1024 ** 3, main: fixture('scripted-loader'), ...changes };
}

export type LogLine = Record<string, unknown> & { readonly msg: string };

/** A log in memory. */
export function memoryLog(): { log: Logger; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const log = pino({ level: 'debug', base: null }, { write: (text) => lines.push(JSON.parse(text)) });
  return { log, lines };
}

/** A pool of scripted loaders, all ready, closed after the test. */
export async function startPool(
  t: Teardown,
  options: Partial<PoolOptions> = {},
): Promise<{ pool: LoaderPool; lines: LogLine[] }> {
  const { log, lines } = memoryLog();
  const pool = new LoaderPool({ ...scripted(), size: 1, log, ...options });
  t.teardown(() => pool.close(0));
  await allReady(pool);
  return { pool, lines };
}

/** Resolves when every child of a pool has shaken hands. */
export async function allReady(pool: LoaderPool): Promise<void> {
  // A pool has no event for it.
  while (pool.readyCount < pool.size) await new Promise((resolve) => setTimeout(resolve, 5));
}
