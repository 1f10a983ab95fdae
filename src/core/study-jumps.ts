import { type Jump, jumps, type StackedStructure } from './neighbours.js';
import type { SlicePlane } from './slice-plane.js';
import type { StructureMeasures } from './structure-measures.js';

interface PlacedSlice {
  readonly structures: readonly StructureMeasures[];
  readonly plane: SlicePlane | null;
}

/** For each structure of each slice how far it is from what its neighbours let expect; null or missing where they are too few. */
export function jumpsOf(slices: readonly PlacedSlice[]): Map<StructureMeasures, Jump | null> {
  const byName = new Map<string, { measures: StructureMeasures; stacked: StackedStructure }[]>();
  for (const { structures, plane } of slices)
    for (const measures of structures) {
      if (!plane || !measures.centre) continue;
      const known = byName.get(measures.structure) ?? [];
      byName.set(measures.structure, known);
      const [column, row] = measures.centre;
      known.push({
        measures,
        stacked: {
          stack: plane.stack,
          position: plane.position,
          time: plane.time,
          area: measures.area * plane.pixelArea,
          centre: plane.toPlane(column, row),
        },
      });
    }
  const found = new Map<StructureMeasures, Jump | null>();
  for (const members of byName.values()) {
    const all = jumps(members.map(({ stacked }) => stacked));
    members.forEach(({ measures }, at) => {
      found.set(measures, all[at]!);
    });
  }
  return found;
}
