import type { Brightness } from './brightness.js';
import { FINDING_RULES, type FindingCode, type FindingLimits, type FindingRule } from './finding-codes.js';
import type { Jump } from './neighbours.js';
import { MOST_CROSSINGS } from './outline.js';
import { lackOf, overlapOf, polarities, turnedLackOf } from './polarity.js';
import { type Shift, shiftsOf } from './shifted-stack.js';
import type { SlicePlane } from './slice-plane.js';
import type { StructureMeasures } from './structure-measures.js';
import { jumpsOf } from './study-jumps.js';
import { SUSPECT_SHARE, suspectKey, suspectsOf } from './suspects.js';
import type { TurnedLack } from './turned-fit.js';

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
  /** For each structure drawn off the plane of the image that it names, the greatest distance in mm. */
  readonly offMm: ReadonlyMap<string, number>;
  /** For each structure how many other places have the same contours, and one of them. */
  readonly same: ReadonlyMap<string, { readonly count: number; readonly example: string }>;
}

/** What is odd about a study's slices, in order of slices, structures and codes. */
export function findOddities(slices: readonly MeasuredSlice[], limits: FindingLimits): Finding[] {
  const jumpOf = jumpsOf(slices);
  const polarityOf = polarities(slices);
  const suspects = suspectsOf(slices, limits, polarityOf);
  const shiftOf = shiftsOf(slices, polarityOf);
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
      const among: AmongOthers = {
        jump: jumpOf.get(measures) ?? null,
        shift: shiftOf.get(structure) ?? null,
        polarity: polarityOf.get(structure) ?? 0,
      };
      for (const { code, value, detail } of remarksOn(slice, measures, among)) {
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

/** What the other slices of its study say of a structure. */
interface AmongOthers {
  readonly jump: Jump | null;
  readonly shift: Shift | null;
  readonly polarity: number;
}

/** Every measured value of a structure with the words for it, whether or not it is over its threshold. */
function remarksOn(
  slice: MeasuredSlice,
  measures: StructureMeasures,
  { jump, shift, polarity }: AmongOthers,
): Remark[] {
  const { points, crossings, repeats, outside, area, around, edge, turned } = measures;
  const remarks: Remark[] = [
    {
      code: 'OUTSIDE_IMAGE',
      value: outside,
      detail: `a point lies ${shown(outside)} pixels outside of the image`,
    },
    {
      code: 'SELF_INTERSECTING',
      value: crossings,
      detail: `${crossings >= MOST_CROSSINGS ? 'at least ' : ''}${counted(crossings, 'crossing')} of its own edges`,
    },
    { code: 'TINY', value: area, detail: `the mask has ${counted(area, 'pixel')}` },
  ];
  if (points !== null) {
    remarks.push({ code: 'FEW_POINTS', value: points, detail: `a contour has ${counted(points, 'point')}` });
    remarks.push({
      code: 'DUPLICATE_POINTS',
      value: repeats,
      detail: `${counted(repeats, 'point')} at the place of an earlier one`,
    });
  }
  const offMm = slice.offMm.get(measures.structure);
  if (offMm !== undefined)
    remarks.push({
      code: 'OFF_PLANE',
      value: offMm,
      detail: `it was drawn ${shown(offMm)} mm off the plane of the image that it names`,
    });
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
      detail: `${percent(share)} of it lies outside of ${outer}`,
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
      detail: offEdgeDetail(lack),
    });
  const turnedLack = turned && turnedLackOf(turned, polarity);
  if (turnedLack)
    remarks.push({
      code: 'MIRRORED',
      value: turnedLack.lack,
      detail: mirroredDetail(turnedLack),
    });
  if (around && shift)
    remarks.push({
      code: 'SLICES_SHIFTED',
      value: shift.share,
      detail: `on most slices the contours drawn ${counted(Math.abs(shift.steps), 'plane')} ${shift.steps > 0 ? 'further on' : 'before'} fit better: ${percent(shift.share)} less overlap with the surroundings`,
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

/** The words for what an edge lacks of the contrast of an edge nearby, a share. */
export function offEdgeDetail(lack: number): string {
  return lack > 1
    ? 'the contrast of its edge is the other way round than that of an edge nearby'
    : `its edge lacks ${percent(lack)} of the contrast of an edge nearby`;
}

/** The words for what an edge lacks of the contrast that the mirrored or turned mask's edge has. */
export function mirroredDetail({ lack, turn }: TurnedLack): string {
  const way = turn.startsWith('with ') ? '' : turn.startsWith('by ') ? 'turned ' : 'mirrored ';
  const better = `the mask fits the image better ${way}${turn}`;
  return lack > 1
    ? `${better}: as it is drawn, the contrast of its edge is the other way round`
    : `${better}: as it is drawn, its edge lacks ${percent(lack)} of the contrast that it has then`;
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

/** Returns a number for people: three significant digits, whole from a thousand on, without an exponent. */
export function shown(exact: number): string {
  // As the finding's value is, so that the two agree.
  const value = rounded(exact);
  if (value >= 1e6) return 'over 1,000,000';
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value > 0 && value < 0.001 ? 'under 0.001' : String(Number(value.toPrecision(3)));
}

/**
 * Returns a share in whole percent; a share so large that its number says nothing is given as more than a
 * bound.
 */
function percent(share: number): string {
  return share > 10 ? 'over 1,000 %' : `${Math.round(100 * rounded(share))} %`;
}

/** Returns a count with its noun, which takes an s unless the count is one. */
function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
