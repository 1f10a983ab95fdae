import { LoaderDeath, type Pace } from './child.js';
import type { Task, TaskKind, TaskKinds } from './messages.js';
import { Cancelled, type Job, type LoaderPool } from './pool.js';
import type { Priority } from './queue.js';

/** A unit that alone, in a fresh child, twice ended its child. */
export interface Lethal {
  readonly kind: 'lethal';
  readonly cause: 'crash' | 'deadline' | 'memory';
}

export interface SuperviseOptions {
  readonly priority: Priority;
  readonly turn: string;
  /** For a whole task, and again for each unit that is tried alone. */
  readonly deadlineMs: number;
  readonly pace?: Pace;
  /** Called each time a child begins it, or a unit of it. */
  readonly onStart?: () => void;
}

/** A task under supervision: every unit gets its outcome or is found lethal. */
export interface Supervised<K extends TaskKind> {
  readonly outcomes: Promise<readonly (TaskKinds[K]['outcome'] | Lethal)[]>;
  raise(priority: Priority): void;
  cancel(): void;
}

const KILLS_FROM_OUTSIDE = 5;
const DEATHS_ALONE = 2;

/**
 * Runs a task and bears with the deaths of its children: a kill from outside is tried again (a few times, then it
 * rejects with `LoaderDeath`), any other death has its units tried one by one, each in a fresh child, twice.
 */
export function supervise<K extends TaskKind>(
  pool: LoaderPool,
  task: Task<K>,
  options: SuperviseOptions,
): Supervised<K> {
  let priority = options.priority;
  let current: Job<K> | null = null;
  let cancelled = false;
  const attempt = (part: Task<K>, fresh: boolean) => {
    if (cancelled) throw new Cancelled('the task was taken back');
    const { priority: _, ...rest } = options;
    current = pool.submit<K>(part, { ...rest, priority, fresh });
    return current.outcomes;
  };
  const bearing = async (part: Task<K>, fresh: boolean) => {
    for (let kills = 1; ; kills++) {
      try {
        return await attempt(part, fresh);
      } catch (error) {
        const outside = error instanceof LoaderDeath && error.death === 'outside';
        if (!outside || kills >= KILLS_FROM_OUTSIDE) throw error;
      }
    }
  };
  const alone = async (unit: TaskKinds[K]['unit']): Promise<TaskKinds[K]['outcome'] | Lethal> => {
    for (let deaths = 1; ; deaths++) {
      try {
        return (await bearing({ ...task, units: [unit] } as unknown as Task<K>, true))[0]!;
      } catch (error) {
        if (!(error instanceof LoaderDeath) || error.death === 'closing' || error.death === 'outside')
          throw error;
        if (deaths >= DEATHS_ALONE) return { kind: 'lethal', cause: error.death };
      }
    }
  };
  const whole = async () => {
    try {
      return await bearing(task, false);
    } catch (error) {
      if (!(error instanceof LoaderDeath) || error.death === 'closing' || error.death === 'outside')
        throw error;
    }
    const outcomes: (TaskKinds[K]['outcome'] | Lethal)[] = [];
    for (const unit of task.units) outcomes.push(await alone(unit));
    return outcomes;
  };
  return {
    outcomes: whole(),
    raise(to) {
      priority = to;
      current?.raise(to);
    },
    cancel() {
      cancelled = true;
      current?.cancel();
    },
  };
}
