import type { BaseLogger } from 'pino';
import { type ChildOptions, type DeathCause, LoaderChild, LoaderDeath, type Pace } from './child.js';
import type { Task, TaskKind, TaskKinds } from './messages.js';
import { type Priority, type Queued, TurnQueue } from './queue.js';

export interface PoolOptions extends ChildOptions {
  readonly size: number;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
  /** Called for each loader whose end was not planned. */
  readonly onDeath?: (cause: DeathCause) => void;
  /** Tasks after which a child is replaced, so that what a decoder leaks has an end. */
  readonly tasksPerChild?: number;
}

export interface JobOptions {
  readonly priority: Priority;
  readonly turn: string;
  readonly deadlineMs: number;
  readonly pace?: Pace;
  /** Whether the task wants a child that has done nothing before. */
  readonly fresh?: boolean;
  /** Called when a child begins the task. */
  readonly onStart?: () => void;
}

/** A task that waits or runs. */
export interface Job<K extends TaskKind> {
  readonly outcomes: Promise<readonly TaskKinds[K]['outcome'][]>;
  /** Lets the job go before those that wait at its old priority. */
  raise(priority: Priority): void;
  /** Takes the job back if no child has begun it; `outcomes` then rejects with `Cancelled`. */
  cancel(): void;
}

/** The job was taken back before a child began it. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

interface Entry extends Queued {
  readonly task: Task;
  readonly options: JobOptions;
  readonly resolve: (outcomes: readonly unknown[]) => void;
  readonly reject: (error: Error) => void;
}

const TASKS_PER_CHILD = 50_000;
const BACK_OFF_MS = [0, 100, 200, 400, 800, 1600, 3200, 5000];

/** The loader children, shared by all: one task each at a time, the most urgent first, every dead child replaced. */
export class LoaderPool {
  readonly size: number;
  /** The number of loaders that were replaced although their end was not planned. */
  restarts = 0;
  #options: PoolOptions;
  #children = new Set<LoaderChild>();
  #isReady = new WeakSet<LoaderChild>();
  #queue = new TurnQueue<Entry>();
  #wantFresh: Entry[] = [];
  #deathsBeforeReady = 0;
  #startFailure: string | null = null;
  #closing = false;
  #timers = new Set<NodeJS.Timeout>();

  constructor(options: PoolOptions) {
    this.#options = options;
    this.size = options.size;
    for (let i = 0; i < options.size; i++) this.#spawn();
  }

  /** Children that have shaken hands and stay. */
  get readyCount(): number {
    return this.#ready().length;
  }
  get idleCount(): number {
    return this.#ready().filter((child) => !child.busy).length;
  }
  get pids(): number[] {
    return [...this.#children].flatMap((child) =>
      child.alive && child.pid !== undefined ? [child.pid] : [],
    );
  }
  /** Resident memory of all children, without the segments that they have mapped. */
  get memoryBytes(): number {
    return [...this.#children].reduce((sum, child) => sum + child.memoryBytes, 0);
  }
  submit<K extends TaskKind>(task: Task<K>, options: JobOptions): Job<K> {
    let entry!: Entry;
    const outcomes = new Promise<readonly unknown[]>((resolve, reject) => {
      entry = {
        task: task as Task,
        options,
        priority: options.priority,
        turn: options.turn,
        resolve,
        reject,
      };
    });
    if (this.#closing) entry.reject(new LoaderDeath('closing'));
    else {
      this.#queue.push(entry);
      this.#dispatch();
    }
    return {
      outcomes: outcomes as Promise<readonly TaskKinds[K]['outcome'][]>,
      raise: (priority) => this.#queue.raise(entry, priority),
      cancel: () => {
        const waited = this.#queue.remove(entry) || this.#leaveFresh(entry);
        if (waited) entry.reject(new Cancelled('the job was taken back'));
      },
    };
  }

  /** Takes no more tasks, lets those under way finish for `graceMs`, then ends every child. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const entry of [...this.#queue.drain(), ...this.#wantFresh.splice(0)])
      entry.reject(new LoaderDeath('closing'));
    const until = Date.now() + graceMs;
    while ([...this.#children].some((child) => child.busy) && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 10));
    const children = [...this.#children];
    for (const child of children) child.kill('closing');
    await Promise.all(children.map((child) => child.exited));
  }

  /** The reason why the last loader could not be started; null if it was. */
  get startFailure(): string | null {
    return this.#startFailure;
  }

  #spawn(): void {
    let child: LoaderChild;
    try {
      child = new LoaderChild(this.#options);
    } catch (error) {
      // Some system failures are thrown, others come as an event.
      const { code, name } = error as NodeJS.ErrnoException;
      this.#deathsBeforeReady++;
      this.#spawnLater(code ?? name);
      return;
    }
    this.#children.add(child);
    void child.ready
      .then(
        () => {
          this.#isReady.add(child);
          this.#deathsBeforeReady = 0;
          this.#startFailure = null;
          this.#dispatch();
        },
        () => {
          this.#deathsBeforeReady++;
        },
      )
      .then(() => child.exited)
      .then(() => this.#replace(child));
  }

  #replace(dead: LoaderChild): void {
    this.#children.delete(dead);
    if (this.#closing) return;
    const { cause, idle } = dead.ended ?? { cause: 'crash', idle: true };
    if (cause !== 'closing' && dead.startFailure === null) {
      this.restarts++;
      this.#options.onDeath?.(cause);
      const wasReady = this.#isReady.has(dead);
      if (idle && wasReady) this.#options.log.warn({ cause }, 'a loader ended while it was idle');
    }
    this.#spawnLater(dead.startFailure);
  }

  /** Starts another child. The delay grows with the number of children in a row that did not get ready. */
  #spawnLater(startFailure: string | null): void {
    const { log } = this.#options;
    const deaths = this.#deathsBeforeReady;
    this.#startFailure = startFailure;
    if (startFailure !== null) log.warn({ deaths, code: startFailure }, 'a loader could not be started');
    else if (deaths > 0) log.warn({ deaths }, 'a loader ended before it was ready');
    const step = Math.min(deaths, BACK_OFF_MS.length - 1);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#closing) this.#spawn();
    }, BACK_OFF_MS[step]);
    this.#timers.add(timer);
  }

  #ready(): LoaderChild[] {
    return [...this.#children].filter((child) => !child.leaving && this.#isReady.has(child));
  }

  #leaveFresh(entry: Entry): boolean {
    const at = this.#wantFresh.indexOf(entry);
    if (at >= 0) this.#wantFresh.splice(at, 1);
    return at >= 0;
  }

  #dispatch(): void {
    for (const child of this.#ready()) {
      if (child.busy || child.leaving) continue;
      const fresh = child.tasksDone === 0 ? this.#wantFresh.shift() : undefined;
      const entry = fresh ?? this.#queue.take();
      if (!entry) continue;
      if (entry.options.fresh && child.tasksDone > 0) {
        this.#wantFresh.push(entry);
        child.kill('closing');
      } else this.#give(child, entry);
    }
  }

  #give(child: LoaderChild, entry: Entry): void {
    entry.options.onStart?.();
    // Retire a worn child before reporting the outcome: a caller that submits the next task at once must not
    // get a child that is leaving.
    const retireIfWorn = () => {
      if (child.tasksDone >= (this.#options.tasksPerChild ?? TASKS_PER_CHILD)) child.kill('closing');
    };
    child
      .run(entry.task, entry.options.deadlineMs, entry.options.pace)
      .then(
        (outcomes) => {
          retireIfWorn();
          entry.resolve(outcomes);
        },
        (error: Error) => {
          retireIfWorn();
          if (error instanceof LoaderDeath)
            this.#options.log.warn(
              { cause: error.death, task: entry.task.kind },
              'a loader ended in the middle of a task',
            );
          entry.reject(error);
        },
      )
      .finally(() => {
        // Behind what follows from the outcome: a batch is done, and said to be, before the next one starts.
        process.nextTick(() => this.#dispatch());
      });
  }
}
