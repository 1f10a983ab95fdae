import { createHash } from 'node:crypto';
import { listSources, unknownSources } from '../catalog/contour-sources.js';
import type { ContourSource } from '../catalog/outlines.js';
import { contestedStudies, contestsWhere } from '../catalog/revision-contests.js';
import { namesOf, type Selection, type Unused } from '../catalog/selection.js';
import { revisionName, type StudyState } from '../catalog/studies.js';
import { type Contest, type Dropped, dropOthers, NONE_DROPPED } from '../core/contests.js';
import { chooseSource, type SourceChoice, sourceChoice } from '../core/source-choice.js';
import { SlfError } from '../errors.js';
import type { Database } from '../sqlite.js';
import { filesText } from './outside-sources.js';
import type { SpecRequest } from './request.js';

/**
 * The sources that a session uses for structures that several sources outline: for its selection, and by
 * revision.
 */
export interface ChosenSources {
  /** Null if nothing was asked for and no choice was needed. */
  readonly frozen: NonNullable<Selection['sources']> | null;
  readonly unused: Unused;
  /**
   * Whether a contested structure comes from another source than the first, which the quality report looks
   * at.
   */
  readonly isOther: boolean;
}

/**
 * Returns a request's choice of sources; null if it has none. Throws `SlfError` if its fields contradict each
 * other.
 */
export function sourcesOf({ sources }: SpecRequest): SourceChoice | null {
  const choice = sourceChoice(sources ?? {});
  if (choice?.join && Object.keys(choice).length > 1)
    throw new SlfError('SLF_SPEC_CONFLICT', 'sources.join takes every source: leave the others out', {
      field: 'sources',
    });
  return choice;
}

/**
 * Chooses a source for each requested structure that several sources of a study outline on images of one
 * series. Throws `SlfError`, with the files, if the request does not decide.
 */
export function chooseSources(
  db: Database,
  request: SpecRequest,
  studies: readonly StudyState[],
  { structures, rename, where }: Pick<Selection, 'structures' | 'rename' | 'where'>,
): ChosenSources {
  const choice = sourcesOf(request);
  if (choice) checkSources(db, choice);
  const names = structures.flatMap((structure) => namesOf(structure, rename));
  const unused = new Map<number, Dropped>();
  const open: { readonly study: string; readonly contest: Contest; readonly rivals: ContourSource[] }[] = [];
  let isOther = false;
  const hash = createHash('sha256').update('sources 1\n');
  const contested = [...contestedStudies(db, studies)].sort((a, b) => (a.study < b.study ? -1 : 1));
  for (const { study, revision } of contested) {
    const contests = contestsWhere(db, revision, names, where);
    if (contests.length === 0) continue;
    const all = listSources(db, study);
    const chosen = new Map<Contest, number>();
    for (const contest of contests) {
      const used = choice === null || choice.join ? null : chooseSource(all, contest, choice);
      if (used !== null) chosen.set(contest, used);
      else if (!choice?.join)
        open.push({ study, contest, rivals: contest.sources.map((source) => all[source]!) });
      isOther ||= used !== contest.sources[0];
    }
    const dropped = choice?.join
      ? NONE_DROPPED
      : dropOthers(contests, (contest) => chosen.get(contest) ?? -1);
    unused.set(revision, dropped);
    hash.update(`${study} ${revisionName(db, revision)} ${JSON.stringify([...dropped])}\n`);
  }
  const [first] = open;
  if (first) throw refuseOpen(first, choice, new Set(open.map(({ study }) => study)).size);
  return { frozen: choice && { choice, digest: hash.digest('hex') }, unused, isOther };
}

/** Throws `SlfError` if a file or series is no source of any study. */
function checkSources(db: Database, { file = [], series = [] }: SourceChoice): void {
  const check = (field: 'file' | 'series', asked: readonly string[]) => {
    const [unknown] = unknownSources(db, field, asked);
    if (unknown !== undefined)
      throw new SlfError(
        'SLF_SPEC_CONFLICT',
        `sources.${field} names "${unknown}", which is no source of contours: GET /v1/studies/{study} lists them`,
        { field: `sources.${field}` },
      );
  };
  check('file', file);
  check('series', series);
}

function refuseOpen(
  { study, contest, rivals }: { study: string; contest: Contest; rivals: readonly ContourSource[] },
  choice: SourceChoice | null,
  studies: number,
): SlfError {
  const files = rivals.map(({ file }) => file);
  const example = `{"file": [${JSON.stringify(files[files.length - 1])}]}`;
  const advice =
    choice === null
      ? `say which one is used with sources, for example ${example} or {"latest": true}`
      : `sources does not leave one of them: name it, for example ${example}`;
  const more = studies > 1 ? `; ${studies - 1} more studies have such structures` : '';
  return new SlfError(
    'SLF_SOURCES_DIFFER',
    `study ${study}: "${contest.structure}" is drawn in ${filesText(files)}, on images of one series; ${advice}${more}`,
    { field: 'sources' },
  );
}
