import type { LoaderPool } from './loader/pool.js';
import type { Spool } from './loader/spool.js';
import type { Scans } from './scans.js';

/**
 * Returns what the service still waits for before it can serve, in sentences without a path; empty when it is
 * ready.
 */
export function missingOf(
  scans: Pick<Scans, 'hasEnded' | 'progress'>,
  pool: Pick<LoaderPool, 'readyCount' | 'startFailure'>,
  spool: Pick<Spool, 'problem'>,
): string[] {
  const missing: string[] = [];
  if (!scans.hasEnded)
    missing.push(
      scans.progress.state === 'failed' ? 'the scan failed: see the log' : 'the scan is under way',
    );
  if (pool.readyCount === 0)
    missing.push(
      pool.startFailure === null
        ? 'no loader is ready'
        : `no loader can be started (${pool.startFailure}): it is tried again`,
    );
  if (spool.problem !== null) missing.push(spool.problem);
  return missing;
}
