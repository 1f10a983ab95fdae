import { randomInt } from 'node:crypto';
import { keepSnapshot, keptSnapshot, type Snapshot } from '../catalog/snapshot.js';
import type { SessionId, SnapshotDigest } from '../core/ids.js';
import { addStep, countSteps, emptySteps, hasStep, rowOfStep } from '../core/step-bits.js';
import { SlfError } from '../errors.js';
import type { Journal } from '../journal.js';
import { Recent } from '../recent.js';
import { type Database, prepare, transact } from '../sqlite.js';
import { type Spec, specDigest } from './spec.js';

/** What of a session outlives the process. */
export interface StoredSession {
  /** Identifies the session among all sessions, even those that had its name before or take it later. */
  readonly incarnation: Incarnation;
  readonly id: SessionId;
  /** Names the request that opened it: equal requests, equal digests. */
  readonly request: string;
  readonly spec: Spec;
  readonly snapshot: Snapshot;
  readonly bytesVersion: string;
  /** A keyed hash of the token that opened it; null where none was needed. */
  readonly owner: string | null;
}

export type Incarnation = number & { readonly brand: 'Incarnation' };

/** Random instead of counted: the journal of a lost database then names no session of a new one. */
export function newIncarnation(): Incarnation {
  return randomInt(2 ** 47) as Incarnation;
}

interface SessionRow {
  readonly incarnation: number;
  readonly id: string;
  readonly request: string;
  readonly spec: string;
  readonly snapshot: string;
  readonly bytes_version: string;
  readonly owner: string | null;
}

/** A body that was sent whole: whose, and whether the rank's cursor for `next` goes behind it. */
export interface Delivered {
  readonly incarnation: Incarnation;
  readonly rank: number;
  readonly step: number;
  readonly movesCursor: boolean;
}

interface DeliveredOfFormat8 extends Omit<Delivered, 'incarnation'> {
  readonly id: string;
}

/** Whether a line of the journal is a delivery, in the form of this release or of state format 8. */
export function isDelivered(value: unknown): value is Delivered | DeliveredOfFormat8 {
  const { id, incarnation, rank, step, movesCursor } = (value ?? {}) as Partial<
    Delivered & DeliveredOfFormat8
  >;
  const isCount = (number: unknown) => Number.isSafeInteger(number) && (number as number) >= 0;
  const isNamed = incarnation === undefined ? typeof id === 'string' : isCount(incarnation);
  return isNamed && isCount(rank) && isCount(step) && typeof movesCursor === 'boolean';
}

interface DeliveryRow {
  readonly incarnation: Incarnation;
  readonly rank: number;
  readonly number: number;
  readonly steps: Uint8Array;
}

const SNAPSHOTS_HELD = 32;
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
  /** What the journal holds. */
  #unsettled: Delivered[];
  #settling: NodeJS.Timeout | null = null;

  /** Takes over what an earlier process told the journal and did not settle. */
  constructor(db: Database, journal: Journal<Delivered>) {
    this.#db = db;
    this.#journal = journal;
    this.#unsettled = journal.read().flatMap((entry) => this.#ofFormat8(entry) ?? entry);
    this.#settle();
  }

  put({ incarnation, id, request, spec, snapshot, bytesVersion, owner }: StoredSession): void {
    transact(this.#db, () => {
      keepSnapshot(this.#db, snapshot, Date.now());
      prepare(
        this.#db,
        'INSERT INTO session (incarnation, id, request, spec, snapshot, bytes_version, opened_at, spec_digest, owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      ).run(
        incarnation,
        id,
        request,
        JSON.stringify(spec),
        snapshot.digest,
        bytesVersion,
        Date.now(),
        specDigest(spec),
        owner,
      );
    });
  }

  get(id: string): StoredSession | null {
    const row = prepare(
      this.#db,
      'SELECT incarnation, id, request, spec, snapshot, bytes_version, owner FROM session WHERE id = ?',
    ).get(id) as SessionRow | undefined;
    return row ? this.#stored(row) : null;
  }

  /** Counts the sessions of an owner. */
  countOf(owner: string | null): number {
    const row = prepare(this.#db, 'SELECT count(*) AS sessions FROM session WHERE owner IS ?').get(owner);
    return (row as { sessions: number }).sessions;
  }

  ids(after: string, limit: number): SessionId[] {
    const rows = prepare(this.#db, 'SELECT id FROM session WHERE id > ? ORDER BY id LIMIT ?').all(
      after,
      limit,
    );
    return (rows as { id: string }[]).map((row) => row.id as SessionId);
  }

  /** Deletes a session. A body of it that is still being sent records nothing. */
  delete(id: SessionId): void {
    const known = prepare(this.#db, 'SELECT snapshot, spec_digest FROM session WHERE id = ?').get(id) as
      | { snapshot: string; spec_digest: string | null }
      | undefined;
    if (!known) return;
    transact(this.#db, () => {
      const { snapshot, spec_digest } = known;
      prepare(this.#db, 'UPDATE snapshot SET used_at = ? WHERE digest = ?').run(Date.now(), snapshot);
      prepare(this.#db, 'UPDATE answered SET used_at = ? WHERE snapshot = ? AND spec_digest = ?').run(
        Date.now(),
        snapshot,
        spec_digest,
      );
      prepare(this.#db, 'DELETE FROM session WHERE id = ?').run(id);
    });
    // Let go of and kept again, a snapshot may stand on other revisions.
    this.#snapshots.forget(known.snapshot as SnapshotDigest);
  }

  /** The step each rank's `next` gives; 0 where it never asked. */
  cursors(incarnation: Incarnation, worldSize: number): number[] {
    this.#settle();
    const cursors = new Array<number>(worldSize).fill(0);
    const rows = prepare(this.#db, 'SELECT rank, step FROM cursor WHERE incarnation = ?').all(incarnation);
    for (const { rank, step } of rows as { rank: number; step: number }[])
      if (rank < worldSize) cursors[rank] = step;
    return cursors;
  }

  /**
   * Throws if deliveries could not be recorded and still can't be: a body that was sent anyway would have to
   * be broken off.
   */
  checkRoom(): void {
    this.#settleLate();
    this.#journal.checkRoom();
  }

  /** Records that a body was sent whole. Throws where that can't be done. */
  delivered(delivery: Delivered): void {
    this.#settleLate();
    this.#journal.append(delivery);
    this.#unsettled.push(delivery);
    this.#settling ??= setTimeout(() => {
      this.#settling = null;
      try {
        this.#settle();
      } catch {
        // The deliveries stay in the journal. The next request meets the same failure, if it lasts, and
        // answers it.
      }
    }, SETTLE_MS).unref();
  }

  /**
   * Returns a test whether a rank received a step whole, for the steps [from, to), as known at the time of
   * the call.
   */
  deliveredIn(incarnation: Incarnation, from: number, to: number): (rank: number, step: number) => boolean {
    this.#settle();
    const rows = prepare(
      this.#db,
      'SELECT rank, number, steps FROM delivery WHERE incarnation = ? AND number BETWEEN ? AND ?',
    ).all(incarnation, rowOfStep(from), rowOfStep(to)) as unknown as DeliveryRow[];
    const known = new Map(rows.map(({ rank, number, steps }) => [`${rank}/${number}`, steps]));
    return (rank, step) => {
      const row = known.get(`${rank}/${rowOfStep(step)}`);
      return row !== undefined && hasStep(row, step);
    };
  }

  /** How many batches were delivered, over all ranks and epochs. */
  deliveredCount(incarnation: Incarnation): number {
    this.#settle();
    const { sum } = prepare(
      this.#db,
      'SELECT coalesce(sum(count), 0) AS sum FROM delivery WHERE incarnation = ?',
    ).get(incarnation) as { sum: number };
    return sum;
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

  /** Settles deliveries that could not be settled in time. */
  #settleLate(): void {
    if (this.#unsettled.length > 0 && !this.#settling) this.#settle();
  }

  /** Writes what the journal holds to the database: told twice, a delivery is the same. */
  #settle(): void {
    if (this.#unsettled.length === 0) return;
    const rows = new Map<string, DeliveryRow>();
    const cursors = new Map<string, Delivered>();
    transact(this.#db, () => {
      for (const delivery of this.#unsettled) {
        const { incarnation, rank, step, movesCursor } = delivery;
        const number = rowOfStep(step);
        const key = `${incarnation}/${rank}/${number}`;
        const row = rows.get(key) ?? this.#row(incarnation, rank, number);
        rows.set(key, row);
        addStep(row.steps, step);
        if (movesCursor) cursors.set(`${incarnation}/${rank}`, delivery);
      }
      // A session may be deleted while its last body is on the way.
      for (const { incarnation, rank, number, steps } of rows.values())
        prepare(
          this.#db,
          'INSERT OR REPLACE INTO delivery (incarnation, rank, number, steps, count) SELECT incarnation, ?, ?, ?, ? FROM session WHERE incarnation = ?',
        ).run(rank, number, steps, countSteps(steps), incarnation);
      for (const { incarnation, rank, step } of cursors.values())
        prepare(
          this.#db,
          'INSERT OR REPLACE INTO cursor (incarnation, rank, step) SELECT incarnation, ?, ? FROM session WHERE incarnation = ?',
        ).run(rank, step + 1, incarnation);
    });
    this.#unsettled = [];
    this.#journal.clear();
  }

  #row(incarnation: Incarnation, rank: number, number: number): DeliveryRow {
    const known = prepare(
      this.#db,
      'SELECT steps FROM delivery WHERE incarnation = ? AND rank = ? AND number = ?',
    ).get(incarnation, rank, number) as { steps: Uint8Array } | undefined;
    return { incarnation, rank, number, steps: known?.steps ?? emptySteps() };
  }

  /**
   * Converts a journal line of state format 8, which names the session by its id, to the session that has the
   * id.
   */
  #ofFormat8(entry: Delivered | DeliveredOfFormat8): Delivered[] | null {
    if (!('id' in entry)) return null;
    const { id, rank, step, movesCursor } = entry;
    const known = prepare(this.#db, 'SELECT incarnation FROM session WHERE id = ?').get(id);
    return known ? [{ incarnation: known.incarnation as Incarnation, rank, step, movesCursor }] : [];
  }

  #stored(row: SessionRow): StoredSession {
    const snapshot = this.#snapshot(row.snapshot as SnapshotDigest);
    if (!snapshot)
      throw new SlfError('SLF_SNAPSHOT_GONE', 'the snapshot of this session is gone: open a new session');
    return {
      incarnation: row.incarnation as Incarnation,
      id: row.id as SessionId,
      request: row.request,
      spec: JSON.parse(row.spec),
      snapshot,
      bytesVersion: row.bytes_version,
      owner: row.owner,
    };
  }

  /** Snapshots never change: the last ones asked for are kept, so that a list of sessions does not put each together again. */
  #snapshot(digest: SnapshotDigest): Snapshot | null {
    return this.#snapshots.get(digest, () => keptSnapshot(this.#db, digest));
  }
}
