import { emplace } from './study-files.js';

/**
 * A structure that several sources of a study outline on images of one series: `sources` are their places
 * among those of the study, in ascending order. Only one of them is used, because a mask of several readers'
 * contours would be nobody's.
 */
export interface Contest {
  readonly structure: string;
  readonly sources: readonly number[];
}

/** A slice with its series and, for each part of a structure, the source that it comes from. */
export interface ContestedSlice {
  readonly series: string;
  readonly parts: Iterable<{ readonly structure: string; readonly source?: number }>;
}

/**
 * Finds the contests of a study: sources that meet on a series, directly or through other sources, are in one
 * contest.
 */
export class ContestFinder {
  readonly #seen = new Map<string, Map<string, Set<number>>>();

  add({ series, parts }: ContestedSlice): void {
    for (const { structure, source = 0 } of parts) {
      const bySeries = emplace(this.#seen, structure, () => new Map<string, Set<number>>());
      emplace(bySeries, series, () => new Set()).add(source);
    }
  }

  /** Returns the contests by structure, then by first source. */
  find(): Contest[] {
    return [...this.#seen]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([structure, bySeries]) =>
        joined([...bySeries.values()]).map((sources) => ({ structure, sources })),
      );
  }
}

/** Finds the contests of a study. */
export function findContests(slices: Iterable<ContestedSlice>): Contest[] {
  const finder = new ContestFinder();
  for (const slice of slices) finder.add(slice);
  return finder.find();
}

/** Joins sets that share a number; leaves out sets of a single number. */
function joined(sets: readonly ReadonlySet<number>[]): number[][] {
  let groups: Set<number>[] = [];
  for (const set of sets) {
    const touching = groups.filter((group) => [...set].some((source) => group.has(source)));
    const group = new Set([...set, ...touching.flatMap((other) => [...other])]);
    groups = [...groups.filter((other) => !touching.includes(other)), group];
  }
  return groups
    .filter(({ size }) => size > 1)
    .map((group) => [...group].sort((a, b) => a - b))
    .sort(([a], [b]) => a! - b!);
}

/** A structure and the places of some of its sources, ascending. */
export type StructureSources = readonly [structure: string, sources: readonly number[]];

/** Structures of sources that a study does not use, by `droppedKey`. */
export type Dropped = ReadonlySet<string>;

export const NONE_DROPPED: Dropped = new Set();

export function droppedKey(structure: string, source: number): string {
  return `${source} ${structure}`;
}

/** Drops all but one source of each contest; `chosen` returns the one to use. */
export function dropOthers(contests: readonly Contest[], chosen: (contest: Contest) => number): Dropped {
  return new Set(
    contests.flatMap((contest) => {
      const used = chosen(contest);
      return contest.sources
        .filter((source) => source !== used)
        .map((source) => droppedKey(contest.structure, source));
    }),
  );
}

/** Drops all but the first source of each contest: the default if nobody chose. */
export function dropByDefault(contests: readonly Contest[]): Dropped {
  return dropOthers(contests, ({ sources }) => sources[0]!);
}

/** Returns the parts without those of dropped sources. */
export function withoutDropped<Part extends { readonly structure: string; readonly source?: number }>(
  parts: readonly Part[],
  dropped: Dropped,
): readonly Part[] {
  if (dropped.size === 0) return parts;
  return parts.filter(({ structure, source = 0 }) => !dropped.has(droppedKey(structure, source)));
}

/** Whether any source of the structure is used; true if its sources are not listed. */
export function isUsed(structure: string, sources: readonly StructureSources[], dropped: Dropped): boolean {
  const own = dropped.size === 0 ? undefined : sources.find(([name]) => name === structure);
  return !own || own[1].some((source) => !dropped.has(droppedKey(structure, source)));
}
