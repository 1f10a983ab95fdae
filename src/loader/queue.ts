import { PassingMap } from '../passing-map.js';

/** `asked`: a trainer waits; `warm`: for the step after; `scan`: the catalogue. Earlier ones go first. */
export const PRIORITIES = ['asked', 'warm', 'scan'] as const;
export type Priority = (typeof PRIORITIES)[number];

/** What waits in a queue: its priority may rise while it waits. */
export interface Queued {
  priority: Priority;
  /** Who it is for; those who wait at one priority take turns. */
  readonly turn: string;
}

/** So many jobs may go before one of a later priority that waits; then it is its turn. */
const MOST_AHEAD = 32;

/**
 * Waiting jobs: by priority, and among the turns of one priority round robin, so that none starves another. Where trainers keep all loaders
 * busy for good, a scan still gets on: now and then the job goes first that would be last.
 */
export class TurnQueue<Job extends Queued> {
  #waiting = new Map<Priority, PassingMap<string, Job[]>>(
    PRIORITIES.map((priority) => [priority, new PassingMap()]),
  );
  #size = 0;
  #ahead = 0;

  get size(): number {
    return this.#size;
  }

  push(job: Job): void {
    const turns = this.#waiting.get(job.priority)!;
    const jobs = turns.get(job.turn);
    if (jobs) jobs.push(job);
    else turns.set(job.turn, [job]);
    this.#size++;
  }

  /** Takes the next job, and puts its turn behind the others. */
  take(): Job | null {
    const some = [...this.#waiting.values()].filter(({ size }) => size > 0);
    const [first] = some;
    if (!first) return null;
    this.#ahead = some.length > 1 ? this.#ahead + 1 : 0;
    if (this.#ahead <= MOST_AHEAD) return this.#takeOf(first);
    this.#ahead = 0;
    return this.#takeOf(some.at(-1)!);
  }

  #takeOf(turns: PassingMap<string, Job[]>): Job {
    const [turn, jobs] = turns.entries().next().value!;
    const job = jobs.shift()!;
    turns.delete(turn);
    if (jobs.length > 0) turns.set(turn, jobs);
    this.#size--;
    return job;
  }

  /** Takes a certain job out; false when it does not wait here any more. */
  remove(job: Job): boolean {
    const turns = this.#waiting.get(job.priority)!;
    const jobs = turns.get(job.turn) ?? [];
    const at = jobs.indexOf(job);
    if (at < 0) return false;
    jobs.splice(at, 1);
    if (jobs.length === 0) turns.delete(job.turn);
    this.#size--;
    return true;
  }

  raise(job: Job, priority: Priority): void {
    if (PRIORITIES.indexOf(priority) >= PRIORITIES.indexOf(job.priority) || !this.remove(job)) return;
    job.priority = priority;
    this.push(job);
  }

  drain(): Job[] {
    const all: Job[] = [];
    for (let job = this.take(); job; job = this.take()) all.push(job);
    return all;
  }
}
