import type { ImageHeader } from './dicom.js';

/** A slice's plane in the space of its study. */
export interface SlicePlane {
  /** The same for slices whose planes are parallel. */
  readonly stack: string;
  /** Along the normal of the planes, in mm. */
  readonly position: number;
  /** TriggerTime in ms; null where the file doesn't say. */
  readonly time: number | null;
  /** Turns a pixel's (column, row) into the plane's own coordinates in mm. */
  toPlane(column: number, row: number): readonly [number, number];
  /** Square millimetres of a pixel. */
  readonly pixelArea: number;
}

/** The plane of an image; null where the header doesn't say where it is. */
export function slicePlaneOf(header: ImageHeader): SlicePlane | null {
  const { position, orientation } = header;
  if (!position || orientation?.length !== 6) return null;
  const [betweenRows, betweenColumns] = header.spacingMm ?? [1, 1];
  const along = orientation.slice(0, 3);
  const down = orientation.slice(3);
  const dot = (a: readonly number[], b: readonly number[]) => a[0]! * b[0]! + a[1]! * b[1]! + a[2]! * b[2]!;
  const normal = [1, 2, 0].map((i, at) => {
    const k = [2, 0, 1][at]!;
    return along[i]! * down[k]! - along[k]! * down[i]!;
  });
  return {
    // A stack may have a series for each slice, whose directions differ by rounding.
    stack: `${orientation.map((cosine) => cosine.toFixed(2)).join()}`,
    position: dot(position, normal),
    time: header.triggerMs,
    pixelArea: betweenRows * betweenColumns,
    toPlane: (column, row) => [
      dot(position, along) + column * betweenColumns,
      dot(position, down) + row * betweenRows,
    ],
  };
}
