/**
 * The steps in one row of a set of steps, a bit each (the lowest bit of a byte first). Adding a step changes
 * one row of 256 bytes, whatever the order in which steps come.
 */
const STEPS_PER_ROW = 2048;

/** The number of the row that holds a step. */
export function rowOfStep(step: number): number {
  return Math.floor(step / STEPS_PER_ROW);
}

/** A row without a step. */
export function emptySteps(): Uint8Array {
  return new Uint8Array(STEPS_PER_ROW / 8);
}

/** Puts a step into its row. */
export function addStep(row: Uint8Array, step: number): void {
  const at = step % STEPS_PER_ROW;
  row[at >> 3] = row[at >> 3]! | (1 << (at & 7));
}

/** Whether a step is in its row. */
export function hasStep(row: Uint8Array, step: number): boolean {
  const at = step % STEPS_PER_ROW;
  return (row[at >> 3]! & (1 << (at & 7))) !== 0;
}

/** How many steps a row holds. */
export function countSteps(row: Uint8Array): number {
  let count = 0;
  for (const byte of row) for (let bits = byte; bits > 0; bits &= bits - 1) count++;
  return count;
}
