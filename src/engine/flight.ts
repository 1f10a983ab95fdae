import type { BaseLogger } from 'pino';
import { NoRoom } from '../loader/child.js';
import type { LoadUnit } from '../loader/messages.js';
import { Cancelled, type LoaderPool } from '../loader/pool.js';
import { BudgetExceeded, type Claim, type Segment, type Spool } from '../loader/spool.js';
import { type Supervised, supervise } from '../loader/supervise.js';
import { untilAborted } from '../until-aborted.js';
import type { BatchOrder, Lease, Loading, Pace, SlotOutcome, Urgency } from './engine.js';
import { Interest } from './interest.js';
import { splitUnits } from './split.js';

export interface FlightOptions {
  readonly pool: LoaderPool;
  readonly spool: Spool;
  /** Draws pictures, so that a person who looks at one keeps no trainer waiting. */
  readonly pictures: () => LoaderPool;
  /** Told of each finished load. */
  readonly onLoaded: (ms: number) => void;
  readonly log: Pick<BaseLogger, 'debug' | 'warn' | 'error'>;
  /** For one task, and again for each pair that is tried alone. */
  readonly pairTimeoutMs: number;
  /** How long an asked batch waits for room in the budget. */
  readonly roomWaitMs?: number;
}

const ROOM_WAIT_MS = 5_000;

/** What came of a flight. */
export interface Loaded {
  readonly segment: Segment;
  readonly outcomes: readonly SlotOutcome[];
  readonly loadMs: number;
}

/** One load of one address, shared by all who want it; its segment goes back when the last one lets go. */
export class Flight implements Claim {
  finished = false;
  stale = false;
  /** What is loaded, from the beginning of the load on. */
  units: readonly LoadUnit[] = [];
  readonly settled: Promise<unknown>;
  #order: BatchOrder;
  #urgency: Urgency;
  #isReserved: boolean;
  #pace: Pace;
  #options: FlightOptions;
  #ended: () => void;
  #interests = 0;
  #cancelled = false;
  #parts: Supervised<'load'>[] = [];
  readonly result: Promise<Loaded>;

  constructor(order: BatchOrder, urgency: Urgency, pace: Pace, options: FlightOptions, ended: () => void) {
    this.#order = order;
    this.#urgency = urgency;
    this.#isReserved = order.isReserved;
    this.#pace = pace;
    this.#options = options;
    this.#ended = ended;
    this.result = this.#run().catch((error) => this.#again(error));
    this.settled = this.result.then(
      ({ outcomes }) => {
        this.finished = true;
        this.stale = outcomes.some(({ kind }) => kind === 'changed' || kind === 'unreadable');
        if (this.#interests === 0) this.#giveBack();
      },
      (error) => {
        this.#ended();
        if (!(error instanceof Cancelled || error instanceof BudgetExceeded))
          options.log.error({ ...order.label, err: error }, 'load failed');
      },
    );
  }

  get sizeBytes(): number {
    return this.#order.layout.sizeBytes;
  }

  /** Whether anyone who wants the load has room reserved. */
  get isReserved(): boolean {
    return this.#isReserved;
  }

  get isOver(): boolean {
    return this.#cancelled;
  }

  join(isReserved: boolean): Loading {
    this.#interests++;
    if (isReserved && !this.#isReserved) {
      this.#isReserved = true;
      this.#options.spool.lookAgain();
    }
    return new Interest(this);
  }

  /** One interest less; the last one takes the segment with it. */
  leave(): void {
    if (--this.#interests === 0) this.#giveUp();
  }

  read(segment: Segment, offset: number, length: number, into: Uint8Array): void {
    this.#options.spool.read(segment, offset, length, into);
  }

  view(segment: Segment): Uint8Array | null {
    return this.#options.spool.view(segment)?.subarray(0, this.sizeBytes) ?? null;
  }

  async draw(segment: Segment, ...[unit, signal]: Parameters<Lease['draw']>): Promise<Uint8Array> {
    const { pictures, pairTimeoutMs } = this.#options;
    const { layout, turn } = this.#order;
    // The segment stays while it is drawn, also when the lease ends meanwhile.
    this.#interests++;
    const units = [{ ...unit, segment: segment.path, shape: layout.shape }];
    const task = { kind: 'draw' as const, units };
    const job = pictures().submit<'draw'>(task, { priority: 'asked', turn, deadlineMs: pairTimeoutMs });
    // A loader that is already drawing reads the segment until it is done, even if nobody waits.
    job.outcomes.catch(() => {}).finally(() => this.leave());
    try {
      return (await untilAborted(job.outcomes, signal))[0]!;
    } catch (error) {
      job.cancel();
      throw error;
    }
  }

  raise(): void {
    this.#urgency = 'asked';
    for (const part of this.#parts) part.raise('asked');
  }

  /**
   * Tries a load once more, in a new segment, if it had no room or its segment was removed. `discard` has
   * freed the segments that were kept for reuse.
   */
  async #again(error: unknown): Promise<Loaded> {
    if (!(error instanceof NoRoom) || this.#cancelled) throw error;
    this.#options.log.warn({ ...this.#order.label, err: error }, 'load is tried again');
    return this.#run(true);
  }

  async #run(isAgain = false): Promise<Loaded> {
    const { spool, pool, log, pairTimeoutMs, roomWaitMs = ROOM_WAIT_MS } = this.#options;
    const { label, layout, recipe, segmentBytes, turn } = this.#order;
    const segment = await this.#room(spool, segmentBytes, roomWaitMs, isAgain);
    let startedAt = 0;
    try {
      if (this.#cancelled) throw new Cancelled('nobody waits for this batch any more');
      if (this.units.length === 0) this.units = this.#order.units();
      const { units } = this;
      const onStart = () => {
        if (startedAt > 0) return;
        startedAt = performance.now();
        log.debug({ ...label, pairs: units.length, for: this.#urgency }, 'load started');
      };
      const runs = splitUnits(units, layout.shape, Math.max(1, pool.idleCount));
      this.#parts = runs.map((run) => {
        const task = {
          kind: 'load' as const,
          segment: segment.path,
          shape: layout.shape,
          recipe,
          units: run,
        };
        return supervise<'load'>(pool, task, {
          priority: this.#urgency === 'asked' ? 'asked' : 'warm',
          turn,
          deadlineMs: pairTimeoutMs,
          pace: this.#pace,
          onStart,
        });
      });
      // Every part has to settle, also after one failed: a loader may still write to the segment.
      const settled = await Promise.allSettled(this.#parts.map((part) => part.outcomes));
      const failed = settled.find((part) => part.status === 'rejected');
      if (failed) throw failed.reason;
      const outcomes = settled.flatMap((part) => (part.status === 'fulfilled' ? [...part.value] : []));
      await this.#blank(segment, units, outcomes);
      const loadMs = startedAt > 0 ? performance.now() - startedAt : 0;
      this.#options.onLoaded(loadMs);
      log.debug({ ...label, pairs: units.length, ms: Math.round(loadMs * 100) / 100 }, 'load done');
      // Who waits may write the batch to a connection at once, which takes a while: the loader has its next task before.
      await new Promise<void>((resolve) => process.nextTick(resolve));
      return { segment, outcomes, loadMs };
    } catch (error) {
      if (error instanceof NoRoom) spool.discard(segment);
      else spool.give(segment);
      throw error;
    }
  }

  /** Makes the slots of pairs that ended their loader zeros: nobody wrote them, and a segment holds what it held before. */
  async #blank(
    segment: Segment,
    units: readonly LoadUnit[],
    outcomes: readonly SlotOutcome[],
  ): Promise<void> {
    const { pool, pairTimeoutMs } = this.#options;
    const { layout, recipe, turn } = this.#order;
    for (const [at, { slot, place }] of units.entries()) {
      if (outcomes[at]?.kind !== 'lethal') continue;
      const blank = { slot, place, source: null };
      const task = {
        kind: 'load' as const,
        segment: segment.path,
        shape: layout.shape,
        recipe,
        units: [blank],
      };
      await supervise<'load'>(pool, task, { priority: 'asked', turn, deadlineMs: pairTimeoutMs }).outcomes;
    }
  }

  /**
   * Takes a segment. A batch that somebody waits for may press for room and wait; a warm one only takes free
   * room.
   */
  async #room(spool: Spool, segmentBytes: number, waitMs: number, isAgain: boolean): Promise<Segment> {
    // Wait one turn: a request that joins in the same turn has raised the urgency by then.
    await null;
    // Other free segments may be gone too: drop them first.
    if (isAgain) spool.look();
    const segment = spool.tryTake(segmentBytes, this.#isReserved);
    if (segment) return segment;
    if (this.#urgency !== 'warm') {
      const taken = await spool.take(segmentBytes, waitMs, this);
      if (taken) return taken;
      throw new Cancelled('nobody waits for this batch any more');
    }
    this.#ended();
    throw new BudgetExceeded('no room to warm a batch');
  }

  #giveUp(): void {
    if (this.finished) this.#giveBack();
    else {
      this.#cancelled = true;
      this.#options.spool.lookAgain();
      this.#ended();
      for (const part of this.#parts) part.cancel();
    }
  }

  #giveBack(): void {
    this.#ended();
    void this.result.then(({ segment }) => this.#options.spool.give(segment));
  }
}
