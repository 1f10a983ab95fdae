/**
 * A part of a structure on one slice, as a source has it. `text` and `closed`: a closed polygon; `xor`: one of a
 * CLOSEDPLANAR_XOR; points are x, y, x, y … in columns and rows of the slice. Polygons of the same `roi` belong to one ROI.
 * `raster`: pixels of a segmentation's frame.
 */
export type Part =
  | { readonly kind: 'text'; readonly points: Float64Array }
  | { readonly kind: 'closed' | 'xor'; readonly roi: number; readonly points: Float64Array }
  | { readonly kind: 'raster'; readonly raster: Raster };

/** Pixels that are inside, on a grid of their own. */
export interface Raster {
  readonly rows: number;
  readonly columns: number;
  /**
   * Makes of a slice's (column, row, 1) the raster's (column, row), 2 × 3, row-major; null where both grids are the same.
   */
  readonly matrix: readonly number[] | null;
  /** Places [start, end) in row-major order, start and end in turn. */
  readonly runs: ArrayLike<number>;
}

/** What `mask.holes` says of several contours of an ROI on one slice. */
export type Holes = 'standard' | 'xor' | 'union';

/** Closed polygons that together hold what is inside an odd number of them. */
export type Region = readonly Float64Array[];

/**
 * The regions whose union a structure's polygons are. `standard`, as DICOM PS3.3, section C.8.8.6.3: the CLOSEDPLANAR_XOR
 * contours of an ROI are one region, every CLOSED_PLANAR contour (a keyhole is one) is a region of its own. `xor`: all contours
 * of an ROI are one region. `union`: every contour is its own. Text contours are always their own.
 */
export function regionsOf(parts: readonly Part[], holes: Holes): Region[] {
  const regions: Float64Array[][] = [];
  const joint = new Map<number, Float64Array[]>();
  for (const part of parts) {
    if (part.kind === 'raster') continue;
    if (part.kind === 'text' || holes === 'union' || (holes === 'standard' && part.kind === 'closed')) {
      regions.push([part.points]);
      continue;
    }
    const known = joint.get(part.roi);
    if (known) known.push(part.points);
    else {
      const region = [part.points];
      joint.set(part.roi, region);
      regions.push(region);
    }
  }
  return regions;
}
