import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { GatheredBytes } from './long-bytes.js';
import type { DecodeTally, FromLoader, LoaderLimits, PlaceOutcome, Task, ToLoader } from './messages.js';
import { SentSources } from './sealed.js';

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const READY_TIMEOUT_MS = 20_000;
const MEMORY_POLL_MS = 50;
const KILL_AFTER_MS = 2_000;

/** Why a child ended in the middle of a task. `outside`: somebody else killed it, which says nothing of its files. */
export type DeathCause = 'crash' | 'deadline' | 'memory' | 'outside' | 'closing';

/** The task's child ended before it answered. */
export class LoaderDeath extends Error {
  override readonly name = 'LoaderDeath';
  constructor(readonly death: DeathCause) {
    super(`a loader ended in the middle of a task: ${death}`);
  }
}

/** The child lived and could not do the task for want of room on the machine. */
export class NoRoom extends Error {
  override readonly name = 'NoRoom';
}

/** `calm`: what this process is in the middle of writing goes first. A child that wakes meanwhile would take the processor from it. */
export type Pace = 'calm' | 'brisk';

export interface ChildOptions {
  readonly limits: LoaderLimits;
  readonly memoryBytes: number;
  /** Where the child keeps decoded frames; nowhere by default. */
  readonly decodedFolder?: string | null;
  /** Whether segments lie in memory that it can map; not by default. */
  readonly sharesSegments?: boolean;
  /** Told of what its cache did in a task. */
  readonly onDecodes?: (tally: DecodeTally) => void;
  /** How long a child may take to be ready. */
  readonly readyTimeoutMs?: number;
  /** How far behind others its processor time stands: 0, or up to 19. */
  readonly niceness?: number;
  /** The program of the child; tests hand in their own. */
  readonly main?: string;
  readonly env?: Record<string, string>;
}

// Signals that a process raises by its own fault; any other one came from somebody else.
const OWN_FAULT = new Set<NodeJS.Signals>([
  'SIGSEGV',
  'SIGABRT',
  'SIGBUS',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
  'SIGSYS',
]);

interface Pending {
  readonly id: number;
  /** The number of outcomes that the task has. */
  readonly units: number;
  readonly resolve: (outcomes: readonly unknown[]) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
  /** What came ahead of the answer. */
  bytes: GatheredBytes | null;
}

/** One loader process: does one task at a time, and settles every promise it gave when it ends. */
export class LoaderChild {
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  tasksDone = 0;
  /** The code of the error that kept the process from starting. */
  startFailure: string | null = null;
  /** Resident memory at the last check, without the segments that it has mapped. */
  memoryBytes = 0;
  /** The cause of its end, and whether it was idle at that time; null while it lives. */
  ended: { readonly cause: DeathCause; readonly idle: boolean } | null = null;
  #process: ChildProcess;
  #pending: Pending | null = null;
  #killedFor: DeathCause | null = null;
  #alive = true;
  #nextId = 1;
  #poll: NodeJS.Timeout;
  #onDecodes: (tally: DecodeTally) => void;
  #limits: LoaderLimits;
  #sent: SentSources;
  /** Whether to tell the child to forget the sources that it was sent. */
  #forgets = false;

  constructor(options: ChildOptions) {
    this.#onDecodes = options.onDecodes ?? (() => {});
    this.#limits = options.limits;
    this.#sent = new SentSources(options.limits);
    // execArgv is empty on purpose: flags such as --inspect of the parent must not reach its children.
    this.#process = fork(options.main ?? MAIN, [], {
      execArgv: [],
      serialization: 'advanced',
      // What a decoder prints may quote its input; what a task failed of comes back as a message.
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: process.env.PATH ?? '', ...options.env },
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        this.#end(code, signal);
        resolve();
      });
      // There may be several errors: sending to a process that could not be started fails as well.
      this.#process.on('error', (error: NodeJS.ErrnoException) => {
        if (this.#process.pid !== undefined) return;
        this.startFailure ??= error.code ?? error.name;
        this.#end(1, null);
        resolve();
      });
    });
    this.#giveWay(options.niceness ?? 0);
    this.ready = this.#handshake(options);
    this.ready.catch(() => {});
    this.#poll = setInterval(() => this.#checkMemory(options.memoryBytes), MEMORY_POLL_MS);
    this.#poll.unref();
    this.#process.on('message', (message: FromLoader) => {
      try {
        this.#receive(message);
      } catch {
        // A message that makes no sense means that the child is broken: end it, and its task with it.
        this.kill('crash');
      }
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }
  get alive(): boolean {
    return this.#alive;
  }
  /** Whether it has ended, was told to end, or can't be reached: it gets no more tasks. */
  get leaving(): boolean {
    return !this.#alive || this.#killedFor !== null || !this.#process.connected;
  }
  get busy(): boolean {
    return this.#pending !== null;
  }

  /**
   * Gives the child a task and waits for its outcomes, one for each unit. Rejects with `LoaderDeath` when the child
   * ends first (also because `deadlineMs` passed), with `NoRoom`, or with the error that the child reported.
   */
  run(task: Task, deadlineMs: number, pace: Pace = 'brisk'): Promise<readonly unknown[]> {
    if (this.#pending) throw new Error('the loader is busy');
    if (!this.#alive || !this.#process.connected) return Promise.reject(new LoaderDeath('outside'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.kill('deadline'), deadlineMs);
      this.#pending = { id, units: task.units.length, resolve, reject, timer, bytes: null };
      const hand = () => {
        try {
          const forgets = this.#forgets;
          this.#forgets = false;
          this.#send({ type: 'task', id, task: this.#toSend(task), forgets });
        } catch (error) {
          this.#forget();
          this.#settle(id, (pending) => pending.reject(error as Error));
        }
      };
      if (pace === 'brisk') hand();
      else setImmediate(hand);
    });
  }

  /** Ends the child: asks the kernel kindly, then not; a task under way is rejected with the cause. */
  kill(cause: DeathCause): void {
    if (!this.#alive || this.#killedFor) return;
    this.#killedFor = cause;
    this.#process.kill('SIGTERM');
    // A child that hangs in a decoder runs no signal handler, but SIGTERM's default needs none; this is for one stopped by a debugger or SIGSTOP.
    const last = setTimeout(() => this.#process.kill('SIGKILL'), KILL_AFTER_MS);
    void this.exited.then(() => clearTimeout(last));
  }

  #giveWay(niceness: number): void {
    const { pid } = this.#process;
    if (niceness === 0 || pid === undefined) return;
    try {
      setPriority(pid, niceness);
    } catch {
      // It ended already, or the system has no priorities: it is a matter of courtesy only.
    }
  }

  async #handshake(options: ChildOptions): Promise<void> {
    const { limits, decodedFolder = null, sharesSegments = false, readyTimeoutMs } = options;
    const timeoutMs = readyTimeoutMs ?? READY_TIMEOUT_MS;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.kill('deadline');
        reject(new LoaderDeath('deadline'));
      }, timeoutMs);
      const onReady = (message: FromLoader) => {
        if (message?.type !== 'ready') return;
        clearTimeout(timer);
        this.#process.off('message', onReady);
        resolve();
      };
      this.#process.on('message', onReady);
      void this.exited.then(() => {
        clearTimeout(timer);
        reject(new LoaderDeath(this.#killedFor ?? 'crash'));
      });
      this.#send({ type: 'limits', limits, decodedFolder, sharesSegments });
    });
  }

  /** Forgets the sources on both ends: after a task that failed it is unknown which ones it kept. */
  #forget(): void {
    this.#sent = new SentSources(this.#limits);
    this.#forgets = true;
  }

  #toSend(task: Task): Task {
    return task.kind === 'load' ? { ...task, units: this.#sent.toSend(task.units) } : task;
  }

  #send(message: ToLoader): void {
    // The callback takes the error of a channel that closes meanwhile; the exit event settles the task.
    if (this.#process.connected) this.#process.send(message, () => {});
  }

  #receive(message: FromLoader): void {
    switch (message.type) {
      case 'ready':
        return;
      case 'done':
        if (this.#pending?.id === message.id && !isOutcomes(message.outcomes, this.#pending.units))
          throw new Error('a loader answered a task with what are no outcomes of it');
        if (message.decodes) this.#onDecodes(message.decodes);
        this.#settle(message.id, ({ resolve, bytes }) =>
          resolve(bytes ? bytes.giveBack(message.outcomes as readonly PlaceOutcome[]) : message.outcomes),
        );
        return;
      case 'bytes':
        if (this.#pending?.id !== message.id) return;
        this.#pending.bytes ??= new GatheredBytes();
        this.#pending.bytes.add(message.piece);
        return;
      case 'room':
        this.#forget();
        this.#settle(message.id, (pending) => pending.reject(new NoRoom(message.reason)));
        return;
      case 'failed':
        this.#forget();
        this.#settle(message.id, (pending) =>
          pending.reject(new Error(`a loader failed: ${message.reason}`)),
        );
        return;
      default:
        throw new Error(
          `unknown message ${JSON.stringify((message as { type?: unknown }).type)} from a loader`,
        );
    }
  }

  #settle(id: number, finish: (pending: Pending) => void): void {
    const pending = this.#pending;
    if (!pending || pending.id !== id) return;
    clearTimeout(pending.timer);
    this.#pending = null;
    this.tasksDone++;
    finish(pending);
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    if (!this.#alive) return;
    this.#alive = false;
    clearInterval(this.#poll);
    const pending = this.#pending;
    this.#pending = null;
    const own = signal === null ? code !== null : OWN_FAULT.has(signal);
    const cause = this.#killedFor ?? (own ? 'crash' : 'outside');
    this.ended = { cause, idle: pending === null };
    this.memoryBytes = 0;
    if (!pending) return;
    clearTimeout(pending.timer);
    pending.reject(new LoaderDeath(cause));
  }

  #checkMemory(limitBytes: number): void {
    const pid = this.#process.pid;
    if (pid === undefined || !this.#alive) return;
    try {
      this.memoryBytes = ownMemoryBytes(readFileSync(`/proc/${pid}/status`, 'utf8'));
      if (this.memoryBytes > limitBytes) this.kill('memory');
    } catch {
      // Between the process's end and its exit event, or on a system without /proc: nothing to read.
    }
  }
}

/** Whether a loader's answer has an outcome for each of `units` units. */
function isOutcomes(answer: unknown, units: number): boolean {
  return (
    Array.isArray(answer) &&
    answer.length === units &&
    answer.every((outcome) => typeof outcome === 'object' && outcome !== null)
  );
}

/** Resident memory by a process's `/proc` status, without the segments that it has mapped: they count in the budget of batches. */
export function ownMemoryBytes(status: string): number {
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0);
  return (kib('VmRSS') - kib('RssShmem')) * 1024;
}
