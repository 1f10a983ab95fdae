import { dropByDefault } from '../core/contests.js';
import type { Containment } from '../core/finding-codes.js';
import { pairId, type SliceId, type StudyId } from '../core/ids.js';
import { extentsOf } from '../core/outlining.js';
import type { StructureMeasures } from '../core/structure-measures.js';
import type { MeasureOutcome, MeasureUnit } from '../loader/messages.js';
import type { Locate } from '../sources/place.js';
import { type Database, prepare, transact } from '../sqlite.js';
import { OtherSlices } from './other-slices.js';
import { partsOf } from './parts.js';
import type { Quarantine } from './quarantine.js';
import { carriersOf, contestsOf } from './revision-contests.js';
import { readSlice } from './slices.js';
import { pairSource } from './slot-sources.js';
import type { StudyState } from './studies.js';
import { othersTurn } from './turns.js';

/** Measures slices in loader children; null: the slice ended its loader. */
type MeasureSlices = (
  units: readonly MeasureUnit[],
  containments: readonly Containment[],
) => Promise<readonly (MeasureOutcome | null)[]>;

/** What was measured of a slice. */
export interface SliceMeasures {
  readonly structures: readonly StructureMeasures[];
  readonly unread: string | null;
}

/** A task of so few keeps a loader free for a trainer that asks meanwhile. */
const SLICES_PER_TASK = 8;
/** Slices whose outcomes are awaited and written together. */
const SLICES_PER_TURN = 64;
/** Rows read before the event loop turns. */
const ROWS_PER_TURN = 200;
/** Changes whenever other values would be measured of the same pixels and contours. */
const MEASURES_VERSION = 4;

export interface MeasuresOptions {
  readonly db: Database;
  readonly locate: Locate;
  readonly containments: readonly Containment[];
  readonly quarantine: Quarantine;
  readonly measureSlices: MeasureSlices;
}

/** What was measured of the slices of studies, kept with their revisions: each slice is measured once. */
export class Measures {
  #options: MeasuresOptions;
  #key: string;
  #underWay = new Map<number, Promise<void>>();
  #stopped = false;

  constructor(options: MeasuresOptions) {
    this.#options = options;
    this.#key = JSON.stringify([MEASURES_VERSION, options.containments]);
  }

  /** Measures what is not measured yet of a study; who asks meanwhile waits with the first. `onSlices` hears of each few. */
  complete(state: StudyState, onSlices: (count: number) => void = () => {}): Promise<void> {
    let underWay = this.#underWay.get(state.revision);
    if (!underWay) {
      underWay = this.#measure(state, onSlices).finally(() => this.#underWay.delete(state.revision));
      this.#underWay.set(state.revision, underWay);
    }
    return underWay;
  }

  /** What is known of a revision's slices, by place; one whose image changed since the scan is not among them. */
  async of(revision: number): Promise<Map<number, SliceMeasures>> {
    const some = prepare(
      this.#options.db,
      'SELECT ord, measures FROM measure WHERE revision = ? AND ord > ? ORDER BY ord LIMIT ?',
    );
    const known = new Map<number, SliceMeasures>();
    for (let after = -1; ; ) {
      const rows = some.all(revision, after, ROWS_PER_TURN) as { ord: number; measures: string }[];
      for (const { ord, measures } of rows) known.set(ord, JSON.parse(measures));
      if (rows.length < ROWS_PER_TURN) return known;
      after = rows[rows.length - 1]!.ord;
      await othersTurn();
    }
  }

  /** Begins nothing more, and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#underWay.values());
  }

  async #measure({ study, revision }: StudyState, onSlices: (count: number) => void): Promise<void> {
    const { db } = this.#options;
    const known = prepare(db, 'SELECT key, done FROM measured WHERE revision = ?').get(revision) as
      | { key: string; done: number }
      | undefined;
    if (known?.key === this.#key && known.done === 1) return;
    if (known?.key !== this.#key) this.#begin(revision);
    const carries = carriersOf(db, revision, dropByDefault(contestsOf(db, revision)));
    const others = await OtherSlices.of(db, revision, carries);
    let isWhole = true;
    for (let after = -1; !this.#stopped; ) {
      const rows = prepare(
        db,
        `SELECT l.ord FROM slice l LEFT JOIN measure m ON m.revision = l.revision AND m.ord = l.ord
           WHERE l.revision = ? AND l.ord > ? AND l.structures <> '[]' AND m.ord IS NULL ORDER BY l.ord LIMIT ?`,
      ).all(revision, after, SLICES_PER_TURN) as { ord: number }[];
      if (rows.length === 0) {
        if (isWhole) prepare(db, 'UPDATE measured SET done = 1 WHERE revision = ?').run(revision);
        return;
      }
      after = rows[rows.length - 1]!.ord;
      const found = await this.#read(
        study,
        revision,
        rows.map(({ ord }) => ord),
        others,
        carries,
      );
      isWhole &&= found.size === rows.length;
      this.#write(revision, found);
      onSlices(rows.length);
    }
    throw new Error('the service is closing');
  }

  #begin(revision: number): void {
    const { db } = this.#options;
    transact(db, () => {
      prepare(db, 'DELETE FROM measure WHERE revision = ?').run(revision);
      prepare(
        db,
        'INSERT OR REPLACE INTO measured (revision, key, done) SELECT id, ?, 0 FROM revision WHERE id = ?',
      ).run(this.#key, revision);
    });
  }

  #write(revision: number, found: ReadonlyMap<number, SliceMeasures>): void {
    const { db } = this.#options;
    transact(db, () => {
      // A revision that was let go of meanwhile takes nothing more.
      const insert = prepare(
        db,
        'INSERT OR REPLACE INTO measure (revision, ord, measures) SELECT id, ?, ? FROM revision WHERE id = ?',
      );
      for (const [ord, measures] of found) insert.run(ord, JSON.stringify(measures), revision);
    });
  }

  async #read(
    study: StudyId,
    revision: number,
    ordinals: readonly number[],
    others: OtherSlices,
    carries: (ord: number, structure: string) => boolean,
  ): Promise<Map<number, SliceMeasures>> {
    const { quarantine, containments, measureSlices } = this.#options;
    const found = new Map<number, SliceMeasures>();
    // If a task fails while others are prepared, its error is thrown once those have ended.
    const failures: unknown[] = [];
    const tasks: Promise<void>[] = [];
    for (let from = 0; from < ordinals.length; from += SLICES_PER_TASK) {
      const task = ordinals
        .slice(from, from + SLICES_PER_TASK)
        .map((ord) => this.#unit(revision, ord, others, carries));
      const healthy = task.filter(({ ord, slice, headerDigest }) => {
        if (!quarantine.find(pairId(study, slice), headerDigest)) return true;
        found.set(ord, { structures: [], unread: 'the pair is in quarantine' });
        return false;
      });
      if (healthy.length === 0) continue;
      const units = healthy.map(({ unit }) => unit);
      tasks.push(
        measureSlices(units, containments)
          .then((outcomes) => {
            outcomes.forEach((outcome, at) => {
              const { ord } = healthy[at]!;
              if (outcome === null) found.set(ord, { structures: [], unread: 'reading it ended its loader' });
              else if (outcome.kind === 'measured')
                found.set(ord, { structures: outcome.structures, unread: outcome.unread });
            });
          })
          .catch((error) => {
            failures.push(error);
          }),
      );
      await othersTurn();
      if (failures.length > 0) break;
    }
    await Promise.all(tasks);
    if (failures.length > 0) throw failures[0];
    return found;
  }

  #unit(
    revision: number,
    ord: number,
    others: OtherSlices,
    carries: (ord: number, structure: string) => boolean,
  ): {
    readonly ord: number;
    readonly slice: SliceId;
    readonly headerDigest: string;
    readonly unit: MeasureUnit;
  } {
    const { db, locate } = this.#options;
    const known = readSlice(db, revision, ord);
    const { slice, headerDigest } = known;
    const structures = known.structures.filter((structure) => carries(ord, structure));
    const extentsAt = (place: number, names: readonly string[]) =>
      extentsOf(partsOf(db, revision, place), {
        names: names.map((name) => [name]),
        holes: 'standard',
        originShift: 0,
      });
    const extents = extentsAt(ord, structures);
    return {
      ord,
      slice,
      headerDigest,
      unit: {
        source: pairSource(known, locate),
        structures: structures.map((structure, at) => ({
          structure,
          extent: extents[at]!,
          others: others
            .of(ord, structure)
            .map(({ steps, ord: other }) => ({ steps, extent: extentsAt(other, [structure])[0]! })),
        })),
      },
    };
  }
}
