import { scanDeadlineMs } from './deadline.js';
import type { ScanFinding, ScanUnit } from './messages.js';
import type { LoaderPool } from './pool.js';
import type { Queued } from './queue.js';
import { supervise } from './supervise.js';

/** Answers what reads files of a root in the loaders of a pool; a file that ends its loader comes back refused like any other. */
export function filesReader(
  by: () => LoaderPool,
  pairTimeoutMs: number,
  as: Queued,
): (root: string, units: readonly ScanUnit[]) => Promise<readonly ScanFinding[]> {
  return async (root, units) => {
    const task = { kind: 'scan' as const, root, units };
    const deadlineMs = scanDeadlineMs(pairTimeoutMs, units);
    const { outcomes } = supervise<'scan'>(by(), task, { ...as, deadlineMs });
    return (await outcomes).map((outcome) =>
      outcome.kind === 'lethal'
        ? {
            kind: 'refused',
            code: 'LOADER_ENDED',
            detail: `it ended its loader (${outcome.cause})`,
            object: null,
          }
        : outcome,
    );
  };
}
