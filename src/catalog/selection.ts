import { createHash } from 'node:crypto';
import { type Dropped, NONE_DROPPED } from '../core/contests.js';
import type { FindingCode } from '../core/finding-codes.js';
import type { ValueRange } from '../core/pixels.js';
import type { SourceChoice } from '../core/source-choice.js';
import { emplace } from '../core/study-files.js';
import { type Database, prepare } from '../sqlite.js';
import { carries, isUnusable, isWhere, type SliceGroup, type Traits, type Where } from './groups.js';
import { groupsUnder } from './revision-contests.js';

/** Which slices of a study are pairs. */
export interface Selection {
  /** A pair has a contour of each; none named: every slice is one. */
  readonly structures: readonly string[];
  /** `empty`: a slice that has some of them is a pair as well. */
  readonly missing: 'exclude' | 'empty';
  /** Other names that mean a structure. */
  readonly rename: Readonly<Record<string, readonly string[]>>;
  readonly where: Where;
  /**
   * Slices left out for what the quality report found of them when the snapshot was made: the codes, and a digest that names
   * which ones those were. Later reports change nothing.
   */
  readonly leftOut?: { readonly codes: readonly FindingCode[]; readonly digest: string };
  /**
   * Which source is used where several sources of a study have a structure: `choice` is the request (null:
   * the first source), `digest` names the result at the time of the snapshot.
   */
  readonly sources?: { readonly choice: SourceChoice | null; readonly digest: string };
}

/** Slices of a revision by place, that are left out. */
export type Flagged = ReadonlyMap<number, ReadonlySet<number>>;

/** Structures of sources that are not used, by revision; a revision that is missing has none. */
export type Unused = ReadonlyMap<number, Dropped>;

/** What a session must know of a study's pairs before it loads one; made from headers, never from pixels. */
export interface SelectionSummary {
  /** Each rows × columns that occurs, with the first slice that has it. */
  readonly shapes: readonly { readonly rows: number; readonly columns: number; readonly slice: string }[];
  readonly channels: readonly (1 | 3)[];
  readonly stored: ValueRange | null;
  readonly rescaled: ValueRange | null;
  /**
   * The number of slices that are no pairs because a structure on them cannot be used in full; missing: 0.
   */
  readonly unusable?: number;
}

/** The pairs of one revision under a selection. */
export interface SelectedPairs {
  readonly pairs: number;
  /** Names the list of places; the same on every machine. */
  readonly digest: string;
  readonly summary: SelectionSummary;
}

/** A selection as the text it is stored and named by; the order of names does not count. */
export function selectionKey({ structures, missing, rename, where, leftOut, sources }: Selection): string {
  const sorted = (names: readonly string[] | undefined) => (names ? [...names].sort() : null);
  const renamed = Object.entries(rename)
    .map(([name, others]) => [name, sorted(others)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const frozen = leftOut ? [sorted(leftOut.codes), leftOut.digest] : [];
  return JSON.stringify([
    sorted(structures),
    missing,
    renamed,
    sorted(where.modality),
    sorted(where.series),
    ...frozen,
    ...(sources ? [['sources', sources.choice, sources.digest]] : []),
  ]);
}

/** The digest by which a selection is looked up: the key itself may hold as many names as a request. */
export function selectionDigest(selection: Selection): string {
  return createHash('sha256').update(selectionKey(selection)).digest('hex');
}

/** Every name in the files that means a structure: its own and those renamed to it. */
export function namesOf(structure: string, rename: Selection['rename']): readonly string[] {
  return [structure, ...(Object.hasOwn(rename, structure) ? rename[structure]! : [])];
}

/**
 * Whether slices with these traits are pairs. `unusable`: their masks would be too small, because a structure
 * that is drawn on them cannot be used in full, or because an object of the study could not be read.
 */
function fit(
  traits: Traits,
  { structures, missing, rename, where }: Selection,
  dropped: Dropped,
): 'yes' | 'no' | 'unusable' {
  if (!isWhere(traits, where)) return 'no';
  if (structures.length === 0) return 'yes';
  const isAny = (test: typeof carries) => (structure: string) =>
    namesOf(structure, rename).some((name) => test(traits, name, dropped));
  const isCarried = isAny(carries);
  const isLost = isAny(isUnusable);
  const isDrawn = (structure: string) => isCarried(structure) || isLost(structure);
  if (!(missing === 'empty' ? structures.some(isDrawn) : structures.every(isDrawn))) return 'no';
  if (structures.some(isLost)) return 'unusable';
  return traits.unread && !structures.every(isCarried) ? 'unusable' : 'yes';
}

/** The smallest range that holds both. */
export function joinRanges(a: ValueRange | null, b: ValueRange | null): ValueRange | null {
  if (!a || !b) return a ?? b;
  return { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), whole: a.whole && b.whole };
}

/**
 * Returns the pairs of a revision under a selection; they are worked out once and kept with the revision.
 * `flagged` are the slices to leave out, `unused` the structures of sources that are not used; both count
 * only the first time.
 */
export function selectPairs(
  db: Database,
  revision: number,
  selection: Selection,
  flagged: Flagged | null = null,
  unused: Unused = new Map(),
): SelectedPairs {
  const key = selectionDigest(selection);
  const known = prepare(
    db,
    'SELECT pairs, digest, summary FROM selection WHERE revision = ? AND selection = ?',
  ).get(revision, key) as { pairs: number; digest: string; summary: string } | undefined;
  if (known) return { pairs: known.pairs, digest: known.digest, summary: JSON.parse(known.summary) };
  const dropped = unused.get(revision) ?? NONE_DROPPED;
  const { places, summary } = findPairs(db, revision, selection, flagged, dropped);
  const bytes = new Uint8Array(places.buffer);
  const found: SelectedPairs = {
    pairs: places.length,
    digest: createHash('sha256').update(bytes).digest('hex'),
    summary,
  };
  const { slices } = prepare(db, 'SELECT slices FROM revision WHERE id = ?').get(revision) as {
    slices: number;
  };
  prepare(
    db,
    'INSERT INTO selection (revision, selection, pairs, digest, ordinals, summary, dropped) VALUES (?, ?, ?, ?, ?, ?, ?)',
  ).run(
    revision,
    key,
    found.pairs,
    found.digest,
    places.length === slices ? null : bytes,
    JSON.stringify(found.summary),
    dropped.size === 0 ? null : JSON.stringify([...dropped]),
  );
  return found;
}

/** Works the pairs of a revision out, by their places among its slices, and keeps nothing of it. */
export function findPairs(
  db: Database,
  revision: number,
  selection: Selection,
  flagged: Flagged | null,
  dropped: Dropped,
): { readonly places: Uint32Array; readonly summary: SelectionSummary } {
  const { groups, unusable } = fittingGroups(db, revision, selection, flagged, dropped);
  return {
    places: Uint32Array.from(groups.flatMap(({ ordinals }) => [...ordinals])).sort(),
    summary: { ...summaryOf(db, revision, groups), ...(unusable > 0 ? { unusable } : {}) },
  };
}

/** The places of a revision's pairs among its slices; null: every slice is a pair. Throws where the selection was never made. */
export function selectedOrdinals(db: Database, revision: number, selection: Selection): Uint32Array | null {
  const row = prepare(db, 'SELECT ordinals FROM selection WHERE revision = ? AND selection = ?').get(
    revision,
    selectionDigest(selection),
  ) as { ordinals: Uint8Array | null } | undefined;
  if (!row) throw new Error('the selection of a snapshot is gone');
  return row.ordinals ? new Uint32Array(row.ordinals.slice().buffer) : null;
}

/** Returns, for each revision, the structures of sources that a stored selection does not use. */
export function unusedBy(db: Database, selection: Selection): (revision: number) => Dropped {
  if (!selection.sources) return () => NONE_DROPPED;
  const digest = selectionDigest(selection);
  const known = new Map<number, Dropped>();
  return (revision) => emplace(known, revision, () => readDropped(db, revision, digest));
}

function readDropped(db: Database, revision: number, selection: string): Dropped {
  const row = prepare(db, 'SELECT dropped FROM selection WHERE revision = ? AND selection = ?').get(
    revision,
    selection,
  ) as { dropped: string | null } | undefined;
  if (!row) throw new Error('the selection of a snapshot is gone');
  return row.dropped === null ? NONE_DROPPED : new Set(JSON.parse(row.dropped) as string[]);
}

/**
 * Returns the groups that are pairs, without flagged slices, in order of their first slices; `unusable`
 * counts the slices that `fit` calls unusable.
 */
function fittingGroups(
  db: Database,
  revision: number,
  selection: Selection,
  flagged: Flagged | null,
  dropped: Dropped,
): { readonly groups: SliceGroup[]; readonly unusable: number } {
  const leftOut = flagged?.get(revision);
  if (selection.leftOut && !leftOut)
    throw new Error('what a selection leaves out of a revision is not known');
  const fitting: SliceGroup[] = [];
  let unusable = 0;
  for (const group of groupsUnder(db, revision, dropped)) {
    const found = fit(group.traits, selection, dropped);
    if (found === 'yes') fitting.push(group);
    else if (found === 'unusable') unusable += group.ordinals.length;
  }
  if (!selection.leftOut || !leftOut) return { groups: fitting, unusable };
  const groups = fitting
    .map(({ traits, ordinals }) => ({ traits, ordinals: ordinals.filter((ord) => !leftOut.has(ord)) }))
    .filter(({ ordinals }) => ordinals.length > 0)
    .sort((a, b) => a.ordinals[0]! - b.ordinals[0]!);
  return { groups, unusable };
}

function summaryOf(db: Database, revision: number, groups: readonly SliceGroup[]): SelectionSummary {
  const shapes = new Map<string, SelectionSummary['shapes'][number]>();
  const channels = new Set<1 | 3>();
  let stored: ValueRange | null = null;
  let rescaled: ValueRange | null = null;
  for (const { traits, ordinals } of groups) {
    const { rows, columns } = traits;
    const shape = `${rows}x${columns}`;
    if (!shapes.has(shape)) shapes.set(shape, { rows, columns, slice: nameAt(db, revision, ordinals[0]!) });
    channels.add(traits.channels);
    stored = joinRanges(stored, traits.stored);
    rescaled = joinRanges(rescaled, traits.rescaled);
  }
  return { shapes: [...shapes.values()], channels: [...channels].sort(), stored, rescaled };
}

function nameAt(db: Database, revision: number, ordinal: number): string {
  const row = prepare(db, 'SELECT slice FROM slice WHERE revision = ? AND ord = ?').get(revision, ordinal);
  return (row as { slice: string }).slice;
}
