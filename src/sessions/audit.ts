import { sliceAt } from '../catalog/slices.js';
import { locatePair } from '../catalog/snapshot.js';
import { othersTurn } from '../catalog/turns.js';
import type { Database } from '../sqlite.js';
import type { Session } from './session.js';
import type { SessionStore } from './store.js';
import type { Verdicts } from './verdicts.js';

/** A number of pairs, and the first of them by name. */
interface PairCount {
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
/** How many steps and pairs are handled before the event loop turns: a few milliseconds of work. */
const STEPS_PER_TURN = 500;
const PAIRS_PER_TURN = 50_000;

/** Goes through an epoch's plan and what was delivered of it; time and memory grow with the pairs of the snapshot. */
export async function auditEpoch(
  { db, store, verdicts }: { db: Database; store: SessionStore; verdicts: Verdicts },
  session: Session,
  epoch: number,
): Promise<Audit> {
  const { plan, stored, digest } = session;
  const { spec, snapshot, incarnation } = stored;
  const times = new Uint8Array(snapshot.pairs);
  const isMasked = new Uint8Array(snapshot.pairs);
  const first = epoch * plan.stepsPerEpoch;
  const end = first + plan.stepsPerEpoch;
  const wasDelivered = store.deliveredIn(incarnation, first, end);
  let [walkedSteps, walkedPairs] = [0, 0];
  for (let step = first; step < end; step++)
    for (let rank = 0; rank < spec.worldSize; rank++) {
      if (++walkedSteps % STEPS_PER_TURN === 0) await othersTurn();
      if (!wasDelivered(rank, step)) continue;
      const places = plan.share(step, rank);
      for (const place of places) if (place >= 0 && times[place]! < 255) times[place]!++;
      if (spec.onError === 'mask')
        for (const { slot } of verdicts.said({ snapshot: snapshot.digest, specDigest: digest, rank, step }))
          isMasked[places[slot]!] = 1;
      walkedPairs += places.length;
      if (walkedPairs < PAIRS_PER_TURN) continue;
      walkedPairs = 0;
      await othersTurn();
    }
  const isDropped = new Uint8Array(snapshot.pairs);
  for (const place of plan.dropped(epoch)) isDropped[place] = 1;
  const named = (place: number) => {
    const { study, revision, ordinal } = locatePair(db, snapshot, place);
    return `${study}/${sliceAt(db, revision, ordinal).slice}`;
  };
  const counted = async (isMeant: (place: number) => boolean): Promise<PairCount> => {
    const pairs: string[] = [];
    let count = 0;
    for (let place = 0; place < times.length; place++) {
      if ((place + 1) % PAIRS_PER_TURN === 0) await othersTurn();
      if (isMeant(place) && ++count <= NAMED) pairs.push(named(place));
    }
    return { count, pairs };
  };
  return {
    epoch,
    pairs: snapshot.pairs,
    delivered: times.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0),
    missing: await counted((place) => times[place] === 0 && isDropped[place] === 0),
    repeated: await counted((place) => times[place]! > 1),
    dropped: await counted((place) => isDropped[place] === 1),
    masked: await counted((place) => isMasked[place] === 1),
  };
}
