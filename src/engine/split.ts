import type { BatchShape } from '../core/layout.js';
import type { LoadUnit } from '../loader/messages.js';

/** A task of this length keeps a loader free for what is more urgent, and costs little to hand over. */
const TASK_MS = 5;
/** Below this, handing a part to a second loader costs more than it wins. */
const WORTH_SPLITTING_MS = 1;
const PAIR_MS = 0.03;
/** Reading, converting and writing one byte of native pixels or masks. */
const BYTE_MS = 5e-7;

/** Cuts a batch's slots into runs: none much over 5 ms of work, and one for each idle loader where that is worth it. */
export function splitUnits(units: readonly LoadUnit[], shape: BatchShape, idle: number): LoadUnit[][] {
  if (units.length === 0) return [];
  const slotBytes = shape.rows * shape.columns * (2 * shape.channels + shape.structures);
  const totalMs = units.length * (PAIR_MS + slotBytes * BYTE_MS);
  const wanted = Math.max(Math.ceil(totalMs / TASK_MS), totalMs > WORTH_SPLITTING_MS ? idle : 1);
  const runs = Math.min(Math.max(1, wanted), units.length);
  return Array.from({ length: runs }, (_, run) =>
    units.slice(Math.floor((run * units.length) / runs), Math.floor(((run + 1) * units.length) / runs)),
  );
}
