import type { ImageHeader } from '../core/dicom.js';
import type { SliceId } from '../core/ids.js';
import { Recent } from '../recent.js';
import { shownName } from '../sources/place.js';
import { type Database, prepare, transact } from '../sqlite.js';

/** A place among the slices of a state of a study. */
export interface SlicePlace {
  readonly revision: number;
  readonly ordinal: number;
}

/**
 * A slice as the catalogue has it. `path` is its file in the catalogue, `header` the JSON of its
 * `ImageHeader`, `structures` and `unusable` the JSON of their names.
 */
export interface SliceRecord extends SlicePlace {
  readonly slice: SliceId;
  readonly path: string;
  readonly guard: string;
  readonly frame: number;
  readonly header: string;
  readonly headerDigest: string;
  readonly checksum: number | null;
  readonly structures: string;
  /** Structures that are drawn on the slice and cannot be used there in full. */
  readonly unusable: string;
}

/** A slice of a study; `file` is what people call its file. */
export interface Slice extends Omit<SliceRecord, 'header' | 'structures' | 'unusable'> {
  readonly file: string;
  readonly header: ImageHeader;
  readonly structures: readonly string[];
  readonly unusable: readonly string[];
}

const SLICE = `
  SELECT l.revision, l.ord AS ordinal, l.slice, l.path, l.guard, l.frame, l.header, l.header_digest AS headerDigest, l.checksum,
    l.structures, l.unusable`;

/** The header of a slice. */
export function headerOf({ header }: Pick<SliceRecord, 'header'>): ImageHeader {
  return JSON.parse(header);
}

function sliceOf(record: SliceRecord): Slice {
  return {
    ...record,
    file: shownName(record.path),
    header: headerOf(record),
    structures: JSON.parse(record.structures),
    unusable: JSON.parse(record.unusable),
  };
}

/** The slices of a study's present state behind place `after`, in canonical order; `all`: also those without a contour. */
export function listSlices(db: Database, study: string, after: number, limit: number, all: boolean): Slice[] {
  const rows = prepare(
    db,
    `${SLICE} FROM study s JOIN slice l ON l.revision = s.revision
       WHERE s.id = ? AND l.ord > ? AND (? OR l.structures <> '[]') ORDER BY l.ord LIMIT ?`,
  ).all(study, after, all ? 1 : 0, limit);
  return (rows as unknown as SliceRecord[]).map(sliceOf);
}

/** A slice of a study's present state by its id. */
export function findSlice(db: Database, study: string, slice: string): Slice | null {
  const row = prepare(
    db,
    `${SLICE} FROM study s JOIN slice l ON l.revision = s.revision WHERE s.id = ? AND l.slice = ?`,
  ).get(study, slice) as unknown as SliceRecord | undefined;
  return row ? sliceOf(row) : null;
}

/** A slice of any kept state by its place. */
export function sliceAt(db: Database, revision: number, ordinal: number): Slice {
  return sliceOf(recordsAt(db, [{ revision, ordinal }])[0]!);
}

/** The same, past the slices that are remembered. */
export function readSlice(db: Database, revision: number, ordinal: number): Slice {
  return sliceOf(readRecords(db, [{ revision, ordinal }])[0]!);
}

/** Slices of kept states by their places, in that order; those that are not remembered are read together. */
export function recordsAt(db: Database, places: readonly SlicePlace[]): SliceRecord[] {
  const { slices } = recent(db);
  const known = places.map((place) => slices.find(placeKey(place)));
  const read = readRecords(
    db,
    places.filter((_, at) => !known[at]),
  );
  let next = 0;
  return known.map((record, at) => record ?? slices.keep(placeKey(places[at]!), read[next++]!));
}

function readRecords(db: Database, places: readonly SlicePlace[]): SliceRecord[] {
  if (places.length === 0) return [];
  const rows = prepare(
    db,
    `${SLICE} FROM json_each(?) p CROSS JOIN slice l ON l.revision = p.value ->> 0 AND l.ord = p.value ->> 1
       ORDER BY p.rowid`,
  ).all(JSON.stringify(places.map(({ revision, ordinal }) => [revision, ordinal])));
  if (rows.length < places.length) throw new Error('a slice of a kept revision is gone');
  return rows as unknown as SliceRecord[];
}

/** The text by which a slice is remembered. */
export function placeKey({ revision, ordinal }: SlicePlace): string {
  return `${revision}/${ordinal}`;
}

/** What a load found out about a slice's source: the checksum of its pixel bytes, a guard of equal content. */
export interface Learned {
  readonly slice: SlicePlace;
  readonly checksum: number | null;
  readonly guard: string | null;
}

/** Takes in what loads found out; it counts from now on, and is written down by the next `writeLearned`. */
export function learnSources(db: Database, learned: readonly Learned[]): void {
  const known = recent(db);
  for (const each of learned) {
    const { slice, checksum, guard } = each;
    known.unwritten.push(each);
    known.slices.replace(placeKey(slice), (before) => ({
      ...before,
      checksum: before.checksum ?? checksum,
      guard: guard ?? before.guard,
    }));
  }
}

/** Writes down what was learned since the last time: in the transaction around it, where there is one. */
export function writeLearned(db: Database): void {
  const known = recent(db);
  if (known.unwritten.length === 0) return;
  const update = prepare(
    db,
    'UPDATE slice SET checksum = coalesce(checksum, ?), guard = coalesce(?, guard) WHERE revision = ? AND ord = ?',
  );
  const write = () => {
    for (const { slice, checksum, guard } of known.unwritten)
      update.run(checksum, guard, slice.revision, slice.ordinal);
  };
  if (db.isTransaction) write();
  else transact(db, write);
  known.unwritten = [];
}

const SLICES_REMEMBERED = 4096;

interface Remembered {
  readonly slices: Recent<string, SliceRecord>;
  /** What was learned and is not written down yet. */
  unwritten: Learned[];
}

const remembered = new WeakMap<Database, Remembered>();

function recent(db: Database): Remembered {
  let known = remembered.get(db);
  if (!known) {
    known = { slices: new Recent(SLICES_REMEMBERED), unwritten: [] };
    remembered.set(db, known);
  }
  return known;
}

/** Whether a record is still what is known of its slice: another guard or checksum may have been learned since it was looked up. */
export function isCurrent(db: Database, record: SliceRecord): boolean {
  return recent(db).slices.find(placeKey(record)) === record;
}

/** To be called when rows of slices were changed: their guards and checksums are looked up again. */
export function forgetSlices(db: Database): void {
  writeLearned(db);
  recent(db).slices.clear();
}
