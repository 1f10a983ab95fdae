import { createHash } from 'node:crypto';
import type { ImageHeader } from '../core/dicom.js';
import type { FindingCode } from '../core/finding-codes.js';
import { channelsOf, declaredRange, type ValueRange } from '../core/pixels.js';
import { type Database, prepare } from '../sqlite.js';

/** Which slices of a study are pairs. */
export interface Selection {
  /** A pair has a contour of each; none named: every slice is one. */
  readonly structures: readonly string[];
  /** `empty`: a slice that has some of them is a pair as well. */
  readonly missing: 'exclude' | 'empty';
  /** Other names that mean a structure. */
  readonly rename: Readonly<Record<string, readonly string[]>>;
  /** Only slices that match, where lists are given. */
  readonly where: { readonly modality?: readonly string[]; readonly series?: readonly string[] };
  /**
   * Slices left out for what the quality report found of them when the snapshot was made: the codes, and a digest that names
   * which ones those were. Later reports change nothing.
   */
  readonly leftOut?: { readonly codes: readonly FindingCode[]; readonly digest: string };
}

/** Slices of a revision by place, that are left out. */
export type Flagged = ReadonlyMap<number, ReadonlySet<number>>;

/** What a session must know of a study's pairs before it loads one; made from headers, never from pixels. */
export interface SelectionSummary {
  /** Each rows × columns that occurs, with the first slice that has it. */
  readonly shapes: readonly { readonly rows: number; readonly columns: number; readonly slice: string }[];
  readonly channels: readonly (1 | 3)[];
  readonly stored: ValueRange | null;
  readonly rescaled: ValueRange | null;
}

/** The pairs of one revision under a selection. */
export interface SelectedPairs {
  readonly pairs: number;
  /** Names the list of places; the same on every machine. */
  readonly digest: string;
  readonly summary: SelectionSummary;
}

/** A selection as the text it is stored and named by; the order of names does not count. */
export function selectionKey({ structures, missing, rename, where, leftOut }: Selection): string {
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
  ]);
}

/** Every name in the files that means a structure: its own and those renamed to it. */
export function namesOf(structure: string, rename: Selection['rename']): readonly string[] {
  return [structure, ...(Object.hasOwn(rename, structure) ? rename[structure]! : [])];
}

function fits(header: ImageHeader, carried: readonly string[], selection: Selection): boolean {
  const { structures, missing, rename, where } = selection;
  if (where.modality && !where.modality.includes(header.modality ?? '')) return false;
  if (where.series && !where.series.includes(header.seriesUid)) return false;
  if (structures.length === 0) return true;
  const has = (structure: string) => namesOf(structure, rename).some((name) => carried.includes(name));
  return missing === 'empty' ? structures.some(has) : structures.every(has);
}

/** The smallest range that holds both. */
export function joinRanges(a: ValueRange | null, b: ValueRange | null): ValueRange | null {
  if (!a || !b) return a ?? b;
  return { min: Math.min(a.min, b.min), max: Math.max(a.max, b.max), whole: a.whole && b.whole };
}

interface SliceRow {
  readonly ord: number;
  readonly slice: string;
  readonly header: string;
  readonly structures: string;
}

/** The pairs of one selection, gathered slice by slice. */
class Gathering {
  readonly #selection: Selection;
  readonly #leftOut: ReadonlySet<number>;
  #ordinals: number[] = [];
  #shapes = new Map<string, SelectionSummary['shapes'][number]>();
  #channels = new Set<1 | 3>();
  #stored: ValueRange | null = null;
  #rescaled: ValueRange | null = null;
  #slices = 0;

  constructor(selection: Selection, leftOut: ReadonlySet<number> = new Set()) {
    this.#selection = selection;
    this.#leftOut = leftOut;
  }

  take(ord: number, slice: string, header: ImageHeader, structures: readonly string[]): void {
    this.#slices++;
    if (this.#leftOut.has(ord) || !fits(header, structures, this.#selection)) return;
    this.#ordinals.push(ord);
    const { rows, columns } = header;
    const shape = `${rows}x${columns}`;
    if (!this.#shapes.has(shape)) this.#shapes.set(shape, { rows, columns, slice });
    this.#channels.add(channelsOf(header, 'rescaled'));
    this.#stored = joinRanges(this.#stored, declaredRange(header, 'stored'));
    this.#rescaled = joinRanges(this.#rescaled, declaredRange(header, 'rescaled'));
  }

  /** Writes down what came of it. */
  keep(db: Database, revision: number): SelectedPairs {
    const bytes = new Uint8Array(Uint32Array.from(this.#ordinals).buffer);
    const found: SelectedPairs = {
      pairs: this.#ordinals.length,
      digest: createHash('sha256').update(bytes).digest('hex'),
      summary: {
        shapes: [...this.#shapes.values()],
        channels: [...this.#channels].sort(),
        stored: this.#stored,
        rescaled: this.#rescaled,
      },
    };
    prepare(
      db,
      'INSERT OR IGNORE INTO selection (revision, selection, pairs, digest, ordinals, summary) VALUES (?, ?, ?, ?, ?, ?)',
    ).run(
      revision,
      selectionKey(this.#selection),
      found.pairs,
      found.digest,
      this.#ordinals.length === this.#slices ? null : bytes,
      JSON.stringify(found.summary),
    );
    return found;
  }
}

function takeAll(gatherings: readonly Gathering[], rows: readonly SliceRow[]): void {
  for (const { ord, slice, header: text, structures: names } of rows) {
    const header = JSON.parse(text) as ImageHeader;
    const structures = JSON.parse(names) as string[];
    for (const gathering of gatherings) gathering.take(ord, slice, header, structures);
  }
}

/**
 * The pairs of a revision under a selection: worked out once, then kept with the revision. `flagged`: what a selection that leaves slices out
 * leaves out, when it is worked out.
 */
export function selectPairs(
  db: Database,
  revision: number,
  selection: Selection,
  flagged: Flagged | null = null,
): SelectedPairs {
  const known = prepare(
    db,
    'SELECT pairs, digest, summary FROM selection WHERE revision = ? AND selection = ?',
  ).get(revision, selectionKey(selection)) as { pairs: number; digest: string; summary: string } | undefined;
  if (known) return { pairs: known.pairs, digest: known.digest, summary: JSON.parse(known.summary) };
  const leftOut = flagged?.get(revision);
  if (selection.leftOut && !leftOut)
    throw new Error('what a selection leaves out of a revision is not known');
  const gathering = new Gathering(selection, selection.leftOut && leftOut);
  const slices = prepare(
    db,
    'SELECT ord, slice, header, structures FROM slice WHERE revision = ? ORDER BY ord',
  ).all(revision);
  takeAll([gathering], slices as unknown as SliceRow[]);
  return gathering.keep(db, revision);
}

/** The places of a revision's pairs among its slices; null: every slice is a pair. Throws where the selection was never made. */
export function selectedOrdinals(db: Database, revision: number, selection: Selection): Uint32Array | null {
  const row = prepare(db, 'SELECT ordinals FROM selection WHERE revision = ? AND selection = ?').get(
    revision,
    selectionKey(selection),
  ) as { ordinals: Uint8Array | null } | undefined;
  if (!row) throw new Error('the selection of a snapshot is gone');
  return row.ordinals ? new Uint32Array(row.ordinals.slice().buffer) : null;
}

/** Slices that are looked at before others get their turn. */
const SLICES_PER_TURN = 200;

/**
 * Works out ahead what most sessions ask for, so that opening one reads no slice: each structure by itself, all together, none. One that
 * was let go of meanwhile is left alone.
 */
export async function prepareSelections(db: Database, revision: number): Promise<void> {
  const row = prepare(db, 'SELECT structures FROM revision WHERE id = ?').get(revision);
  if (!row) return;
  const names = Object.keys(JSON.parse((row as { structures: string }).structures));
  const gatherings = [[], ...names.map((name) => [name]), names].map(
    (structures) => new Gathering({ structures, missing: 'exclude', rename: {}, where: {} }),
  );
  const page = prepare(
    db,
    'SELECT ord, slice, header, structures FROM slice WHERE revision = ? AND ord > ? ORDER BY ord LIMIT ?',
  );
  for (let after = -1; ; ) {
    const rows = page.all(revision, after, SLICES_PER_TURN) as unknown as SliceRow[];
    takeAll(gatherings, rows);
    if (rows.length < SLICES_PER_TURN) break;
    after = rows[rows.length - 1]!.ord;
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (!prepare(db, 'SELECT 1 FROM revision WHERE id = ?').get(revision)) return;
  for (const gathering of gatherings) gathering.keep(db, revision);
}
