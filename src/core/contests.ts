import { emplace } from './study-files.js';

/**
 * A structure that several sources of a study outline on images of one series: `sources` are their places
 * among those of the study, in ascending order. Only one of them is used, because a mask of several readers'
 * contours would be nobody's.
 */
export interface Contest {
  readonly structure: string;
  readonly sources: readonly number[];
  /** Every name in the files that means the structure; missing: its own alone. */
  readonly names?: readonly string[];
}

/** Returns every name in the files that means the structure of a contest. */
export function contestNames({ structure, names = [structure] }: Contest): readonly string[] {
  return names;
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

/**
 * The sources of structures of which several names may be joined. They compete as the sources of one name do:
 * a mask of one reader's "Heart" on some slices and of another's "heart" on others would be nobody's.
 */
export class JoinedContestFinder {
  readonly #finder = new ContestFinder();
  readonly #present = new Set<string>();
  readonly #joined: ReadonlyMap<string, readonly string[]>;
  readonly #meant: ReadonlyMap<string, string>;

  /** `joined`: for each structure every name that means it; no name means two. */
  constructor(joined: ReadonlyMap<string, readonly string[]>) {
    this.#joined = joined;
    this.#meant = new Map(
      [...joined].flatMap(([structure, names]) => names.map((name) => [name, structure] as const)),
    );
  }

  /** `isAsked`: whether the slice can be a pair; a contest has only sources that are on such a slice. */
  add({ series, parts }: ContestedSlice, isAsked: boolean): void {
    const meant = [...parts].flatMap(({ structure, source = 0 }) => {
      const own = this.#meant.get(structure);
      return own === undefined ? [] : [{ structure: own, source }];
    });
    this.#finder.add({ series, parts: meant });
    if (isAsked) for (const { structure, source } of meant) this.#present.add(droppedKey(structure, source));
  }

  find(): Contest[] {
    return this.#finder
      .find()
      .map(({ structure, sources }) => ({
        structure,
        sources: sources.filter((source) => this.#present.has(droppedKey(structure, source))),
        names: this.#joined.get(structure)!,
      }))
      .filter(({ sources }) => sources.length > 1);
  }
}

/** A structure and the places of some of its sources, ascending. */
export type StructureSources = readonly [structure: string, sources: readonly number[]];

/** Structures of sources that a study does not use, by `droppedKey`. */
export type Dropped = ReadonlySet<string>;

export const NONE_DROPPED: Dropped = new Set();

export function droppedKey(structure: string, source: number): string {
  return `${source} ${structure}`;
}

/** Returns the structure of a `droppedKey`. */
export function droppedStructure(key: string): string {
  return key.slice(key.indexOf(' ') + 1);
}

/** Drops all but one source of each contest; `chosen` returns the one to use. */
export function dropOthers(contests: readonly Contest[], chosen: (contest: Contest) => number): Dropped {
  return new Set(
    contests.flatMap((contest) => {
      const used = chosen(contest);
      return contestNames(contest).flatMap((name) =>
        contest.sources.filter((source) => source !== used).map((source) => droppedKey(name, source)),
      );
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
