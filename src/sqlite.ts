import type { DatabaseSyncInstance, SqliteModule, StatementSyncInstance } from '@photostructure/sqlite';
import { isOutOfRoom } from './room.js';

/** One connection; calls are synchronous. */
export type Database = DatabaseSyncInstance;

type Sqlite = Pick<SqliteModule, 'DatabaseSync'>;

// node:sqlite where Node has it; the drop-in with the same calls on Node 20.
const { DatabaseSync: Connection } = ((process.getBuiltinModule as (id: string) => unknown)('node:sqlite') ??
  (await import('@photostructure/sqlite'))) as Sqlite;

export function openSqlite(path: string): Database {
  return new Connection(path);
}

/** Runs `work` as one transaction: all of it or nothing. */
export function transact<T>(db: Database, work: () => T): T {
  prepare(db, 'BEGIN IMMEDIATE').run();
  try {
    const result = work();
    prepare(db, 'COMMIT').run();
    return result;
  } catch (error) {
    // If the disk is full, SQLite has ended the transaction by itself.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

const statements = new WeakMap<Database, Map<string, StatementSyncInstance>>();

/** A statement of a connection, compiled once. Used with `get`, `all` and `run`, which leave it free for the next use. */
export function prepare(db: Database, sql: string): StatementSyncInstance {
  let known = statements.get(db);
  if (!known) {
    known = new Map();
    statements.set(db, known);
  }
  let statement = known.get(sql);
  if (!statement) {
    statement = db.prepare(sql);
    known.set(sql, statement);
  }
  return statement;
}

/** How long a copy waits for a write of another process to end. */
const COPY_WAITS_MS = 30_000;
const PAGES_AT_A_TIME = 10_000;

/**
 * Copies a database as it is at one moment, while others may write to it. `atMoment` runs at that very moment
 * and blocks all writes, so it must be short.
 */
export async function copySqlite(path: string, to: string, atMoment: () => void): Promise<void> {
  // Works with every supported Node: its own module copies databases only from Node 22.16 on.
  const { backup, DatabaseSync } = await import('@photostructure/sqlite');
  const reader = new DatabaseSync(path);
  try {
    const writer = new DatabaseSync(path);
    try {
      writer.exec(`PRAGMA busy_timeout = ${COPY_WAITS_MS}; BEGIN IMMEDIATE`);
      // A transaction sees the database as it was at its first read.
      reader.exec('BEGIN; SELECT count(*) FROM sqlite_schema');
      atMoment();
    } finally {
      writer.close();
    }
    await backup(reader, to, { rate: PAGES_AT_A_TIME });
  } finally {
    reader.close();
  }
}

/**
 * Closes a connection and leaves everything in one file: the content of the write-ahead log goes into the
 * database first. If the disk has no room for that, the log stays beside the database, and the next
 * connection reads both.
 */
export function closeSqlite(db: Database): void {
  try {
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  } catch (error) {
    if (!isOutOfRoom(error)) throw error;
  } finally {
    statements.delete(db);
    db.close();
  }
}
