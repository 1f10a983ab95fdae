import { hasLearned, writeLearned } from '../catalog/slices.js';
import { keepSnapshot, keptSnapshot, type Snapshot } from '../catalog/snapshot.js';
import type { SessionId, SnapshotDigest } from '../core/ids.js';
import { SlfError } from '../errors.js';
import { Recent } from '../recent.js';
import { type Database, prepare, transact } from '../sqlite.js';
import type { Spec } from './spec.js';
import { addStep, type Steps, stepCount } from './steps.js';

/** What of a session outlives the process. */
export interface StoredSession {
  readonly id: SessionId;
  /** The request that opened it, as canonical JSON. */
  readonly request: string;
  readonly spec: Spec;
  readonly snapshot: Snapshot;
  readonly bytesVersion: string;
}

interface SessionRow {
  readonly id: string;
  readonly request: string;
  readonly spec: string;
  readonly snapshot: string;
  readonly bytes_version: string;
}

const SNAPSHOTS_HELD = 32;
const DELIVERIES_HELD = 1024;

/** Sessions, cursors and delivery records in the database; every call is one transaction. */
export class SessionStore {
  #db: Database;
  #snapshots = new Recent<SnapshotDigest, Snapshot | null>(SNAPSHOTS_HELD);
  /** The records that were written last, so that the next step of an epoch reads none. */
  #delivered = new Recent<string, Steps>(DELIVERIES_HELD);

  constructor(db: Database) {
    this.#db = db;
  }

  put({ id, request, spec, snapshot, bytesVersion }: StoredSession): void {
    transact(this.#db, () => {
      keepSnapshot(this.#db, snapshot, Date.now());
      prepare(
        this.#db,
        'INSERT INTO session (id, request, spec, snapshot, bytes_version, opened_at) VALUES (?, ?, ?, ?, ?, ?)',
      ).run(id, request, JSON.stringify(spec), snapshot.digest, bytesVersion, Date.now());
    });
  }

  get(id: string): StoredSession | null {
    const row = prepare(
      this.#db,
      'SELECT id, request, spec, snapshot, bytes_version FROM session WHERE id = ?',
    ).get(id) as SessionRow | undefined;
    return row ? this.#stored(row) : null;
  }

  ids(after: string, limit: number): SessionId[] {
    const rows = prepare(this.#db, 'SELECT id FROM session WHERE id > ? ORDER BY id LIMIT ?').all(
      after,
      limit,
    );
    return (rows as { id: string }[]).map((row) => row.id as SessionId);
  }

  delete(id: SessionId): void {
    transact(this.#db, () => {
      prepare(
        this.#db,
        'UPDATE snapshot SET used_at = ? WHERE digest = (SELECT snapshot FROM session WHERE id = ?)',
      ).run(Date.now(), id);
      prepare(this.#db, 'DELETE FROM session WHERE id = ?').run(id);
    });
    // Another session of this name begins anew.
    this.#delivered.clear();
  }

  /** The step each rank's `next` gives; 0 where it never asked. */
  cursors(id: SessionId, worldSize: number): number[] {
    const cursors = new Array<number>(worldSize).fill(0);
    const rows = prepare(this.#db, 'SELECT rank, step FROM cursor WHERE session = ?').all(id);
    for (const { rank, step } of rows as { rank: number; step: number }[])
      if (rank < worldSize) cursors[rank] = step;
    return cursors;
  }

  /** Records that a body was sent whole, with what its load learned, and moves the rank's cursor behind it for `next`. */
  delivered(id: SessionId, at: { epoch: number; rank: number; step: number; movesCursor: boolean }): void {
    const { epoch, rank, step, movesCursor } = at;
    const key = `${id}/${epoch}/${rank}`;
    const before = this.#delivered.get(key, () => this.deliveredSteps(id, epoch, rank));
    const steps = addStep(before, step);
    const write = () => {
      writeLearned(this.#db);
      // A session may be deleted while its last body is on the way.
      const { changes } = prepare(
        this.#db,
        'INSERT OR REPLACE INTO delivery (session, epoch, rank, steps) SELECT id, ?, ?, ? FROM session WHERE id = ?',
      ).run(epoch, rank, JSON.stringify(steps), id);
      if (movesCursor)
        prepare(
          this.#db,
          'INSERT OR REPLACE INTO cursor (session, rank, step) SELECT id, ?, ? FROM session WHERE id = ?',
        ).run(rank, step + 1, id);
      return Number(changes) > 0;
    };
    // A statement alone is a transaction.
    const isKept = movesCursor || hasLearned(this.#db) ? transact(this.#db, write) : write();
    if (isKept) this.#delivered.replace(key, () => steps);
    else this.#delivered.forget(key);
  }

  /** The steps of an epoch that a rank got whole. */
  deliveredSteps(id: SessionId, epoch: number, rank: number): Steps {
    const row = prepare(
      this.#db,
      'SELECT steps FROM delivery WHERE session = ? AND epoch = ? AND rank = ?',
    ).get(id, epoch, rank) as { steps: string } | undefined;
    return row ? JSON.parse(row.steps) : [];
  }

  /** How many batches were delivered, over all ranks and epochs. */
  deliveredCount(id: SessionId): number {
    const rows = prepare(this.#db, 'SELECT steps FROM delivery WHERE session = ?').all(id) as {
      steps: string;
    }[];
    return rows.reduce((sum, { steps }) => sum + stepCount(JSON.parse(steps)), 0);
  }

  #stored(row: SessionRow): StoredSession {
    const snapshot = this.#snapshot(row.snapshot as SnapshotDigest);
    if (!snapshot)
      throw new SlfError('SLF_SNAPSHOT_GONE', 'the snapshot of this session is gone: open a new session');
    return {
      id: row.id as SessionId,
      request: row.request,
      spec: JSON.parse(row.spec),
      snapshot,
      bytesVersion: row.bytes_version,
    };
  }

  /** Snapshots never change: the last ones asked for are kept, so that a list of sessions does not put each together again. */
  #snapshot(digest: SnapshotDigest): Snapshot | null {
    return this.#snapshots.get(digest, () => keptSnapshot(this.#db, digest));
  }
}
