import { largestOf } from '../core/long-lists.js';
import type { Engine, Loading, Pace } from '../engine/engine.js';
import { PassingMap } from '../passing-map.js';
import type { Batch } from './batch.js';
import { Gate } from './gate.js';

/** Bodies of one rank that may be on the way at a time; more wait. */
const SENDING_PER_RANK = 2;

/** A trainer that takes so long between an answer and what it asks for next does something else meanwhile. */
const CALM_MS = 1;

/** A batch that is loaded or being loaded. */
export interface Warm {
  readonly batch: Batch;
  readonly loading: Loading;
}

/** One rank's place in a session: the step it was asked for, and the batches kept warm behind it. */
export class RankWindow {
  readonly gate = new Gate(
    SENDING_PER_RANK,
    'two batches of this rank are still being sent: read them or close them',
  );
  #reach: { readonly steps: number | null; readonly prefetch: number };
  #make: (step: number) => Batch;
  #engine: Engine;
  /** When the last answer ended. */
  #answeredMs = Number.NEGATIVE_INFINITY;
  /** The step that was asked for last; null where nothing is to follow it. */
  #latest: number | null = null;
  /** The batch that will be warmed next, looked up while there was time. */
  #prepared: { readonly step: number; readonly batch: Batch } | null = null;
  #warm = new PassingMap<number, Warm>();
  /** The steps that are being loaded for an asker or sent, and for how many. */
  #held = new Map<number, number>();

  constructor(
    reach: { readonly steps: number | null; readonly prefetch: number },
    make: (step: number) => Batch,
    engine: Engine,
  ) {
    this.#reach = reach;
    this.#make = make;
    this.#engine = engine;
  }

  get warmCount(): number {
    return [...this.#warm.values()].filter(({ loading }) => loading.finished).length;
  }

  /** Whether somebody else asked for the step and has not got all of it. */
  isUnderWay(step: number): boolean {
    return this.#held.has(step);
  }

  /** Takes a step's batch out for an asker: the warm one, else one that begins to load. Ends with `letGo`. */
  take(step: number): Warm {
    const warm = this.#warm.get(step);
    this.#warm.delete(step);
    // A file that was away while the batch was warmed may be back.
    const isStale = warm?.loading.stale === true;
    if (isStale) warm.loading.abandon();
    else warm?.loading.raise();
    const taken = isStale || !warm ? this.#load(step, 'asked') : warm;
    this.#held.set(step, (this.#held.get(step) ?? 0) + 1);
    return taken;
  }

  letGo(step: number): void {
    this.#answeredMs = performance.now();
    const left = (this.#held.get(step) ?? 0) - 1;
    if (left > 0) this.#held.set(step, left);
    else this.#held.delete(step);
  }

  /**
   * Starts the batches after a step that was taken, and gives back what the window does not reach any more. Where the batch lay ready, and the
   * next one does or the trainer takes its time, the answer goes first: all but the very next one start behind it, and what follows the window is looked
   * up behind their loads.
   */
  warmAfter(step: number, taken: Warm): void {
    const isCalm = taken.loading.finished && (this.#isLoaded(step + 1) || this.#takesItsTime());
    const { prefetch } = this.#reach;
    const last = step + prefetch;
    this.#latest = step;
    for (const [held, { loading }] of this.#warm.entries()) {
      if (held > step && held <= last) continue;
      this.#warm.delete(held);
      loading.abandon();
    }
    // Counted from the step: behind the last whole number that there is, one more is none more.
    const warmFrom = (first: number) => {
      for (let ahead = first; ahead <= prefetch; ahead++) this.warm(step + ahead, isCalm ? 'calm' : 'brisk');
    };
    const prepareNext = () => this.#prepare(last + 1);
    if (isCalm) {
      if (prefetch > 0) this.warm(step + 1, 'calm');
      this.#behind(step, () => {
        warmFrom(2);
        // A reader that has to share a processor with this process takes its batch in when this one sleeps: by the end of a load it has.
        this.#warm.get(last)?.loading.lease.then(
          () => this.#behind(step, prepareNext),
          () => {},
        );
      });
    } else {
      warmFrom(1);
      this.#behind(step, prepareNext);
    }
  }

  /** Does something behind what is under way, where no other step is asked for by then. */
  #behind(step: number, work: () => void): void {
    setImmediate(() => {
      if (this.#latest !== step) return;
      try {
        work();
      } catch {
        // Nobody asked for it yet: who does meets the same failure, and gets it as an answer.
      }
    });
  }

  #isLoaded(step: number): boolean {
    return this.#warm.get(step)?.loading.finished === true;
  }

  #takesItsTime(): boolean {
    return performance.now() - this.#answeredMs >= CALM_MS;
  }

  /** Gives every warm batch back, and starts none any more. */
  close(): void {
    this.#latest = null;
    while (this.cool());
  }

  /**
   * Starts to load a step that nobody asked for yet. A failure comes up again, and is reported, when somebody
   * asks for the step.
   */
  warm(step: number, pace: Pace = 'brisk'): void {
    if (this.#warm.has(step) || step >= (this.#reach.steps ?? Number.MAX_SAFE_INTEGER)) return;
    let warm: Warm;
    try {
      warm = this.#load(step, 'warm', pace);
    } catch {
      return;
    }
    this.#warm.set(step, warm);
    // A warm-up that fails (no room, a loader that ended) is no answer to anybody: the step is loaded when it is asked for.
    warm.loading.lease.catch(() => {
      if (this.#warm.get(step) === warm) this.#warm.delete(step);
    });
  }

  #load(step: number, priority: 'asked' | 'warm', pace: Pace = 'brisk'): Warm {
    const batch = this.#prepared?.step === step ? this.#prepared.batch : this.#make(step);
    this.#prepared = null;
    return { batch, loading: this.#engine.load(batch.order, priority, pace) };
  }

  /** While the trainer is busy with a step, what loading and describing the one behind the window needs is looked up. */
  #prepare(step: number): void {
    if (this.#warm.has(step) || this.#warm.size === 0 || this.#prepared?.step === step) return;
    if (step >= (this.#reach.steps ?? Number.MAX_SAFE_INTEGER)) return;
    const batch = this.#make(step);
    batch.prepare();
    this.#prepared = { step, batch };
  }

  /** Gives one warm batch back, the furthest ahead; false when there is none. */
  cool(): boolean {
    const furthest = largestOf(this.#warm.keys());
    const warm = this.#warm.get(furthest);
    if (!warm) return false;
    this.#warm.delete(furthest);
    warm.loading.abandon();
    return true;
  }
}
