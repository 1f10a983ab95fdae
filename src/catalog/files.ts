import { studyKey } from '../core/pairing.js';
import type { FoundFile } from '../core/study-files.js';
import type { ScanFinding } from '../loader/messages.js';
import { Recent } from '../recent.js';
import { type Database, prepare, transact } from '../sqlite.js';

/** What the catalogue keeps of a file since it was last read. */
export interface FileFinding {
  readonly path: string;
  readonly guard: string;
  readonly finding: ScanFinding;
  /** For each frame the generation of its pixels; null where all are the first ones seen under their header. */
  readonly generations: readonly (number | null)[] | null;
}

/** What was read of each file, by its path. */
export interface FoundFiles {
  get(path: string): FileFinding | null;
}

const SERIES_REMEMBERED = 10_000;

/** The files of the source as the last scan read them. */
export class FileTable implements FoundFiles {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get(path: string): FileFinding | null {
    const row = prepare(this.#db, 'SELECT guard, finding, generations, numbers FROM file WHERE path = ?').get(
      path,
    ) as FileRow | undefined;
    if (!row) return null;
    const { guard, generations } = row;
    return {
      path,
      guard,
      finding: withNumbers(JSON.parse(row.finding), row.numbers),
      generations: generations === null ? null : JSON.parse(generations),
    };
  }

  /** Every file's guard when it was last read. */
  guards(): Map<string, string> {
    const rows = prepare(this.#db, 'SELECT path, guard FROM file').all();
    return new Map((rows as { path: string; guard: string }[]).map(({ path, guard }) => [path, guard]));
  }

  /** The segmentations that were read with another threshold than this. */
  readOtherwise(segmentFraction: number): Set<string> {
    const rows = prepare(
      this.#db,
      `SELECT path FROM file WHERE kind = 'object' AND json_extract(finding, '$.drawn.threshold') <> ?`,
    ).all(segmentFraction) as { path: string }[];
    return new Set(rows.map(({ path }) => path));
  }

  /** Every file as pairing knows it. */
  found(): FoundFile[] {
    const keys = new Map<string, string>();
    // One text for all files of a study, however many there are.
    const one = (text: string | null) => {
      if (text === null) return null;
      const known = keys.get(text);
      if (known === undefined) keys.set(text, text);
      return known ?? text;
    };
    // And one list for all files of a series.
    const lists = new Recent<string, readonly string[]>(SERIES_REMEMBERED);
    const rows = prepare(this.#db, 'SELECT path, kind, study, series, patient FROM file').all();
    return (rows as unknown as (FoundFile & { series: string })[]).map(
      ({ path, kind, study, series, patient }) => ({
        path,
        kind,
        study: one(study),
        series: lists.get(series, () => JSON.parse(series)),
        patient: one(patient),
      }),
    );
  }

  /** Keeps what was read; each file is there as it was before or as it is now. */
  put(findings: readonly FileFinding[]): void {
    const insert = prepare(
      this.#db,
      'INSERT OR REPLACE INTO file (path, guard, kind, study, series, patient, finding, generations, numbers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    transact(this.#db, () => {
      for (const { path, guard, finding, generations } of findings) {
        const { kind, study, series, patient } = pairingOf(finding);
        const marks = generations === null ? null : JSON.stringify(generations);
        const { text, numbers } = withoutNumbers(finding);
        insert.run(path, guard, kind, study, JSON.stringify(series), patient, text, marks, numbers);
      }
    });
  }

  /** Drops the files that are not in the source any more. */
  forgetAllBut(present: { has(path: string): boolean }): void {
    const gone = [...this.guards().keys()].filter((path) => !present.has(path));
    const remove = prepare(this.#db, 'DELETE FROM file WHERE path = ?');
    transact(this.#db, () => {
      for (const path of gone) remove.run(path);
    });
  }
}

interface FileRow {
  readonly guard: string;
  readonly finding: string;
  readonly generations: string | null;
  readonly numbers: Uint8Array | null;
}

/** Splits a finding into JSON text and, as bytes, the points of a contour, which would be slow as text. */
function withoutNumbers(finding: ScanFinding): { text: string; numbers: Uint8Array | null } {
  if (finding.kind !== 'contour' || !finding.contour.ok)
    return { text: JSON.stringify(finding), numbers: null };
  const { points, ...contour } = finding.contour;
  const { buffer, byteOffset, byteLength } = points;
  return {
    text: JSON.stringify({ ...finding, contour }),
    numbers: new Uint8Array(buffer, byteOffset, byteLength),
  };
}

function withNumbers(finding: ScanFinding, numbers: Uint8Array | null): ScanFinding {
  if (finding.kind !== 'contour' || !finding.contour.ok || !numbers) return finding;
  // `slice` copies the numbers to a buffer of their own: their offset must be a multiple of 8.
  const points = new Float64Array(numbers.slice().buffer);
  return { ...finding, contour: { ...finding.contour, points } };
}

/** What pairing wants to know of a file's content. */
export function pairingOf(finding: ScanFinding): Omit<FoundFile, 'path'> {
  switch (finding.kind) {
    case 'image':
      return {
        kind: 'image',
        study: studyKey(finding.header, finding.patient),
        series: finding.header.seriesUid === '' ? [] : [finding.header.seriesUid],
        patient: finding.patient,
      };
    case 'object':
      return { kind: 'object', study: finding.object.studyUid || null, series: [], patient: null };
    case 'drawn': {
      const { studyUid, series, patient } = finding.drawn;
      return { kind: 'object', study: studyUid || null, series, patient };
    }
    case 'refused': {
      const kind = finding.code === 'NOT_DICOM' ? 'foreign' : 'refused';
      return { kind, study: finding.object?.studyUid || null, series: [], patient: null };
    }
    case 'zip':
      return { kind: 'foreign', study: null, series: [], patient: null };
    case 'contour':
    case 'table':
      return { kind: finding.kind, study: null, series: [], patient: null };
  }
}
