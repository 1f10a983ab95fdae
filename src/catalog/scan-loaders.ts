import type { DrawnObject } from '../core/drawn-object.js';
import type { PackedImages } from '../core/packed-images.js';
import type { PlaceOutcome, PlaceUnit, ScanFinding, ScanUnit } from '../loader/messages.js';

/** Reads files in loader processes; a file that ends its loader comes back refused like any other. */
export type ReadFiles = (root: string, units: readonly ScanUnit[]) => Promise<readonly ScanFinding[]>;

/**
 * Finds the images of one object's contours in a loader process; an object that ends its loader comes back
 * refused.
 */
export type PlaceObject = (
  root: string,
  unit: PlaceUnit,
  images: PackedImages,
  toleranceMm: number,
) => Promise<PlaceOutcome>;

/** The calls of loader processes that scans need. */
export interface ScanLoaders {
  readonly scan: ReadFiles;
  readonly place: PlaceObject;
}

/** Finds the images of the contours of a file from a scan or an upload. */
export type PlaceFile = (
  path: string,
  type: DrawnObject['type'],
  wanted: PlaceUnit['wanted'],
  images: PackedImages,
) => Promise<PlaceOutcome>;
