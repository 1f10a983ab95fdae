import { type Brightness, type Contrast, compareAround, compareWithin } from './brightness.js';
import { type EdgeFit, measureEdgeFit } from './edge-fit.js';
import { type Extent, fillExtent } from './extent.js';
import type { Containment } from './finding-codes.js';
import type { Size } from './fit.js';
import { smallestOf } from './long-lists.js';
import { describeOutline } from './outline.js';
import { measureTurnedFit, type TurnedFit } from './turned-fit.js';

/** A structure of a slice, to be measured. */
export interface MeasuredStructure {
  readonly structure: string;
  readonly extent: Extent;
  /** The same structure on other slices, in pixels of their own images; `steps`: so many planes further on. */
  readonly others: readonly { readonly steps: number; readonly extent: Extent }[];
}

/** What was measured of a structure on one slice; plain data, the same after a round trip through JSON. */
export interface StructureMeasures {
  readonly structure: string;
  /** Of its polygons: the fewest points, null without a polygon; the sums of crossings and repeats; the farthest outside. */
  readonly points: number | null;
  readonly crossings: number;
  readonly repeats: number;
  readonly outside: number;
  /** Pixels of its mask by `pixel-center`. */
  readonly area: number;
  /** Column and row of the mask's centre; null where the mask is empty. */
  readonly centre: readonly [number, number] | null;
  /** For each structure on the slice that should contain it the share of its pixels outside. */
  readonly leaves: readonly { readonly outer: string; readonly share: number }[];
  /** Against a ring around it; null where it contains others, is too small, or the image was not read. */
  readonly around: Brightness | null;
  /** How well it lies on an edge; null where it contains others, is too small, or the image was not read. */
  readonly edge: EdgeFit | null;
  /** How well it would lie on an edge mirrored or turned; null where it contains others, is too small, or the image was not read. */
  readonly turned: TurnedFit | null;
  /** What `around` would be with contours of other slices. */
  readonly others: readonly { readonly steps: number; readonly contrast: Contrast }[];
  /** For each structure on the slice that it should contain: the inner one's brightness against that of the rest, whose spread it is. */
  readonly within: readonly { readonly inner: string; readonly brightness: Brightness }[];
}

/** Measures the structures of a slice; `values` are its image's, row-major, null where it can't be read. */
export function measureStructures(
  structures: readonly MeasuredStructure[],
  containments: readonly Containment[],
  values: Float64Array | null,
  size: Size,
): StructureMeasures[] {
  const draw = (extent: Extent): Uint8Array => {
    const mask = new Uint8Array(size.rows * size.columns);
    fillExtent('pixel-center', extent, size.rows, size.columns, mask, 0);
    return mask;
  };
  const masks = new Map(structures.map(({ structure, extent }) => [structure, draw(extent)]));
  return structures.map(({ structure, extent, others }) => {
    const mask = masks.get(structure)!;
    const outlines = extent.regions.flat().map((points) => describeOutline(points, size));
    const { area, centre } = centreOf(mask, size);
    const containers = containments.filter(({ inner }) => inner === structure);
    const contained = containments.filter(({ outer }) => outer === structure);
    const sum = (key: 'crossings' | 'repeats') =>
      outlines.reduce((total, outline) => total + outline[key], 0);
    return {
      structure,
      points: outlines.length > 0 ? smallestOf(outlines.map(({ points }) => points)) : null,
      crossings: sum('crossings'),
      repeats: sum('repeats'),
      outside: outlines.reduce((most, { outside }) => Math.max(most, outside), 0),
      area,
      centre,
      leaves: containers.flatMap(({ outer }) => {
        const around = masks.get(outer);
        return around && area > 0 ? [{ outer, share: shareOutside(mask, around) }] : [];
      }),
      around: values && contained.length === 0 ? compareAround(mask, values, size) : null,
      edge: values && contained.length === 0 ? measureEdgeFit(mask, values, size) : null,
      turned: values && contained.length === 0 ? measureTurnedFit(mask, values, size) : null,
      others: others.flatMap(({ steps, extent: other }) => {
        const there = values && contained.length === 0 ? compareAround(draw(other), values, size) : null;
        return there ? [{ steps, contrast: { brighter: there.brighter, darker: there.darker } }] : [];
      }),
      within: contained.flatMap(({ inner }) => {
        const within = masks.get(inner);
        const brightness = values && within ? compareWithin(within, mask, values, size) : null;
        return brightness ? [{ inner, brightness }] : [];
      }),
    };
  });
}

function centreOf(
  mask: Uint8Array,
  { rows, columns }: Size,
): { readonly area: number; readonly centre: readonly [number, number] | null } {
  let [area, x, y] = [0, 0, 0];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      if (mask[row * columns + column] === 0) continue;
      area++;
      x += column;
      y += row;
    }
  return { area, centre: area > 0 ? [x / area, y / area] : null };
}

function shareOutside(mask: Uint8Array, container: Uint8Array): number {
  let [pixels, outside] = [0, 0];
  for (let at = 0; at < mask.length; at++) {
    if (mask[at] === 0) continue;
    pixels++;
    if (container[at] === 0) outside++;
  }
  return outside / pixels;
}
