import { type Database, prepare, transact } from '../sqlite.js';
import { othersTurn } from './turns.js';

/** More bytes than this are kept in rows of so many. */
export const ROW_BYTES = 2 * 1024 * 1024;

/**
 * Long lists of numbers of files, in rows under a key of their own: what is written under a key is seen when a file's row names it, so
 * that readers see all of it or nothing.
 */
export class FileNumbers {
  readonly #db: Database;
  #nextKey: number;

  constructor(db: Database) {
    this.#db = db;
    const { last } = prepare(db, 'SELECT coalesce(max(key), 0) AS last FROM file_numbers').get() as {
      last: number;
    };
    this.#nextKey = last + 1;
  }

  /** Writes bytes in turns; the key that a row may name from then on. */
  async write(bytes: Uint8Array): Promise<number> {
    const key = this.#nextKey++;
    const insert = prepare(this.#db, 'INSERT INTO file_numbers (key, number, bytes) VALUES (?, ?, ?)');
    for (let number = 0; number * ROW_BYTES < bytes.length; number++) {
      const row = bytes.subarray(number * ROW_BYTES, (number + 1) * ROW_BYTES);
      transact(this.#db, () => insert.run(key, number, row));
      await othersTurn();
    }
    return key;
  }

  /** The bytes under a key, a row in each turn. */
  async read(key: number): Promise<Uint8Array<ArrayBuffer>> {
    const { size } = prepare(
      this.#db,
      'SELECT coalesce(sum(length(bytes)), 0) AS size FROM file_numbers WHERE key = ?',
    ).get(key) as { size: number };
    const one = prepare(this.#db, 'SELECT bytes FROM file_numbers WHERE key = ? AND number = ?');
    const whole = new Uint8Array(size);
    for (let number = 0; number * ROW_BYTES < size; number++) {
      whole.set((one.get(key, number) as { bytes: Uint8Array }).bytes, number * ROW_BYTES);
      await othersTurn();
    }
    return whole;
  }

  /** Removes what no file's row names any more, a row in each turn. */
  async forget(key: number): Promise<void> {
    const remove = prepare(
      this.#db,
      'DELETE FROM file_numbers WHERE key = ? AND number = (SELECT max(number) FROM file_numbers WHERE key = ?)',
    );
    while (Number(remove.run(key, key).changes) > 0) await othersTurn();
  }
}
