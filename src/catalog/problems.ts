import type { Problem } from '../core/problem.js';
import { type Database, prepare } from '../sqlite.js';

/** Replaces the problems of a study, '' for those of none; call it inside a transaction. */
export function writeProblems(db: Database, study: string, problems: readonly Problem[]): void {
  prepare(db, 'DELETE FROM problem WHERE study = ?').run(study);
  const insert = prepare(
    db,
    'INSERT INTO problem (study, number, code, file, detail) VALUES (?, ?, ?, ?, ?)',
  );
  problems.forEach(({ code, file, detail }, number) => {
    insert.run(study, number, code, file, detail);
  });
}
