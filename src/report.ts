import { presentStudies } from './catalog/studies.js';
import type { Config } from './config.js';
import { shown } from './core/findings.js';
import { makeLog } from './log.js';
import {
  type FindingDocument,
  type ReportDocument,
  reportDocument,
  type StudySummary,
} from './report-document.js';
import { startService } from './service.js';
import { StateFolderTaken } from './state-folder.js';

/** How often progress is told on stderr. */
const TELLS_MS = 1000;

/**
 * Scans a data folder, writes its quality report to stdout, as a table for people or as the JSON of `GET /v1/report`, and its
 * progress to stderr. Throws an error for people when it can't.
 */
export async function printReport(config: Config, asJson: boolean): Promise<void> {
  // What is written to the state folder is for its user alone.
  process.umask(0o077);
  const service = await startService(config, makeLog(config)).catch((error: Error) => {
    if (!(error instanceof StateFolderTaken)) throw error;
    throw new Error(`${error.message}, or ask the running service: GET /v1/report`);
  });
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

/** A column of a table: its title, whether it holds numbers, and the cell of a row. */
type Column<Row> = readonly [title: string, align: 'left' | 'right', cell: (row: Row) => string];

const FINDINGS: readonly Column<FindingDocument>[] = [
  ['pair', 'left', ({ pair }) => pair],
  ['structure', 'left', ({ structure }) => structure ?? ''],
  ['code', 'left', ({ code }) => code],
  ['value', 'right', ({ value }) => (value === null ? '' : shown(value))],
  ['threshold', 'right', ({ threshold }) => (threshold === null ? '' : shown(threshold))],
  ['detail', 'left', ({ detail }) => detail],
];

const STUDIES: readonly Column<StudySummary>[] = [
  ['study', 'left', ({ study }) => study],
  ['pairs', 'right', ({ flagged }) => String(flagged)],
  ['findings', 'right', ({ findings }) => String(findings)],
  [
    'codes',
    'left',
    ({ codes }) =>
      Object.entries(codes)
        .map(([code, count]) => `${code} ${count}`)
        .join(', '),
  ],
];

/** The findings, then each study's counts of them, then a line with the totals. */
function tableOf({ pairs, findings, studies }: ReportDocument): string {
  const flagged = new Set(findings.map(({ pair }) => pair)).size;
  const summary = `${pairs} pairs, ${flagged} with findings, ${findings.length} findings`;
  if (findings.length === 0) return `${summary}\n`;
  return `${[...linesOf(FINDINGS, findings), '', ...linesOf(STUDIES, studies), '', summary].join('\n')}\n`;
}

/** Lays columns out below their titles, numbers to the right. */
function linesOf<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] {
  const cells = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, , cell]) => cell(row))),
  ];
  const widths = columns.map((_, column) =>
    cells.reduce((most, line) => Math.max(most, line[column]!.length), 0),
  );
  return cells.map((line) =>
    line
      .map((cell, column) =>
        columns[column]![1] === 'right' ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
}
