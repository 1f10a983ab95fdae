import { studyKey } from '../core/pairing.js';
import type { FoundFile } from '../core/study-files.js';
import type { ScanFinding } from '../loader/messages.js';
import { type Database, prepare, transact } from '../sqlite.js';

/** What the catalogue keeps of a file since it was last read. */
export interface FileFinding {
  readonly path: string;
  readonly guard: string;
  readonly finding: ScanFinding;
  /** For each frame the generation of its pixels; null where all are the first ones seen under their header. */
  readonly generations: readonly (number | null)[] | null;
}

/** The files of the source as the last scan read them. */
export class FileTable {
  #db: Database;
  constructor(db: Database) {
    this.#db = db;
  }

  get(path: string): FileFinding | null {
    const row = prepare(this.#db, 'SELECT guard, finding, generations, points FROM file WHERE path = ?').get(
      path,
    ) as
      | { guard: string; finding: string; generations: string | null; points: Uint8Array | null }
      | undefined;
    if (!row) return null;
    const finding = JSON.parse(row.finding) as ScanFinding;
    if (finding.kind === 'contour' && finding.contour.ok && row.points)
      (finding.contour as { points: Float64Array }).points = new Float64Array(row.points.slice().buffer);
    const generations = row.generations === null ? null : JSON.parse(row.generations);
    return { path, guard: row.guard, finding, generations };
  }

  /** Every file's guard when it was last read. */
  guards(): Map<string, string> {
    const rows = prepare(this.#db, 'SELECT path, guard FROM file').all();
    return new Map((rows as { path: string; guard: string }[]).map(({ path, guard }) => [path, guard]));
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
    const rows = prepare(this.#db, 'SELECT path, kind, study, patient FROM file').all();
    return (rows as unknown as FoundFile[]).map(({ path, kind, study, patient }) => ({
      path,
      kind,
      study: one(study),
      patient: one(patient),
    }));
  }

  put(findings: readonly FileFinding[]): void {
    const insert = prepare(
      this.#db,
      'INSERT OR REPLACE INTO file (path, guard, kind, study, patient, finding, generations, points) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
    transact(this.#db, () => {
      for (const { path, guard, finding, generations } of findings) {
        const { kind, study, patient } = pairingOf(finding);
        const marks = generations === null ? null : JSON.stringify(generations);
        if (finding.kind === 'contour' && finding.contour.ok) {
          const { points, ...rest } = finding.contour;
          const kept = { kind: 'contour', contour: rest };
          insert.run(
            path,
            guard,
            kind,
            study,
            patient,
            JSON.stringify(kept),
            marks,
            new Uint8Array(points.buffer, points.byteOffset, points.byteLength),
          );
        } else insert.run(path, guard, kind, study, patient, JSON.stringify(finding), marks, null);
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

/** What pairing wants to know of a file's content. */
function pairingOf(finding: ScanFinding): Omit<FoundFile, 'path'> {
  switch (finding.kind) {
    case 'image':
      return {
        kind: 'image',
        study: studyKey(finding.header, finding.patient),
        patient: finding.patient,
      };
    case 'object':
      return { kind: 'object', study: finding.object.studyUid || null, patient: null };
    case 'refused': {
      const kind = finding.code === 'NOT_DICOM' ? 'foreign' : 'refused';
      return { kind, study: finding.object?.studyUid || null, patient: null };
    }
    case 'zip':
      return { kind: 'foreign', study: null, patient: null };
    case 'contour':
    case 'table':
      return { kind: finding.kind, study: null, patient: null };
  }
}
