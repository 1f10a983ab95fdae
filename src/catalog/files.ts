import { studyKey } from '../core/pairing.js';
import type { Segmentation } from '../core/segment-rasters.js';
import type { StructureSet } from '../core/structure-set.js';
import type { FoundFile } from '../core/study-files.js';
import type { ScanFinding } from '../loader/messages.js';
import { Recent } from '../recent.js';
import { type Database, prepare, transact } from '../sqlite.js';
import { FileNumbers, ROW_BYTES } from './file-numbers.js';

/** What the catalogue keeps of a file since it was last read. */
export interface FileFinding<Finding = ScanFinding> {
  readonly path: string;
  readonly guard: string;
  readonly finding: Finding;
  /** For each frame the generation of its pixels; null where all are the first ones seen under their header. */
  readonly generations: readonly (number | null)[] | null;
}

/** What was found of a file without the numbers of structure sets and segmentations, which may be hundreds of megabytes. */
export type ToldFinding =
  | Exclude<ScanFinding, { kind: 'structures' | 'segmentation' }>
  | { readonly kind: 'structures'; readonly structures: Omit<StructureSet, 'points'> }
  | { readonly kind: 'segmentation'; readonly segmentation: Omit<Segmentation, 'runs'> };

/** What was read of each file, by its path. */
export interface FoundFiles {
  get(path: string): FileFinding<ToldFinding> | null;
  /** With its numbers. */
  load(path: string): Promise<FileFinding | null>;
}

const SERIES_REMEMBERED = 10_000;

/** The files of the source as the last scan read them. */
export class FileTable implements FoundFiles {
  readonly #db: Database;
  readonly #numbers: FileNumbers;

  constructor(db: Database) {
    this.#db = db;
    this.#numbers = new FileNumbers(db);
  }

  get(path: string): FileFinding<ToldFinding> | null {
    const row = prepare(
      this.#db,
      "SELECT guard, finding, generations, CASE kind WHEN 'contour' THEN numbers END AS numbers FROM file WHERE path = ?",
    ).get(path) as FileRow | undefined;
    if (!row) return null;
    const told = JSON.parse(row.finding) as ScanFinding;
    const finding = told.kind === 'contour' ? withNumbers(told, row.numbers) : told;
    return { path, finding, ...kept(row) };
  }

  async load(path: string): Promise<FileFinding | null> {
    const row = prepare(
      this.#db,
      'SELECT guard, finding, generations, numbers, numbers_key AS key FROM file WHERE path = ?',
    ).get(path) as (FileRow & { readonly key: number | null }) | undefined;
    if (!row) return null;
    const numbers = row.key === null ? row.numbers : await this.#numbers.read(row.key);
    return { path, finding: withNumbers(JSON.parse(row.finding) as ScanFinding, numbers), ...kept(row) };
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
      `SELECT path FROM file WHERE kind = 'object' AND json_extract(finding, '$.segmentation.threshold') <> ?`,
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
  async put(findings: readonly FileFinding[]): Promise<void> {
    const rows: (() => void)[] = [];
    const replaced: number[] = [];
    const insert = prepare(
      this.#db,
      'INSERT OR REPLACE INTO file (path, guard, kind, study, series, patient, finding, generations, numbers, numbers_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    );
    for (const { path, guard, finding, generations } of findings) {
      const { kind, study, series, patient } = pairingOf(finding);
      const marks = generations === null ? null : JSON.stringify(generations);
      const { text, numbers } = withoutNumbers(finding);
      const isLong = numbers !== null && numbers.length > ROW_BYTES;
      const key = isLong ? await this.#numbers.write(numbers) : null;
      const inRow = isLong ? null : numbers;
      rows.push(() => {
        replaced.push(...this.#keysOf(path));
        insert.run(path, guard, kind, study, JSON.stringify(series), patient, text, marks, inRow, key);
      });
    }
    transact(this.#db, () => {
      for (const row of rows) row();
    });
    for (const key of replaced) await this.#numbers.forget(key);
  }

  /** Drops the files that are not in the source any more. */
  async forgetAllBut(present: { has(path: string): boolean }): Promise<void> {
    const gone = [...this.guards().keys()].filter((path) => !present.has(path));
    const remove = prepare(this.#db, 'DELETE FROM file WHERE path = ?');
    const keys: number[] = [];
    transact(this.#db, () => {
      for (const path of gone) {
        keys.push(...this.#keysOf(path));
        remove.run(path);
      }
    });
    for (const key of keys) await this.#numbers.forget(key);
  }

  #keysOf(path: string): number[] {
    const row = prepare(this.#db, 'SELECT numbers_key AS key FROM file WHERE path = ?').get(path) as
      | { key: number | null }
      | undefined;
    return row?.key == null ? [] : [row.key];
  }
}

interface FileRow {
  readonly guard: string;
  readonly finding: string;
  readonly generations: string | null;
  readonly numbers: Uint8Array | null;
}

function kept({ guard, generations }: FileRow): Pick<FileFinding, 'guard' | 'generations'> {
  return { guard, generations: generations === null ? null : JSON.parse(generations) };
}

/** A finding as text, and its long lists of numbers, which text would make slow, as bytes. */
function withoutNumbers(finding: ScanFinding): { text: string; numbers: Uint8Array | null } {
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float64Array | Uint32Array) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  switch (finding.kind) {
    case 'contour': {
      if (!finding.contour.ok) break;
      const { points, ...contour } = finding.contour;
      return { text: JSON.stringify({ ...finding, contour }), numbers: bytesOf(points) };
    }
    case 'structures': {
      const { points, ...structures } = finding.structures;
      return { text: JSON.stringify({ ...finding, structures }), numbers: bytesOf(points) };
    }
    case 'segmentation': {
      const { runs, ...segmentation } = finding.segmentation;
      return { text: JSON.stringify({ ...finding, segmentation }), numbers: bytesOf(runs) };
    }
  }
  return { text: JSON.stringify(finding), numbers: null };
}

function withNumbers(finding: ScanFinding, numbers: Uint8Array | null): ScanFinding {
  const { buffer } = aligned(numbers ?? new Uint8Array(0));
  switch (finding.kind) {
    case 'contour': {
      const { contour } = finding;
      return contour.ok ? { ...finding, contour: { ...contour, points: new Float64Array(buffer) } } : finding;
    }
    case 'structures':
      return { ...finding, structures: { ...finding.structures, points: new Float64Array(buffer) } };
    case 'segmentation':
      return { ...finding, segmentation: { ...finding.segmentation, runs: new Uint32Array(buffer) } };
    default:
      return finding;
  }
}

/** Bytes with a buffer of their own, which numbers can lie in. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
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
    case 'structures':
    case 'segmentation': {
      const { studyUid, series, patient } =
        finding.kind === 'structures' ? finding.structures : finding.segmentation;
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
