import { emplace } from '../core/study-files.js';
import type { Database } from '../sqlite.js';
import { carriersOf } from './revision-contests.js';
import { type Selection, unusedBy } from './selection.js';
import type { SliceRecord } from './slices.js';

/** Returns which structures slices have from the sources that a selection uses. */
export function carriedUnder(
  db: Database,
  selection: Selection,
): (slice: Pick<SliceRecord, 'revision' | 'ordinal' | 'structures'>) => readonly string[] {
  const unused = unusedBy(db, selection);
  const known = new Map<number, ReturnType<typeof carriersOf>>();
  return ({ revision, ordinal, structures }) => {
    const carries = emplace(known, revision, () => carriersOf(db, revision, unused(revision)));
    return (JSON.parse(structures) as string[]).filter((structure) => carries(ordinal, structure));
  };
}
