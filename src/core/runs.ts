/**
 * A mask as the runs of its ones: places [start, end) in row-major order, ascending, start and end in turn. Runs that touch
 * are one. `Runs` collects them without knowing how many there will be.
 */
class Runs {
  #places = new Uint32Array(256);
  #length = 0;

  /** Numbers held, two a run. */
  get length(): number {
    return this.#length;
  }

  /** Adds a run behind, or joins it to, the last one. */
  add(start: number, end: number): void {
    if (this.#length > 0 && this.#places[this.#length - 1] === start) {
      this.#places[this.#length - 1] = end;
      return;
    }
    if (this.#length === this.#places.length) {
      const grown = new Uint32Array(2 * this.#length);
      grown.set(this.#places);
      this.#places = grown;
    }
    this.#places[this.#length] = start;
    this.#places[this.#length + 1] = end;
    this.#length += 2;
  }

  /** The runs so far, a copy. */
  take(): Uint32Array {
    return this.#places.slice(0, this.#length);
  }
}

/** The runs of ones among single bits, the least significant of a byte first (DICOM PS3.5, section 8.1.1). */
export function runsOfBits(packed: Uint8Array, firstBit: number, count: number): Uint32Array {
  const runs = new Runs();
  let start = -1;
  for (let i = 0; i < count; ) {
    const bit = firstBit + i;
    const byte = packed[bit >> 3]!;
    // Most bytes are all outside or all inside.
    if ((bit & 7) === 0 && i + 8 <= count && (byte === 0 || byte === 0xff)) {
      if (byte === 0xff && start < 0) start = i;
      if (byte === 0 && start >= 0) {
        runs.add(start, i);
        start = -1;
      }
      i += 8;
      continue;
    }
    const one = (byte >> (bit & 7)) & 1;
    if (one === 1 && start < 0) start = i;
    if (one === 0 && start >= 0) {
      runs.add(start, i);
      start = -1;
    }
    i++;
  }
  if (start >= 0) runs.add(start, count);
  return runs.take();
}

/** The runs of values that are at least `threshold`. */
export function runsAtLeast(values: ArrayLike<number>, threshold: number): Uint32Array {
  const runs = new Runs();
  let start = -1;
  for (let i = 0; i < values.length; i++) {
    const inside = values[i]! >= threshold;
    if (inside && start < 0) start = i;
    if (!inside && start >= 0) {
      runs.add(start, i);
      start = -1;
    }
  }
  if (start >= 0) runs.add(start, values.length);
  return runs.take();
}

/** The runs of each value that occurs, in order of first occurrence. */
export function runsByValue(values: ArrayLike<number>): Map<number, Uint32Array> {
  const found = new Map<number, Runs>();
  for (let i = 0; i < values.length; ) {
    const value = values[i]!;
    const start = i;
    while (i < values.length && values[i] === value) i++;
    let runs = found.get(value);
    if (!runs) {
      runs = new Runs();
      found.set(value, runs);
    }
    runs.add(start, i);
  }
  return new Map([...found].map(([value, runs]) => [value, runs.take()]));
}

/** Joins runs to a mask of the same grid: their pixels become 1, all others stay. Places over `size` are left out. */
export function fillRuns(runs: ArrayLike<number>, size: number, mask: Uint8Array, offset: number): void {
  for (let i = 0; i + 1 < runs.length; i += 2)
    mask.fill(1, offset + Math.min(runs[i]!, size), offset + Math.min(runs[i + 1]!, size));
}

/** Whether a place lies in one of the runs. */
export function holdsPlace(runs: ArrayLike<number>, place: number): boolean {
  let low = 0;
  let high = runs.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runs[2 * middle + 1]! <= place) low = middle + 1;
    else high = middle;
  }
  return 2 * low < runs.length && runs[2 * low]! <= place;
}
