import type { PackedImages } from '../core/packed-images.js';
import { scanDeadlineMs } from './deadline.js';
import type { PlaceOutcome, PlaceUnit } from './messages.js';
import type { LoaderPool } from './pool.js';
import type { Queued } from './queue.js';
import { supervise } from './supervise.js';

/**
 * Returns a function that places objects on the loaders of a pool; an object that ends its loader comes back
 * refused.
 */
export function objectPlacer(
  by: () => LoaderPool,
  pairTimeoutMs: number,
  as: Queued,
): (root: string, unit: PlaceUnit, images: PackedImages, toleranceMm: number) => Promise<PlaceOutcome> {
  return async (root, unit, images, toleranceMm) => {
    const task = { kind: 'place' as const, root, images, toleranceMm, units: [unit] };
    const deadlineMs = scanDeadlineMs(pairTimeoutMs, [unit]);
    const [outcome] = await supervise<'place'>(by(), task, { ...as, deadlineMs }).outcomes;
    if (outcome!.kind !== 'lethal') return outcome!;
    const detail = `to put it on its images ended its loader (${outcome!.cause}); it is left out`;
    return { kind: 'refused', code: 'LOADER_ENDED', detail };
  };
}
