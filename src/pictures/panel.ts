/** A range of display: `low` and all below it is black, `high` and all above it white. */
export interface Window {
  readonly low: number;
  readonly high: number;
}

/** One slot of a batch as it is drawn. */
export interface Panel {
  readonly rows: number;
  readonly columns: number;
  readonly channels: 1 | 3;
  /** C × H × W, C order: one plane for each channel. Not looked at where `valid` is false. */
  readonly values: ArrayLike<number>;
  /** One H × W plane for each structure: 0 or 1, or the share of the pixel that is inside. */
  readonly masks: readonly ArrayLike<number>[];
  readonly structures: readonly string[];
  /** The pair's id; may be empty in a padded slot. */
  readonly title: string;
  /** False: drawn as an empty, crossed-out slot. */
  readonly valid: boolean;
  /**
   * In the order in which they are tried. Without one, the range comes from the values; see `displayWindow`.
   */
  readonly windows?: readonly Window[];
  /** Whether low values are white; the default is black. */
  readonly inverted?: boolean;
}

/** A RangeError that names what doesn't fit where a panel's arrays have other lengths than its shape asks for. */
export function checkPanel(panel: Panel): void {
  const { rows, columns, channels, values, masks, structures, title, windows = [] } = panel;
  if (!(Number.isInteger(rows) && Number.isInteger(columns) && rows > 0 && columns > 0)) {
    throw new RangeError(`panel '${title}' of ${rows} × ${columns}: both must be whole and above 0`);
  }
  if (!panel.valid) return;
  const wanted = rows * columns;
  if (values.length !== wanted * channels) {
    throw new RangeError(
      `panel '${title}' of ${channels} × ${rows} × ${columns} has ${values.length} values, not ${wanted * channels}`,
    );
  }
  if (masks.length !== structures.length) {
    throw new RangeError(`panel '${title}' has ${masks.length} masks for ${structures.length} structures`);
  }
  masks.forEach((mask, index) => {
    if (mask.length !== wanted) {
      throw new RangeError(
        `mask '${structures[index]}' of panel '${title}' has ${mask.length} values, not ${wanted}`,
      );
    }
  });
  for (const { low, high } of windows)
    if (!(low < high))
      throw new RangeError(`the window of panel '${title}' is ${low} … ${high}: low must be below high`);
}

/**
 * The panel with factor × factor pixels in one: the mean of the finite values of the image, the largest of a mask, so
 * that a structure thinner than `factor` stays. Blocks at the right and bottom edge may be smaller.
 */
export function shrinkPanel(panel: Panel, factor: number): Panel {
  const { rows, columns, channels } = panel;
  const shape = { rows: Math.ceil(rows / factor), columns: Math.ceil(columns / factor) };
  if (!panel.valid || factor === 1) return { ...panel, ...shape };
  const size = shape.rows * shape.columns;
  const values = new Float64Array(size * channels);
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * rows * columns;
    values.set(blocks(panel.values, start, rows, columns, factor, meanOfFinite), channel * size);
  }
  const masks = panel.masks.map((mask) => blocks(mask, 0, rows, columns, factor, largest));
  return { ...panel, ...shape, values, masks };
}

type Fold = (plane: ArrayLike<number>, from: number, stride: number, width: number, height: number) => number;

function blocks(
  plane: ArrayLike<number>,
  start: number,
  rows: number,
  columns: number,
  factor: number,
  fold: Fold,
): Float64Array {
  const across = Math.ceil(columns / factor);
  const down = Math.ceil(rows / factor);
  const out = new Float64Array(across * down);
  for (let y = 0; y < down; y++) {
    const height = Math.min(factor, rows - y * factor);
    for (let x = 0; x < across; x++) {
      const width = Math.min(factor, columns - x * factor);
      out[y * across + x] = fold(plane, start + y * factor * columns + x * factor, columns, width, height);
    }
  }
  return out;
}

const meanOfFinite: Fold = (plane, from, stride, width, height) => {
  let sum = 0;
  let count = 0;
  for (let row = 0; row < height; row++) {
    for (let at = from + row * stride, end = at + width; at < end; at++) {
      const value = plane[at]!;
      if (Number.isFinite(value)) {
        sum += value;
        count++;
      }
    }
  }
  return count === 0 ? Number.NaN : sum / count;
};

const largest: Fold = (plane, from, stride, width, height) => {
  let most = 0;
  for (let row = 0; row < height; row++) {
    for (let at = from + row * stride, end = at + width; at < end; at++) {
      const value = plane[at]!;
      if (value > most) most = value;
    }
  }
  return most;
};
