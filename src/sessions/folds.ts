import { createHash } from 'node:crypto';
import { patientsOf, presentPatients, presentStudies, type StudyState } from '../catalog/studies.js';
import { joinPatients } from '../core/patient-groups.js';
import { SlfError } from '../errors.js';
import { type Database, prepare } from '../sqlite.js';
import type { SpecRequest } from './request.js';
import type { Split } from './spec.js';

/** Returns the split that a request asks for; null: all studies. Throws `SlfError`. */
export function splitOf({ split }: SpecRequest): Split | null {
  if (!split) return null;
  const beyond = split.parts.find((part) => part >= split.of);
  if (beyond !== undefined)
    throw new SlfError('SLF_SPEC_CONFLICT', `split.parts has ${beyond}, the folds are 0 to ${split.of - 1}`, {
      field: 'split.parts',
    });
  return { of: split.of, parts: [...new Set(split.parts)].sort((a, b) => a - b), seed: split.seed ?? 0 };
}

/**
 * Returns a function that names the group of a study, which a split never parts: the study's patient, or the
 * study itself if it has none. If a study has several patients, all present studies of these patients have
 * one name, and so do those of patients who share other studies with them.
 */
export function splitKeys(db: Database, studies: readonly StudyState[]): (state: StudyState) => string {
  const lists = new Map(presentPatients(db));
  for (const { revision } of studies) if (!lists.has(revision)) lists.set(revision, patientsOf(db, revision));
  const joined = joinPatients(lists.values());
  return ({ study, revision }) => {
    const [patient] = lists.get(revision) ?? patientsOf(db, revision);
    return patient === undefined ? study : (joined.get(patient) ?? patient);
  };
}

/** The fold that all studies of one name fall into. */
export function foldOf(key: string, { of, seed }: Pick<Split, 'of' | 'seed'>): number {
  const hash = createHash('sha256').update(`split 1\n${seed}\n${key}`).digest();
  return Number(hash.readBigUInt64BE(0) % BigInt(of));
}

/** Returns the studies in the folds of a split; null: all of them. */
export function inFolds(
  db: Database,
  studies: readonly StudyState[],
  split: Split | null,
): readonly StudyState[] {
  if (split === null) return studies;
  const keyOf = splitKeys(db, studies);
  return studies.filter((state) => split.parts.includes(foldOf(keyOf(state), split)));
}

/** A study as a split shows it. */
export interface SplitStudy {
  readonly study: string;
  readonly fold: number;
  /** The first study of its group: the study itself, or another one of its patients. */
  readonly group: string;
  readonly slices: number;
  readonly pairs: number;
}

/** The totals of a fold. `groups` counts its patients, and its studies without one. */
export interface Fold {
  readonly fold: number;
  studies: number;
  groups: number;
  slices: number;
  pairs: number;
  readonly structures: Map<string, number>;
}

/** Returns every present study with its fold, in order of ids, and every fold with its totals. */
export function splitStudies(
  db: Database,
  split: Pick<Split, 'of' | 'seed'>,
): { readonly folds: readonly Fold[]; readonly studies: readonly SplitStudy[] } {
  const present = presentStudies(db);
  const keyOf = splitKeys(db, present);
  const folds = Array.from(
    { length: split.of },
    (_, fold): Fold => ({ fold, studies: 0, groups: 0, slices: 0, pairs: 0, structures: new Map() }),
  );
  const groups = new Map<string, { readonly first: string; readonly fold: Fold }>();
  const counts = prepare(db, 'SELECT slices, pairs, structures FROM revision WHERE id = ?');
  const studies = present.map((state): SplitStudy => {
    const key = keyOf(state);
    let group = groups.get(key);
    if (!group) {
      group = { first: state.study, fold: folds[foldOf(key, split)]! };
      group.fold.groups++;
      groups.set(key, group);
    }
    const { first, fold } = group;
    const { slices, pairs, structures } = counts.get(state.revision) as {
      slices: number;
      pairs: number;
      structures: string;
    };
    fold.studies++;
    fold.slices += slices;
    fold.pairs += pairs;
    for (const [name, count] of Object.entries(JSON.parse(structures) as Record<string, number>))
      fold.structures.set(name, (fold.structures.get(name) ?? 0) + count);
    return { study: state.study, fold: fold.fold, group: first, slices, pairs };
  });
  return { folds, studies };
}
