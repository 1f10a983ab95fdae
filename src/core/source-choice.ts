import type { Contest } from './contests.js';
import { newestOf } from './dicom-made.js';

export type SourceKind = 'text' | 'rtstruct' | 'seg';

/** What a session says of structures that several sources of a study outline: lists are ascending, and what is not asked for is not there. */
export interface SourceChoice {
  readonly file?: readonly string[];
  readonly series?: readonly string[];
  readonly kind?: readonly SourceKind[];
  readonly latest?: true;
  readonly join?: true;
}

/** What a source is chosen by. */
export interface ChoosableSource {
  readonly kind: SourceKind;
  readonly file: string;
  readonly series: string | null;
  readonly made: string | null;
  /** Structures that it has as an earlier source has them, and the place of that source, which is used in its place. */
  readonly copies: readonly (readonly [structure: string, source: number])[];
}

/** A request as a choice; null where it asks for nothing. */
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
 * The one source of a contest that a choice leaves, by its place among all of the study: of those that match every list that is given the only one or,
 * with `latest`, the one that was made last. Who names a copy means what it is a copy of. Null where it leaves none or several.
 */
export function chooseSource(
  sources: readonly ChoosableSource[],
  contest: Contest,
  choice: SourceChoice,
): number | null {
  const { file, series, kind, latest } = choice;
  /** Of each that matches when it was made, or the last of its copies. */
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

/** The place of the source in the contest that has what this one has; null where it is of no such source. */
function placeIn({ structure, sources }: Contest, { copies }: ChoosableSource, place: number): number | null {
  if (sources.includes(place)) return place;
  const copy = copies.find(([name, first]) => name === structure && sources.includes(first));
  return copy?.[1] ?? null;
}
