import type { DatabaseSyncInstance, SqliteModule } from '@photostructure/sqlite';

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
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    db.exec('ROLLBACK');
    throw error;
  }
}
