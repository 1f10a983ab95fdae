/** Bytes that are worked through, and rows that are written, before the event loop turns: about a millisecond of either. */
const BYTES_PER_TURN = 1024 * 1024;
const ROWS_PER_TURN = 200;

/** Lets others have their turn. */
export function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Keeps count of long work, and says when it is others' turn. */
export class Turns {
  #rows = 0;
  #bytes = 0;

  /** Counts a row of so many bytes; whether it is others' turn now. */
  isOver(bytes: number): boolean {
    this.#rows++;
    this.#bytes += bytes;
    if (this.#rows < ROWS_PER_TURN && this.#bytes < BYTES_PER_TURN) return false;
    this.#rows = 0;
    this.#bytes = 0;
    return true;
  }
}

/**
 * Maps a long list and lets the event loop turn in between; `rowsIn`: the rows of each value, if more than
 * one.
 */
export async function inTurns<From, To>(
  list: Iterable<From>,
  map: (value: From) => To,
  rowsIn: (value: From) => number = () => 1,
): Promise<To[]> {
  const turns = new Turns();
  const mapped: To[] = [];
  for (const value of list) {
    if (turns.isOver((BYTES_PER_TURN / ROWS_PER_TURN) * rowsIn(value))) await othersTurn();
    mapped.push(map(value));
  }
  return mapped;
}
