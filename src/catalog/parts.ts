import { type Dropped, dropByDefault, droppedKey, NONE_DROPPED, withoutDropped } from '../core/contests.js';
import type { StructurePart } from '../core/outlining.js';
import { type PackedStructurePart, unpackPart } from '../core/packed-part.js';
import type { Part } from '../core/part.js';
import { Recent } from '../recent.js';
import { type Database, prepare } from '../sqlite.js';
import { contestsOf } from './revision-contests.js';
import type { SlicePlace } from './slices.js';

/**
 * Returns all parts of the structures of a slice, in order of structures. The parts of one structure are in
 * the order of its source. A contested structure has only the parts of its first source.
 */
export function partsOf(db: Database, revision: number, ordinal: number): readonly StructurePart[] {
  return partsRead(db).get(`${revision}/${ordinal}`, () => readParts(db, revision, ordinal));
}

type SourcedRow = PackedStructurePart & { readonly source: number };

function readParts(db: Database, revision: number, ordinal: number): readonly StructurePart[] {
  const rows = prepare(
    db,
    'SELECT structure, kind, roi, points, source FROM contour WHERE revision = ? AND ord = ? ORDER BY structure, number',
  ).all(revision, ordinal) as unknown as SourcedRow[];
  const used = withoutDropped(rows, dropByDefault(contestsOf(db, revision)));
  return used.map((row) => ({ structure: row.structure, part: unpackPart(row) }));
}

/**
 * Returns the stored parts of these structures at each place, without the parts of sources that are not used
 * in the place's revision. The parts of one structure are in the order of its source.
 */
export function packedPartsAt(
  db: Database,
  places: readonly SlicePlace[],
  structures: readonly string[],
  unused: (revision: number) => Dropped = () => NONE_DROPPED,
): PackedStructurePart[][] {
  const parts = places.map((): PackedStructurePart[] => []);
  if (places.length === 0 || structures.length === 0) return parts;
  const rows = prepare(
    db,
    `SELECT p.key AS at, c.structure, c.kind, c.roi, c.points, c.source FROM json_each(?) p
       CROSS JOIN json_each(?) s
       CROSS JOIN contour c ON c.revision = p.value ->> 0 AND c.ord = p.value ->> 1 AND c.structure = s.value
       ORDER BY p.rowid, s.rowid, c.number`,
  ).all(
    JSON.stringify(places.map(({ revision, ordinal }) => [revision, ordinal])),
    JSON.stringify(structures),
  ) as unknown as (SourcedRow & { readonly at: number })[];
  for (const { at, structure, kind, roi, points, source } of rows)
    if (!unused(places[at]!.revision).has(droppedKey(structure, source)))
      parts[at]!.push({ structure, kind, roi, points });
  return parts;
}

const REMEMBERED_BYTES = 16 * 1024 * 1024;
/** Of a part beside its numbers. */
const PART_BYTES = 256;

const remembered = new WeakMap<Database, Recent<string, readonly StructurePart[]>>();

function partsRead(db: Database): Recent<string, readonly StructurePart[]> {
  let known = remembered.get(db);
  if (!known) {
    known = new Recent(REMEMBERED_BYTES, bytesOf);
    remembered.set(db, known);
  }
  return known;
}

function bytesOf(parts: readonly StructurePart[]): number {
  const numbers = (part: Part) =>
    part.kind === 'raster' ? part.raster.runs.length * 4 : part.points.byteLength;
  return parts.reduce((sum, { part }) => sum + numbers(part) + PART_BYTES, PART_BYTES);
}
