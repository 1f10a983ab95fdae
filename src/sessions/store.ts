import { keepSnapshot, keptSnapshot, type Snapshot } from '../catalog/snapshot.js';
import type { SessionId, SnapshotDigest } from '../core/ids.js';
import { SlfError } from '../errors.js';
import type { Journal } from '../journal.js';
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

/** A body that was sent whole: whose, and whether the rank's cursor for `next` goes behind it. */
export interface Delivered {
  readonly id: SessionId;
  readonly epoch: number;
  readonly rank: number;
  readonly step: number;
  readonly movesCursor: boolean;
}

const SNAPSHOTS_HELD = 32;
const DELIVERIES_HELD = 1024;
/** Deliveries of so long are one transaction: whoever asks for a batch meanwhile waits for it. */
const SETTLE_MS = 500;

/**
 * Sessions, cursors and delivery records in the database; every call is one transaction. Deliveries are told to a journal first, which survives the end of
 * the process as the database does and costs a trainer less time, and settled together soon after: before anybody looks at them.
 */
export class SessionStore {
  #db: Database;
  #journal: Journal<Delivered>;
  #snapshots = new Recent<SnapshotDigest, Snapshot | null>(SNAPSHOTS_HELD);
  /** The records that were written last, so that the next step of an epoch reads none. */
  #delivered = new Recent<string, Steps>(DELIVERIES_HELD);
  /** What the journal holds. */
  #unsettled: Delivered[];
  #settling: NodeJS.Timeout | null = null;

  /** Takes over what an earlier process told the journal and did not settle. */
  constructor(db: Database, journal: Journal<Delivered>) {
    this.#db = db;
    this.#journal = journal;
    this.#unsettled = journal.read();
    this.#settle();
  }

  put({ id, request, spec, snapshot, bytesVersion }: StoredSession): void {
    // A session of this name may have ended: what it delivered is not this one's.
    this.#settle();
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
    this.#settle();
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
    this.#settle();
    const cursors = new Array<number>(worldSize).fill(0);
    const rows = prepare(this.#db, 'SELECT rank, step FROM cursor WHERE session = ?').all(id);
    for (const { rank, step } of rows as { rank: number; step: number }[])
      if (rank < worldSize) cursors[rank] = step;
    return cursors;
  }

  /** Records that a body was sent whole. Throws where that can't be done. */
  delivered(delivery: Delivered): void {
    // Those before could not be settled when it was their time: who asks next is told.
    if (this.#unsettled.length > 0 && !this.#settling) this.#settle();
    this.#journal.append(delivery);
    this.#unsettled.push(delivery);
    this.#settling ??= setTimeout(() => {
      this.#settling = null;
      try {
        this.#settle();
      } catch {
        // They stay in the journal, and the next delivery meets the same failure, if it is still there, as an answer.
      }
    }, SETTLE_MS).unref();
  }

  /** The steps of an epoch that a rank got whole. */
  deliveredSteps(id: SessionId, epoch: number, rank: number): Steps {
    this.#settle();
    return this.#readSteps(id, epoch, rank);
  }

  /** How many batches were delivered, over all ranks and epochs. */
  deliveredCount(id: SessionId): number {
    this.#settle();
    const rows = prepare(this.#db, 'SELECT steps FROM delivery WHERE session = ?').all(id) as {
      steps: string;
    }[];
    return rows.reduce((sum, { steps }) => sum + stepCount(JSON.parse(steps)), 0);
  }

  /** Settles what is left, and ends the journal. */
  close(): void {
    if (this.#settling) clearTimeout(this.#settling);
    try {
      this.#settle();
    } catch {
      // It stays in the journal, for the next start.
    }
    this.#journal.close();
  }

  /** Writes what the journal holds to the database: told twice, a delivery is the same. */
  #settle(): void {
    if (this.#unsettled.length === 0) return;
    const steps = new Map<string, { readonly first: Delivered; steps: Steps }>();
    const cursors = new Map<string, Delivered>();
    for (const delivery of this.#unsettled) {
      const { id, epoch, rank, step, movesCursor } = delivery;
      const key = `${id}/${epoch}/${rank}`;
      const known = steps.get(key);
      const before = known?.steps ?? this.#delivered.get(key, () => this.#readSteps(id, epoch, rank));
      steps.set(key, { first: delivery, steps: addStep(before, step) });
      if (movesCursor) cursors.set(`${id}/${rank}`, delivery);
    }
    const kept = new Set<string>();
    transact(this.#db, () => {
      // A session may be deleted while its last body is on the way.
      for (const [key, { first, steps: all }] of steps) {
        const { changes } = prepare(
          this.#db,
          'INSERT OR REPLACE INTO delivery (session, epoch, rank, steps) SELECT id, ?, ?, ? FROM session WHERE id = ?',
        ).run(first.epoch, first.rank, JSON.stringify(all), first.id);
        if (Number(changes) > 0) kept.add(key);
      }
      for (const { id, rank, step } of cursors.values())
        prepare(
          this.#db,
          'INSERT OR REPLACE INTO cursor (session, rank, step) SELECT id, ?, ? FROM session WHERE id = ?',
        ).run(rank, step + 1, id);
    });
    for (const [key, { steps: all }] of steps)
      if (kept.has(key)) this.#delivered.replace(key, () => all);
      else this.#delivered.forget(key);
    this.#unsettled = [];
    this.#journal.clear();
  }

  #readSteps(id: SessionId, epoch: number, rank: number): Steps {
    const row = prepare(
      this.#db,
      'SELECT steps FROM delivery WHERE session = ? AND epoch = ? AND rank = ?',
    ).get(id, epoch, rank) as { steps: string } | undefined;
    return row ? JSON.parse(row.steps) : [];
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
