import { createHash } from 'node:crypto';
import { type Flagged, type Selection, selectionKey } from '../catalog/selection.js';
import { bytesVersionOf, keptSnapshot, makeSnapshot, type Snapshot } from '../catalog/snapshot.js';
import {
  patientOf,
  presentStudies,
  revisionName,
  type StudyState,
  structureCounts,
} from '../catalog/studies.js';
import { BYTES_VERSION } from '../core/bytes-version.js';
import type { SnapshotDigest } from '../core/ids.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import type { SpecRequest } from './request.js';
import type { Split } from './spec.js';

/** The fold of a study: by a hash of its patient, so that a patient's studies fall together; without a patient, of the study. */
export function foldOf(db: Database, { study, revision }: StudyState, { of, seed }: Split): number {
  const key = patientOf(db, revision) ?? study;
  const hash = createHash('sha256').update(`split 1\n${seed}\n${key}`).digest();
  return Number(hash.readBigUInt64BE(0) % BigInt(of));
}

/** Those of the candidates that a request asks for. Throws `SlfError` for a study that is neither among them nor present. */
export function chooseStudies(
  db: Database,
  request: SpecRequest,
  candidates: readonly StudyState[],
): readonly StudyState[] {
  const split = splitOf(request);
  const isAll = (request.studies ?? 'all') === 'all' && (request.excludeStudies ?? []).length === 0;
  if (isAll && split === null) return candidates;
  const known = new Set<string>([...candidates, ...presentStudies(db)].map(({ study }) => study));
  const check = (field: string, ids: readonly string[]) => {
    if (!ids.every((id) => known.has(id)))
      throw new SlfError(
        'SLF_STUDY_MISSING',
        `${field} names a study that is not there; GET /v1/studies lists them`,
        {
          field,
        },
      );
  };
  const wanted = request.studies ?? 'all';
  if (wanted !== 'all') check('studies', wanted);
  const asked = wanted === 'all' ? known : new Set<string>(wanted);
  const excluded = new Set<string>(request.excludeStudies ?? []);
  check('excludeStudies', [...excluded]);
  return candidates.filter(
    (state) =>
      asked.has(state.study) &&
      !excluded.has(state.study) &&
      (split === null || split.parts.includes(foldOf(db, state, split))),
  );
}

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

/** The pairs a request stands on: of the present catalogue, or exactly those of a kept snapshot. Throws `SlfError`. */
export function chooseSnapshot(db: Database, request: SpecRequest, flagged: Flagged | null = null): Snapshot {
  if (request.snapshot) return reopen(db, request, request.snapshot as SnapshotDigest);
  const studies = chooseStudies(db, request, presentStudies(db));
  const { missing = 'exclude', rename = {}, where = {} } = request;
  checkRename(rename);
  const structures = request.structures ?? defaultStructures(db, studies, rename);
  if (new Set(structures).size < structures.length)
    throw new SlfError('SLF_SPEC_CONFLICT', 'structures names one twice', { field: 'structures' });
  const leftOut = leftOutOf(db, request, studies, flagged);
  const snapshot = makeSnapshot(
    db,
    studies,
    { structures, missing, rename, where, ...(leftOut ? { leftOut } : {}) },
    flagged,
  );
  if (snapshot.pairs === 0) throw noPairs(db, studies, structures);
  return snapshot;
}

/** Names what a request leaves out of these studies; null: nothing. Throws `SlfError` where a study changed since it was looked at. */
function leftOutOf(
  db: Database,
  { exclude = [] }: SpecRequest,
  studies: readonly StudyState[],
  flagged: Flagged | null,
): Selection['leftOut'] | null {
  if (exclude.length === 0) return null;
  const hash = createHash('sha256').update('left out 1\n');
  for (const { study, revision } of [...studies].sort((a, b) => (a.study < b.study ? -1 : 1))) {
    const left = flagged?.get(revision);
    if (!left)
      throw new SlfError('SLF_NOT_READY', 'a study changed while the quality report was made: ask again', {
        retryAfterS: 1,
      });
    const ordinals = [...left].sort((a, b) => a - b);
    if (left.size > 0) hash.update(`${study} ${revisionName(db, revision)} ${ordinals.join()}\n`);
  }
  return { codes: [...new Set(exclude)].sort(), digest: hash.digest('hex') };
}

/** A kept snapshot says which pairs; whatever of the request chooses pairs must agree with it. */
function reopen(db: Database, request: SpecRequest, digest: SnapshotDigest): Snapshot {
  const snapshot = keptSnapshot(db, digest);
  if (!snapshot)
    throw new SlfError(
      'SLF_SNAPSHOT_GONE',
      'no session has stood on it for SLICEFEED_SNAPSHOT_DAYS: open one without it',
      {
        field: 'snapshot',
      },
    );
  const readUnder = bytesVersionOf(db, digest);
  if (readUnder !== BYTES_VERSION)
    throw new SlfError(
      'SLF_BYTES_VERSION',
      `the files of the snapshot were read under bytes version ${readUnder}, this release makes ${BYTES_VERSION}: open one without it`,
      { field: 'snapshot' },
    );
  const conflict = (field: string) =>
    new SlfError('SLF_SPEC_CONFLICT', `the snapshot was made with another ${field}: leave ${field} out`, {
      field,
    });
  const { selection } = snapshot;
  for (const field of ['structures', 'missing', 'rename', 'where'] as const) {
    const asked = request[field];
    if (asked === undefined) continue;
    if (selectionKey({ ...selection, [field]: asked }) !== selectionKey(selection)) throw conflict(field);
  }
  const codes = selection.leftOut?.codes ?? [];
  if (request.exclude && [...new Set(request.exclude)].sort().join() !== codes.join())
    throw conflict('exclude');
  if (chooseStudies(db, request, snapshot.studies).length < snapshot.studies.length)
    throw conflict('studies');
  return request.structures
    ? { ...snapshot, selection: { ...selection, structures: request.structures } }
    : snapshot;
}

function checkRename(rename: Selection['rename']): void {
  const meant = new Map<string, string>();
  for (const [name, others] of Object.entries(rename))
    for (const other of [name, ...others]) {
      const before = meant.get(other);
      if (before !== undefined && before !== name)
        throw new SlfError(
          'SLF_SPEC_CONFLICT',
          `rename makes two structures of "${other}": ${before} and ${name}`,
          {
            field: 'rename',
          },
        );
      meant.set(other, name);
    }
}

/** The one structure that most slices carry; equal counts: the first by name. Without any contour: none. */
export function defaultStructures(
  db: Database,
  studies: readonly StudyState[],
  rename: Selection['rename'],
): string[] {
  const meant = new Map(
    Object.entries(rename).flatMap(([name, others]) => others.map((other) => [other, name] as const)),
  );
  const counts = new Map<string, number>();
  for (const [name, count] of structureCounts(db, studies)) {
    const structure = meant.get(name) ?? name;
    counts.set(structure, (counts.get(structure) ?? 0) + count);
  }
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return ranked.slice(0, 1).map(([name]) => name);
}

function noPairs(db: Database, studies: readonly StudyState[], structures: readonly string[]): SlfError {
  if (studies.length === 0)
    return new SlfError('SLF_NO_PAIRS', 'no study is left: look at studies, excludeStudies and split', {
      field: 'studies',
    });
  if (structures.length === 0)
    return new SlfError('SLF_NO_PAIRS', 'no slice is of a modality and a series that `where` names', {
      field: 'where',
    });
  const known = [...structureCounts(db, studies).keys()].sort();
  const there =
    known.length > 0 ? `there are: ${known.join(', ')}` : 'there is none, GET /v1/studies tells the problems';
  return new SlfError('SLF_NO_PAIRS', `no slice that matches carries ${structures.join(' and ')}; ${there}`, {
    field: 'structures',
  });
}
