import { type Contest, type Dropped, droppedKey } from '../core/contests.js';
import { Recent } from '../recent.js';
import { type Database, prepare } from '../sqlite.js';
import { carries, groupsOf, isWhere, type Where } from './groups.js';
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
  for (const { traits, ordinals } of groupsOf(db, revision)) {
    const gone = (traits.sources ?? [])
      .map(([structure]) => structure)
      .filter((structure) => !carries(traits, structure, dropped));
    if (gone.length > 0) for (const ordinal of ordinals) without.set(ordinal, new Set(gone));
  }
  return (ordinal, structure) => !without.get(ordinal)?.has(structure);
}
