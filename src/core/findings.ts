import type { Brightness } from './brightness.js';
import { FINDING_RULES, type FindingCode, type FindingLimits, type FindingRule } from './finding-codes.js';
import { type Jump, jumps, type StackedStructure } from './neighbours.js';
import { MOST_CROSSINGS } from './outline.js';
import { lackOf, overlapOf, polarities } from './polarity.js';
import type { StructureMeasures } from './structure-measures.js';

/** One thing that is odd about a structure on a slice; `value` and `threshold` in the unit of the code's rule. */
export interface Finding {
  readonly code: FindingCode;
  /** The slice's place among all slices of its study. */
  readonly ordinal: number;
  /** Null: the whole slice. */
  readonly structure: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly detail: string;
}

/** What is known of a slice with contours. */
export interface MeasuredSlice {
  readonly ordinal: number;
  readonly structures: readonly StructureMeasures[];
  /** Why its brightness was not measured; null where it was. */
  readonly unread: string | null;
  /** Where it lies; null where the file doesn't say. */
  readonly plane: SlicePlane | null;
  /** For each structure how many other places have the same contours, and one of them. */
  readonly same: ReadonlyMap<string, { readonly count: number; readonly example: string }>;
}

/** A slice's plane in the space of its study. */
export interface SlicePlane {
  readonly stack: string;
  readonly position: number;
  readonly time: number | null;
  /** Turns a pixel's (column, row) into the plane's own coordinates in mm. */
  toPlane(column: number, row: number): readonly [number, number];
  /** Square millimetres of a pixel. */
  readonly pixelArea: number;
}

/** What is odd about a study's slices, in order of slices, structures and codes. */
export function findOddities(slices: readonly MeasuredSlice[], limits: FindingLimits): Finding[] {
  const jumpOf = jumpsOf(slices);
  const polarityOf = polarities(slices);
  const suspects = suspectsOf(slices, limits, polarityOf);
  const findings: Finding[] = [];
  for (const slice of slices) {
    const { ordinal, unread } = slice;
    if (unread !== null && limits.NOT_MEASURED !== null)
      findings.push({
        code: 'NOT_MEASURED',
        ordinal,
        structure: null,
        value: null,
        threshold: null,
        detail: unread,
      });
    for (const measures of slice.structures) {
      const { structure } = measures;
      const jump = jumpOf.get(measures) ?? null;
      for (const { code, value, detail } of remarksOn(
        slice,
        measures,
        jump,
        polarityOf.get(structure) ?? 0,
      )) {
        const limit = limits[code];
        if (limit === null) continue;
        const threshold = suspects.has(suspectKey(code, structure)) ? rounded(SUSPECT_SHARE * limit) : limit;
        if (!isOver(code, value, threshold)) continue;
        findings.push({ code, ordinal, structure, value: rounded(value), threshold, detail });
      }
    }
  }
  return findings;
}

function isOver(code: FindingCode, value: number, threshold: number): boolean {
  const rule: FindingRule = FINDING_RULES[code];
  return rule.isLeast ? value < threshold : value > threshold;
}

/** Four digits that count are enough to read, and the same on every machine. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

interface Remark {
  readonly code: FindingCode;
  readonly value: number;
  readonly detail: string;
}

/** Every measured value of a structure with the words for it, whether or not it is over its threshold. */
function remarksOn(
  slice: MeasuredSlice,
  measures: StructureMeasures,
  jump: Jump | null,
  polarity: number,
): Remark[] {
  const { points, crossings, repeats, outside, area, around, edge } = measures;
  const remarks: Remark[] = [
    {
      code: 'OUTSIDE_IMAGE',
      value: outside,
      detail: `a point lies ${shown(outside)} pixels outside of the image`,
    },
    {
      code: 'SELF_INTERSECTING',
      value: crossings,
      detail: `${crossings >= MOST_CROSSINGS ? 'at least ' : ''}${crossings} pairs of edges cross`,
    },
    { code: 'TINY', value: area, detail: `the mask has ${area} pixels` },
  ];
  if (points !== null) {
    remarks.push({ code: 'FEW_POINTS', value: points, detail: `a contour has ${points} points` });
    remarks.push({
      code: 'DUPLICATE_POINTS',
      value: repeats,
      detail: `${repeats} points repeat an earlier one`,
    });
  }
  const same = slice.same.get(measures.structure);
  if (same)
    remarks.push({
      code: 'IDENTICAL_CONTOUR',
      value: same.count,
      detail: `the same as ${same.example}${same.count > 1 ? ` and ${same.count - 1} more` : ''}`,
    });
  for (const { outer, share } of measures.leaves) {
    remarks.push({
      code: 'NOT_CONTAINED',
      value: share,
      detail: `${percent(share)} of it lie outside of ${outer}`,
    });
    const offset = offsetIn(slice, measures, outer);
    if (offset !== null)
      remarks.push({
        code: 'OFF_CENTRE',
        value: offset,
        detail: `its centre is ${percent(offset)} of the mean width of the rest of ${outer} from that of ${outer}`,
      });
  }
  if (jump) {
    remarks.push({
      code: 'AREA_JUMP',
      value: jump.area,
      detail: `its area is ${shown(jump.area)} times beyond those of its neighbours`,
    });
    remarks.push({
      code: 'CENTRE_JUMP',
      value: jump.centre,
      detail: `its centre is ${shown(jump.centre)} radii from where its neighbours have it`,
    });
  }
  if (around) {
    const overlap = overlapOf(around, polarity);
    remarks.push({ code: 'UNEVEN', value: around.spread, detail: unevenness(around) });
    remarks.push({
      code: 'LIKE_SURROUNDINGS',
      value: overlap,
      detail: `${percent(overlap)} of its brightness and that of the ring around it overlap`,
    });
  }
  const lack = edge && lackOf(edge, polarity);
  if (lack !== null)
    remarks.push({
      code: 'OFF_EDGE',
      value: lack,
      detail: `its edge lacks ${percent(lack)} of the contrast of an edge nearby`,
    });
  for (const { inner, brightness } of measures.within) {
    const overlap = overlapOf(brightness, 0);
    remarks.push({ code: 'UNEVEN', value: brightness.spread, detail: unevenness(brightness) });
    remarks.push({
      code: 'LIKE_INNER',
      value: overlap,
      detail: `${percent(overlap)} of its brightness outside of ${inner} and that of ${inner} overlap`,
    });
  }
  return remarks;
}

function unevenness({ spread }: Brightness): string {
  return `half of its pixels spread over ${percent(spread)} of the range of brightness here`;
}

/** Of the centres of a structure and of a larger one around it, as a share of the difference of their radii; null where that is not larger. */
function offsetIn(
  { structures, plane }: MeasuredSlice,
  inner: StructureMeasures,
  outer: string,
): number | null {
  const around = structures.find(({ structure }) => structure === outer);
  if (!inner.centre || !around?.centre || around.area <= inner.area) return null;
  const place = ([column, row]: readonly [number, number]) => plane?.toPlane(column, row) ?? [column, row];
  const [[x, y], [u, v]] = [place(inner.centre), place(around.centre)];
  const radius = (area: number) => Math.sqrt((area * (plane?.pixelArea ?? 1)) / Math.PI);
  return Math.hypot(x - u, y - v) / (radius(around.area) - radius(inner.area));
}

/** A study's slices say something of each other from so many on. */
const FEWEST_FOR_SUSPICION = 5;
/** Where the median of a study's overlaps is over this share of the threshold, most of its contours fit badly … */
const SUSPECT_MEDIAN = 0.8;
/** … and each is held against this share of it. */
const SUSPECT_SHARE = 0.65;

const suspectKey = (code: FindingCode, structure: string) => `${code} ${structure}`;

/**
 * The codes and structures for which a study as a whole is suspect: as when its contours are another patient's, which here and there fit
 * by chance.
 */
function suspectsOf(
  slices: readonly MeasuredSlice[],
  limits: FindingLimits,
  polarityOf: ReadonlyMap<string, number>,
): Set<string> {
  const overlaps = new Map<string, { readonly limit: number | null; readonly values: number[] }>();
  const add = (code: 'LIKE_SURROUNDINGS' | 'LIKE_INNER', structure: string, value: number) => {
    const key = suspectKey(code, structure);
    const known = overlaps.get(key) ?? { limit: limits[code], values: [] };
    overlaps.set(key, known);
    known.values.push(value);
  };
  for (const { structures } of slices)
    for (const { structure, around, within } of structures) {
      if (around) add('LIKE_SURROUNDINGS', structure, overlapOf(around, polarityOf.get(structure) ?? 0));
      for (const { brightness } of within) add('LIKE_INNER', structure, overlapOf(brightness, 0));
    }
  const suspects = new Set<string>();
  for (const [key, { limit, values }] of overlaps) {
    const middle = values.sort((a, b) => a - b)[values.length >> 1]!;
    if (limit !== null && values.length >= FEWEST_FOR_SUSPICION && middle > SUSPECT_MEDIAN * limit)
      suspects.add(key);
  }
  return suspects;
}

const shown = (value: number) => String(Number(value.toPrecision(3)));
const percent = (share: number) => `${Math.round(100 * share)} %`;

function jumpsOf(slices: readonly MeasuredSlice[]): Map<StructureMeasures, Jump | null> {
  const byName = new Map<string, { measures: StructureMeasures; stacked: StackedStructure }[]>();
  for (const { structures, plane } of slices)
    for (const measures of structures) {
      if (!plane || !measures.centre) continue;
      const known = byName.get(measures.structure) ?? [];
      byName.set(measures.structure, known);
      known.push({
        measures,
        stacked: {
          stack: plane.stack,
          position: plane.position,
          time: plane.time,
          area: measures.area * plane.pixelArea,
          centre: plane.toPlane(...measures.centre),
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
