import { presentStudies } from './catalog/studies.js';
import type { Config } from './config.js';
import { makeLog } from './log.js';
import { type FindingDocument, type ReportDocument, reportDocument } from './report-document.js';
import { startService } from './service.js';

/** How often progress is told on stderr. */
const TELLS_MS = 1000;

/**
 * Scans a data folder, writes its quality report to stdout, as a table for people or as the JSON of `GET /v1/report`, and its
 * progress to stderr. Throws an error for people when it can't.
 */
export async function printReport(config: Config, asJson: boolean): Promise<void> {
  // What is written to the state folder is for its user alone.
  process.umask(0o077);
  const service = await startService(config, makeLog(config));
  let told = 'scanning';
  const tell = setInterval(() => {
    const { files, toRead, read } = service.scans.progress;
    console.error(service.scans.hasEnded ? told : `scanning: ${files} files, ${read} of ${toRead} read`);
  }, TELLS_MS);
  try {
    await service.scans.first;
    const report = await service.quality.report(presentStudies(service.db), ({ pairs, measured }) => {
      told = `measuring: ${measured} of ${pairs} pairs`;
    });
    const document = reportDocument(report, 0, Number.POSITIVE_INFINITY);
    await write(asJson ? `${JSON.stringify(document)}\n` : tableOf(document));
  } finally {
    clearInterval(tell);
    await service.close();
  }
}

/** Resolves when a reader at the end of a pipe has all of it. */
function write(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });
}

const COLUMNS: readonly (readonly [title: string, cell: (finding: FindingDocument) => string])[] = [
  ['pair', ({ pair }) => pair],
  ['structure', ({ structure }) => structure ?? ''],
  ['code', ({ code }) => code],
  ['value', ({ value }) => (value === null ? '' : String(value))],
  ['threshold', ({ threshold }) => (threshold === null ? '' : String(threshold))],
  ['detail', ({ detail }) => detail],
];

/** Columns under each other, numbers to the right, and a last line that counts. */
function tableOf({ pairs, findings }: ReportDocument): string {
  const rows = [
    COLUMNS.map(([title]) => title),
    ...findings.map((finding) => COLUMNS.map(([, cell]) => cell(finding))),
  ];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const isNumber = (column: number) => ['value', 'threshold'].includes(COLUMNS[column]![0]);
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        isNumber(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
  const flagged = new Set(findings.map(({ pair }) => pair)).size;
  const summary = `${pairs} pairs, ${flagged} with findings, ${findings.length} findings`;
  return `${[...(findings.length > 0 ? [...lines, ''] : []), summary].join('\n')}\n`;
}
