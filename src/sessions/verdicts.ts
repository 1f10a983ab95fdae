import type { PairId } from '../core/ids.js';
import { addStep, emptySteps, hasStep, rowOfStep } from '../core/step-bits.js';
import { SlfError } from '../errors.js';
import { type Database, prepare, transact } from '../sqlite.js';

/** What a batch says of a slot that it masks. */
export interface Verdict {
  readonly slot: number;
  readonly pair: PairId;
  readonly code: string;
  readonly file: string | null;
  readonly detail: string;
}

/** The address of a batch of a session with `onError: mask`. */
export interface MaskAddress {
  readonly snapshot: string;
  readonly specDigest: string;
  readonly rank: number;
  readonly step: number;
}

/**
 * What batches said of broken pairs. A verdict is durable before the first byte that shows it; once said it stays said, and a
 * pair that was sent is never masked in a later answer to the same address.
 */
export class Verdicts {
  #db: Database;
  constructor(db: Database) {
    this.#db = db;
  }

  said({ snapshot, specDigest, rank, step }: MaskAddress): Verdict[] {
    return prepare(
      this.#db,
      'SELECT slot, pair, code, file, detail FROM verdict WHERE snapshot = ? AND spec_digest = ? AND rank = ? AND step = ? ORDER BY slot',
    ).all(snapshot, specDigest, rank, step) as unknown as Verdict[];
  }

  /** Whether an answer to this address may have gone out already. */
  wasGiven(address: MaskAddress): boolean {
    return hasStep(this.#answered(address), address.step);
  }

  /** Records that an answer goes out now with these new verdicts. Throws `SLF_PAIR_FAILED` where an earlier answer showed the pair. */
  give(address: MaskAddress, fresh: readonly Verdict[]): void {
    const answered = this.#answered(address);
    if (hasStep(answered, address.step)) {
      const [first] = fresh;
      if (!first) return;
      throw new SlfError(
        'SLF_PAIR_FAILED',
        `${first.code}: ${first.detail}; it is not masked because this batch was sent with it before`,
        { pair: first.pair, ...(first.file === null ? {} : { file: first.file }) },
      );
    }
    const { snapshot, specDigest, rank, step } = address;
    addStep(answered, step);
    transact(this.#db, () => {
      prepare(
        this.#db,
        'INSERT OR IGNORE INTO answered (snapshot, spec_digest, used_at) VALUES (?, ?, ?)',
      ).run(snapshot, specDigest, Date.now());
      const insert = prepare(
        this.#db,
        'INSERT INTO verdict (snapshot, spec_digest, rank, step, slot, pair, code, file, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
      );
      for (const { slot, pair, code, file, detail } of fresh)
        insert.run(snapshot, specDigest, rank, step, slot, pair, code, file, detail);
      prepare(
        this.#db,
        'INSERT OR REPLACE INTO given (snapshot, spec_digest, rank, number, steps) VALUES (?, ?, ?, ?, ?)',
      ).run(snapshot, specDigest, rank, rowOfStep(step), answered);
    });
  }

  /** Returns the row of answered steps that an address belongs to. */
  #answered({ snapshot, specDigest, rank, step }: MaskAddress): Uint8Array {
    const row = prepare(
      this.#db,
      'SELECT steps FROM given WHERE snapshot = ? AND spec_digest = ? AND rank = ? AND number = ?',
    ).get(snapshot, specDigest, rank, rowOfStep(step)) as { steps: Uint8Array } | undefined;
    return row?.steps ?? emptySteps();
  }
}
