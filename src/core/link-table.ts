import { parse } from 'csv-parse/sync';
import type { Problem } from './problem.js';

/** A row of a link table: the folder of a patient's images and the folder of the contours drawn on them. */
export interface LinkRow {
  readonly patient: string;
  readonly original: string;
  readonly line: number;
}

export interface LinkTable {
  readonly rows: readonly LinkRow[];
  readonly problems: readonly Omit<Problem, 'file'>[];
}

/**
 * The names of the two columns, in upper or lower case: those of the pipeline's table, and those of the
 * challenge's list.
 */
const COLUMNS = [
  ['patient_id', 'original_id'],
  ['patientid', 'originalid'],
] as const;
/** The link table of the challenge's own pipeline, and the list of patients that the challenge is given out with. */
const NAMES = new Set(['link.csv', 'scd_patientdata.csv']);

/** Whether a file is a link table, told by its name. */
export function isLinkTable(path: string): boolean {
  return NAMES.has(path.slice(path.lastIndexOf('/') + 1).toLowerCase());
}

/** Whether a table is no link table: its first line does not name the columns. */
export function isNoLinkTable({ problems }: LinkTable): boolean {
  return problems.some(({ code }) => code === 'LINK_TABLE');
}

/**
 * Returns the path of a folder's `link.csv` among `paths`, in upper or lower case; the folder is `''` or ends
 * with a slash.
 */
export function linkTableOf(folder: string, paths: Iterable<string>): string | undefined {
  const wanted = `${folder}link.csv`;
  let found: string | undefined;
  for (const path of paths) {
    if (path === wanted) return path;
    const isIt = path.startsWith(folder) && path.slice(folder.length).toLowerCase() === 'link.csv';
    if (isIt && (found === undefined || path < found)) found = path;
  }
  return found;
}

/** Reads a link table: a header line with `patient_id` and `original_id` (or `PatientID` and `OriginalID`), a row for each study; other columns are left alone. */
export function parseLinkTable(text: string): LinkTable {
  const refused = (detail: string): LinkTable => ({ rows: [], problems: [{ code: 'LINK_TABLE', detail }] });
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      bom: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      info: true,
    }) as never;
  } catch {
    return refused('it is not comma-separated text: check its quotes');
  }
  const header = (records.shift()?.record ?? []).map((name) => name.toLowerCase());
  const [patient, original] =
    COLUMNS.find((names) => names.every((name) => header.includes(name))) ?? COLUMNS[0];
  const [patientAt, originalAt] = [header.indexOf(patient), header.indexOf(original)];
  if (patientAt < 0 || originalAt < 0)
    return refused(
      `its first line must name the columns ${COLUMNS[0].join(',')}; it has ${header.length} other(s)`,
    );
  const rows: LinkRow[] = [];
  const problems: Omit<Problem, 'file'>[] = [];
  for (const { record, info } of records) {
    const patient = record[patientAt] ?? '';
    const original = record[originalAt] ?? '';
    if (patient === '' || original === '')
      problems.push({ code: 'LINK_ROW', detail: `line ${info.lines}: patient_id or original_id is empty` });
    else rows.push({ patient, original, line: info.lines });
  }
  return { rows, problems };
}
