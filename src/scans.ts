import { relative } from 'node:path';
import type { Logger } from 'pino';
import { SCAN_DEFAULTS, type ScanProgress, type ScanResult, scanFolder } from './catalog/scan.js';
import type { ScanLoaders } from './catalog/scan-loaders.js';
import type { Uploads } from './catalog/uploads.js';
import type { Config } from './config.js';
import type { Screen } from './progress.js';
import { tellOfScan } from './scan-telling.js';
import type { Database } from './sqlite.js';

export interface ScansOptions {
  readonly config: Config;
  readonly db: Database;
  readonly uploads: Pick<Uploads, 'resync'>;
  readonly loaders: ScanLoaders;
  /** Removes what nothing needs any more once the sources are read. */
  readonly sweep: () => Promise<void>;
  /** Folders that are not scanned, wherever they are. */
  readonly without: () => readonly string[];
  readonly screen: Screen | null;
  /** Called after each scan with its result and duration. */
  readonly onEnded: (result: 'done' | 'failed', ms: number) => void;
  readonly log: Logger;
}

/** Scans the sources, one scan at a time; the first one begins at once. */
export class Scans {
  /** The progress of the scan under way, or of the last one. */
  progress: Readonly<ScanProgress> = begun();
  /** Whether a scan has ended well. */
  hasEnded = false;
  /** Resolves when the first scan has ended; rejects if it failed. */
  readonly first: Promise<void>;
  #options: ScansOptions;
  #last: Promise<unknown>;
  /** The scan that has not begun yet; all calls until then share it. */
  #next: Promise<ScanResult> | null = null;
  #stopping = false;

  constructor(options: ScansOptions) {
    this.#options = options;
    this.first = this.#scan().then(() => {});
    this.#last = this.first.catch(() => {});
  }

  /** Scans again. Calls that come while a scan is under way share the next one. */
  again(): Promise<ScanResult> {
    if (this.#next) return this.#next;
    const next = this.#last.then(() => {
      this.#next = null;
      return this.#scan();
    });
    this.#next = next;
    this.#last = next.catch(() => {});
    return next;
  }

  /** Resolves when no scan is under way; scans that fail after this call are not reported. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#last;
  }

  async #scan(): Promise<ScanResult> {
    const { config, db, uploads, loaders, sweep, without, screen, onEnded, log } = this.#options;
    const progress = begun();
    this.progress = progress;
    const startedAt = performance.now();
    const told = tellOfScan(progress, log, screen);
    try {
      const uploaded = await uploads.resync();
      const inFolder = await scanFolder(db, config.data, loaders, progress, log, {
        ...SCAN_DEFAULTS,
        planeToleranceMm: config.planeToleranceMm,
        segmentFraction: config.segmentFraction,
        // These folders may lie below the data folder and hold uploads.
        without: without().map((folder) => relative(config.data, folder)),
      });
      this.hasEnded = true;
      const result = {
        changed: inFolder.changed,
        added: inFolder.added + uploaded.added,
        removed: inFolder.removed + uploaded.removed,
      };
      await sweep();
      const { files, read, studies } = progress;
      const ms = Math.round(performance.now() - startedAt);
      log.info({ files, read, studies, ...result, ms }, 'scan done');
      onEnded('done', ms);
      return result;
    } catch (error) {
      progress.state = 'failed';
      onEnded('failed', Math.round(performance.now() - startedAt));
      const { code, path } = error as NodeJS.ErrnoException;
      // The data folder itself is away: no stack says more than that.
      if (!this.#stopping) log.error(path === config.data ? { code } : { err: error }, 'scan failed');
      throw error;
    } finally {
      told();
    }
  }
}

function begun(): ScanProgress {
  return { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 };
}
