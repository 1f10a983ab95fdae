import { createHash, type Hash } from 'node:crypto';
import {
  type Contest,
  ContestFinder,
  droppedKey,
  type StructureSources,
  withoutDropped,
} from '../core/contests.js';
import type { FoundContour } from '../core/found-contours.js';
import type { SliceId } from '../core/ids.js';
import { emplace } from '../core/study-files.js';
import type { ContourSource } from './outlines.js';
import type { Report } from './problems.js';
import { inTurns, othersTurn, Turns } from './turns.js';

/** The most structures that are reported one by one. */
const MOST_TOLD = 1_000;

/** Where the structures of a study are: the contours of each slice. */
export type Drawn = ReadonlyMap<SliceId, readonly FoundContour[]>;

/** A slice with the series on which sources may meet. */
interface SeriesSlice {
  readonly slice: SliceId;
  readonly seriesUid: string;
}

/** A slice on which a source has a structure that cannot be used; `isBeside` as in `UnusedPart`. */
export interface LostPart {
  readonly slice: SliceId;
  readonly structure: string;
  /** The place of its source; -1 for a source of which nothing is used. */
  readonly source: number;
  readonly isBeside: boolean;
}

/** The structures that are drawn on a slice and cannot be used there in full. */
export interface Unusable {
  readonly structures: readonly string[];
  /** For each of them that is contested: the sources in which it is unusable. */
  readonly lost: readonly StructureSources[];
}

/** The parts of a study's sources that are used. */
export interface Settled {
  readonly drawn: Drawn;
  readonly unusable: ReadonlyMap<SliceId, Unusable>;
  /** Structures that are the same in an earlier source, which is used instead. */
  readonly copies: readonly (readonly [structure: string, copy: number, first: number])[];
}

/**
 * Decides which parts of all sources of a study are used. If a source has a structure on a slice and it
 * cannot be used there in full, the structure is taken out of the slice, because a mask of the rest would be
 * too small. A structure that is identical in an earlier source, as in a copy of a file, is dropped. Contests
 * that remain are reported; a session decides them.
 */
export async function settleSources(
  placed: Drawn,
  lostParts: readonly LostPart[],
  slices: readonly SeriesSlice[],
  sources: readonly Pick<ContourSource, 'kind' | 'file'>[],
  report: Report,
): Promise<Settled> {
  const lost = await lostAmong(placed, lostParts, await contestsIn(placed, slices));
  tellLost(lost, sources, report);
  const usable = await withoutLost(placed, lost);
  const contests = await contestsIn(usable, slices);
  const copies = contests.length === 0 ? [] : await copiesIn(contests, usable, slices);
  const fileOf = (source: number): string => sources[source]!.file;
  for (const { source, first, count } of pairsOf(copies))
    report(
      'CONTOUR_TWICE',
      fileOf(source),
      `${count} structure(s) are the same in ${fileOf(first)}, which is used`,
    );
  const dropped = new Set(copies.map(({ structure, source }) => droppedKey(structure, source)));
  const drawn =
    copies.length === 0
      ? usable
      : new Map(
          await inTurns(usable, ([slice, contours]) => [slice, withoutDropped(contours, dropped)] as const),
        );
  const left = copies.length === 0 ? contests : await contestsIn(drawn, slices);
  const rivals = left.flatMap(({ structure, sources: [first, ...others] }) =>
    others.map((source) => ({ structure, source, first: first! })),
  );
  for (const { source, first, count } of pairsOf(rivals))
    report(
      'CONTOUR_TWICE',
      fileOf(source),
      `${count} structure(s) are also in ${fileOf(first)}, on images of one series: ` +
        'a session chooses with `sources`, all other requests use that file',
    );
  const firsts = new Map(
    copies.map(({ structure, source, first }) => [droppedKey(structure, source), first]),
  );
  const unusable = unusableBySlice(
    lost.map((part) => ({
      ...part,
      source: firsts.get(droppedKey(part.structure, part.source)) ?? part.source,
    })),
    new Set(left.map(({ structure }) => structure)),
  );
  return {
    drawn,
    unusable,
    copies: copies.map(({ structure, source, first }) => [structure, source, first]),
  };
}

/**
 * Returns the lost parts that make a structure unusable. If another source has the structure on the slice, it
 * has all of it, unless the two are in a contest. A part beside the image takes nothing away from the parts
 * that are on it.
 */
async function lostAmong(
  drawn: Drawn,
  parts: readonly LostPart[],
  contests: readonly Contest[],
): Promise<LostPart[]> {
  const contested = new Set(
    contests.flatMap(({ structure, sources }) => sources.map((source) => droppedKey(structure, source))),
  );
  const held = new Map<SliceId, Map<string, Set<number>>>();
  const heldOn = (slice: SliceId) =>
    emplace(held, slice, () => {
      const own = new Map<string, Set<number>>();
      for (const { structure, source = 0 } of drawn.get(slice) ?? [])
        emplace(own, structure, () => new Set()).add(source);
      return own;
    });
  const kept = await inTurns(parts, (part) => {
    const sources = heldOn(part.slice).get(part.structure);
    if (sources?.has(part.source)) return part.isBeside ? [] : [part];
    return !sources || contested.has(droppedKey(part.structure, part.source)) ? [part] : [];
  });
  return kept.flat();
}

async function withoutLost(drawn: Drawn, lost: readonly LostPart[]): Promise<Drawn> {
  if (lost.length === 0) return drawn;
  const bySlice = new Map<SliceId, Set<string>>();
  await inTurns(lost, ({ slice, structure, source }) =>
    emplace(bySlice, slice, () => new Set()).add(droppedKey(structure, source)),
  );
  const usable = new Map(drawn);
  await inTurns(bySlice, ([slice, dropped]) =>
    usable.set(slice, withoutDropped(drawn.get(slice) ?? [], dropped)),
  );
  return usable;
}

function tellLost(
  lost: readonly LostPart[],
  sources: readonly Pick<ContourSource, 'kind' | 'file'>[],
  report: Report,
): void {
  const told: { readonly file: string; readonly detail: string }[] = [];
  const slicesOf = new Map<string, { readonly part: LostPart; readonly slices: Set<SliceId> }>();
  for (const part of lost)
    emplace(slicesOf, droppedKey(part.structure, part.source), () => ({
      part,
      slices: new Set(),
    })).slices.add(part.slice);
  for (const { part, slices } of slicesOf.values()) {
    const source = sources[part.source];
    // The problem of a text contour itself says this already.
    if (!source || source.kind === 'text') continue;
    const { structure } = part;
    told.push({
      file: source.file,
      detail: `${structure}: on ${slices.size} slice(s) it cannot be used in full; sessions that ask for ${structure} leave these out, GET /v1/studies/{study}/pairs?all=1 lists them`,
    });
  }
  for (const { file, detail } of told.slice(0, MOST_TOLD)) report('STRUCTURE_UNUSABLE', file, detail);
  const [next, ...rest] = told.slice(MOST_TOLD);
  if (next)
    report('STRUCTURE_UNUSABLE', next.file, `${rest.length + 1} more structure(s) of this and other files`);
}

function unusableBySlice(
  lost: readonly LostPart[],
  contested: ReadonlySet<string>,
): ReadonlyMap<SliceId, Unusable> {
  const bySlice = new Map<SliceId, Map<string, Set<number>>>();
  for (const { slice, structure, source } of lost)
    emplace(
      emplace(bySlice, slice, () => new Map<string, Set<number>>()),
      structure,
      () => new Set(),
    ).add(source);
  return new Map(
    [...bySlice].map(([slice, sourcesOf]) => {
      const structures = [...sourcesOf.keys()].sort();
      const told = structures.filter((structure) => contested.has(structure));
      const ascending = (structure: string) => [...sourcesOf.get(structure)!].sort((a, b) => a - b);
      return [slice, { structures, lost: told.map((structure) => [structure, ascending(structure)]) }];
    }),
  );
}

interface Rival {
  readonly structure: string;
  readonly source: number;
  /** The earlier source. */
  readonly first: number;
}

async function contestsIn(drawn: Drawn, slices: readonly SeriesSlice[]): Promise<Contest[]> {
  const finder = new ContestFinder();
  await inTurns(
    slices,
    ({ slice, seriesUid }) => finder.add({ series: seriesUid, parts: drawn.get(slice) ?? [] }),
    ({ slice }) => 1 + (drawn.get(slice)?.length ?? 0),
  );
  return finder.find();
}

/** Counts, for each source, the structures that it shares with each earlier source. */
function pairsOf(rivals: readonly Rival[]): { source: number; first: number; count: number }[] {
  const pairs = new Map<string, { source: number; first: number; count: number }>();
  for (const { source, first } of rivals)
    emplace(pairs, `${source} ${first}`, () => ({ source, first, count: 0 })).count++;
  return [...pairs.values()];
}

async function copiesIn(
  contests: readonly Contest[],
  drawn: Drawn,
  slices: readonly SeriesSlice[],
): Promise<Rival[]> {
  const hashes = new Map<string, Hash>();
  for (const { structure, sources } of contests)
    for (const source of sources) hashes.set(droppedKey(structure, source), createHash('sha256'));
  const turns = new Turns();
  for (const { slice } of slices) {
    const rois = new Map<number, Map<number, number>>();
    for (const { structure, source = 0, kind, roi, digest } of drawn.get(slice) ?? []) {
      const hash = hashes.get(droppedKey(structure, source));
      if (!hash) continue;
      hash.update(`${slice} ${kind} ${placeOfRoi(rois, source, roi)} ${digest}\n`);
      if (turns.isOver(0)) await othersTurn();
    }
  }
  return contests.flatMap(({ structure, sources }) => {
    const firsts = new Map<string, number>();
    return sources.flatMap((source): Rival[] => {
      const digest = hashes.get(droppedKey(structure, source))!.digest('hex');
      const first = firsts.get(digest);
      if (first !== undefined) return [{ structure, source, first }];
      firsts.set(digest, source);
      return [];
    });
  });
}

/**
 * Returns the place of an ROI in the order of first use on a slice. Which contours belong to one ROI matters,
 * its number does not.
 */
function placeOfRoi(rois: Map<number, Map<number, number>>, source: number, roi: number): number {
  const own = emplace(rois, source, () => new Map<number, number>());
  return emplace(own, roi, () => own.size);
}
