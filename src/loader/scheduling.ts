import { readdirSync } from 'node:fs';
import { cLibrary } from './c-library.js';

// Of Linux's sched.h.
const SCHED_BATCH = 3;

/**
 * Makes this process one that works through what it is given: when there is something to do it waits for a processor that has nothing
 * else, or for its turn, and takes none from the service that sends a batch or from a trainer of this machine that reads it. No less processor
 * time is its own (sched(7)). Does nothing where the system has no such thing.
 */
export function workInBatches(): void {
  try {
    const schedule = cLibrary()?.load(null).func('int sched_setscheduler(int, int, const int *)');
    if (!schedule) return;
    for (const thread of readdirSync('/proc/self/task')) schedule(Number(thread), SCHED_BATCH, [0]);
  } catch {
    // No such call, or no list of threads: it is a matter of courtesy only.
  }
}
