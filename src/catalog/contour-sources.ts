import { type Database, prepare } from '../sqlite.js';
import type { ContourSource } from './outlines.js';

/** Writes down where the structures of a study's present state come from; call it inside a transaction. */
export function writeSources(db: Database, study: string, sources: readonly ContourSource[]): void {
  prepare(db, 'DELETE FROM source WHERE study = ?').run(study);
  const insert = prepare(
    db,
    'INSERT INTO source (study, number, kind, file, series, made, structures, parts, copies) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  sources.forEach(({ kind, file, series, made, structures, parts, copies }, number) => {
    const [named, copied] = [JSON.stringify(structures), JSON.stringify(copies)];
    insert.run(study, number, kind, file, series, made, named, parts, copied);
  });
}

/** Returns those of `asked` that are the file, or the series, of no source of any study. */
export function unknownSources(db: Database, field: 'file' | 'series', asked: readonly string[]): string[] {
  const rows = prepare(
    db,
    `SELECT value FROM json_each(?) WHERE value NOT IN (SELECT ${field} FROM source WHERE ${field} IS NOT NULL)`,
  ).all(JSON.stringify(asked)) as { value: string }[];
  return rows.map(({ value }) => value);
}

/**
 * The sources of the structures of a study's present state, in the order by which parts name their source.
 */
export function listSources(db: Database, study: string): ContourSource[] {
  const rows = prepare(
    db,
    'SELECT kind, file, series, made, structures, parts, copies FROM source WHERE study = ? ORDER BY number',
  ).all(study) as unknown as (Omit<ContourSource, 'structures' | 'copies'> & {
    structures: string;
    copies: string;
  })[];
  return rows.map((row) => ({
    ...row,
    structures: JSON.parse(row.structures) as string[],
    copies: JSON.parse(row.copies) as ContourSource['copies'],
  }));
}
