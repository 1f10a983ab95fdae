import type { DatabaseSyncInstance, SqliteModule, StatementSyncInstance } from '@photostructure/sqlite';

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
    db.exec('ROLLBACK');
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

/** Closes a connection and leaves all of it in one file: what the write-ahead log holds goes into the database first. */
export function closeSqlite(db: Database): void {
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  statements.delete(db);
  db.close();
}
