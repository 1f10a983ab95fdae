import type { BaseLogger } from 'pino';

const MINUTE_MS = 60_000;

/** One body of a session, with the values that a summary counts. */
export interface CountedBody {
  readonly bytes: number;
  readonly warm: 'hit' | 'miss';
  readonly waitMs: number;
  readonly sendMs: number;
  /** False if its reader left before the end. */
  readonly whole: boolean;
}

interface Summary {
  batches: number;
  left: number;
  bytes: number;
  hits: number;
  misses: number;
  waitMs: number;
  longestWaitMs: number;
  sendMs: number;
}

/**
 * Logs one line a minute for each session that sent batches in that minute. Until then it holds a few numbers
 * for each of these sessions.
 */
export class SessionSummaries {
  #log: Pick<BaseLogger, 'info'>;
  #everyMs: number;
  #bySession = new Map<string, Summary>();
  #timer: NodeJS.Timeout | null = null;

  constructor(log: Pick<BaseLogger, 'info'>, everyMs = MINUTE_MS) {
    this.#log = log;
    this.#everyMs = everyMs;
  }

  add(session: string, { bytes, warm, waitMs, sendMs, whole }: CountedBody): void {
    let summary = this.#bySession.get(session);
    if (!summary) {
      summary = { batches: 0, left: 0, bytes: 0, hits: 0, misses: 0, waitMs: 0, longestWaitMs: 0, sendMs: 0 };
      this.#bySession.set(session, summary);
      this.#timer ??= setTimeout(() => this.write(), this.#everyMs).unref();
    }
    summary[whole ? 'batches' : 'left']++;
    summary[warm === 'hit' ? 'hits' : 'misses']++;
    if (whole) summary.bytes += bytes;
    summary.waitMs += waitMs;
    summary.longestWaitMs = Math.max(summary.longestWaitMs, waitMs);
    summary.sendMs += sendMs;
  }

  /** Writes the line of each session that sent something since the last lines, and forgets its numbers. */
  write(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [session, { waitMs, longestWaitMs, sendMs, ...counts }] of this.#bySession) {
      const bodies = counts.batches + counts.left;
      this.#log.info(
        {
          session,
          ...counts,
          meanWaitMs: rounded(waitMs / bodies),
          longestWaitMs: rounded(longestWaitMs),
          meanSendMs: rounded(sendMs / bodies),
        },
        'session summary',
      );
    }
    this.#bySession.clear();
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
