import { type Database, prepare, transact } from '../sqlite.js';
import { othersTurn } from './turns.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Lets go of snapshots that no session stands on and none has for so many days, and of the states of studies that are neither present
 * nor in a snapshot; one at a time, so that others get their turn between.
 */
export async function prune(db: Database, keepDays: number, nowMs: number): Promise<void> {
  const since = nowMs - keepDays * DAY_MS;
  const stale = prepare(
    db,
    'SELECT digest FROM snapshot WHERE used_at < ? AND digest NOT IN (SELECT snapshot FROM session)',
  ).all(since) as { digest: string }[];
  for (const { digest } of stale) {
    transact(db, () => {
      // Looked at again: a session may have been opened on it since.
      const { changes } = prepare(
        db,
        'DELETE FROM snapshot WHERE digest = ? AND used_at < ? AND digest NOT IN (SELECT snapshot FROM session)',
      ).run(digest, since);
      if (Number(changes) === 0) return;
      prepare(db, 'DELETE FROM verdict WHERE snapshot = ?').run(digest);
      prepare(db, 'DELETE FROM given WHERE snapshot = ?').run(digest);
    });
    await othersTurn();
  }
  const loose = prepare(
    db,
    'SELECT id FROM revision WHERE complete = 1 AND id NOT IN (SELECT revision FROM study) AND id NOT IN (SELECT revision FROM snapshot_study)',
  ).all() as { id: number }[];
  for (const { id } of loose) {
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
