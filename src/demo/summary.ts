import { largestOf } from '../core/long-lists.js';
import type { Check } from './check.js';
import type { ReceivedBatch } from './reader.js';

/** How one epoch went. */
export interface Epoch {
  readonly pairs: number;
  readonly steps: number;
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly waitMs: number;
  readonly hits: number;
}

const whole = new Intl.NumberFormat('en');

/** Adds up the batches that have been read so far; `seconds` since the first was asked for. */
export function sumEpoch(batches: readonly ReceivedBatch[], pairs: number, seconds: number): Epoch {
  return {
    pairs,
    steps: batches.length,
    sizeBytes: batches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    seconds,
    waitMs: batches.reduce((sum, { waitMs }) => sum + waitMs, 0),
    hits: batches.filter(({ warm }) => warm).length,
  };
}

/** The epoch under way in one line, whose length stays the same while its numbers grow. */
export function describeEpoch(epoch: Epoch, pairs: number): string {
  const total = String(pairs);
  return [
    `${String(epoch.pairs).padStart(total.length)}/${total} pairs`,
    `${perSecond(epoch.pairs, epoch).padStart(5)}/s`,
    `${perSecond(epoch.sizeBytes / 1e6, epoch).padStart(5)} MB/s`,
    `waited ${epoch.waitMs.toFixed(0).padStart(4)} ms`,
    `${epoch.hits}/${epoch.steps} warm`.padStart(10),
  ].join('  ');
}

/** The epoch as a table: names on the left, numbers that end in one column. */
export function summaryTable(epoch: Epoch): string[] {
  const rows = [
    ['pairs', whole.format(epoch.pairs)],
    ['bytes', whole.format(epoch.sizeBytes)],
    ['seconds', epoch.seconds.toFixed(2)],
    ['pairs/s', perSecond(epoch.pairs, epoch)],
    ['MB/s', perSecond(epoch.sizeBytes / 1e6, epoch)],
    ['trainer waited, ms', epoch.waitMs.toFixed(1)],
    ['warm hits', `${epoch.hits} of ${epoch.steps}`],
  ] as const;
  const left = largestOf(rows.map(([name]) => name.length));
  const right = largestOf(rows.map(([, value]) => value.length));
  return rows.map(([name, value]) => `  ${name.padEnd(left)}  ${value.padStart(right)}`);
}

/** One line for each check. */
export function checkLines(checks: readonly Check[]): string[] {
  const width = largestOf(checks.map(({ name }) => name.length));
  return checks.map(
    ({ name, passed, detail }) => `  ${passed ? 'ok    ' : 'FAILED'}  ${name.padEnd(width)}  ${detail}`,
  );
}

/** What to type next, over the data that the demo leaves behind; `pair` is the id of one of its pairs. */
export function nextCommands(data: string, pair: string): string[] {
  const [study, slice] = pair.split('/');
  return [
    `  npm start -- --data ${shellWord(data)}`,
    '',
    '  curl -s localhost:8080/v1/studies',
    `  curl -s -H 'content-type: application/json' -d '{"batchSize": 8}' localhost:8080/v1/sessions`,
    `  curl -s 'localhost:8080/v1/studies/${study}/pairs/${slice}/overlay.png?scale=4' -o overlay.png`,
  ];
}

/** A path as one word of a shell's command line. */
export function shellWord(path: string): string {
  return /^[\w./:@%+=-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function perSecond(amount: number, { seconds }: Epoch): string {
  return (seconds > 0 ? amount / seconds : 0).toFixed(1);
}
