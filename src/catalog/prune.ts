import { type Database, prepare, transact } from '../sqlite.js';
import { dropAnswers, forgetMade } from './snapshot.js';
import { othersTurn } from './turns.js';

const DAY_MS = 24 * 60 * 60 * 1000;
/** The most snapshots that are kept while no session stands on them. */
export const SNAPSHOTS_KEPT = 1_000;
/** The most specs of sessions with `onError: mask` whose answers are remembered while no session has them. */
export const ANSWERED_KEPT = 1_000;
/** Each is on a page of its own and may hold a place for every slice of a study. */
const SELECTIONS_PER_TURN = 25;

/** How long snapshots are kept after their last session, seen from `nowMs`. */
export interface Keeping {
  readonly days: number;
  readonly nowMs: number;
}

/**
 * Removes snapshots that no session stands on: those that none has stood on for so many days, and of the others all but the
 * `SNAPSHOTS_KEPT` that were in use last. Selections that no kept snapshot has go as well, and what batches of deleted sessions said of
 * their slots, but for the `ANSWERED_KEPT` specs that were in use last. Others get their turn in between; once `signal` is aborted, the
 * rest is left for the next time.
 */
export async function pruneSnapshots(
  db: Database,
  { days, nowMs }: Keeping,
  signal?: AbortSignal,
): Promise<void> {
  const since = nowMs - days * DAY_MS;
  const resting = prepare(
    db,
    `SELECT digest, used_at FROM snapshot AS s WHERE NOT EXISTS (SELECT 1 FROM session WHERE snapshot = s.digest)
       ORDER BY used_at DESC, digest DESC`,
  ).all() as { digest: string; used_at: number }[];
  const stale = resting.filter(({ used_at }, at) => at >= SNAPSHOTS_KEPT || used_at < since);
  for (const { digest, used_at } of stale) {
    if (signal?.aborted) return;
    removeSnapshot(db, digest, used_at);
    await othersTurn();
  }
  for (const { snapshot, spec_digest, used_at } of restingAnswers(db)) {
    if (signal?.aborted) return;
    removeAnswers(db, snapshot, spec_digest, used_at);
    await othersTurn();
  }
  for (const selection of looseSelections(db))
    while (!signal?.aborted && removeSelections(db, selection)) await othersTurn();
}

/** Removes a snapshot unless a session stands on it, or has since it was last in use at `usedAt`. */
function removeSnapshot(db: Database, digest: string, usedAt: number): void {
  transact(db, () => {
    const { changes } = prepare(
      db,
      'DELETE FROM snapshot WHERE digest = ? AND used_at = ? AND digest NOT IN (SELECT snapshot FROM session)',
    ).run(digest, usedAt);
    if (Number(changes) > 0) dropAnswers(db, digest);
  });
}

/** Whether a session has the snapshot and spec of a row of `answered`. */
const HAS_SESSION =
  'EXISTS (SELECT 1 FROM session AS s WHERE s.snapshot = answered.snapshot AND (s.spec_digest = answered.spec_digest OR s.spec_digest IS NULL))';

interface Answered {
  readonly snapshot: string;
  readonly spec_digest: string;
  readonly used_at: number;
}

/** Returns those that are too many. */
function restingAnswers(db: Database): Answered[] {
  return prepare(
    db,
    `SELECT snapshot, spec_digest, used_at FROM answered WHERE NOT ${HAS_SESSION}
       ORDER BY used_at DESC, snapshot DESC, spec_digest DESC LIMIT -1 OFFSET ${ANSWERED_KEPT}`,
  ).all() as unknown as Answered[];
}

/** Removes what was said under a spec unless a session has it, or has had it since `usedAt`. */
function removeAnswers(db: Database, snapshot: string, specDigest: string, usedAt: number): void {
  transact(db, () => {
    const { changes } = prepare(
      db,
      `DELETE FROM answered WHERE snapshot = ? AND spec_digest = ? AND used_at = ? AND NOT ${HAS_SESSION}`,
    ).run(snapshot, specDigest, usedAt);
    if (Number(changes) === 0) return;
    for (const table of ['verdict', 'given'])
      prepare(db, `DELETE FROM ${table} WHERE snapshot = ? AND spec_digest = ?`).run(snapshot, specDigest);
  });
}

/** Returns the selections that no kept snapshot has; it looks at each selection once, whatever the number of revisions. */
function looseSelections(db: Database): string[] {
  const rows = prepare(
    db,
    `WITH RECURSIVE known (selection) AS (
       SELECT min(selection) FROM selection
       UNION ALL
       SELECT (SELECT min(selection) FROM selection WHERE selection > known.selection) FROM known
         WHERE known.selection IS NOT NULL
     )
     SELECT selection FROM known WHERE selection IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM snapshot WHERE selection_digest = known.selection)`,
  ).all() as { selection: string }[];
  return rows.map(({ selection }) => selection);
}

/** Removes some revisions' rows of a selection unless a snapshot that was kept meanwhile has it; false: nothing is left to remove. */
function removeSelections(db: Database, selection: string): boolean {
  const { changes } = prepare(
    db,
    `DELETE FROM selection WHERE selection = ?
       AND revision IN (SELECT revision FROM selection WHERE selection = ? LIMIT ${SELECTIONS_PER_TURN})
       AND NOT EXISTS (SELECT 1 FROM snapshot WHERE selection_digest = ?)`,
  ).run(selection, selection, selection);
  if (Number(changes) === 0) return false;
  // A snapshot that is remembered counts on the rows of its selection.
  forgetMade(db);
  return true;
}

/**
 * Removes the states of studies that are neither present nor in a snapshot. Only one scan at a time may do so: a state that is
 * being written is in neither.
 */
export async function pruneRevisions(db: Database, signal?: AbortSignal): Promise<void> {
  const loose = prepare(
    db,
    'SELECT id FROM revision WHERE complete = 1 AND id NOT IN (SELECT revision FROM study) AND id NOT IN (SELECT revision FROM snapshot_study)',
  ).all() as { id: number }[];
  for (const { id } of loose) {
    if (signal?.aborted) return;
    // From here on it is as one that was never written whole: nobody finds it any more.
    const { changes } = prepare(
      db,
      'UPDATE revision SET complete = 0 WHERE id = ? AND id NOT IN (SELECT revision FROM study) AND id NOT IN (SELECT revision FROM snapshot_study)',
    ).run(id);
    if (Number(changes) > 0) await removeRevision(db, id);
    await othersTurn();
  }
}

/** Removes an unfinished state, its contours a slice in each turn. */
async function removeRevision(db: Database, id: number): Promise<void> {
  const some = prepare(
    db,
    'DELETE FROM contour WHERE revision = ? AND ord = (SELECT min(ord) FROM contour WHERE revision = ?)',
  );
  while (Number(some.run(id, id).changes) > 0) await othersTurn();
  prepare(db, 'DELETE FROM revision WHERE id = ? AND complete = 0').run(id);
}
