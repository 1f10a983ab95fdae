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
 * The place of the one source that a choice leaves: of those that match every list that is given the only one or, with `latest`, the one that was
 * made last. Null where it leaves none or several.
 */
export function chooseSource(sources: readonly ChoosableSource[], choice: SourceChoice): number | null {
  const { file, series, kind, latest } = choice;
  const matching = sources.filter(
    (source) =>
      (!file || file.includes(source.file)) &&
      (!series || (source.series !== null && series.includes(source.series))) &&
      (!kind || kind.includes(source.kind)),
  );
  const [only] = matching;
  if (matching.length === 1 && only) return sources.indexOf(only);
  const newest = latest ? newestOf(matching.map(({ made }) => made)) : null;
  return newest === null ? null : sources.indexOf(matching[newest]!);
}
