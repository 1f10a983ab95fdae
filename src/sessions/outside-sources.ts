import { createHash } from 'node:crypto';
import { listSources } from '../catalog/contour-sources.js';
import { contestsOf } from '../catalog/revision-contests.js';
import type { Selection } from '../catalog/selection.js';
import type { StudyState } from '../catalog/studies.js';
import { type Contest, type Dropped, dropOthers } from '../core/contests.js';
import { type ChoosableSource, chooseSource } from '../core/source-choice.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import type { BatchProblem } from '../wire/body.js';

/** The sources that a call outside a session uses for structures of a study that several sources outline. */
export interface OutsideSources {
  readonly dropped: Dropped;
  /** For the selection of the study's pairs; null if nothing is contested. */
  readonly frozen: NonNullable<Selection['sources']> | null;
  /**
   * Returns the problems for these structures of a batch: the first source was taken although nobody asked
   * for it.
   */
  readonly told: (structures: readonly string[]) => readonly BatchProblem[];
}

/**
 * Takes, for each contested structure of a study, the source `file`; if that does not have it, or is null,
 * the first source. Throws `SlfError`.
 */
export function sourcesOutside(
  db: Database,
  { study, revision }: StudyState,
  file: string | null,
): OutsideSources {
  const contests = contestsOf(db, revision);
  const sources = listSources(db, study);
  checkSource(sources, file);
  const { dropped, told } = useSource(contests, sources, file);
  const digest = createHash('sha256')
    .update(JSON.stringify([...dropped]))
    .digest('hex');
  const choice = file === null ? null : { file: [file] };
  return { dropped, frozen: contests.length === 0 ? null : { choice, digest }, told };
}

const MOST_NAMED = 5;

/** Returns `a and in b`, or with other words `between`; of many files the first ones, and the number of the others. */
export function filesText(files: readonly string[], between = ' and in '): string {
  const more = files.length - MOST_NAMED;
  return files.slice(0, MOST_NAMED).join(between) + (more > 0 ? `${between}${more} more` : '');
}

/** Throws `SlfError` if `source` is the file of none of these sources. */
export function checkSource(sources: readonly Pick<ChoosableSource, 'file'>[], source: string | null): void {
  const files = sources.map(({ file }) => file);
  if (source !== null && !files.includes(source))
    throw new SlfError(
      'SLF_INVALID',
      `no source of contours has this file: ${files.length > 0 ? `choose one of ${filesText(files, ', ')}` : 'the study has none, leave source out'}`,
      { field: 'source' },
    );
}

/**
 * Takes, for each contest, the source `file`; if that is no part of it, or is null, the first source, with a
 * problem.
 */
export function useSource(
  contests: readonly Contest[],
  sources: readonly ChoosableSource[],
  file: string | null,
): Pick<OutsideSources, 'dropped' | 'told'> {
  const chosen = (contest: Contest) =>
    file === null ? null : chooseSource(sources, contest, { file: [file] });
  const open = contests.filter((contest) => chosen(contest) === null);
  const told = open.map(({ structure, sources: places }) => {
    const [used, ...others] = places.map((place) => sources[place]!.file);
    const detail = `${structure} is drawn in ${filesText(others)} as well, on images of one series; this file is used, source can name another`;
    return { structure, problem: { code: 'CONTOUR_TWICE', pair: null, file: used!, detail } as const };
  });
  return {
    dropped: dropOthers(contests, (contest) => chosen(contest) ?? contest.sources[0]!),
    told: (structures) =>
      told.filter(({ structure }) => structures.includes(structure)).map(({ problem }) => problem),
  };
}
