import type { Contrast } from './brightness.js';
import type { EdgeFit } from './edge-fit.js';
import type { StructureMeasures } from './structure-measures.js';
import type { TurnedFit, TurnedLack } from './turned-fit.js';

/** `polarity` above 0: the structure is brighter than its surroundings in its study, below 0: darker, 0: either. */
export function overlapOf({ brighter, darker }: Contrast, polarity: number): number {
  if (polarity === 0) return 1 - Math.max(brighter, darker);
  return 1 - (polarity > 0 ? brighter : darker);
}

/** What an edge lacks, by the same `polarity`; null where there is no such edge. */
export function lackOf({ brighter, darker }: EdgeFit, polarity: number): number | null {
  if (polarity !== 0) return polarity > 0 ? brighter : darker;
  return brighter !== null && darker !== null ? Math.min(brighter, darker) : (brighter ?? darker);
}

/** What an edge lacks of that of the turned mask, by the same `polarity`; null where that has no such edge. */
export function turnedLackOf({ brighter, darker }: TurnedFit, polarity: number): TurnedLack | null {
  if (polarity !== 0) return polarity > 0 ? brighter : darker;
  return brighter && darker ? (brighter.lack < darker.lack ? brighter : darker) : (brighter ?? darker);
}

/** With fewer slices nobody can say which of both is usual. */
const FEWEST_FOR_POLARITY = 3;

/** For each structure whether it is mostly brighter (1) or darker (-1) than its surroundings. */
export function polarities(
  slices: readonly { readonly structures: readonly StructureMeasures[] }[],
): Map<string, number> {
  const sums = new Map<string, { count: number; sum: number }>();
  for (const { structures } of slices)
    for (const { structure, around } of structures) {
      if (!around) continue;
      const { count, sum } = sums.get(structure) ?? { count: 0, sum: 0 };
      sums.set(structure, { count: count + 1, sum: sum + Math.sign(around.brighter - around.darker) });
    }
  return new Map(
    [...sums].map(([structure, { count, sum }]) => [
      structure,
      count >= FEWEST_FOR_POLARITY && Math.abs(sum) > count / 3 ? Math.sign(sum) : 0,
    ]),
  );
}
