import { createHash } from 'node:crypto';
import { patientsOf, presentPatients, type StudyState } from '../catalog/studies.js';
import { joinPatients } from '../core/patient-groups.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import type { SpecRequest } from './request.js';
import type { Split } from './spec.js';

/** The part of the studies that a request asks for; null: all. Throws `SlfError`. */
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
 * Names for a split what must not be parted: a study's patient, of a study without one the study itself. Where a study has several
 * patients, all present studies of any of them, and of those that these have studies together with, have one name.
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

/** The studies that lie in the folds of a split; null: all of them. */
export function inFolds(
  db: Database,
  studies: readonly StudyState[],
  split: Split | null,
): readonly StudyState[] {
  if (split === null) return studies;
  const keyOf = splitKeys(db, studies);
  return studies.filter((state) => split.parts.includes(foldOf(keyOf(state), split)));
}
