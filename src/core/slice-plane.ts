import { Alike } from './alike.js';
import type { ImageHeader } from './dicom.js';
import { Directions, dot } from './directions.js';

/** A slice's plane in the space of its study. */
export interface SlicePlane {
  /** The same for slices whose planes are parallel. */
  readonly stack: number;
  /**
   * The same for slices whose pixels have the same direction and spacing: pixel coordinates mean the same on
   * them.
   */
  readonly grid: number;
  /** Along the normal of the planes, in mm. */
  readonly position: number;
  /** TriggerTime in ms; null where the file doesn't say. */
  readonly time: number | null;
  /** Turns a pixel's (column, row) into coordinates in mm that all slices of the stack have in common. */
  toPlane(column: number, row: number): readonly [number, number];
  /** Square millimetres of a pixel. */
  readonly pixelArea: number;
}

/**
 * Direction cosines that differ by less are the same, and so are spacings that differ by less than a tenth of
 * it, in mm: texts of headers are rounded.
 */
const SAME = 1e-2;

/** The axes along which all slices of a stack are measured. */
interface Axes {
  readonly across: readonly number[];
  readonly down: readonly number[];
  readonly normal: readonly number[];
}

/** Finds the planes of a study's slices; parallel slices are one stack. */
export class SlicePlanes {
  readonly #directions = new Directions();
  readonly #axes = new Map<number, Axes>();
  readonly #grids = new Alike(SAME);

  /**
   * Returns null if the header doesn't give the slice's place, or if the slices lie in too many directions to
   * be stacks.
   */
  of(header: Pick<ImageHeader, 'position' | 'orientation' | 'spacingMm' | 'rows' | 'columns' | 'triggerMs'>) {
    const { position, orientation, rows, columns, triggerMs } = header;
    const direction = position && orientation ? this.#directions.of(orientation) : null;
    if (!position || !orientation || !direction) return null;
    const [betweenRows, betweenColumns] = header.spacingMm ?? [1, 1];
    const grid = this.#grids.of([...orientation, 10 * betweenRows, 10 * betweenColumns, rows, columns]);
    if (grid === null) return null;
    const [across, down] = [orientation.slice(0, 3), orientation.slice(3)];
    const axes = this.#axes.get(direction.index) ?? { across, down, normal: direction.normal };
    this.#axes.set(direction.index, axes);
    const along = (axis: readonly number[]) => {
      const [start, byColumn, byRow] = [dot(position, axis), dot(across, axis), dot(down, axis)];
      return (column: number, row: number) =>
        start + byColumn * column * betweenColumns + byRow * row * betweenRows;
    };
    const [x, y] = [along(axes.across), along(axes.down)];
    const plane: SlicePlane = {
      stack: direction.index,
      grid,
      position: dot(position, axes.normal),
      time: triggerMs,
      pixelArea: betweenRows * betweenColumns,
      toPlane: (column, row) => [x(column, row), y(column, row)],
    };
    return plane;
  }
}
