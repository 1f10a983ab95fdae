import type { PlaceOutcome } from './messages.js';

/** Of a message: one of hundreds of megabytes holds its receiver up for as long as it takes to be read. */
const PIECE_BYTES = 2 * 1024 * 1024;

/** A part of the contours of an outcome that are too many for one message; `unit`: its place in the task. */
export interface BytesPiece {
  readonly unit: number;
  readonly from: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

/** Outcomes without the contours of those that have too many, and these piece by piece; the outcomes follow the pieces. */
export function takeLongBytes(outcomes: readonly PlaceOutcome[]): {
  readonly pieces: readonly BytesPiece[];
  readonly outcomes: readonly PlaceOutcome[];
} {
  const pieces: BytesPiece[] = [];
  const rest = outcomes.map((outcome, unit): PlaceOutcome => {
    if (outcome.kind !== 'placed' || outcome.contours.length <= PIECE_BYTES) return outcome;
    const { contours } = outcome;
    for (let from = 0; from < contours.length; from += PIECE_BYTES)
      pieces.push({
        unit,
        from,
        totalBytes: contours.length,
        bytes: contours.subarray(from, from + PIECE_BYTES),
      });
    return { ...outcome, contours: new Uint8Array(0) };
  });
  return { pieces, outcomes: rest };
}

/** Gathers the pieces of a task's outcomes. */
export class GatheredBytes {
  readonly #buffers = new Map<number, Uint8Array>();

  add({ unit, from, totalBytes, bytes }: BytesPiece): void {
    let buffer = this.#buffers.get(unit);
    if (!buffer) {
      buffer = new Uint8Array(totalBytes);
      this.#buffers.set(unit, buffer);
    }
    buffer.set(bytes, from);
  }

  /** The outcomes as they were before their contours were taken. */
  giveBack(outcomes: readonly PlaceOutcome[]): PlaceOutcome[] {
    return outcomes.map((outcome, unit) => {
      const contours = this.#buffers.get(unit);
      return contours && outcome.kind === 'placed' ? { ...outcome, contours } : outcome;
    });
  }
}
