import type { PairId } from '../core/ids.js';
import type { BatchProblem } from '../wire/body.js';

/**
 * A pair with the structures that it has contours of. `file` is relative to its source; null if a batch must
 * not depend on it.
 */
export interface CarryingPair {
  readonly id: PairId;
  readonly file: string | null;
  readonly carried: readonly string[];
}

/** With more problems, a batch of many pairs and structures would have more text than pixels. */
const TOLD = 1000;

/**
 * Returns a problem for each mask of a batch that is empty because nobody drew its structure on the pair.
 * `names`: all names of each structure. After a thousand problems, one more counts the rest.
 */
export function missingStructures(
  pairs: readonly CarryingPair[],
  structures: readonly string[],
  names: (structure: string) => readonly string[] = (structure) => [structure],
): BatchProblem[] {
  const asked = structures.map((structure) => ({ structure, names: names(structure) }));
  const problems: BatchProblem[] = [];
  let more = 0;
  for (const { id, file, carried } of pairs) {
    const held = new Set(carried);
    for (const { structure, names: all } of asked) {
      if (all.some((name) => held.has(name))) continue;
      if (problems.length >= TOLD) more++;
      else
        problems.push({
          code: 'STRUCTURE_MISSING',
          pair: id,
          file,
          detail: `it has no contour of ${structure}; its mask is empty`,
        });
    }
  }
  if (more > 0)
    problems.push({
      code: 'STRUCTURE_MISSING',
      pair: null,
      file: null,
      detail: `${more} more masks of this batch are empty, because their pairs have no contour of the structure`,
    });
  return problems;
}
