import { createHash, type Hash } from 'node:crypto';
import {
  type Contest,
  droppedKey,
  findContests,
  type StructureSources,
  withoutDropped,
} from '../core/contests.js';
import type { SliceId } from '../core/ids.js';
import type { StructurePart } from '../core/outlining.js';
import { plainBytes } from '../core/packed-part.js';
import type { Part } from '../core/part.js';
import { emplace } from '../core/study-files.js';
import type { ContourSource } from './outlines.js';
import type { Report } from './problems.js';
import { othersTurn, Turns } from './turns.js';

/** Where the structures of a study are: the parts of each slice. */
export type Drawn = ReadonlyMap<SliceId, readonly StructurePart[]>;

/** A slice as far as sources meet on it. */
interface SeriesSlice {
  readonly slice: SliceId;
  readonly seriesUid: string;
}

/** A slice on which a structure is drawn that a source has there and that cannot be used; `isBeside` as in `UnusedPart`. */
export interface LostPart {
  readonly slice: SliceId;
  readonly structure: string;
  /** The place of its source; -1 for one of which nothing is used. */
  readonly source: number;
  readonly isBeside: boolean;
}

/** What is drawn on a slice and cannot be used there in full. */
export interface Unusable {
  readonly structures: readonly string[];
  /** Of those of them that are contested the sources that it is so of. */
  readonly lost: readonly StructureSources[];
}

/** What is used of the sources of a study. */
export interface Settled {
  readonly drawn: Drawn;
  readonly unusable: ReadonlyMap<SliceId, Unusable>;
  /** Structures that a source has as an earlier one has them, which is used. */
  readonly copies: readonly (readonly [structure: string, copy: number, first: number])[];
}

/**
 * What is used of all sources of a study. A structure that a source has on a slice and that cannot be used there in full is taken out, because a mask of the
 * rest would be too small. What is the very same in an earlier source is let go of, as the copy of a file has it. Contests that are left
 * for a session to decide are told.
 */
export async function settleSources(
  placed: Drawn,
  lostParts: readonly LostPart[],
  slices: readonly SeriesSlice[],
  sources: readonly Pick<ContourSource, 'kind' | 'file'>[],
  report: Report,
): Promise<Settled> {
  const lost = lostAmong(placed, lostParts, contestsIn(placed, slices));
  tellLost(lost, sources, report);
  const usable = withoutLost(placed, lost);
  const contests = contestsIn(usable, slices);
  const copies = contests.length === 0 ? [] : await copiesIn(contests, usable, slices);
  const fileOf = (source: number): string => sources[source]!.file;
  for (const { source, first, count } of pairsOf(copies))
    report(
      'CONTOUR_TWICE',
      fileOf(source),
      `${count} structure(s) are drawn in ${fileOf(first)} as they are in it, which is used`,
    );
  const dropped = new Set(copies.map(({ structure, source }) => droppedKey(structure, source)));
  const drawn =
    copies.length === 0
      ? usable
      : new Map([...usable].map(([slice, parts]) => [slice, withoutDropped(parts, dropped)]));
  const left = copies.length === 0 ? contests : contestsIn(drawn, slices);
  const rivals = left.flatMap(({ structure, sources: [first, ...others] }) =>
    others.map((source) => ({ structure, source, first: first! })),
  );
  for (const { source, first, count } of pairsOf(rivals))
    report(
      'CONTOUR_TWICE',
      fileOf(source),
      `${count} structure(s) have the names of some in ${fileOf(first)}, on images of one series: ` +
        'a session says which are used with `sources`, all else uses those of that file',
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
 * Those parts whose loss leaves too little. Where another source has the structure on the slice it has all of it, unless the two are
 * in a contest; what lies beside the image takes nothing away from what is there.
 */
function lostAmong(drawn: Drawn, parts: readonly LostPart[], contests: readonly Contest[]): LostPart[] {
  if (parts.length === 0) return [];
  const contested = new Set(
    contests.flatMap(({ structure, sources }) => sources.map((source) => droppedKey(structure, source))),
  );
  const sourcesOn = new Map<SliceId, Map<string, Set<number>>>();
  for (const { slice } of parts)
    if (!sourcesOn.has(slice)) sourcesOn.set(slice, sourcesOf(drawn.get(slice) ?? []));
  return parts.filter(({ slice, structure, source, isBeside }) => {
    const held = sourcesOn.get(slice)!.get(structure);
    if (held?.has(source)) return !isBeside;
    return held === undefined || contested.has(droppedKey(structure, source));
  });
}

function sourcesOf(parts: readonly StructurePart[]): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const { structure, source = 0 } of parts) emplace(found, structure, () => new Set()).add(source);
  return found;
}

function withoutLost(drawn: Drawn, lost: readonly LostPart[]): Drawn {
  if (lost.length === 0) return drawn;
  const bySlice = new Map<SliceId, Set<string>>();
  for (const { slice, structure, source } of lost)
    emplace(bySlice, slice, () => new Set()).add(droppedKey(structure, source));
  const usable = new Map(drawn);
  for (const [slice, dropped] of bySlice) usable.set(slice, withoutDropped(drawn.get(slice) ?? [], dropped));
  return usable;
}

function tellLost(
  lost: readonly LostPart[],
  sources: readonly Pick<ContourSource, 'kind' | 'file'>[],
  report: Report,
): void {
  const slicesOf = new Map<string, { readonly part: LostPart; readonly slices: Set<SliceId> }>();
  for (const part of lost)
    emplace(slicesOf, droppedKey(part.structure, part.source), () => ({
      part,
      slices: new Set(),
    })).slices.add(part.slice);
  for (const { part, slices } of slicesOf.values()) {
    const source = sources[part.source];
    // A text contour's own problem says as much.
    if (!source || source.kind === 'text') continue;
    const { structure } = part;
    report(
      'STRUCTURE_UNUSABLE',
      source.file,
      `${structure}: on ${slices.size} slice(s) what it has of it cannot be used in full; sessions that ask for ${structure} leave these out, GET /v1/studies/{study}/pairs?all=1 lists them`,
    );
  }
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
  /** The source that goes before it. */
  readonly first: number;
}

function contestsIn(drawn: Drawn, slices: readonly SeriesSlice[]): Contest[] {
  return findContests(
    slices.map(({ slice, seriesUid }) => ({ series: seriesUid, parts: drawn.get(slice) ?? [] })),
  );
}

/** How many structures each source shares with one that goes before it. */
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
    for (const { structure, source = 0, part } of drawn.get(slice) ?? []) {
      const hash = hashes.get(droppedKey(structure, source));
      if (!hash) continue;
      const bytes = plainBytes(part);
      hash
        .update(`${slice} ${part.kind} ${placeOfRoi(rois, source, part)} ${bytes.byteLength} `)
        .update(bytes);
      if (turns.isOver(bytes.byteLength)) await othersTurn();
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

/** ROIs by the order in which they come on a slice: which contours are of one counts, its number does not. */
function placeOfRoi(rois: Map<number, Map<number, number>>, source: number, part: Part): number {
  if (!('roi' in part)) return 0;
  const own = emplace(rois, source, () => new Map<number, number>());
  return emplace(own, part.roi, () => own.size);
}
