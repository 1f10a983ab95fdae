import type { ScanFinding } from '../loader/messages.js';
import { type Database, transact } from '../sqlite.js';

/** What the catalogue keeps of a file since it was last read. */
export interface FileFinding {
  readonly path: string;
  readonly guard: string;
  readonly finding: ScanFinding;
}

/** The files of the source as the last scan read them. */
export class FileTable {
  #db: Database;
  constructor(db: Database) {
    this.#db = db;
  }

  get(path: string): FileFinding | null {
    const row = this.#db.prepare('SELECT guard, finding, points FROM file WHERE path = ?').get(path) as
      | { guard: string; finding: string; points: Uint8Array | null }
      | undefined;
    if (!row) return null;
    const finding = JSON.parse(row.finding) as ScanFinding;
    if (finding.kind === 'contour' && finding.contour.ok && row.points)
      (finding.contour as { points: Float64Array }).points = new Float64Array(row.points.slice().buffer);
    return { path, guard: row.guard, finding };
  }

  put(findings: readonly FileFinding[]): void {
    const insert = this.#db.prepare(
      'INSERT OR REPLACE INTO file (path, guard, finding, points) VALUES (?, ?, ?, ?)',
    );
    transact(this.#db, () => {
      for (const { path, guard, finding } of findings) {
        if (finding.kind === 'contour' && finding.contour.ok) {
          const { points, ...rest } = finding.contour;
          const kept = { kind: 'contour', contour: rest };
          insert.run(
            path,
            guard,
            JSON.stringify(kept),
            new Uint8Array(points.buffer, points.byteOffset, points.byteLength),
          );
        } else insert.run(path, guard, JSON.stringify(finding), null);
      }
    });
  }

  /** Drops the files that are not in the source any more. */
  forgetAllBut(present: { has(path: string): boolean }): void {
    const gone = (this.#db.prepare('SELECT path FROM file').all() as { path: string }[]).filter(
      ({ path }) => !present.has(path),
    );
    const remove = this.#db.prepare('DELETE FROM file WHERE path = ?');
    transact(this.#db, () => {
      for (const { path } of gone) remove.run(path);
    });
  }
}
