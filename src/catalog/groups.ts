import { type Dropped, isUsed, type StructureSources } from '../core/contests.js';
import type { ImageHeader } from '../core/dicom.js';
import { channelsOf, declaredRange, type ValueRange } from '../core/pixels.js';
import { emplace } from '../core/study-files.js';
import { type Database, prepare } from '../sqlite.js';

/** What a session may ask of a slice before it loads it. */
export interface Traits {
  readonly structures: readonly string[];
  /**
   * Structures that are drawn on the slice and cannot be used there in full; missing where there are none.
   */
  readonly unusable?: readonly string[];
  /** Whether other structures may be drawn on the slice, because an object of its study could not be read. */
  readonly unread?: true;
  /**
   * For each structure that is contested in the revision: its sources on this slice. Missing where there are
   * none.
   */
  readonly sources?: readonly StructureSources[];
  /** For each contested structure that is unusable on this slice: the sources that it is unusable from. */
  readonly lost?: readonly StructureSources[];
  readonly modality: string | null;
  readonly series: string;
  readonly rows: number;
  readonly columns: number;
  readonly channels: 1 | 3;
  readonly stored: ValueRange;
  readonly rescaled: ValueRange;
}

/** The slices of a revision that have the same traits, by ascending place: a study has few groups, however many slices. */
export interface SliceGroup {
  readonly traits: Traits;
  readonly ordinals: Uint32Array;
}

/** Limits the slices: a slice matches if it is in each list that is given. */
export interface Where {
  readonly modality?: readonly string[];
  readonly series?: readonly string[];
}

export function isWhere({ modality, series }: Traits, where: Where): boolean {
  if (where.modality && !where.modality.includes(modality ?? '')) return false;
  return !where.series || where.series.includes(series);
}

export function traitsOf(
  header: ImageHeader,
  structures: readonly string[],
  unusable: readonly string[],
  isUnread: boolean,
  sources: NonNullable<Traits['sources']> = [],
  lost: NonNullable<Traits['lost']> = [],
): Traits {
  return {
    structures,
    ...(unusable.length > 0 ? { unusable } : {}),
    ...(isUnread ? { unread: true } : {}),
    ...(sources.length > 0 ? { sources } : {}),
    ...(lost.length > 0 ? { lost } : {}),
    modality: header.modality,
    series: header.seriesUid,
    rows: header.rows,
    columns: header.columns,
    channels: channelsOf(header, 'rescaled'),
    stored: declaredRange(header, 'stored'),
    rescaled: declaredRange(header, 'rescaled'),
  };
}

/** Whether a slice with these traits has the structure `name` from a source that is used. */
export function carries({ structures, sources = [] }: Traits, name: string, dropped: Dropped): boolean {
  return structures.includes(name) && isUsed(name, sources, dropped);
}

/**
 * Whether the structure `name`, from a source that is used, is drawn on the slice and cannot be used in full.
 */
export function isUnusable({ unusable = [], lost = [] }: Traits, name: string, dropped: Dropped): boolean {
  return unusable.includes(name) && isUsed(name, lost, dropped);
}

/** Gathers the groups of a revision while its slices are written. */
export class SliceGroups {
  #ordinals = new Map<string, number[]>();

  /** Puts a slice into its group; to be called in order of places. */
  add(traits: Traits, ordinal: number): void {
    const key = JSON.stringify(traits);
    const own = this.#ordinals.get(key);
    if (own) own.push(ordinal);
    else this.#ordinals.set(key, [ordinal]);
  }

  write(db: Database, revision: number): void {
    const insert = prepare(
      db,
      'INSERT INTO slice_group (revision, first, traits, ordinals) VALUES (?, ?, ?, ?)',
    );
    for (const [traits, ordinals] of this.#ordinals)
      insert.run(revision, ordinals[0]!, traits, new Uint8Array(Uint32Array.from(ordinals).buffer));
  }
}

/** The groups of a revision, in order of their first slices. */
export function groupsOf(db: Database, revision: number): SliceGroup[] {
  const rows = prepare(db, 'SELECT traits, ordinals FROM slice_group WHERE revision = ? ORDER BY first').all(
    revision,
  ) as { traits: string; ordinals: Uint8Array }[];
  return rows.map(({ traits, ordinals }) => ({
    traits: JSON.parse(traits),
    ordinals: new Uint32Array(ordinals.slice().buffer),
  }));
}

/**
 * The same groups with the sources of these structures on each slice, which the catalogue's groups have only
 * where sources of one name compete.
 */
export function groupsWithSources(
  db: Database,
  revision: number,
  structures: readonly string[],
): readonly SliceGroup[] {
  if (structures.length === 0) return groupsOf(db, revision);
  const sources = new Map<number, Map<string, number[]>>();
  for (const { ordinal, structure, source } of sourcesWhere(db, revision, structures))
    emplace(
      emplace(sources, ordinal, () => new Map<string, number[]>()),
      structure,
      () => [],
    ).push(source);
  return groupsOf(db, revision)
    .flatMap(({ traits, ordinals }) => {
      const split = new Map<string, { readonly traits: Traits; readonly own: number[] }>();
      for (const ordinal of ordinals) {
        const added = [...(sources.get(ordinal) ?? [])];
        const all = [...(traits.sources ?? []), ...added];
        emplace(split, JSON.stringify(added), () => ({
          traits: all.length > 0 ? { ...traits, sources: all } : traits,
          own: [],
        })).own.push(ordinal);
      }
      return [...split.values()].map((group) => ({
        traits: group.traits,
        ordinals: Uint32Array.from(group.own),
      }));
    })
    .sort((a, b) => a.ordinals[0]! - b.ordinals[0]!);
}

/** Returns the sources of these structures on each slice of a revision, in order of slices. */
export function sourcesWhere(
  db: Database,
  revision: number,
  structures: readonly string[],
): { readonly ordinal: number; readonly structure: string; readonly source: number }[] {
  return prepare(
    db,
    `SELECT DISTINCT ord AS ordinal, structure, source FROM contour
       WHERE revision = ? AND structure IN (SELECT value FROM json_each(?)) ORDER BY ord, structure, source`,
  ).all(revision, JSON.stringify(structures)) as unknown as ReturnType<typeof sourcesWhere>;
}
