import type { BaseLogger } from 'pino';
import type { ScanProgress } from './catalog/scan.js';
import { Progress, type Screen } from './progress.js';

/** How often a scan that takes long says how far it is. */
const LOG_EVERY_MS = 5_000;
const DRAW_EVERY_MS = 200;
/** The column of a bar's label. */
const LABEL = 'Scan';

const WORDS: Record<ScanProgress['state'], (scan: ScanProgress) => string> = {
  walking: ({ files }) => `${count(files)} files seen`,
  reading: ({ read, toRead }) => `${count(read)} of ${count(toRead)} files read`,
  writing: ({ studies }) => `${count(studies)} studies written`,
  done: ({ studies }) => `${count(studies)} studies`,
  failed: () => 'failed',
};

function count(value: number): string {
  return value.toLocaleString('en');
}

/** Says how far a scan is until the returned function is called: as a bar on a terminal, else as lines of the log. */
export function tellOfScan(
  scan: Readonly<ScanProgress>,
  log: Pick<BaseLogger, 'info'>,
  screen: Screen | null,
): () => void {
  if (!screen?.isTTY) {
    const timer = setInterval(() => {
      log.info({ ...scan }, 'scanning');
    }, LOG_EVERY_MS);
    return () => clearInterval(timer);
  }
  // The log goes to the same terminal: a line of it starts where the bar does and takes its place.
  const progress = new Progress({
    isTTY: true,
    columns: screen.columns ?? 0,
    write: (text) => screen.write(`${text}\r`),
  });
  const timer = setInterval(
    () => progress.show(LABEL, WORDS[scan.state](scan), scan.read, scan.toRead),
    DRAW_EVERY_MS,
  );
  return () => {
    clearInterval(timer);
    progress.clear();
  };
}
