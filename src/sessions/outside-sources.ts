import { createHash } from 'node:crypto';
import { listSources } from '../catalog/contour-sources.js';
import { contestsOf } from '../catalog/revision-contests.js';
import type { Selection } from '../catalog/selection.js';
import type { StudyState } from '../catalog/studies.js';
import { type Contest, type Dropped, dropOthers } from '../core/contests.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import type { BatchProblem } from '../wire/body.js';

/** Which sources a call outside a session uses of the structures of a study that several outline. */
export interface OutsideSources {
  readonly dropped: Dropped;
  /** For the selection of the study's pairs; null where nothing is contested. */
  readonly frozen: NonNullable<Selection['sources']> | null;
  /** For these structures of a batch: that the first source was taken without being asked for. */
  readonly told: (structures: readonly string[]) => readonly BatchProblem[];
}

/** Of each contested structure the source of that file, as the study lists it; else, and with null, the first. Throws `SlfError`. */
export function sourcesOutside(
  db: Database,
  { study, revision }: StudyState,
  file: string | null,
): OutsideSources {
  const contests = contestsOf(db, revision);
  const files = listSources(db, study).map((source) => source.file);
  checkSource(files, file);
  const { dropped, told } = useSource(contests, files, file);
  const digest = createHash('sha256')
    .update(JSON.stringify([...dropped]))
    .digest('hex');
  const choice = file === null ? null : { file: [file] };
  return { dropped, frozen: contests.length === 0 ? null : { choice, digest }, told };
}

/** Throws `SlfError` where `source` is none of these files. */
export function checkSource(files: readonly string[], source: string | null): void {
  if (source !== null && !files.includes(source))
    throw new SlfError(
      'SLF_INVALID',
      `source is the file of a source: ${files.join(', ') || 'there is none'}`,
      { field: 'source' },
    );
}

/** Of each contest the source of that file; of one without it, and with null, the first, which is told. */
export function useSource(
  contests: readonly Contest[],
  files: readonly string[],
  file: string | null,
): Pick<OutsideSources, 'dropped' | 'told'> {
  const isOpen = ({ sources }: Contest) => !sources.some((source) => files[source] === file);
  const told = contests.filter(isOpen).map(({ structure, sources }) => {
    const [used, ...others] = sources.map((source) => files[source]!);
    const detail = `${structure} is drawn in ${others.join(' and in ')} as well, on images of one series; that of this file is used, source names another`;
    return { structure, problem: { code: 'CONTOUR_TWICE', pair: null, file: used!, detail } as const };
  });
  return {
    dropped: dropOthers(contests, (contest) =>
      isOpen(contest) ? contest.sources[0]! : contest.sources.find((source) => files[source] === file)!,
    ),
    told: (structures) =>
      told.filter(({ structure }) => structures.includes(structure)).map(({ problem }) => problem),
  };
}
