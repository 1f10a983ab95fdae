import { sliceAt } from '../catalog/slices.js';
import { locatePair } from '../catalog/snapshot.js';
import type { Database } from '../sqlite.js';
import type { Session } from './session.js';
import { hasStep, type Steps } from './steps.js';
import type { SessionStore } from './store.js';
import type { Verdicts } from './verdicts.js';

/** A number of pairs, and the first of them by name. */
export interface PairCount {
  readonly count: number;
  readonly pairs: readonly string[];
}

/** What became of an epoch's pairs, told by the bodies that were sent whole. */
export interface Audit {
  readonly epoch: number;
  readonly pairs: number;
  readonly delivered: number;
  /** Not yet, or never, delivered, though the plan gives them. */
  readonly missing: PairCount;
  /** In more than one delivered batch of the epoch. */
  readonly repeated: PairCount;
  /** Left out by the plan (`lastBatch: drop`). */
  readonly dropped: PairCount;
  /** Delivered as zeros, because they could not be loaded (`onError: mask`). */
  readonly masked: PairCount;
}

const NAMED = 100;
/** Batches after which the event loop gets its turn. */
const BATCHES_PER_TURN = 500;

/** Goes through an epoch's plan and what was delivered of it; time and memory grow with the pairs of the snapshot. */
export async function auditEpoch(
  { db, store, verdicts }: { db: Database; store: SessionStore; verdicts: Verdicts },
  session: Session,
  epoch: number,
): Promise<Audit> {
  const { plan, stored, digest } = session;
  const { spec, snapshot, id } = stored;
  const times = new Uint8Array(snapshot.pairs);
  const masked = new Set<number>();
  const sent: Steps[] = Array.from({ length: spec.worldSize }, (_, rank) =>
    store.deliveredSteps(id, epoch, rank),
  );
  const first = epoch * plan.stepsPerEpoch;
  let walked = 0;
  for (let step = first; step < first + plan.stepsPerEpoch; step++)
    for (let rank = 0; rank < spec.worldSize; rank++) {
      if (!hasStep(sent[rank]!, step)) continue;
      const places = plan.share(step, rank);
      for (const place of places) if (place >= 0 && times[place]! < 255) times[place]!++;
      if (spec.onError === 'mask')
        for (const { slot } of verdicts.said({ snapshot: snapshot.digest, specDigest: digest, rank, step }))
          masked.add(places[slot]!);
      if (++walked % BATCHES_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  const dropped = new Set(plan.dropped(epoch));
  const name = (places: Iterable<number>): PairCount => {
    const all = [...places].sort((a, b) => a - b);
    const pairs = all.slice(0, NAMED).map((place) => {
      const { study, revision, ordinal } = locatePair(db, snapshot, place);
      return `${study}/${sliceAt(db, revision, ordinal).slice}`;
    });
    return { count: all.length, pairs };
  };
  const missing: number[] = [];
  const repeated: number[] = [];
  let delivered = 0;
  for (let place = 0; place < times.length; place++) {
    if (times[place]! > 0) delivered++;
    else if (!dropped.has(place)) missing.push(place);
    if (times[place]! > 1) repeated.push(place);
  }
  return {
    epoch,
    pairs: snapshot.pairs,
    delivered,
    missing: name(missing),
    repeated: name(repeated),
    dropped: name(dropped),
    masked: name(masked),
  };
}
