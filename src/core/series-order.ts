import type { ImageHeader } from './dicom.js';
import { DAY, type Timing } from './dicom-timing.js';
import { Directions, dot, unitNormal } from './directions.js';
import { byCodeUnit, emplace } from './study-files.js';

/** A frame of a series, with the values that its order depends on. */
export interface SeriesSlice {
  /** Identifies the file: the same on every machine, different for every file. */
  readonly identifier: string;
  readonly path: string;
  readonly frame: number;
  readonly header: Pick<ImageHeader, 'position' | 'orientation' | 'instanceNumber'>;
  readonly timing: Timing;
}

export interface SeriesOrder<Slice extends SeriesSlice> {
  readonly slices: readonly Slice[];
  /**
   * The reasons why the order does not follow from places and times alone, each with a file that it is about.
   */
  readonly remarks: readonly { readonly path: string; readonly detail: string }[];
}

/** Places nearer than this along the normal are the same place: texts of headers are rounded. */
const SAME_PLACE_MM = 1e-3;
/** A gap this long within one date means that the times go past midnight. */
const PAST_MIDNIGHT_SECONDS = 18 * 3600;

/**
 * Returns the slices of a series in order. Parallel planes are ordered by place along their normal (DICOM
 * PS3.3, section C.7.6.2.1.1); of several directions the one with the earliest slice comes first. Slices
 * without a place come last. Slices at one place, or without one, are ordered by the time of trigger,
 * acquisition and content, then temporal position, InstanceNumber, identifier and frame.
 */
export function orderSeries<Slice extends SeriesSlice>(found: readonly Slice[]): SeriesOrder<Slice> {
  const remarks: SeriesOrder<Slice>['remarks'][number][] = [];
  const timed = dated(found, remarks);
  timed.sort(byTime);
  const directions = new Directions();
  const parallel = new Map<number, Timed<Slice>[]>();
  const unplaced: Timed<Slice>[] = [];
  for (const each of timed) {
    const { position, orientation } = each.slice.header;
    const direction = position && orientation && directions.of(orientation);
    if (direction) emplace(parallel, direction.index, () => []).push(each);
    else unplaced.push(each);
  }
  const runs = [...parallel.values()].flatMap(alongNormal);
  if (unplaced.length > 0) runs.push(unplaced);
  const first = unplaced[0];
  if (first && parallel.size > 0)
    remarks.push({
      path: first.slice.path,
      detail: `${unplaced.length} of ${found.length} slices of its series do not say where they lie; they come last, by time and number`,
    });
  if (parallel.size > 1)
    remarks.push({
      path: smallest([...parallel.values()])[0]!.slice.path,
      detail: `the ${found.length} slices of its series lie in ${parallel.size} directions, which come one after the other`,
    });
  remarkTies(runs, remarks);
  return { slices: runs.flatMap((run) => run.map(({ slice }) => slice)), remarks };
}

interface Timed<Slice> {
  readonly slice: Slice;
  readonly timing: Timing;
}

function smallest<T>(lists: readonly (readonly T[])[]): readonly T[] {
  return lists.reduce((least, list) => (list.length < least.length ? list : least));
}

/**
 * Returns slices of parallel planes as runs: each run lies at one place and is in order of time; runs are in
 * order of place.
 */
function alongNormal<Slice extends SeriesSlice>(members: readonly Timed<Slice>[]): Timed<Slice>[][] {
  const normal = commonNormal(members.map(({ slice }) => unitNormal(slice.header.orientation!)!));
  const placed = members
    .map((member) => ({ member, along: dot(member.slice.header.position!, normal) }))
    .sort((a, b) => a.along - b.along);
  const runs: Timed<Slice>[][] = [];
  let start = Number.NEGATIVE_INFINITY;
  for (const { member, along } of placed) {
    if (along - start < SAME_PLACE_MM) runs[runs.length - 1]!.push(member);
    else {
      runs.push([member]);
      start = along;
    }
  }
  for (const run of runs) run.sort(byTime);
  return runs;
}

/**
 * Returns the first of parallel normals, turned to the side that most of them point to; with equal counts, so
 * that its largest part is positive.
 */
function commonNormal(normals: readonly (readonly number[])[]): readonly number[] {
  const [first] = normals;
  const sides = normals.reduce((sum, normal) => sum + Math.sign(dot(normal, first!)), 0);
  const largest = first!.reduce((most, part) => (Math.abs(part) > Math.abs(most) + 1e-6 ? part : most), 0);
  const isTurned = sides === 0 ? largest < 0 : sides < 0;
  return isTurned ? first!.map((part) => -part) : first!;
}

/**
 * Dates the times: where times of one date, or of none, go past midnight, the early ones become times of the
 * next day.
 */
function dated<Slice extends SeriesSlice>(
  slices: readonly Slice[],
  remarks: SeriesOrder<Slice>['remarks'][number][],
): Timed<Slice>[] {
  const acquired = midnightOf(slices.map(({ timing }) => timing.acquired));
  const content = midnightOf(slices.map(({ timing }) => timing.content));
  const [first] = slices;
  if (first && (acquired !== null || content !== null))
    remarks.push({
      path: first.path,
      detail:
        'the times of its series go past midnight under one date; the early ones are taken as of the next day',
    });
  const after = (time: number | null, midnight: number | null): number | null =>
    time !== null && midnight !== null && time < midnight ? time + DAY : time;
  return slices.map((slice) => {
    const { timing } = slice;
    return {
      slice,
      timing: {
        ...timing,
        acquired: after(timing.acquired, acquired),
        content: after(timing.content, content),
      },
    };
  });
}

/**
 * Returns the time before which times belong to the next day; null if all are of one day, or the dates
 * already differ.
 */
function midnightOf(times: readonly (number | null)[]): number | null {
  const known = Float64Array.from(times.filter((time) => time !== null)).sort();
  const day = (time: number): number => Math.floor(time / DAY);
  if (known.length < 2 || day(known[0]!) !== day(known[known.length - 1]!)) return null;
  for (let i = 1; i < known.length; i++)
    if (known[i]! - known[i - 1]! > PAST_MIDNIGHT_SECONDS) return known[i]!;
  return null;
}

function remarkTies<Slice extends SeriesSlice>(
  runs: readonly (readonly Timed<Slice>[])[],
  remarks: SeriesOrder<Slice>['remarks'][number][],
): void {
  let [count, path] = [0, ''];
  for (const run of runs)
    for (let i = 1; i < run.length; i++) {
      const [a, b] = [run[i - 1]!, run[i]!];
      if (a.slice.identifier === b.slice.identifier || byTimeAndNumber(a, b) !== 0) continue;
      if (count === 0) path = b.slice.path;
      count++;
    }
  if (count > 0)
    remarks.push({
      path,
      detail: `neither place nor time nor number says where ${count} slices of its series come among the others; SOPInstanceUIDs do`,
    });
}

export function byNumber(a: number | null, b: number | null): number {
  if (a === b) return 0;
  return a === null ? 1 : b === null ? -1 : a - b;
}

function byTimeAndNumber(a: Timed<SeriesSlice>, b: Timed<SeriesSlice>): number {
  return (
    byNumber(a.timing.triggerMs, b.timing.triggerMs) ||
    byNumber(a.timing.acquired, b.timing.acquired) ||
    byNumber(a.timing.content, b.timing.content) ||
    byNumber(a.timing.temporalPosition, b.timing.temporalPosition) ||
    byNumber(a.slice.header.instanceNumber, b.slice.header.instanceNumber)
  );
}

function byTime(a: Timed<SeriesSlice>, b: Timed<SeriesSlice>): number {
  return (
    byTimeAndNumber(a, b) ||
    byCodeUnit(a.slice.identifier, b.slice.identifier) ||
    a.slice.frame - b.slice.frame
  );
}
