import { findPairs, type Selection } from '../catalog/selection.js';
import { sliceAt } from '../catalog/slices.js';
import { findStudy, presentRevision } from '../catalog/studies.js';
import { askedNames } from '../core/asked-names.js';
import { BYTES_VERSION } from '../core/bytes-version.js';
import { autoDtype, channelsOf } from '../core/pixels.js';
import type { Values } from '../core/values.js';
import type { Engine, Loading } from '../engine/engine.js';
import { SlfError } from '../errors.js';
import { untilAborted } from '../until-aborted.js';
import type { BatchMetadata } from '../wire/body.js';
import type { Batch, BatchContext } from './batch.js';
import { checkBatchBytes } from './batch-limit.js';
import { defaultStructures } from './choose.js';
import { batchOutside, type OutsideForm, type OutsidePlaces, refuseChanged } from './outside.js';
import { sourcesOutside } from './outside-sources.js';
import type { PairRequest } from './pair.js';
import { refuseLoad } from './refusal.js';
import type { Delivery } from './session.js';

/** How the pairs of a study are asked for. */
export interface StudyRequest extends Omit<PairRequest, 'slice' | 'values'> {
  readonly values: Values;
  /** A list for `askedNames`; null: the one that most slices carry, as in a session. */
  readonly structures: string | null;
  readonly batchSize: number;
}

export interface StudyContext extends BatchContext {
  readonly engine: Engine;
  /** Bytes that one batch may have. */
  readonly batchBytesLimit: number;
}

interface Ahead {
  readonly batch: Batch;
  /** What it says of itself, known before it is loaded and also where it can't be. */
  readonly metadata: BatchMetadata;
  readonly loading: Loading;
  failed: boolean;
}

/** The next batch could not be made; told when it is asked for, because the one before it is whole. */
interface Unmade {
  readonly error: unknown;
}

/** Throws `SlfError` for a structure that no slice of the study carries. */
function checkCarried(structures: readonly string[], carried: readonly string[]): void {
  const missing = structures.find((name) => !carried.includes(name));
  if (missing !== undefined)
    throw new SlfError(
      'SLF_NO_PAIRS',
      `the study carries ${carried.join(', ') || 'no structure'}, not "${missing}"`,
      { field: 'structures' },
    );
}

/**
 * Every pair of a study in canonical order, batch after batch, one being sent and the next being loaded. All have the same structures
 * and one dtype, from the headers of all pairs; a batch ends before a pair of another shape.
 */
export class StudyFeed {
  readonly pairs: number;
  #context: StudyContext;
  #form: OutsideForm;
  #batches: Iterator<Batch>;
  #ahead: Ahead | Unmade | null = null;
  #unsent: BatchMetadata | null = null;

  /** Throws `SlfError` where there is no such study or no pair. */
  constructor(context: StudyContext, request: StudyRequest) {
    const { db } = context;
    const study = findStudy(db, request.study);
    const revision = presentRevision(db, request.study);
    if (!study || revision === null) throw new SlfError('SLF_STUDY_UNKNOWN', 'GET /v1/studies lists them');
    const carried = Object.keys(study.structures);
    const asked = request.structures === null ? null : askedNames(request.structures, carried);
    if (asked) checkCarried(asked, carried);
    const structures = asked ?? defaultStructures(db, [{ study: study.id, revision }], {});
    const sources = sourcesOutside(db, { study: study.id, revision }, request.source);
    const selection: Selection = {
      structures,
      missing: 'exclude',
      rename: {},
      where: {},
      ...(sources.frozen ? { sources: sources.frozen } : {}),
    };
    const { places, summary } = findPairs(db, revision, selection, null, sources.dropped);
    if (places.length === 0)
      throw new SlfError('SLF_NO_PAIRS', `no slice carries ${structures.join(' and ')}`, {
        field: 'structures',
      });
    const { values, rule, holes } = request;
    const range = values === 'windowed' ? null : summary[values];
    this.pairs = places.length;
    this.#context = context;
    this.#form = { structures, sources, values, rule, holes, dtype: range ? autoDtype([range]) : 'float32' };
    this.#batches = this.#cut(request, revision, places);
  }

  /** What the batch that was asked for and not sent would say of itself; that of no pair where there is none. */
  get unsent(): BatchMetadata {
    return (
      this.#unsent ?? {
        snapshot: '',
        specDigest: '',
        bytesVersion: BYTES_VERSION,
        step: null,
        epoch: null,
        rank: null,
        pairIds: [],
        structures: this.#form.structures,
        rule: this.#form.rule,
        problems: [],
      }
    );
  }

  /** To be called when the batch that was asked for last has been sent. */
  sent(): void {
    this.#unsent = null;
  }

  /** The next batch, loaded, to be ended by who asked; null after the last. Throws `SlfError`, or the signal's reason. */
  async fetch(signal: AbortSignal): Promise<Delivery | null> {
    const askedAt = performance.now();
    const taken = this.#ahead ?? this.#load('asked');
    this.#ahead = null;
    if (!taken) return null;
    if ('error' in taken) throw taken.error;
    const { batch } = taken;
    this.#unsent = taken.metadata;
    // A file that was away while the batch was warmed may be back, and room as well.
    const isSpoilt = taken.failed || taken.loading.stale;
    if (isSpoilt) taken.loading.abandon();
    const loading = isSpoilt ? this.#context.engine.load(batch.order, 'asked') : taken.loading;
    loading.raise();
    const warm = loading.finished ? 'hit' : 'miss';
    try {
      this.#ahead = this.#load('warm');
      const lease = await untilAborted(loading.lease, signal);
      batch.accept(lease);
      const waitMs = performance.now() - askedAt;
      return { batch, lease, warm, waitMs, etag: (form) => batch.etag(form), end: () => lease.release() };
    } catch (error) {
      loading.abandon();
      throw refuseLoad(error);
    }
  }

  /** Gives back what was loaded ahead. */
  end(): void {
    if (this.#ahead && 'loading' in this.#ahead) this.#ahead.loading.abandon();
    this.#ahead = null;
  }

  #load(priority: 'asked' | 'warm'): Ahead | Unmade | null {
    let batch: Batch | undefined;
    try {
      batch = this.#batches.next().value;
    } catch (error) {
      return { error };
    }
    if (!batch) return null;
    const { metadata } = batch;
    const ahead: Ahead = {
      batch,
      metadata,
      loading: this.#context.engine.load(batch.order, priority),
      failed: false,
    };
    ahead.loading.lease.catch(() => {
      ahead.failed = true;
    });
    return ahead;
  }

  *#cut(request: StudyRequest, revision: number, chosen: Uint32Array): Generator<Batch, undefined> {
    const { study, batchSize } = request;
    const { db } = this.#context;
    const state = { study, revision };
    let run: number[] = [];
    let shape = '';
    for (const ordinal of chosen) {
      refuseChanged(this.#context, state);
      const { header } = sliceAt(db, revision, ordinal);
      const own = `${header.rows}x${header.columns}x${channelsOf(header, this.#form.values)}`;
      if (run.length > 0 && (run.length === batchSize || own !== shape)) {
        yield this.#batch({ ...state, ordinals: run });
        run = [];
      }
      run.push(ordinal);
      shape = own;
    }
    if (run.length > 0) yield this.#batch({ ...state, ordinals: run });
  }

  #batch(places: OutsidePlaces): Batch {
    const batch = batchOutside(this.#context, places, this.#form);
    checkBatchBytes(batch.layout.sizeBytes, places.ordinals.length, this.#context.batchBytesLimit, 'masks');
    return batch;
  }
}
