import type { ScanFinding } from '../loader/messages.js';
import { type Database, prepare, transact } from '../sqlite.js';

/** What the catalogue keeps of a file since it was last read. */
export interface FileFinding {
  readonly path: string;
  readonly guard: string;
  readonly finding: ScanFinding;
  /** For each frame the generation of its pixels; null where all are the first ones seen under their header. */
  readonly generations: readonly (number | null)[] | null;
}

/** The files of the source as the last scan read them. */
export class FileTable {
  #db: Database;
  constructor(db: Database) {
    this.#db = db;
  }

  get(path: string): FileFinding | null {
    const row = prepare(this.#db, 'SELECT guard, finding, generations, points FROM file WHERE path = ?').get(
      path,
    ) as
      | { guard: string; finding: string; generations: string | null; points: Uint8Array | null }
      | undefined;
    if (!row) return null;
    const finding = JSON.parse(row.finding) as ScanFinding;
    if (finding.kind === 'contour' && finding.contour.ok && row.points)
      (finding.contour as { points: Float64Array }).points = new Float64Array(row.points.slice().buffer);
    const generations = row.generations === null ? null : JSON.parse(row.generations);
    return { path, guard: row.guard, finding, generations };
  }

  put(findings: readonly FileFinding[]): void {
    const insert = prepare(
      this.#db,
      'INSERT OR REPLACE INTO file (path, guard, finding, generations, points) VALUES (?, ?, ?, ?, ?)',
    );
    transact(this.#db, () => {
      for (const { path, guard, finding, generations } of findings) {
        const marks = generations === null ? null : JSON.stringify(generations);
        if (finding.kind === 'contour' && finding.contour.ok) {
          const { points, ...rest } = finding.contour;
          const kept = { kind: 'contour', contour: rest };
          insert.run(
            path,
            guard,
            JSON.stringify(kept),
            marks,
            new Uint8Array(points.buffer, points.byteOffset, points.byteLength),
          );
        } else insert.run(path, guard, JSON.stringify(finding), marks, null);
      }
    });
  }

  /** Drops the files that are not in the source any more. */
  forgetAllBut(present: { has(path: string): boolean }): void {
    const gone = (prepare(this.#db, 'SELECT path FROM file').all() as { path: string }[]).filter(
      ({ path }) => !present.has(path),
    );
    const remove = prepare(this.#db, 'DELETE FROM file WHERE path = ?');
    transact(this.#db, () => {
      for (const { path } of gone) remove.run(path);
    });
  }
}
