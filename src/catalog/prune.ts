import { type Database, prepare } from '../sqlite.js';

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Lets go of snapshots that no session stands on and none has for so many days, and of the states of studies that are neither present
 * nor in a snapshot; one at a time, so that others get their turn between.
 */
export async function prune(db: Database, keepDays: number, nowMs: number): Promise<void> {
  const stale = prepare(
    db,
    'SELECT digest FROM snapshot WHERE used_at < ? AND digest NOT IN (SELECT snapshot FROM session)',
  ).all(nowMs - keepDays * DAY_MS) as { digest: string }[];
  for (const { digest } of stale) {
    prepare(db, 'DELETE FROM verdict WHERE snapshot = ?').run(digest);
    prepare(db, 'DELETE FROM given WHERE snapshot = ?').run(digest);
    prepare(db, 'DELETE FROM snapshot WHERE digest = ?').run(digest);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const loose = prepare(
    db,
    'SELECT id FROM revision WHERE complete = 1 AND id NOT IN (SELECT revision FROM study) AND id NOT IN (SELECT revision FROM snapshot_study)',
  ).all() as { id: number }[];
  for (const { id } of loose) {
    prepare(db, 'DELETE FROM revision WHERE id = ?').run(id);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
