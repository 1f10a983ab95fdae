import { overlapOf } from './polarity.js';
import type { StructureMeasures } from './structure-measures.js';

/** How many planes further on each slice's contours are compared: a neighbour's contours look alike, those in between go with these. */
export const SHIFT_STEPS: readonly number[] = [-4, -2, 2, 4];

/** What a whole stack of contours would gain by moving along its slices. */
export interface Shift {
  readonly steps: number;
  /** The median of what a slice's overlap with its surroundings falls by, as a share of the median overlap; under 0: it grows. */
  readonly share: number;
}

/** Fewer slices can fit better by chance. */
const FEWEST_FOR_SHIFT = 5;

/** For each structure the shift of its contours along their slices that fits its images best, whether or not it is better than none. */
export function shiftsOf(
  slices: readonly { readonly structures: readonly StructureMeasures[] }[],
  polarityOf: ReadonlyMap<string, number>,
): Map<string, Shift> {
  const seen = new Map<string, Map<number, { readonly own: number; readonly gain: number }[]>>();
  for (const { structures } of slices)
    for (const { structure, around, others } of structures) {
      if (!around) continue;
      const polarity = polarityOf.get(structure) ?? 0;
      const bySteps = seen.get(structure) ?? new Map();
      seen.set(structure, bySteps);
      const own = overlapOf(around, polarity);
      for (const { steps, contrast } of others) {
        const gains = bySteps.get(steps) ?? [];
        bySteps.set(steps, gains);
        gains.push({ own, gain: own - overlapOf(contrast, polarity) });
      }
    }
  const best = new Map<string, Shift>();
  for (const [structure, bySteps] of seen)
    for (const [steps, gains] of bySteps) {
      const usual = median(gains.map(({ own }) => own));
      if (gains.length < FEWEST_FOR_SHIFT || usual <= 0) continue;
      const share = median(gains.map(({ gain }) => gain)) / usual;
      if (share > (best.get(structure)?.share ?? Number.NEGATIVE_INFINITY))
        best.set(structure, { steps, share });
    }
  return best;
}

/** The lower of the two in the middle of an even number. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1]!;
}
