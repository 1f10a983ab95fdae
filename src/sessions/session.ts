import { carriedUnder } from '../catalog/carried.js';
import { namesOf, unusedBy } from '../catalog/selection.js';
import { headerOf, type SliceRecord, writeLearned } from '../catalog/slices.js';
import type { Size } from '../core/fit.js';
import { type BatchLayout, type BatchShape, batchLayout } from '../core/layout.js';
import { type PictureRange, pictureRange } from '../core/picture-range.js';
import { type Plan, plan } from '../core/plan.js';
import { maskDtype } from '../core/rasterize.js';
import type { Engine, Lease } from '../engine/engine.js';
import { SlfError } from '../errors.js';
import type { Recipe } from '../loader/messages.js';
import type { SealedSource } from '../loader/sealed.js';
import { MOST_PANELS } from '../pictures/contact-sheet.js';
import { isOutOfRoom } from '../room.js';
import { untilAborted } from '../until-aborted.js';
import { Batch, type BatchContext, type BatchDescription, pairsAt } from './batch.js';
import { missingStructures } from './missing-structures.js';
import { refuseLoad } from './refusal.js';
import { type Spec, specDigest } from './spec.js';
import type { StoredSession } from './store.js';
import type { Verdicts } from './verdicts.js';
import { RankWindow } from './window.js';

const SENDING_WAIT_MS = 10_000;
/** Ranks whose first batch is loaded when the session opens. */
const WARMED_UP = 64;

/** A session's memory beside its batches counts in the budget only beyond this size. */
const UNCOUNTED_BYTES = 128 * 1024;
const SPEC_BYTES_EACH = 4;
const STUDY_BYTES = 256;
const RANK_BYTES = 2048;
const BATCH_BYTES = 1024;
const PAIR_BYTES = 512;

/**
 * Estimates the bytes of a session's spec and list of studies, and of each rank's descriptions of batches;
 * rather too high.
 */
function heldBytes({ spec, snapshot }: StoredSession): number {
  const { batchSize, worldSize, prefetch } = spec;
  const bytes =
    JSON.stringify(spec).length * SPEC_BYTES_EACH +
    snapshot.studies.length * STUDY_BYTES +
    worldSize * (RANK_BYTES + (1 + prefetch) * BATCH_BYTES) +
    Math.min(batchSize, snapshot.pairs) * (1 + prefetch) * PAIR_BYTES;
  return Math.max(0, bytes - UNCOUNTED_BYTES);
}

/** A batch that is loaded and about to be sent; `end` once, whatever happened to the body. */
export interface Delivery {
  readonly batch: Batch;
  readonly lease: Lease;
  readonly warm: 'hit' | 'miss';
  readonly waitMs: number;
  /** The strong ETag of a form of the body. */
  etag(form: string): string;
  end(): void;
}

export interface SessionContext extends BatchContext {
  readonly engine: Engine;
  readonly verdicts: Verdicts;
  /** Throws if a delivery could not be recorded. */
  readonly checkRoom: () => void;
}

/** The layout of `slots` pairs of a spec, each brought to `size`. */
function layoutOf(spec: Spec, slots: number, size: Size): BatchLayout {
  const shape: BatchShape = {
    slots,
    channels: spec.image.channels,
    rows: size.rows,
    columns: size.columns,
    structures: spec.structures.length,
    imageDtype: spec.image.dtype,
    maskDtype: maskDtype(spec.mask.rule),
  };
  return batchLayout(shape);
}

/** The size of every pair, or the largest where each has its own. */
function sizeOf({ spec, snapshot }: StoredSession): Size {
  const { rows, columns } = spec.shape;
  if (rows !== null && columns !== null) return { rows, columns };
  const largest = [...snapshot.summary.shapes].sort((a, b) => b.rows * b.columns - a.rows * a.columns);
  return largest[0]!;
}

/** What trainers of a session waited and found, since the service started. */
export interface Timings {
  waitMs: number;
  loadMs: number;
  hits: number;
  misses: number;
}

/** A trainer's feed while it is in use: the warm window of each rank over a plan and a snapshot. */
export class Session {
  readonly stored: StoredSession;
  readonly plan: Plan;
  readonly layout: BatchLayout;
  readonly digest;
  lastUsedMs = Date.now();
  readonly timings: Timings;
  #context: SessionContext;
  #recipe: Recipe;
  #tell: BatchDescription['tell'] = null;
  #sourcesOf: (slices: readonly SliceRecord[]) => readonly SealedSource[];
  /** The windows of ranks that have asked, or whose first batch was loaded ahead. */
  #windows = new Map<number, RankWindow>();
  #ended: 'deleted' | 'suspended' | null = null;

  constructor(stored: StoredSession, context: SessionContext, timings: Timings) {
    this.timings = timings;
    const { spec, snapshot } = stored;
    this.stored = stored;
    this.#context = context;
    this.plan = plan({ ...spec, pairs: snapshot.pairs });
    this.layout = layoutOf(spec, this.plan.slots, sizeOf(stored));
    this.digest = specDigest(spec);
    this.#recipe = {
      values: spec.image.values,
      normalize: spec.image.normalize,
      fit: spec.shape.fit,
      fill: spec.shape.fill,
      dtype: spec.image.dtype,
      rule: spec.mask.rule,
    };
    this.#sourcesOf = context.slotSources.outlinedBy(
      {
        names: spec.structures.map((structure) => namesOf(structure, spec.rename)),
        holes: spec.mask.holes,
        originShift: spec.mask.origin === 'half' ? -0.5 : 0,
      },
      unusedBy(context.db, snapshot.selection),
    );
    const carried = carriedUnder(context.db, snapshot.selection);
    if (spec.missing === 'empty')
      this.#tell = (pairs) =>
        missingStructures(
          pairs.map(({ id, slice }) => ({ id, file: null, carried: carried(slice) })),
          spec.structures,
          (structure) => namesOf(structure, spec.rename),
        );
  }

  /**
   * Bytes of the budget that this session reserves: one batch for each rank, and its memory beside its
   * batches.
   */
  get reservedBytes(): number {
    return this.layout.sizeBytes * this.stored.spec.worldSize + this.heldBytes;
  }

  /** Bytes that the session holds beside its batches, as far as they count. */
  get heldBytes(): number {
    return heldBytes(this.stored);
  }

  /** Batches that are loaded and wait to be asked for. */
  get warmCount(): number {
    return this.#sum((window) => window.warmCount);
  }

  /** Batches that are on their way to a trainer. */
  get sending(): number {
    return this.#sum((window) => window.gate.inside);
  }

  /** Starts to load the first batch of each rank; of many ranks, only of the first ones. */
  warmUp(): void {
    for (let rank = 0; rank < Math.min(this.stored.spec.worldSize, WARMED_UP); rank++)
      this.#window(rank).warm(0);
  }

  /**
   * The batch of a step for a rank: loads it where it is not warm, starts the ones after it, and gives it out when it is
   * loaded. Throws `SlfError`; rejects with the signal's reason when the asker is gone, and loads no further for it.
   */
  async fetch(step: number, rank: number, signal: AbortSignal): Promise<Delivery> {
    this.check(step, rank);
    this.#refuseEnded();
    this.lastUsedMs = Date.now();
    const askedAt = performance.now();
    const window = this.#window(rank);
    // Whoever asks for what is under way takes part in it before waiting for a turn, so that it is loaded once.
    let taken = window.isUnderWay(step) ? window.take(step) : null;
    let leave = () => {};
    try {
      this.#context.checkRoom();
      leave = await window.gate.enter(SENDING_WAIT_MS, signal);
      taken ??= window.take(step);
      const { batch, loading } = taken;
      this.#refuseEnded();
      const warm = loading.finished ? 'hit' : 'miss';
      window.warmAfter(step, taken);
      const lease = await (loading.finished ? loading.lease : untilAborted(loading.lease, signal));
      const waitMs = performance.now() - askedAt;
      batch.accept(lease);
      this.#count(warm, waitMs, lease.loadMs);
      const end = () => {
        window.letGo(step);
        lease.release();
        leave();
        this.#writeLearned();
      };
      return { batch, lease, warm, waitMs, etag: (form) => batch.etag(form), end };
    } catch (error) {
      if (taken) {
        window.letGo(step);
        taken.loading.abandon();
      }
      leave();
      throw refuseLoad(error);
    }
  }

  /**
   * Draws a contact sheet of a step from the bytes of its batch; this counts as no delivery. Throws
   * `SlfError`, or the signal's reason.
   */
  async draw(step: number, rank: number, signal: AbortSignal): Promise<Uint8Array> {
    this.check(step, rank);
    this.lastUsedMs = Date.now();
    const batch = this.batch(step, rank);
    // The room that the session reserved is for its trainers.
    const loading = this.#context.engine.load({ ...batch.order, isReserved: false }, 'aside');
    try {
      const lease = await untilAborted(loading.lease, signal);
      batch.accept(lease);
      const title = `${this.stored.id}  step ${step}  epoch ${this.plan.epochOf(step)}  rank ${rank}`;
      const titles = batch.pairs.map((pair) => pair?.id ?? null);
      const { structures } = batch;
      const ranges = this.#rangesOf(batch);
      const unit = { structures, titles, title, scale: null, caption: false, ranges };
      return await lease.draw(unit, signal);
    } catch (error) {
      throw refuseLoad(error);
    } finally {
      loading.abandon();
      this.#writeLearned();
    }
  }

  /** How a contact sheet shows each pair; normalised values have a range of their own. */
  #rangesOf({ pairs }: Batch): PictureRange[] {
    const { values, normalize } = this.stored.spec.image;
    if (normalize !== 'none') return [];
    return pairs
      .slice(0, MOST_PANELS)
      .map((pair) => (pair ? pictureRange(headerOf(pair.slice), values) : { windows: [], inverted: false }));
  }

  /** Throws `SlfError` for a rank or step that the session does not have. */
  check(step: number, rank: number): void {
    this.checkRank(rank);
    if (this.plan.steps !== null && step >= this.plan.steps)
      throw new SlfError(
        'SLF_STEP_PAST_END',
        `the session has ${this.plan.steps} steps, the last is ${this.plan.steps - 1}`,
      );
  }

  checkRank(rank: number): void {
    const { worldSize } = this.stored.spec;
    if (rank >= worldSize)
      throw new SlfError('SLF_INVALID', `rank ${rank} of a session whose worldSize is ${worldSize}`, {
        field: 'rank',
      });
  }

  /** A batch of this session, not loaded. */
  batch(step: number, rank: number): Batch {
    const { stored, digest } = this;
    const { snapshot, spec } = stored;
    const places = this.plan.share(step, rank);
    const { db, verdicts } = this.#context;
    const address = { snapshot: snapshot.digest, specDigest: digest, step, rank };
    const pairs = () => pairsAt(db, snapshot, places);
    let layout = this.layout;
    if (spec.shape.rows === null) {
      const [first] = pairs();
      layout = layoutOf(spec, places.length, first ? headerOf(first.slice) : this.layout.shape);
    } else if (places.length !== this.plan.slots) layout = layoutOf(spec, places.length, this.layout.shape);
    return new Batch(
      this.#context,
      {
        address: { ...address, epoch: this.plan.epochOf(step) },
        layout,
        segmentBytes: this.layout.sizeBytes,
        recipe: this.#recipe,
        structures: spec.structures,
        tell: this.#tell,
        sourcesOf: this.#sourcesOf,
        turn: stored.id,
        isReserved: true,
        masks: spec.onError === 'mask' ? { verdicts, address } : null,
        pairs,
      },
      `${snapshot.digest}/${digest}/${step}/${rank}`,
    );
  }

  /** Ends the session: gives every warm batch back and loads no more; what is being sent goes on to its end. */
  end(why: 'deleted' | 'suspended'): void {
    this.#ended = why;
    for (const window of this.#windows.values()) window.close();
  }

  /** Gives warm batches back until `neededBytes` are free or none is left; answers what it freed. */
  cool(neededBytes: number): number {
    let freed = 0;
    for (const window of this.#windows.values())
      while (freed < neededBytes && window.cool()) freed += this.layout.sizeBytes;
    return freed;
  }

  #window(rank: number): RankWindow {
    let window = this.#windows.get(rank);
    if (!window) {
      const reach = { steps: this.plan.steps, prefetch: this.stored.spec.prefetch };
      window = new RankWindow(reach, (step) => this.batch(step, rank), this.#context.engine);
      this.#windows.set(rank, window);
    }
    return window;
  }

  #sum(of: (window: RankWindow) => number): number {
    let sum = 0;
    for (const window of this.#windows.values()) sum += of(window);
    return sum;
  }

  #refuseEnded(): void {
    if (this.#ended === 'deleted')
      throw new SlfError('SLF_SESSION_UNKNOWN', 'the session was deleted meanwhile');
    // The next request finds the session as it was.
    if (this.#ended === 'suspended')
      throw new SlfError('SLF_CLOSING', 'the session was suspended meanwhile: ask again');
  }

  /**
   * Writes the facts learned from loads to the database. If the disk is full, they wait for the next batch:
   * memory has them, and another process learns them again.
   */
  #writeLearned(): void {
    try {
      writeLearned(this.#context.db);
    } catch (error) {
      if (!isOutOfRoom(error)) throw error;
    }
  }

  #count(warm: 'hit' | 'miss', waitMs: number, loadMs: number): void {
    this.timings[warm === 'hit' ? 'hits' : 'misses']++;
    this.timings.waitMs += waitMs;
    this.timings.loadMs += loadMs;
  }
}
