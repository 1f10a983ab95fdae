import { type Contest, contestNames } from './contests.js';
import { newestOf } from './dicom-made.js';

export type SourceKind = 'text' | 'rtstruct' | 'seg';

/**
 * A session's choice among several sources that outline a structure. Lists are ascending; a missing field was
 * not asked for.
 */
export interface SourceChoice {
  readonly file?: readonly string[];
  readonly series?: readonly string[];
  readonly kind?: readonly SourceKind[];
  readonly latest?: true;
  readonly join?: true;
}

/** The properties by which a source can be chosen. */
export interface ChoosableSource {
  readonly kind: SourceKind;
  readonly file: string;
  readonly series: string | null;
  readonly made: string | null;
  /**
   * Structures that are the same in an earlier source, with the place of that source, which is used instead.
   */
  readonly copies: readonly (readonly [structure: string, source: number])[];
}

/** Returns a request as a choice; null if it asks for nothing. */
export function sourceChoice(asked: {
  readonly file?: readonly string[];
  readonly series?: readonly string[];
  readonly kind?: readonly SourceKind[];
  readonly latest?: boolean;
  readonly join?: boolean;
}): SourceChoice | null {
  const listed = <T extends string>(list: readonly T[]): readonly T[] => [...new Set(list)].sort();
  const choice = {
    ...(asked.file ? { file: listed(asked.file) } : {}),
    ...(asked.series ? { series: listed(asked.series) } : {}),
    ...(asked.kind ? { kind: listed(asked.kind) } : {}),
    ...(asked.latest ? { latest: true as const } : {}),
    ...(asked.join ? { join: true as const } : {}),
  };
  return Object.keys(choice).length === 0 ? null : choice;
}

/**
 * Returns the one source of a contest that a choice leaves, by its place among all sources of the study. A
 * source matches if it is in every list that is given; of several matches, `latest` takes the one made last.
 * A copy stands for the source that it is a copy of. Returns null if no source is left, or several.
 */
export function chooseSource(
  sources: readonly ChoosableSource[],
  contest: Contest,
  choice: SourceChoice,
): number | null {
  const { file, series, kind, latest } = choice;
  /** For each matching source: when it was made, or the last of its copies was. */
  const made = new Map<number, string | null>();
  for (const [place, source] of sources.entries()) {
    const used = placeIn(contest, source, place);
    const isMatch =
      (!file || file.includes(source.file)) &&
      (!series || (source.series !== null && series.includes(source.series))) &&
      (!kind || kind.includes(source.kind));
    if (used === null || !isMatch) continue;
    const before = made.get(used) ?? null;
    made.set(used, before === null || (source.made ?? '') > before ? source.made : before);
  }
  const matching = [...made.keys()];
  if (matching.length === 1) return matching[0]!;
  const newest = latest ? newestOf([...made.values()]) : null;
  return newest === null ? null : matching[newest]!;
}

/**
 * Returns the place of this source in the contest, or of the source that it is a copy of; null if neither is
 * part of it.
 */
function placeIn(contest: Contest, { copies }: ChoosableSource, place: number): number | null {
  const { sources } = contest;
  if (sources.includes(place)) return place;
  const names = contestNames(contest);
  const copy = copies.find(([name, first]) => names.includes(name) && sources.includes(first));
  return copy?.[1] ?? null;
}
