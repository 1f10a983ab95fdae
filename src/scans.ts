import { relative } from 'node:path';
import type { Logger } from 'pino';
import { prune } from './catalog/prune.js';
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
  /** Folders that are not looked into, wherever they lie. */
  readonly without: () => readonly string[];
  readonly screen: Screen | null;
  /** Told of each scan that ended, and how long it took. */
  readonly onEnded: (result: 'done' | 'failed', ms: number) => void;
  readonly log: Logger;
}

/** Looks at the sources: one scan at a time, the first one from the start on. */
export class Scans {
  /** How far the scan under way, or the last one, is. */
  progress: Readonly<ScanProgress> = begun();
  /** Whether a scan has ended well. */
  hasEnded = false;
  /** Resolves when the first scan has ended; rejects where it failed. */
  readonly first: Promise<void>;
  #options: ScansOptions;
  #last: Promise<unknown>;
  /** The scan that has not begun yet: who asks until then shares it. */
  #next: Promise<ScanResult> | null = null;
  #stopping = false;

  constructor(options: ScansOptions) {
    this.#options = options;
    this.first = this.#scan().then(() => {});
    this.#last = this.first.catch(() => {});
  }

  /**
   * Looks at the sources again: however many ask while a scan is under way, one more follows, for all of
   * them.
   */
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

  /** Resolves when no scan is under way; those that fail from now on are no news. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#last;
  }

  async #scan(): Promise<ScanResult> {
    const { config, db, uploads, loaders, without, screen, onEnded, log } = this.#options;
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
        // They may lie below the data, and hold uploads.
        without: without().map((folder) => relative(config.data, folder)),
      });
      this.hasEnded = true;
      const result = {
        changed: inFolder.changed,
        added: inFolder.added + uploaded.added,
        removed: inFolder.removed + uploaded.removed,
      };
      await prune(db, config.snapshotDays, Date.now());
      const { files, read, studies } = progress;
      const ms = Math.round(performance.now() - startedAt);
      log.info({ files, read, studies, ...result, ms }, 'scan done');
      onEnded('done', ms);
      return result;
    } catch (error) {
      progress.state = 'failed';
      onEnded('failed', Math.round(performance.now() - startedAt));
      if (!this.#stopping) log.error({ err: error }, 'scan failed');
      throw error;
    } finally {
      told();
    }
  }
}

function begun(): ScanProgress {
  return { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 };
}
