import { createHash } from 'node:crypto';
import { listSources, unknownSources } from '../catalog/contour-sources.js';
import type { ContourSource } from '../catalog/outlines.js';
import {
  contestedStudies,
  contestsOf,
  contestsWhere,
  joinedContestsWhere,
  studiesOfSources,
} from '../catalog/revision-contests.js';
import { namesOf, type Selection, type Unused } from '../catalog/selection.js';
import { revisionName, type StudyState } from '../catalog/studies.js';
import {
  type Contest,
  contestNames,
  type Dropped,
  dropOthers,
  droppedKey,
  NONE_DROPPED,
} from '../core/contests.js';
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
  const named = structures.map((structure) => [structure, namesOf(structure, rename)] as const);
  const joined = new Map(named.filter(([, names]) => names.length > 1));
  const names = named.filter(([, { length }]) => length === 1).map(([name]) => name);
  const unused = new Map<number, Dropped>();
  const open: { readonly study: string; readonly contest: Contest; readonly rivals: ContourSource[] }[] = [];
  let isOther = false;
  const hash = createHash('sha256').update('sources 1\n');
  const contested = joined.size > 0 ? studiesOfSources(db, studies) : contestedStudies(db, studies);
  for (const { study, revision } of [...contested].sort((a, b) => (a.study < b.study ? -1 : 1))) {
    const all = listSources(db, study);
    const contests = [
      ...contestsWhere(db, revision, names, where),
      ...joinedContestsWhere(db, revision, severalOf(joined, all), where),
    ];
    if (contests.length === 0) continue;
    const chosen = new Map<Contest, number>();
    for (const contest of contests) {
      const used = choice === null || choice.join ? null : chooseSource(all, contest, choice);
      if (used !== null) chosen.set(contest, used);
      else if (!choice?.join)
        open.push({ study, contest, rivals: contest.sources.map((source) => all[source]!) });
      isOther ||= used === null || !isFirst(contestsOf(db, revision), contest, used);
    }
    const dropped = choice?.join
      ? NONE_DROPPED
      : withCopies(
          dropOthers(contests, (contest) => chosen.get(contest) ?? -1),
          chosen,
          all,
        );
    unused.set(revision, dropped);
    hash.update(`${study} ${revisionName(db, revision)} ${JSON.stringify([...dropped])}\n`);
  }
  const [first] = open;
  if (first) throw refuseOpen(first, choice, new Set(open.map(({ study }) => study)).size);
  return { frozen: choice && { choice, digest: hash.digest('hex') }, unused, isOther };
}

/** Returns those of the structures that several sources have, under any of their names. */
function severalOf(
  joined: ReadonlyMap<string, readonly string[]>,
  sources: readonly ContourSource[],
): ReadonlyMap<string, readonly string[]> {
  const isOf = (names: readonly string[]) =>
    sources.filter(({ structures }) => structures.some((structure) => names.includes(structure)));
  return new Map([...joined].filter(([, names]) => isOf(names).length > 1));
}

/** Whether this source of a contest is the first one for each name that it competes under. */
function isFirst(contests: readonly Contest[], contest: Contest, used: number): boolean {
  return contestNames(contest).every((name) => {
    const own = contests.find(({ structure, sources }) => structure === name && sources.includes(used));
    return (own?.sources[0] ?? used) === used;
  });
}

/**
 * Keeps the names that a chosen source has as a copy of another one: its contours of them are kept under that
 * other source.
 */
function withCopies(
  dropped: Dropped,
  chosen: ReadonlyMap<Contest, number>,
  sources: readonly ContourSource[],
): Dropped {
  const kept = new Set(dropped);
  for (const [contest, used] of chosen)
    for (const [name, first] of sources[used]!.copies)
      if (contestNames(contest).includes(name)) kept.delete(droppedKey(name, first));
  return kept;
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
    `study ${study}: "${contest.structure}"${otherNames(contest, rivals)} is drawn in ${filesText(files)}, on images of one series; ${advice}${more}`,
    { field: 'sources' },
  );
}

/** Returns the names beside its own under which these sources have a contested structure. */
function otherNames({ structure, names = [] }: Contest, rivals: readonly ContourSource[]): string {
  const held = names.filter((name) => rivals.some(({ structures }) => structures.includes(name)));
  const others = held.filter((name) => name !== structure).map((name) => `"${name}"`);
  return others.length === 0 ? '' : ` (renamed from ${others.slice(0, 5).join(', ')})`;
}
