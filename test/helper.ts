import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { type Config, readConfig } from '../src/config.js';
import { logOptions } from '../src/log.js';
import { type Server, startServer } from '../src/server.js';
import type { ServiceOptions } from '../src/service.js';
import type { SettingName } from '../src/settings.js';

interface Teardown {
  teardown(work: () => unknown): unknown;
}

/** A folder that is gone after the test. */
export function temporaryFolder(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'slicefeed-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** One line of the log. */
export type LogLine = Record<string, unknown> & { readonly msg: string };

/** A service that listens on a free port, its log kept in memory, closed after the test. */
export interface TestServer extends Server {
  readonly log: readonly LogLine[];
  readonly config: Config;
  /** Resolves with the first line, already logged or to come, that `matches`. */
  logged(matches: (line: LogLine) => boolean): Promise<LogLine>;
  /** Resolves when the first scan is done and a loader is ready. */
  ready(): Promise<void>;
}

/** Starts a real service over a data folder, with its state and spool in temporary folders. */
export async function startTestServer(
  t: Teardown,
  data: string,
  settings: Partial<Record<SettingName, string>> = {},
  options: ServiceOptions = {},
): Promise<TestServer> {
  const log: LogLine[] = [];
  const waiting = new Set<(line: LogLine) => void>();
  const write = (text: string) => {
    const line = JSON.parse(text) as LogLine;
    log.push(line);
    for (const look of waiting) look(line);
  };
  const config = readConfig(
    {},
    {
      DATA: data,
      STATE: temporaryFolder(t),
      SPOOL: temporaryFolder(t),
      PORT: '0',
      LOADERS: '1',
      // A busy machine must not end loaders in the middle of a load.
      PAIR_SECONDS: '60',
      MEMORY_BUDGET: '256MiB',
      ...settings,
    },
  );
  const server = await startServer(
    config,
    pino({ ...logOptions(config), timestamp: false, level: settings.LOG_LEVEL ?? 'debug' }, { write }),
    options,
  );
  t.teardown(() => server.close());
  return {
    ...server,
    log,
    config,
    logged(matches) {
      const present = log.find(matches);
      if (present) return Promise.resolve(present);
      return new Promise((resolve) => {
        const look = (line: LogLine) => {
          if (!matches(line)) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
      });
    },
    async ready() {
      for (;;) {
        const answer = await fetch(`${server.url}/readyz`);
        await answer.arrayBuffer();
        if (answer.ok) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}
