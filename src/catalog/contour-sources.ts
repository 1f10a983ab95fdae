import { type Database, prepare } from '../sqlite.js';
import type { ContourSource } from './outlines.js';

/** Writes down where the structures of a study's present state come from; call it inside a transaction. */
export function writeSources(db: Database, study: string, sources: readonly ContourSource[]): void {
  prepare(db, 'DELETE FROM source WHERE study = ?').run(study);
  const insert = prepare(
    db,
    'INSERT INTO source (study, number, kind, file, structures, parts) VALUES (?, ?, ?, ?, ?, ?)',
  );
  sources.forEach(({ kind, file, structures, parts }, number) => {
    insert.run(study, number, kind, file, JSON.stringify(structures), parts);
  });
}

/** Where the structures of a study's present state come from. */
export function listSources(db: Database, study: string): ContourSource[] {
  const rows = prepare(
    db,
    'SELECT kind, file, structures, parts FROM source WHERE study = ? ORDER BY number',
  ).all(study) as unknown as (Omit<ContourSource, 'structures'> & { structures: string })[];
  return rows.map((row) => ({ ...row, structures: JSON.parse(row.structures) as string[] }));
}
