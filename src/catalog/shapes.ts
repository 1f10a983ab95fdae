import { createHash } from 'node:crypto';
import type { StructurePart } from '../core/outlining.js';
import type { Part } from '../core/part.js';
import { type Database, prepare, transact } from '../sqlite.js';
import { partsOf } from './parts.js';
import { othersTurn, Turns } from './turns.js';

const SHAPES_PER_TURN = 200;
/** So many other places of a contour are counted. */
const MOST_PLACES = 100;

/** Another place with the same contours. */
export interface SameShape {
  readonly study: string;
  readonly slice: string;
  readonly structure: string;
}

/** Works out names for the contours of every slice of a revision, equal for equal contours, and keeps them with it. */
export async function nameShapes(db: Database, revision: number): Promise<void> {
  const isNamed = prepare(db, 'SELECT 1 FROM shaped WHERE revision = ?').get(revision) !== undefined;
  if (isNamed) return;
  const ordinals = (
    prepare(db, "SELECT ord FROM slice WHERE revision = ? AND structures <> '[]' ORDER BY ord").all(
      revision,
    ) as { ord: number }[]
  ).map(({ ord }) => ord);
  for (let at = 0; at < ordinals.length; ) {
    transact(db, () => {
      const turns = new Turns();
      while (at < ordinals.length && !turns.isOver(nameSlice(db, revision, ordinals[at++]!)));
    });
    await othersTurn();
  }
  prepare(db, 'INSERT OR IGNORE INTO shaped (revision) SELECT id FROM revision WHERE id = ?').run(revision);
}

/** Returns how many bytes its contours have. */
function nameSlice(db: Database, revision: number, ord: number): number {
  const insert = prepare(
    db,
    // A revision that was let go of meanwhile takes nothing more.
    'INSERT OR REPLACE INTO shape (revision, ord, structure, digest) SELECT id, ?, ?, ? FROM revision WHERE id = ?',
  );
  const byStructure = new Map<string, StructurePart[]>();
  const all = partsOf(db, revision, ord);
  for (const part of all) byStructure.set(part.structure, [...(byStructure.get(part.structure) ?? []), part]);
  for (const [structure, parts] of byStructure)
    insert.run(ord, structure, shapeDigest(parts.map(({ part }) => part)), revision);
  return all.reduce(
    (sum, { part }) => sum + (part.kind === 'raster' ? 4 * part.raster.runs.length : part.points.byteLength),
    0,
  );
}

/** Adding 0 makes 0 of -0, whose bytes are others. */
function stepOf(coordinate: number): number {
  return Math.round(coordinate * 1000) + 0;
}

/** Coordinates count to a thousandth of a pixel; the order of parts does not. */
function shapeDigest(parts: readonly Part[]): string {
  const digests = parts.map((part) => {
    const hash = createHash('sha256');
    if (part.kind === 'raster') {
      const { rows, columns, matrix, runs } = part.raster;
      const steps = matrix && Array.from(matrix, stepOf);
      return hash.update(JSON.stringify([rows, columns, steps, Array.from(runs)])).digest('base64');
    }
    const steps = Float64Array.from(part.points, stepOf);
    return hash.update(new Uint8Array(steps.buffer)).digest('base64');
  });
  return createHash('sha256').update(digests.sort().join()).digest('base64').slice(0, 22);
}

/** For each slice and structure of a present study the other places, in present studies, that have the same contours. */
export async function sameShapes(db: Database, revision: number): Promise<Map<string, readonly SameShape[]>> {
  const own = prepare(db, 'SELECT ord, structure, digest FROM shape WHERE revision = ?').all(
    revision,
  ) as unknown as { ord: number; structure: string; digest: string }[];
  const elsewhere = prepare(
    db,
    `SELECT s.id AS study, c.revision, c.ord, c.structure, l.slice
       FROM shape c JOIN study s ON s.revision = c.revision
       JOIN slice l ON l.revision = c.revision AND l.ord = c.ord
       WHERE c.digest = ? ORDER BY s.id, c.ord, c.structure LIMIT ?`,
  );
  const same = new Map<string, SameShape[]>();
  for (const [at, { ord, structure, digest }] of own.entries()) {
    if (at % SHAPES_PER_TURN === SHAPES_PER_TURN - 1) await othersTurn();
    const places = elsewhere.all(digest, MOST_PLACES + 1) as unknown as (SameShape & {
      revision: number;
      ord: number;
    })[];
    const others = places.filter(
      (place) => place.revision !== revision || place.ord !== ord || place.structure !== structure,
    );
    if (others.length > 0) same.set(shapeKey(ord, structure), others);
  }
  return same;
}

/** What `sameShapes` knows a structure of a slice by. */
export function shapeKey(ordinal: number, structure: string): string {
  return `${ordinal} ${structure}`;
}
