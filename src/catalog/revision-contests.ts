import {
  type Contest,
  type Dropped,
  droppedKey,
  droppedStructure,
  JoinedContestFinder,
} from '../core/contests.js';
import { emplace } from '../core/study-files.js';
import { Recent } from '../recent.js';
import { type Database, prepare } from '../sqlite.js';
import {
  carries,
  groupsOf,
  groupsWithSources,
  isWhere,
  type SliceGroup,
  sourcesWhere,
  type Where,
} from './groups.js';
import type { StudyState } from './studies.js';

const REVISIONS_REMEMBERED = 256;
/** The cache needs no refresh: revisions never change, and their ids are never used again. */
const remembered = new WeakMap<Database, Recent<`${number}`, readonly Contest[]>>();

/** The structures of a revision that several sources outline on one series. */
export function contestsOf(db: Database, revision: number): readonly Contest[] {
  let known = remembered.get(db);
  if (!known) {
    known = new Recent(REVISIONS_REMEMBERED);
    remembered.set(db, known);
  }
  return known.get(`${revision}`, () => {
    const row = prepare(db, 'SELECT contests FROM revision WHERE id = ?').get(revision);
    return JSON.parse((row as { contests: string | null } | undefined)?.contests ?? '[]');
  });
}

/** Returns those of the studies that have contests. */
export function contestedStudies(db: Database, studies: readonly StudyState[]): readonly StudyState[] {
  const rows = prepare(
    db,
    'SELECT r.id FROM json_each(?) j CROSS JOIN revision r ON r.id = j.value WHERE r.contests IS NOT NULL',
  ).all(JSON.stringify(studies.map(({ revision }) => revision))) as { id: number }[];
  const contested = new Set(rows.map(({ id }) => id));
  return studies.filter(({ revision }) => contested.has(revision));
}

/**
 * Returns the contests of these names among the slices that match `where`, with the sources on those slices.
 */
export function contestsWhere(
  db: Database,
  revision: number,
  names: readonly string[],
  where: Where,
): readonly Contest[] {
  const contests = contestsOf(db, revision).filter(({ structure }) => names.includes(structure));
  if (contests.length === 0 || !(where.modality || where.series)) return contests;
  const present = new Set<string>();
  for (const { traits } of groupsOf(db, revision))
    if (isWhere(traits, where))
      for (const [structure, sources] of traits.sources ?? [])
        for (const source of sources) present.add(droppedKey(structure, source));
  return contests
    .map(({ structure, sources }) => ({
      structure,
      sources: sources.filter((source) => present.has(droppedKey(structure, source))),
    }))
    .filter(({ sources }) => sources.length > 1);
}

/** Returns those of the studies in which several sources draw something. */
export function studiesOfSources(db: Database, studies: readonly StudyState[]): readonly StudyState[] {
  const rows = prepare(
    db,
    `SELECT s.study FROM json_each(?) j CROSS JOIN source s ON s.study = j.value
       GROUP BY s.study HAVING count(*) > 1`,
  ).all(JSON.stringify(studies.map(({ study }) => study))) as { study: string }[];
  const several = new Set(rows.map(({ study }) => study));
  return studies.filter(({ study }) => several.has(study));
}

/**
 * Returns the contests of structures that mean several names, among the slices that match `where`, as
 * `contestsWhere` does; `joined`: the names of each.
 */
export function joinedContestsWhere(
  db: Database,
  revision: number,
  joined: ReadonlyMap<string, readonly string[]>,
  where: Where,
): readonly Contest[] {
  if (joined.size === 0) return [];
  const parts = new Map<number, { structure: string; source: number }[]>();
  for (const { ordinal, ...part } of sourcesWhere(db, revision, [...joined.values()].flat()))
    emplace(parts, ordinal, () => []).push(part);
  if (parts.size === 0) return [];
  const finder = new JoinedContestFinder(joined);
  for (const { traits, ordinals } of groupsOf(db, revision)) {
    const isAsked = isWhere(traits, where);
    for (const ordinal of ordinals)
      finder.add({ series: traits.series, parts: parts.get(ordinal) ?? [] }, isAsked);
  }
  return finder.find();
}

/** The groups of a revision with the sources of every structure of which some are not used. */
export function groupsUnder(db: Database, revision: number, dropped: Dropped): readonly SliceGroup[] {
  const contested = new Set(contestsOf(db, revision).map(({ structure }) => structure));
  const names = [...new Set([...dropped].map(droppedStructure))].filter((name) => !contested.has(name));
  return groupsWithSources(db, revision, names);
}

/**
 * Returns a test: does the slice at a place of a revision have the structure `name` without the unused
 * sources?
 */
export function carriersOf(
  db: Database,
  revision: number,
  dropped: Dropped,
): (ordinal: number, structure: string) => boolean {
  if (dropped.size === 0) return () => true;
  const without = new Map<number, ReadonlySet<string>>();
  for (const { traits, ordinals } of groupsUnder(db, revision, dropped)) {
    const gone = (traits.sources ?? [])
      .map(([structure]) => structure)
      .filter((structure) => !carries(traits, structure, dropped));
    if (gone.length > 0) for (const ordinal of ordinals) without.set(ordinal, new Set(gone));
  }
  return (ordinal, structure) => !without.get(ordinal)?.has(structure);
}
