import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type FoundStudies, findStudies, SCAN_DEFAULTS, type ScanProgress } from '../catalog/scan.js';
import { openDatabase } from '../catalog/schema.js';
import type { Config } from '../config.js';
import { loaderLimits } from '../loader/limits.js';
import { objectPlacer } from '../loader/place-objects.js';
import { LoaderPool } from '../loader/pool.js';
import { filesReader } from '../loader/read-files.js';
import { Progress } from '../progress.js';
import { closeSqlite } from '../sqlite.js';

const SHOWN_EVERY_MS = 500;
const CLOSE_GRACE_MS = 1_000;

/**
 * Reads a folder like a service that serves it, in loader processes, and passes the studies to `work`. The
 * catalogue is removed afterwards.
 */
export async function withFoundStudies<T>(
  folder: string,
  config: Pick<
    Config,
    'loaders' | 'loaderMemoryBytes' | 'pairTimeoutMs' | 'planeToleranceMm' | 'segmentFraction'
  >,
  work: (studies: FoundStudies) => T,
): Promise<T> {
  const { loaders, loaderMemoryBytes, pairTimeoutMs, planeToleranceMm, segmentFraction } = config;
  const state = mkdtempSync(join(tmpdir(), 'slicefeed-push-'));
  const db = openDatabase(state);
  const pool = new LoaderPool({
    size: loaders,
    memoryBytes: loaderMemoryBytes,
    limits: { ...loaderLimits(loaderMemoryBytes), segmentFraction },
    log: pino({ level: 'silent' }),
  });
  const scan: ScanProgress = { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 };
  const progress = new Progress(process.stderr);
  const shown = setInterval(() => {
    progress.show('reading', `${scan.read} of ${scan.toRead} files`, scan.read, scan.toRead);
  }, SHOWN_EVERY_MS);
  try {
    const as = { priority: 'scan', turn: 'scan' } as const;
    const children = {
      scan: filesReader(() => pool, pairTimeoutMs, as),
      place: objectPlacer(() => pool, pairTimeoutMs, as),
    };
    const options = { ...SCAN_DEFAULTS, planeToleranceMm, segmentFraction, wholeFileBytes: 0 };
    return work(await findStudies(db, folder, children, scan, options));
  } finally {
    clearInterval(shown);
    progress.clear();
    await pool.close(CLOSE_GRACE_MS);
    closeSqlite(db);
    rmSync(state, { recursive: true, force: true });
  }
}
