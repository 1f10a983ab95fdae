import type { BatchLayout } from '../core/layout.js';
import type { Pace } from '../loader/child.js';
import type { DrawUnit, LoadOutcome, LoadUnit, Recipe } from '../loader/messages.js';
import type { Lethal } from '../loader/supervise.js';

export type { Pace };

/**
 * `asked`: a trainer waits for the load. `warm`: nobody asked for the step yet. `aside`: a person who looks
 * at a picture waits for it; it must not make a trainer wait longer.
 */
export type Urgency = 'asked' | 'warm' | 'aside';

/** What came of each slot of a finished batch. */
export type SlotOutcome = LoadOutcome | Lethal;

/** A batch to be loaded: who it is, and everything a loader on any machine needs to make it. */
export interface BatchOrder {
  /** The batch's address as text: equal keys mean equal bytes. */
  readonly key: string;
  /** Whose turn it takes among those that wait. */
  readonly turn: string;
  /** For the log. */
  readonly label: Readonly<Record<string, string | number>>;
  readonly layout: BatchLayout;
  /** Bytes of the segment: that of a full batch, also for a short one, so that segments fit again. */
  readonly segmentBytes: number;
  readonly recipe: Recipe;
  /** Whether a session reserved room for the load; otherwise it only gets room that no session reserved. */
  readonly isReserved: boolean;
  /** Called once, when loading begins. */
  readonly units: () => readonly LoadUnit[];
}

/** A finished batch, held until `release`; its bytes don't change meanwhile. */
export interface Lease {
  readonly sizeBytes: number;
  readonly outcomes: readonly SlotOutcome[];
  readonly loadMs: number;
  /** Copies `length` bytes of the data section from `offset` to the start of `into`. Throws after `release`. */
  read(offset: number, length: number, into: Uint8Array): void;
  /** The whole data section without a copy, until `release`; null where there is none. */
  readonly view: Uint8Array | null;
  /** Draws the batch and returns a PNG file. Rejects with the signal's reason if that comes first. */
  draw(unit: Omit<DrawUnit, 'segment' | 'shape'>, signal: AbortSignal): Promise<Uint8Array>;
  /** Gives the batch back; the second call does nothing. */
  release(): void;
}

/** One interest in a batch that loads or is loaded. */
export interface Loading {
  /** Rejects with `BudgetExceeded`, `NoRoom`, `LoaderDeath` or `Cancelled`; never because of a file. */
  readonly lease: Promise<Lease>;
  /** Whether the batch is loaded. */
  readonly finished: boolean;
  /**
   * Whether it is loaded while a source file was missing, changed or unreadable: load it again when somebody
   * asks.
   */
  readonly stale: boolean;
  /** Somebody waits now: it goes before what is only warmed. */
  raise(): void;
  /** This interest ends before its lease was used: frees it, or stops the load when nobody else wants it. */
  abandon(): void;
}

/**
 * Who loads a batch. However many ask for one address at a time, it is loaded once; a batch that nobody waits for any more
 * is not loaded further; an asked batch goes before warm-ups, and sessions take turns.
 */
export interface Engine {
  /** `pace`: whether a trainer is in a hurry for it; brisk by default. */
  load(order: BatchOrder, urgency: Urgency, pace?: Pace): Loading;
  /** The files that loads under way read. */
  sources(): Iterable<{ readonly root: string; readonly path: string }>;
  /** Ends every load with `LoaderDeath`; leases that are out stay good until released. */
  close(): Promise<void>;
}
