import type { Extent } from './extent.js';
import { type Holes, type Part, regionsOf } from './part.js';

/** A part of a structure of that name. */
export interface StructurePart {
  readonly structure: string;
  readonly part: Part;
  /** The place of its source among those of the study; missing: the first source. */
  readonly source?: number;
}

/** Which structures are looked for on a slice, and how their contours are read. */
export interface Outlining {
  /** For each structure every name that means it. */
  readonly names: readonly (readonly string[])[];
  readonly holes: Holes;
  /** Added to the coordinates of text contours so that pixel centres lie at integers: 0, or -0.5 for `mask.origin: half`. */
  readonly originShift: 0 | -0.5;
}

/** Where structures are by the parts of a slice, those of each structure in the order in which its source has them. */
export function extentsOf(
  parts: readonly StructurePart[],
  { names, holes, originShift }: Outlining,
): Extent[] {
  return names.map((meant) => {
    const own = parts.filter(({ structure }) => meant.includes(structure));
    // An ROI's number counts within its own structure alone.
    const regions = meant.flatMap((name) => {
      const named = own.filter(({ structure }) => structure === name).map(({ part }) => part);
      return regionsOf(
        named.map((part) => shifted(part, originShift)),
        holes,
      );
    });
    const rasters = own.flatMap(({ part }) => (part.kind === 'raster' ? [part.raster] : []));
    return { regions, rasters };
  });
}

function shifted(part: Part, by: number): Part {
  if (part.kind !== 'text' || by === 0) return part;
  return { ...part, points: part.points.map((coordinate) => coordinate + by) };
}
