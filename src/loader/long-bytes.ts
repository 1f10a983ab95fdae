import type { PlaceOutcome } from './messages.js';

/** The most bytes of a piece: a message of hundreds of megabytes blocks its receiver while it is read. */
const PIECE_BYTES = 2 * 1024 * 1024;

/** A piece of contours that are too many for one message; `unit`: the place of their outcome in the task. */
export interface BytesPiece {
  readonly unit: number;
  readonly from: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

/** Takes long contours out of outcomes and returns them in pieces, to be sent before the outcomes. */
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

/** Collects the pieces of a task's outcomes. */
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

  /** Returns the outcomes with their contours put back. */
  giveBack(outcomes: readonly PlaceOutcome[]): PlaceOutcome[] {
    return outcomes.map((outcome, unit) => {
      const contours = this.#buffers.get(unit);
      return contours && outcome.kind === 'placed' ? { ...outcome, contours } : outcome;
    });
  }
}
