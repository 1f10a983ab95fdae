import type { ImageHeader } from '../core/dicom.js';
import type { Containment, FindingCode, FindingLimits } from '../core/finding-codes.js';
import { type Finding, findOddities, type MeasuredSlice } from '../core/findings.js';
import { type PairId, pairId, type SliceId, type StudyId } from '../core/ids.js';
import { SlicePlanes } from '../core/slice-plane.js';
import { emplace } from '../core/study-files.js';
import { Recent } from '../recent.js';
import { type Database, prepare } from '../sqlite.js';
import { Measures, type MeasuresOptions } from './measures.js';
import { nameShapes, sameShapes, shapeKey } from './shapes.js';
import { presentStudies, type StudyState } from './studies.js';
import { othersTurn } from './turns.js';

/** A finding of a pair. */
export interface PairFinding extends Finding {
  readonly study: StudyId;
  readonly revision: number;
  readonly slice: SliceId;
  readonly pair: PairId;
}

/** The quality report over some studies: how many pairs were looked at, and what is odd, in catalogue order. */
export interface QualityReport {
  readonly pairs: number;
  readonly findings: readonly PairFinding[];
}

export interface QualityOptions extends MeasuresOptions {
  readonly limits: FindingLimits;
  readonly containments: readonly Containment[];
}

/** How far a report is, in slices with contours. */
export interface QualityProgress {
  readonly pairs: number;
  readonly measured: number;
}

const REPORTS_REMEMBERED = 4;
/** Slices that are looked at before the event loop turns. */
const SLICES_PER_TURN = 200;

/** What is odd about the contours of the present studies. */
export class Quality {
  readonly limits: FindingLimits;
  #db: Database;
  #measures: Measures;
  #findings = new Recent<string, readonly PairFinding[]>(REPORTS_REMEMBERED);

  constructor(options: QualityOptions) {
    this.limits = options.limits;
    this.#db = options.db;
    this.#measures = new Measures(options);
  }

  /**
   * The report over these studies; what is not measured yet is measured first. Contours are compared with those of all present
   * studies. Rejects where a loader can't be had.
   */
  async report(
    states: readonly StudyState[],
    onProgress: (progress: QualityProgress) => void = () => {},
  ): Promise<QualityReport> {
    const present = presentStudies(this.#db);
    for (const { revision } of present) await nameShapes(this.#db, revision);
    const pairs = this.#count(states);
    let measured = 0;
    for (const state of states) {
      await this.#measures.complete(state, (count) => {
        measured += count;
        onProgress({ pairs, measured });
      });
      await othersTurn();
    }
    const key = [present, states].map((some) => some.map(({ revision }) => revision).join()).join('/');
    const known = this.#findings.find(key);
    if (known) return { pairs, findings: known };
    const findings: PairFinding[] = [];
    let isWhole = true;
    for (const state of states) {
      const { found, isMeasured } = await this.#look(state);
      for (const finding of found) findings.push(finding);
      isWhole &&= isMeasured;
      await othersTurn();
    }
    // An image that changed since the scan may be as it was the next time.
    return { pairs, findings: isWhole ? this.#findings.get(key, () => findings) : findings };
  }

  /** For each of these studies the places of the slices that any of the codes is found of. */
  async flagged(
    states: readonly StudyState[],
    codes: readonly FindingCode[],
  ): Promise<Map<number, ReadonlySet<number>>> {
    const { findings } = await this.report(states);
    const flagged = new Map<number, Set<number>>(states.map(({ revision }) => [revision, new Set()]));
    for (const { code, revision, ordinal } of findings)
      if (codes.includes(code)) flagged.get(revision)?.add(ordinal);
    return flagged;
  }

  /** Ends what is under way. */
  stop(): Promise<void> {
    return this.#measures.stop();
  }

  #count(states: readonly StudyState[]): number {
    const count = prepare(this.#db, 'SELECT pairs FROM revision WHERE id = ?');
    return states.reduce(
      (sum, { revision }) => sum + ((count.get(revision) as { pairs: number } | undefined)?.pairs ?? 0),
      0,
    );
  }

  /**
   * Returns, by place and structure, the greatest distance in mm of a contour off the plane of the image that
   * it names.
   */
  #offPlanes(revision: number): Map<number, Map<string, number>> {
    const rows = prepare(
      this.#db,
      'SELECT ord, structure, max(off_mm) AS mm FROM contour WHERE revision = ? AND off_mm > 0 GROUP BY ord, structure',
    ).all(revision) as { ord: number; structure: string; mm: number }[];
    const found = new Map<number, Map<string, number>>();
    for (const { ord, structure, mm } of rows)
      emplace(found, ord, () => new Map<string, number>()).set(structure, mm);
    return found;
  }

  async #look({ study, revision }: StudyState): Promise<{ found: PairFinding[]; isMeasured: boolean }> {
    const rows = prepare(
      this.#db,
      "SELECT ord, slice, header FROM slice WHERE revision = ? AND structures <> '[]' ORDER BY ord",
    ).all(revision) as { ord: number; slice: string; header: string }[];
    const measures = await this.#measures.of(revision);
    const same = await sameShapes(this.#db, revision);
    const offMm = this.#offPlanes(revision);
    const sliceOf = new Map(rows.map(({ ord, slice }) => [ord, slice as SliceId]));
    const planes = new SlicePlanes();
    const describe = ({ ord, header }: (typeof rows)[number]): MeasuredSlice => {
      const known = measures.get(ord);
      const structures = known?.structures ?? [];
      return {
        ordinal: ord,
        structures,
        unread: known ? known.unread : 'the image changed since the scan, or cannot be read',
        plane: planes.of(JSON.parse(header) as ImageHeader),
        offMm: offMm.get(ord) ?? new Map(),
        same: new Map(
          structures.flatMap(({ structure }) => {
            const others = same.get(shapeKey(ord, structure));
            if (!others) return [];
            const [first] = others;
            return [
              [
                structure,
                { count: others.length, example: `${first!.study}/${first!.slice} ${first!.structure}` },
              ],
            ];
          }),
        ),
      };
    };
    const slices: MeasuredSlice[] = [];
    for (let from = 0; from < rows.length; from += SLICES_PER_TURN) {
      for (const row of rows.slice(from, from + SLICES_PER_TURN)) slices.push(describe(row));
      await othersTurn();
    }
    const found = findOddities(slices, this.limits).map((finding): PairFinding => {
      const slice = sliceOf.get(finding.ordinal)!;
      return { ...finding, study, revision, slice, pair: pairId(study, slice) };
    });
    return { found, isMeasured: measures.size === rows.length };
  }
}
