import { type Database, openSqlite } from './sqlite.js';

/** A lock that the kernel gives back when the holder's process ends, however it ends. */
export interface Lock {
  release(): void;
}

// A connection that nothing refers to is closed by the garbage collector, and its lock with it.
const held = new Set<Database>();

/**
 * Takes the exclusive lock on a file, made where it is missing; null when another process holds it.
 * SQLite's own file lock serves because Node has no call for one; the file stays empty. A process id would not do: in containers all are 1.
 */
export function takeLock(path: string): Lock | null {
  let db: Database | null = null;
  try {
    db = openSqlite(path);
    db.exec('PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (/locked|busy/i.test(String(error))) return null;
    throw error;
  }
  const connection = db;
  held.add(connection);
  return {
    release() {
      if (held.delete(connection)) connection.close();
    },
  };
}
