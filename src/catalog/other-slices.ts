import type { ImageHeader } from '../core/dicom.js';
import { type StackPlace, stepsAlong } from '../core/neighbours.js';
import { SHIFT_STEPS } from '../core/shifted-stack.js';
import { SlicePlanes } from '../core/slice-plane.js';
import { emplace } from '../core/study-files.js';
import { type Database, prepare } from '../sqlite.js';
import { othersTurn } from './turns.js';

/** A slice whose contours are tried on another one, so many planes before it. */
export interface OtherSlice {
  readonly steps: number;
  readonly ord: number;
}

/** Of a structure on more slices than this only so many are tried: the sums over them say enough. */
const MOST_TRIED = 32;
/** Rows read before the event loop turns. */
const ROWS_PER_TURN = 200;

interface Carrier extends StackPlace {
  readonly ord: number;
}

/** Which slices' contours are tried on which images of a revision: those of the same structure, phase and pixel grid, some planes further on. */
export class OtherSlices {
  readonly #others: ReadonlyMap<string, readonly OtherSlice[]>;

  private constructor(others: ReadonlyMap<string, readonly OtherSlice[]>) {
    this.#others = others;
  }

  /** `carries`: whether a slice has a structure from a source that is used. */
  static async of(
    db: Database,
    revision: number,
    carries: (ord: number, structure: string) => boolean,
  ): Promise<OtherSlices> {
    const some = prepare(
      db,
      "SELECT ord, header, structures FROM slice WHERE revision = ? AND structures <> '[]' AND ord > ? ORDER BY ord LIMIT ?",
    );
    const planes = new SlicePlanes();
    const carriers = new Map<string, Carrier[]>();
    for (let after = -1; ; ) {
      const rows = some.all(revision, after, ROWS_PER_TURN) as {
        ord: number;
        header: string;
        structures: string;
      }[];
      for (const { ord, header, structures } of rows) {
        const plane = planes.of(JSON.parse(header) as ImageHeader);
        if (plane === null) continue;
        // Pixel coordinates mean the same on images of one grid alone.
        const place = { ord, stack: plane.grid, position: plane.position, time: plane.time };
        for (const structure of JSON.parse(structures) as string[])
          if (carries(ord, structure)) emplace(carriers, structure, () => []).push(place);
      }
      if (rows.length < ROWS_PER_TURN) break;
      after = rows[rows.length - 1]!.ord;
      await othersTurn();
    }
    const others = new Map<string, OtherSlice[]>();
    for (const [structure, places] of carriers) {
      const every = Math.max(1, places.length / MOST_TRIED);
      const tried = new Set(
        places.filter((_, at) => Math.floor(at / every) !== Math.floor((at - 1) / every)),
      );
      for (const steps of SHIFT_STEPS)
        stepsAlong(places, steps).forEach((other, at) => {
          const place = places[at]!;
          if (other === null || !tried.has(place)) return;
          emplace(others, `${place.ord} ${structure}`, () => []).push({ steps, ord: other.ord });
        });
    }
    return new OtherSlices(others);
  }

  of(ord: number, structure: string): readonly OtherSlice[] {
    return this.#others.get(`${ord} ${structure}`) ?? [];
  }
}
