/** The edges of regions' polygons that are not horizontal; a region is closed polygons, x, y alternating. */
export class TiltedEdges {
  count = 0;
  /** The first `count` are the edges by their upper ends. */
  byTop = new Int32Array(0);
  /** Rows of the uppermost and of the lowest end. */
  top = Number.POSITIVE_INFINITY;
  bottom = Number.NEGATIVE_INFINITY;
  readonly #shift: number;
  #regions = new Int32Array(0);
  /** For each edge column and row of its upper end, then of its lower one. */
  #ends = new Float64Array(0);

  /** `shift` is added to every coordinate. */
  constructor(shift: number) {
    this.#shift = shift;
  }

  /** Makes the edges those of other regions; the buffers only grow. */
  take(regions: readonly (readonly Float64Array[])[]): void {
    this.#reserve(regions);
    const shift = this.#shift;
    this.top = Number.POSITIVE_INFINITY;
    this.bottom = Number.NEGATIVE_INFINITY;
    let count = 0;
    for (let region = 0; region < regions.length; region++)
      for (const points of regions[region]!) {
        const corners = points.length >>> 1;
        for (let i = 0, j = corners - 1; i < corners; j = i++) {
          const [upper, lower] = points[2 * j + 1]! < points[2 * i + 1]! ? [j, i] : [i, j];
          const top = points[2 * upper + 1]! + shift;
          const bottom = points[2 * lower + 1]! + shift;
          if (!(top < bottom)) continue;
          this.#ends[4 * count] = points[2 * upper]! + shift;
          this.#ends[4 * count + 1] = top;
          this.#ends[4 * count + 2] = points[2 * lower]! + shift;
          this.#ends[4 * count + 3] = bottom;
          this.#regions[count] = region;
          this.byTop[count] = count;
          count++;
          if (top < this.top) this.top = top;
          if (bottom > this.bottom) this.bottom = bottom;
        }
      }
    this.count = count;
    this.byTop.subarray(0, count).sort((a, b) => this.topOf(a) - this.topOf(b));
  }

  #reserve(regions: readonly (readonly Float64Array[])[]): void {
    let room = 0;
    for (const polygons of regions) for (const points of polygons) room += points.length >>> 1;
    if (this.byTop.length >= room) return;
    this.#ends = new Float64Array(8 * room);
    this.#regions = new Int32Array(2 * room);
    this.byTop = new Int32Array(2 * room);
  }

  topOf(edge: number): number {
    return this.#ends[4 * edge + 1]!;
  }

  bottomOf(edge: number): number {
    return this.#ends[4 * edge + 3]!;
  }

  regionOf(edge: number): number {
    return this.#regions[edge]!;
  }

  /** The column of an edge at a row from its upper to its lower end; at an end that end's own. */
  at(edge: number, y: number): number {
    const x0 = this.#ends[4 * edge]!;
    const y0 = this.#ends[4 * edge + 1]!;
    const x1 = this.#ends[4 * edge + 2]!;
    const y1 = this.#ends[4 * edge + 3]!;
    const share = (y - y0) / (y1 - y0);
    return share < 0.5 ? x0 + (x1 - x0) * share : x1 - (x1 - x0) * (1 - share);
  }
}

/** Which regions a walk along a line is in: a region holds what lies behind an odd number of its edges. */
export class Inside {
  /** How many regions hold the present place. */
  count = 0;
  #isIn = new Uint8Array(0);

  begin(regions: number): void {
    if (this.#isIn.length < regions) this.#isIn = new Uint8Array(regions);
    this.#isIn.fill(0);
    this.count = 0;
  }

  /** Goes over an edge of a region. */
  pass(region: number): void {
    this.#isIn[region]! ^= 1;
    this.count += this.#isIn[region] === 1 ? 1 : -1;
  }
}
