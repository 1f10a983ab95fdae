import type { Extent } from './extent.js';
import { roundHalfEven } from './round.js';

/** How an image comes to the rows and columns of its batch. */
export type Fit = 'exact' | 'pad' | 'crop' | 'resize';

export interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** One axis of a fit: source coordinate = scale · target coordinate + shift, in pixel centres. */
interface Axis {
  readonly source: number;
  readonly target: number;
  readonly scale: number;
  readonly shift: number;
}

/** A fit from one size to another. */
export interface Fitting {
  readonly rows: Axis;
  readonly columns: Axis;
  readonly fit: Fit;
}

function axisOf(fit: Fit, source: number, target: number): Axis {
  if (fit === 'resize') {
    // Pixel edges of both lie upon each other, so centres are half a pixel in from them.
    const scale = source / target;
    return { source, target, scale, shift: scale / 2 - 0.5 };
  }
  const spare = target - source;
  return { source, target, scale: 1, shift: spare >= 0 ? -Math.floor(spare / 2) : Math.floor(-spare / 2) };
}

/**
 * How an image of one size fits another. `pad` and `crop` keep it in the middle, an odd pixel more at the end; `crop` also pads
 * where the image is the smaller one.
 */
export function fitting(fit: Fit, source: Size, target: Size): Fitting {
  return {
    fit,
    rows: axisOf(fit, source.rows, target.rows),
    columns: axisOf(fit, source.columns, target.columns),
  };
}

/** The 2 × 3 matrix, row-major, that turns a target (row, column, 1) into its source (row, column). */
export function affineOf({ rows, columns }: Fitting): number[] {
  return [rows.scale, 0, rows.shift, 0, columns.scale, columns.shift];
}

/** A polygon (x, y, x, y …) of the source in the coordinates of the target. */
function fitPolygon(points: Float64Array, { rows, columns }: Fitting): Float64Array {
  return points.map((at, i) => {
    const { scale, shift } = i % 2 === 0 ? columns : rows;
    return (at - shift) / scale;
  });
}

/** An extent on a source in a target's pixels: its polygons moved, its rasters' grids seen from there. */
export function fitExtent({ regions, rasters }: Extent, fitted: Fitting): Extent {
  const { rows, columns } = fitted;
  return {
    regions: regions.map((region) => region.map((polygon) => fitPolygon(polygon, fitted))),
    rasters: rasters.map((raster) => {
      const [a, b, c, d, e, f] = (raster.matrix ?? [1, 0, 0, 0, 1, 0]) as number[] as [
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      const matrix = [
        a * columns.scale,
        b * rows.scale,
        a * columns.shift + b * rows.shift + c,
        d * columns.scale,
        e * rows.scale,
        d * columns.shift + e * rows.shift + f,
      ];
      return { ...raster, matrix };
    }),
  };
}

/** The source pixel of each target pixel along an axis, -1 where there is none: the nearest, of two equally near the even one. */
function nearest({ source, target, scale, shift }: Axis): Int32Array {
  return Int32Array.from({ length: target }, (_, i) => {
    const at = roundHalfEven(scale * i + shift);
    return at >= 0 && at < source ? at : -1;
  });
}

/** Fits a plane of a mask by the nearest pixel, zeros where there is none, into `out` from `offset`. */
export function fitMask<T extends Uint8Array | Float32Array>(
  mask: T,
  fitted: Fitting,
  out: T,
  offset: number,
): void {
  const rows = nearest(fitted.rows);
  const columns = nearest(fitted.columns);
  let to = offset;
  for (const row of rows)
    for (const column of columns)
      out[to++] = row < 0 || column < 0 ? 0 : mask[row * fitted.columns.source + column]!;
}

/**
 * Fits planes of values: `pad` and `crop` move them and put `fill` where there is none; `resize` means over the area that a
 * target pixel covers where an axis shrinks, and goes linearly between pixel centres where it grows.
 */
export function fitValues(planes: Float64Array, count: number, fitted: Fitting, fill: number): Float64Array {
  const { rows, columns } = fitted;
  const out = new Float64Array(count * rows.target * columns.target);
  const weights = fitted.fit === 'resize' ? { rows: weightsOf(rows), columns: weightsOf(columns) } : null;
  const moves = weights ? null : { rows: nearest(rows), columns: nearest(columns) };
  for (let plane = 0; plane < count; plane++) {
    const source = planes.subarray(
      plane * rows.source * columns.source,
      (plane + 1) * rows.source * columns.source,
    );
    const target = out.subarray(
      plane * rows.target * columns.target,
      (plane + 1) * rows.target * columns.target,
    );
    if (weights) resample(source, columns.source, weights, target, columns.target);
    else if (moves) move(source, columns.source, moves, target, fill);
  }
  return out;
}

function move(
  source: Float64Array,
  width: number,
  { rows, columns }: { rows: Int32Array; columns: Int32Array },
  target: Float64Array,
  fill: number,
): void {
  let to = 0;
  for (const row of rows)
    for (const column of columns) target[to++] = row < 0 || column < 0 ? fill : source[row * width + column]!;
}

/** For each target pixel along an axis the source pixels that it is made of and their weights, which sum to 1. */
interface Weights {
  readonly first: Int32Array;
  readonly values: readonly Float64Array[];
}

function weightsOf({ source, target, scale, shift }: Axis): Weights {
  const first = new Int32Array(target);
  const values: Float64Array[] = [];
  for (let i = 0; i < target; i++) {
    if (scale > 1) {
      const from = i * scale;
      const to = Math.min(source, (i + 1) * scale);
      const start = Math.floor(from);
      const end = Math.min(source, Math.ceil(to));
      first[i] = start;
      values.push(
        Float64Array.from(
          { length: end - start },
          (_, k) => (Math.min(to, start + k + 1) - Math.max(from, start + k)) / (to - from),
        ),
      );
    } else {
      const at = Math.min(source - 1, Math.max(0, scale * i + shift));
      const start = Math.min(Math.floor(at), Math.max(0, source - 2));
      first[i] = start;
      values.push(source === 1 ? Float64Array.of(1) : Float64Array.of(1 - (at - start), at - start));
    }
  }
  return { first, values };
}

function resample(
  source: Float64Array,
  width: number,
  weights: { rows: Weights; columns: Weights },
  target: Float64Array,
  targetWidth: number,
): void {
  const { rows, columns } = weights;
  const row = new Float64Array(width);
  for (let y = 0; y < rows.values.length; y++) {
    row.fill(0);
    rows.values[y]!.forEach((weight, k) => {
      if (weight === 0) return;
      const from = (rows.first[y]! + k) * width;
      for (let x = 0; x < width; x++) row[x]! += weight * source[from + x]!;
    });
    for (let x = 0; x < targetWidth; x++) {
      let sum = 0;
      const values = columns.values[x]!;
      for (let k = 0; k < values.length; k++)
        if (values[k] !== 0) sum += values[k]! * row[columns.first[x]! + k]!;
      target[y * targetWidth + x] = sum;
    }
  }
}
