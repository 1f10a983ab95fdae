import type { Extent } from '../core/extent.js';
import { type Holes, type Part, regionsOf } from '../core/part.js';
import { Recent } from '../recent.js';
import { type Database, prepare } from '../sqlite.js';
import type { SlicePlace } from './slices.js';

/** A part of a structure as the catalogue keeps it. */
export interface StructurePart {
  readonly structure: string;
  readonly part: Part;
}

/** A part as a row: `points` are float64 x, y alternating; of a raster rows, columns and matrix as float64, then its runs as uint32. */
export interface PartRow {
  readonly kind: Part['kind'];
  readonly roi: number;
  readonly points: Uint8Array;
}

const RASTER_HEAD = 8;

export function encodePart(part: Part): PartRow {
  if (part.kind !== 'raster') {
    const { buffer, byteOffset, byteLength } = part.points;
    const points = new Uint8Array(buffer, byteOffset, byteLength);
    return { kind: part.kind, roi: part.kind === 'text' ? 0 : part.roi, points };
  }
  const { rows, columns, matrix, runs } = part.raster;
  const head = Float64Array.of(rows, columns, ...(matrix ?? new Array<number>(6).fill(Number.NaN)));
  const points = new Uint8Array(8 * RASTER_HEAD + 4 * runs.length);
  points.set(new Uint8Array(head.buffer));
  points.set(new Uint8Array(Uint32Array.from(runs).buffer), 8 * RASTER_HEAD);
  return { kind: 'raster', roi: 0, points };
}

function decodePart({ kind, roi, points: bytes }: PartRow): Part {
  if (kind === 'text') return { kind, points: float64(bytes) };
  if (kind !== 'raster') return { kind, roi, points: float64(bytes) };
  const whole = bytes.slice();
  const [rows, columns, ...matrix] = new Float64Array(whole.buffer, 0, RASTER_HEAD) as unknown as number[];
  const runs = new Uint32Array(whole.buffer, 8 * RASTER_HEAD);
  const isSame = Number.isNaN(matrix[0]);
  return { kind, raster: { rows: rows!, columns: columns!, matrix: isSame ? null : matrix, runs } };
}

/** All parts of the structures of a slice, in order of structures, each structure's as its source has them. */
export function partsOf(db: Database, revision: number, ordinal: number): readonly StructurePart[] {
  return partsRead(db).get(`${revision}/${ordinal}`, () => readParts(db, revision, ordinal));
}

function readParts(db: Database, revision: number, ordinal: number): readonly StructurePart[] {
  const rows = prepare(
    db,
    'SELECT structure, kind, roi, points FROM contour WHERE revision = ? AND ord = ? ORDER BY structure, number',
  ).all(revision, ordinal) as unknown as StructureRow[];
  return rows.map(structurePart);
}

/** The parts of these structures at each of the places, each structure's as its source has them; past those that are remembered. */
export function readPartsAt(
  db: Database,
  places: readonly SlicePlace[],
  structures: readonly string[],
): StructurePart[][] {
  const parts = places.map((): StructurePart[] => []);
  if (places.length === 0 || structures.length === 0) return parts;
  const rows = prepare(
    db,
    `SELECT p.key AS at, c.structure, c.kind, c.roi, c.points FROM json_each(?) p
       CROSS JOIN json_each(?) s
       CROSS JOIN contour c ON c.revision = p.value ->> 0 AND c.ord = p.value ->> 1 AND c.structure = s.value
       ORDER BY p.rowid, s.rowid, c.number`,
  ).all(
    JSON.stringify(places.map(({ revision, ordinal }) => [revision, ordinal])),
    JSON.stringify(structures),
  ) as unknown as (StructureRow & { readonly at: number })[];
  for (const row of rows) parts[row.at]!.push(structurePart(row));
  return parts;
}

interface StructureRow extends PartRow {
  readonly structure: string;
}

function structurePart(row: StructureRow): StructurePart {
  return { structure: row.structure, part: decodePart(row) };
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

/**
 * Where structures, each of any of its names, are by the parts of a slice. `originShift` is added to the coordinates of text contours so
 * that pixel centres lie at integers: 0, or -0.5 for `mask.origin: half`.
 */
export function extentsOf(
  parts: readonly StructurePart[],
  structures: readonly (readonly string[])[],
  holes: Holes,
  originShift: 0 | -0.5,
): Extent[] {
  return structures.map((names) => {
    const own = parts.filter(({ structure }) => names.includes(structure));
    // An ROI's number counts within its own structure alone.
    const regions = names.flatMap((name) => {
      const named = own.filter(({ structure }) => structure === name).map(({ part }) => part);
      return regionsOf(
        named.map((part) => shifted(part, originShift)),
        holes,
      );
    });
    const rasters = own.flatMap(({ part }) => (part.kind === 'raster' ? [part.raster] : []));
    return { regions, rasters };
  });
}

function shifted(part: Part, by: number): Part {
  if (part.kind !== 'text' || by === 0) return part;
  return { ...part, points: part.points.map((coordinate) => coordinate + by) };
}

/** A row's bytes as numbers: a view where they lie at a multiple of 8, else a copy. */
function float64(bytes: Uint8Array): Float64Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  return new Float64Array(buffer, byteOffset, byteLength / 8);
}
