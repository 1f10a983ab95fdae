import type { Problem, ProblemCode } from '../core/problem.js';
import { type Database, prepare } from '../sqlite.js';

/** Receives a problem of a study's file. */
export type Report = (code: ProblemCode, file: string, detail: string) => void;

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
