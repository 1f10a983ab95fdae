type Plane = Uint8Array | Uint16Array;

/** A component's samples, of its own size, rows `stride` apart. */
export interface Subsampled {
  readonly samples: Plane;
  readonly stride: number;
  readonly rows: number;
  readonly columns: number;
  /** How many of the image's pixels lie along one of its samples. */
  readonly across: number;
  readonly down: number;
}

/**
 * Writes a component at the image's size into a plane: halved components by the triangle filter of the field's decoders
 * (three quarters of the nearer sample, one of the farther), any other by repeating samples.
 */
export function upsample(from: Subsampled, out: Plane, rows: number, columns: number): void {
  const { samples, stride, across, down } = from;
  if (across === 2 && from.columns > 2 && (down === 1 || down === 2)) {
    const sums = new Int32Array(from.columns);
    const line = new Int32Array(2 * from.columns);
    for (let y = 0; y < rows; y++) {
      const near = Math.floor(y / down);
      if (down === 1) triangle1(samples.subarray(near * stride), from.columns, line);
      else {
        const wanted = near + (y % 2 === 0 ? -1 : 1);
        const far = Math.min(Math.max(wanted, 0), from.rows - 1);
        for (let x = 0; x < sums.length; x++)
          sums[x] = 3 * samples[near * stride + x]! + samples[far * stride + x]!;
        triangle2(sums, line);
      }
      out.set(line.subarray(0, columns), y * columns);
    }
    return;
  }
  for (let y = 0; y < rows; y++) {
    const row = Math.floor(y / down) * stride;
    const to = y * columns;
    if (across === 1) out.set(samples.subarray(row, row + columns), to);
    else for (let x = 0; x < columns; x++) out[to + x] = samples[row + Math.floor(x / across)]!;
  }
}

function triangle1(row: Plane, length: number, line: Int32Array): void {
  for (let x = 0; x < length; x++) {
    const near = 3 * row[x]!;
    line[2 * x] = x === 0 ? row[0]! : (near + row[x - 1]! + 1) >> 2;
    line[2 * x + 1] = x === length - 1 ? row[x]! : (near + row[x + 1]! + 2) >> 2;
  }
}

function triangle2(sums: Int32Array, line: Int32Array): void {
  const last = sums.length - 1;
  for (let x = 0; x <= last; x++) {
    const near = sums[x]!;
    line[2 * x] = x === 0 ? (4 * near + 8) >> 4 : (3 * near + sums[x - 1]! + 8) >> 4;
    line[2 * x + 1] = x === last ? (4 * near + 7) >> 4 : (3 * near + sums[x + 1]! + 7) >> 4;
  }
}
