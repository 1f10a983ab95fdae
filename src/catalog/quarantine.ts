import type { PairId } from '../core/ids.js';
import type { ProblemCode } from '../core/problem.js';
import { type Database, prepare } from '../sqlite.js';

/** A pair that alone, in a fresh loader, twice ended it. */
export interface Quarantined {
  readonly pair: PairId;
  readonly headerDigest: string;
  readonly file: string;
  readonly code: ProblemCode;
  readonly detail: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

interface Row {
  readonly study: string;
  readonly slice: string;
  readonly header_digest: string;
  readonly file: string;
  readonly code: string;
  readonly detail: string;
  readonly since: number;
}

function parts(pair: PairId): [study: string, slice: string] {
  const at = pair.indexOf('/');
  return [pair.slice(0, at), pair.slice(at + 1)];
}

/** The quarantined pairs: held in memory, because every pair of every batch is looked up, and written down at once. */
export class Quarantine {
  #db: Database;
  #held = new Map<string, Quarantined>();

  constructor(db: Database) {
    this.#db = db;
    for (const row of prepare(db, 'SELECT * FROM quarantine').all() as unknown as Row[]) {
      const { study, slice, header_digest: headerDigest, file, code, detail, since } = row;
      const pair = `${study}/${slice}` as PairId;
      this.#held.set(`${pair} ${headerDigest}`, {
        pair,
        headerDigest,
        file,
        code: code as ProblemCode,
        detail,
        since,
      });
    }
  }

  find(pair: PairId, headerDigest: string): Quarantined | null {
    return this.#held.size === 0 ? null : (this.#held.get(`${pair} ${headerDigest}`) ?? null);
  }

  /** Durable when it returns. */
  add(entry: Quarantined): void {
    const { pair, headerDigest, file, code, detail, since } = entry;
    const key = `${pair} ${headerDigest}`;
    if (this.#held.has(key)) return;
    const [study, slice] = parts(pair);
    prepare(
      this.#db,
      'INSERT OR IGNORE INTO quarantine (study, slice, header_digest, file, code, detail, since) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ).run(study, slice, headerDigest, file, code, detail, since);
    this.#held.set(key, entry);
  }

  list(): Quarantined[] {
    return [...this.#held.values()].sort((a, b) => (a.pair < b.pair ? -1 : 1));
  }

  /** Gives a pair another chance; false when it is not in quarantine. */
  pardon(pair: PairId): boolean {
    const [study, slice] = parts(pair);
    prepare(this.#db, 'DELETE FROM quarantine WHERE study = ? AND slice = ?').run(study, slice);
    const keys = [...this.#held].filter(([, entry]) => entry.pair === pair).map(([key]) => key);
    for (const key of keys) this.#held.delete(key);
    return keys.length > 0;
  }
}
