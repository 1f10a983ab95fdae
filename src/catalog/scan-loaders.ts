import type { DrawnObject } from '../core/drawn-object.js';
import type { PackedImages } from '../core/packed-images.js';
import type { PlaceOutcome, PlaceUnit, ScanFinding, ScanUnit } from '../loader/messages.js';

/** Reads files in loader children; a file that ends its child comes back refused like any other. */
export type ReadFiles = (root: string, units: readonly ScanUnit[]) => Promise<readonly ScanFinding[]>;

/** Looks for the images of one object's contours in a loader child; an object that ends its child comes back refused. */
export type PlaceObject = (
  root: string,
  unit: PlaceUnit,
  images: PackedImages,
  toleranceMm: number,
) => Promise<PlaceOutcome>;

/** Loader children, as far as scans need them. */
export interface ScanLoaders {
  readonly scan: ReadFiles;
  readonly place: PlaceObject;
}

/** Looks for the images of the contours of a file that a scan or an upload found. */
export type PlaceFile = (
  path: string,
  type: DrawnObject['type'],
  wanted: PlaceUnit['wanted'],
  images: PackedImages,
) => Promise<PlaceOutcome>;
