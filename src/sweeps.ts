import type { Logger } from 'pino';
import { pruneRevisions, pruneSnapshots } from './catalog/prune.js';
import type { Database } from './sqlite.js';

/** How many requests may leave rows behind before the next sweep, which looks at all that is kept. */
export const LEFT_UNTIL_SWEEP = 100;

export interface SweepsOptions {
  readonly db: Database;
  readonly snapshotDays: number;
  readonly log: Logger;
}

/** Removes what nothing needs any more from the catalogue, one sweep at a time: after scans, and as sessions come and go. */
export class Sweeps {
  #options: SweepsOptions;
  #last: Promise<unknown> = Promise.resolve();
  #left = 0;
  #stopping = new AbortController();

  constructor(options: SweepsOptions) {
    this.#options = options;
  }

  /** Sweeps after a scan, which must not have ended: states of studies may go, too. */
  afterScan(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#snapshots();
      await pruneRevisions(this.#options.db, this.#stopping.signal);
    });
  }

  /** Counts what may leave rows behind: a deleted session, a request for one. Sweeps in the background after each 100. */
  left(): void {
    this.#left++;
    if (this.#left < LEFT_UNTIL_SWEEP) return;
    this.#left = 0;
    this.#inTurn(() => this.#snapshots()).catch((error) => {
      this.#options.log.error({ err: error }, 'the sweep of snapshots failed; the next one tries again');
    });
  }

  /** Ends the sweep under way early; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#last;
  }

  #snapshots(): Promise<void> {
    const { db, snapshotDays } = this.#options;
    return pruneSnapshots(db, { days: snapshotDays, nowMs: Date.now() }, this.#stopping.signal);
  }

  #inTurn(sweep: () => Promise<void>): Promise<void> {
    const swept = this.#last.then(() => (this.#stopping.signal.aborted ? undefined : sweep()));
    this.#last = swept.catch(() => {});
    return swept;
  }
}
