import type { FindingCode, FindingLimits } from './finding-codes.js';
import { overlapOf } from './polarity.js';
import type { StructureMeasures } from './structure-measures.js';

/** A study's slices say something of each other from so many on. */
const FEWEST_FOR_SUSPICION = 5;
/** Where the median of a study's overlaps is over this share of the threshold, most of its contours fit badly … */
const SUSPECT_MEDIAN = 0.8;
/** … and each is held against this share of it. */
export const SUSPECT_SHARE = 0.65;

export const suspectKey = (code: FindingCode, structure: string) => `${code} ${structure}`;

/**
 * The codes and structures for which a study as a whole is suspect: as when its contours are another patient's, which here and there fit
 * by chance.
 */
export function suspectsOf(
  slices: readonly { readonly structures: readonly StructureMeasures[] }[],
  limits: FindingLimits,
  polarityOf: ReadonlyMap<string, number>,
): Set<string> {
  const overlaps = new Map<string, { readonly limit: number | null; readonly values: number[] }>();
  const add = (code: 'LIKE_SURROUNDINGS' | 'LIKE_INNER', structure: string, value: number) => {
    const key = suspectKey(code, structure);
    const known = overlaps.get(key) ?? { limit: limits[code], values: [] };
    overlaps.set(key, known);
    known.values.push(value);
  };
  for (const { structures } of slices)
    for (const { structure, around, within } of structures) {
      if (around) add('LIKE_SURROUNDINGS', structure, overlapOf(around, polarityOf.get(structure) ?? 0));
      for (const { brightness } of within) add('LIKE_INNER', structure, overlapOf(brightness, 0));
    }
  const suspects = new Set<string>();
  for (const [key, { limit, values }] of overlaps) {
    const middle = values.sort((a, b) => a - b)[values.length >> 1]!;
    if (limit !== null && values.length >= FEWEST_FOR_SUSPICION && middle > SUSPECT_MEDIAN * limit)
      suspects.add(key);
  }
  return suspects;
}
