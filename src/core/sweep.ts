/**
 * Which edges meet each row, row after row from the top. Edges are small integers that mean something to the
 * caller. One sweep is reused for many polygons: its buffers only grow, and between `begin` and the last
 * `enter` nothing is allocated.
 */
export class Sweep {
  /** The edges that meet the row entered last, ascending; valid up to `count`. */
  active = new Int32Array(0);
  count = 0;
  /** First and last row that any edge meets; `top > bottom` when none does. */
  top = 0;
  bottom = -1;

  #lastRow = new Int32Array(0);
  /** Per row the edge that starts there and was added last; per edge the one added before it; -1 ends a list. */
  #starting = new Int32Array(0);
  #before = new Int32Array(0);
  #rows = 0;

  begin(edges: number, rows: number): void {
    if (this.active.length < edges) {
      const room = Math.max(edges, 2 * this.active.length);
      this.active = new Int32Array(room);
      this.#lastRow = new Int32Array(room);
      this.#before = new Int32Array(room);
    }
    if (this.#starting.length < rows) this.#starting = new Int32Array(rows);
    this.#starting.fill(-1, 0, rows);
    this.#rows = rows;
    this.count = 0;
    this.top = rows;
    this.bottom = -1;
  }

  /**
   * Adds an edge that meets the rows `first` to `last`, both included; rows outside the image are cut off, and an
   * edge without rows (also when a bound is NaN) is left out. Edges must be added in ascending order.
   */
  add(edge: number, first: number, last: number): void {
    const from = Math.max(first, 0);
    const to = Math.min(last, this.#rows - 1);
    if (!(from <= to)) return;
    this.#lastRow[edge] = to;
    this.#before[edge] = this.#starting[from]!;
    this.#starting[from] = edge;
    if (from < this.top) this.top = from;
    if (to > this.bottom) this.bottom = to;
  }

  /** Makes `active` the edges that meet `row`; rows are entered one by one from `top` to `bottom`. */
  enter(row: number): void {
    const active = this.active;
    let kept = 0;
    for (let a = 0; a < this.count; a++) {
      const edge = active[a]!;
      if (this.#lastRow[edge]! >= row) active[kept++] = edge;
    }
    let starting = 0;
    for (let edge = this.#starting[row]!; edge >= 0; edge = this.#before[edge]!) starting++;
    this.count = kept + starting;
    // Both lists are ordered, and the starting one is read backwards: merge from the end, in place.
    let free = this.count - 1;
    let old = kept - 1;
    for (let edge = this.#starting[row]!; edge >= 0; edge = this.#before[edge]!) {
      while (old >= 0 && active[old]! > edge) active[free--] = active[old--]!;
      active[free--] = edge;
    }
  }
}
