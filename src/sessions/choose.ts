import { createHash } from 'node:crypto';
import { groupsOf, isWhere } from '../catalog/groups.js';
import { SNAPSHOTS_KEPT } from '../catalog/prune.js';
import { type Flagged, namesOf, type Selection, selectionKey, selectPairs } from '../catalog/selection.js';
import { modalityCounts, seriesOf } from '../catalog/series.js';
import { bytesVersionOf, keptSnapshot, makeSnapshot, type Snapshot } from '../catalog/snapshot.js';
import { presentStudies, revisionName, type StudyState, structureCounts } from '../catalog/studies.js';
import { BYTES_VERSION } from '../core/bytes-version.js';
import type { SnapshotDigest } from '../core/ids.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import { chooseSources, sourcesOf } from './choose-sources.js';
import { foldOf, inFolds, splitKeys, splitOf } from './folds.js';
import type { SpecRequest } from './request.js';
import { canonicalJson, type Split } from './spec.js';

/**
 * Returns the candidates that a request names, before its split. Throws `SlfError` for a named study that is
 * neither a candidate nor present.
 */
function namedStudies(
  db: Database,
  request: SpecRequest,
  candidates: readonly StudyState[],
): readonly StudyState[] {
  const wanted = request.studies ?? 'all';
  const excluded = new Set<string>(request.excludeStudies ?? []);
  if (wanted === 'all' && excluded.size === 0) return candidates;
  const known = new Set<string>([...candidates, ...presentStudies(db)].map(({ study }) => study));
  const check = (field: string, ids: readonly string[]) => {
    const missing = [...new Set(ids)].filter((id) => !known.has(id));
    if (missing.length > 0)
      throw new SlfError(
        'SLF_STUDY_MISSING',
        `${field} names ${firstOf(missing)}, which the catalogue does not have; GET /v1/studies lists the studies`,
        { field },
      );
  };
  if (wanted !== 'all') check('studies', wanted);
  check('excludeStudies', [...excluded]);
  const asked = wanted === 'all' ? known : new Set<string>(wanted);
  return candidates.filter(({ study }) => asked.has(study) && !excluded.has(study));
}

/**
 * Returns the candidates that a request asks for. Throws `SlfError` for a study that is neither a candidate
 * nor present.
 */
export function chooseStudies(
  db: Database,
  request: SpecRequest,
  candidates: readonly StudyState[],
): readonly StudyState[] {
  const split = splitOf(request);
  return inFolds(db, namedStudies(db, request, candidates), split);
}

/** The pairs a request stands on: of the present catalogue, or exactly those of a kept snapshot. Throws `SlfError`. */
export function chooseSnapshot(db: Database, request: SpecRequest, flagged: Flagged | null = null): Snapshot {
  if (request.snapshot) return reopen(db, request, request.snapshot as SnapshotDigest);
  const split = splitOf(request);
  const named = namedStudies(db, request, presentStudies(db));
  const { missing = 'exclude', rename = {}, where = {} } = request;
  checkRename(rename);
  // Every part of a split has the structures of the whole, even if most of its own slices carry others.
  const structures = request.structures ?? defaultStructures(db, named, rename, where);
  if (new Set(structures).size < structures.length)
    throw new SlfError('SLF_SPEC_CONFLICT', 'structures names one twice', { field: 'structures' });
  const studies = inFolds(db, named, split);
  if (split && named.length > 0 && studies.length === 0) throw emptyFolds(db, named, split);
  if (studies.length > 0) checkWhere(db, named, where);
  if (studies.length > 0) checkCarried(structures, rename, structureCounts(db, named, where));
  const leftOut = leftOutOf(db, request, studies, flagged);
  const { frozen, unused, isOther } = chooseSources(db, request, studies, { structures, rename, where });
  if (leftOut && isOther)
    throw new SlfError(
      'SLF_SPEC_CONFLICT',
      'the quality report covers the first source of a structure only: leave exclude out, or let sources choose the first',
      { field: 'exclude' },
    );
  const snapshot = makeSnapshot(
    db,
    studies,
    {
      structures,
      missing,
      rename,
      where,
      ...(leftOut ? { leftOut } : {}),
      ...(frozen ? { sources: frozen } : {}),
    },
    flagged,
    unused,
  );
  if (snapshot.pairs === 0) throw noPairs(db, studies, snapshot.selection, split, flagged);
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
      `no snapshot of this digest is kept here: it was never made here, no session has used it for SLICEFEED_SNAPSHOT_DAYS, or ${SNAPSHOTS_KEPT} others were in use since. Open a session without it`,
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
  if (
    request.sources &&
    canonicalJson(sourcesOf(request)) !== canonicalJson(selection.sources?.choice ?? null)
  )
    throw conflict('sources');
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
  where: Selection['where'] = {},
): string[] {
  const meant = new Map(
    Object.entries(rename).flatMap(([name, others]) => others.map((other) => [other, name] as const)),
  );
  const counts = new Map<string, number>();
  for (const [name, count] of structureCounts(db, studies, where)) {
    const structure = meant.get(name) ?? name;
    counts.set(structure, (counts.get(structure) ?? 0) + count);
  }
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return ranked.slice(0, 1).map(([name]) => name);
}

/** Throws `SlfError` if `where` matches no slice. */
function checkWhere(db: Database, studies: readonly StudyState[], where: Selection['where']): void {
  if (!where.modality && !where.series) return;
  for (const { revision } of studies)
    if (groupsOf(db, revision).some(({ traits }) => isWhere(traits, where))) return;
  throw refuseWhere(db, studies);
}

/** The error where no slice matches `where`, with the modalities and a few of the series that there are. */
function refuseWhere(db: Database, studies: readonly StudyState[]): SlfError {
  const series = seriesOf(
    db,
    studies.map(({ revision }) => revision),
  );
  const modalities = [...modalityCounts(series)].map(([name, slices]) => `${name} (${slices})`);
  const uids = [...new Set(series.flatMap(({ series: uid }) => (uid === null ? [] : [uid])))];
  const more = uids.length > SERIES_NAMED ? ` and ${uids.length - SERIES_NAMED} more` : '';
  return new SlfError(
    'SLF_NO_PAIRS',
    `no slice matches where. Modalities, with their slices: ${modalities.join(', ') || 'none'}; series: ` +
      `${uids.slice(0, SERIES_NAMED).join(', ') || 'none'}${more}. GET /v1/studies/{study} lists those of a study`,
    { field: 'where' },
  );
}

const SERIES_NAMED = 3;

/** Throws `SlfError` if no slice carries a structure under any of its names: all its masks would be empty. */
function checkCarried(
  structures: readonly string[],
  rename: Selection['rename'],
  carried: ReadonlyMap<string, number>,
): void {
  const unknown = structures.filter((name) => !namesOf(name, rename).some((each) => carried.has(each)));
  if (unknown.length === 0) return;
  throw new SlfError(
    'SLF_NO_PAIRS',
    `no slice that matches carries ${listed(unknown, ' or ')}; ${thereAre(carried)}`,
    { field: 'structures' },
  );
}

/** The most of a caller's own words that an error repeats. */
const WORDS_REPEATED = 5;

function firstOf(words: readonly string[]): string {
  const more = words.length > WORDS_REPEATED ? ` and ${words.length - WORDS_REPEATED} more` : '';
  return words.slice(0, WORDS_REPEATED).join(', ') + more;
}

const NAMES_LISTED = 50;

function listed(names: readonly string[], between = ', '): string {
  const more = names.length > NAMES_LISTED ? ` and ${names.length - NAMES_LISTED} more` : '';
  return names.slice(0, NAMES_LISTED).join(between) + more;
}

function thereAre(carried: ReadonlyMap<string, number>): string {
  return carried.size > 0
    ? `there are: ${listed([...carried.keys()].sort())}`
    : 'no slice has a contour that can be used: GET /v1/studies/{study} says why';
}

/**
 * The error if none of the requested folds has a study: with few patients, the hash may leave a fold empty.
 */
function emptyFolds(db: Database, named: readonly StudyState[], { of, parts, seed }: Split): SlfError {
  const keyOf = splitKeys(db, named);
  const folds = new Map(named.map((state) => [keyOf(state), foldOf(keyOf(state), { of, seed })]));
  const full = [...new Set(folds.values())].sort((a, b) => a - b);
  return new SlfError(
    'SLF_NO_PAIRS',
    `split.parts ${parts.join(', ')} of ${of} hold none of the ${named.length} studies, which are of ${folds.size} patients; ` +
      `not empty: ${listed(full.map(String))}. Choose other parts, fewer folds or another seed: GET /v1/splits?of=${of}&seed=${seed} shows the fold of each study`,
    { field: 'split.parts' },
  );
}

function noPairs(
  db: Database,
  studies: readonly StudyState[],
  selection: Selection,
  split: Split | null,
  flagged: Flagged | null,
): SlfError {
  const { structures, where } = selection;
  if (presentStudies(db).length === 0)
    return new SlfError(
      'SLF_NO_PAIRS',
      'there is no study: no image was found below the data folder, and none was uploaded; check that the folder is the right one and mounted, then POST /v1/scan',
    );
  if (studies.length === 0)
    return new SlfError('SLF_NO_PAIRS', 'no study is left: check studies and excludeStudies', {
      field: 'studies',
    });
  if (structures.length === 0) return refuseWhere(db, studies);
  const part = split
    ? ` in split.parts ${split.parts.join(', ')}, GET /v1/splits?of=${split.of}&seed=${split.seed} shows what each fold has`
    : '';
  const unusable = studies.reduce(
    (sum, { revision }) => sum + (selectPairs(db, revision, selection, flagged).summary.unusable ?? 0),
    0,
  );
  const left =
    unusable > 0
      ? `; ${unusable} slice(s) are left out because a structure on them cannot be used in full, GET /v1/studies/{study} says why`
      : '';
  const carried = thereAre(structureCounts(db, studies, where));
  const detail = `no slice that matches carries ${listed(structures, ' and ')}${part}${left}; ${carried}`;
  return new SlfError('SLF_NO_PAIRS', detail, { field: 'structures' });
}
