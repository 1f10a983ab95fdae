import { carriedUnder } from '../catalog/carried.js';
import { namesOf } from '../catalog/selection.js';
import type { Database } from '../sqlite.js';
import { pairsAt } from './batch.js';
import { foldOf, splitKeys } from './folds.js';
import type { StoredSession } from './store.js';

/** A pair of a session's snapshot. */
export interface ListedPair {
  /** Its place in the snapshot; batches list these places in `pairs`. */
  readonly index: number;
  readonly id: string;
  readonly study: string;
  readonly slice: string;
  /** The fold of its study in the session's split; null if there is no split. */
  readonly fold: number | null;
  /** The session's structures that it has contours of. */
  readonly structures: readonly string[];
  /** The session's other structures, whose masks are empty. */
  readonly missing: readonly string[];
}

/** Pairs [from, from + limit) of a session, in the order of its snapshot. */
export function listPairs(
  db: Database,
  { snapshot, spec }: StoredSession,
  from: number,
  limit: number,
): ListedPair[] {
  const count = Math.max(0, Math.min(limit, snapshot.pairs - from));
  const indices = Array.from({ length: count }, (_, at) => from + at);
  const { split } = spec;
  const folds = new Map<string, number>();
  if (split) {
    const keyOf = splitKeys(db, snapshot.studies);
    for (const state of snapshot.studies) folds.set(state.study, foldOf(keyOf(state), split));
  }
  const carriedBy = carriedUnder(db, snapshot.selection);
  return pairsAt(db, snapshot, indices).flatMap((pair) => {
    if (!pair) return [];
    const { place: index, id, slice } = pair;
    const carried = carriedBy(slice);
    const has = (structure: string) => namesOf(structure, spec.rename).some((name) => carried.includes(name));
    const study = id.slice(0, id.indexOf('/'));
    return [
      {
        index,
        id,
        study,
        slice: slice.slice,
        fold: folds.get(study) ?? null,
        structures: spec.structures.filter(has),
        missing: spec.structures.filter((structure) => !has(structure)),
      },
    ];
  });
}
