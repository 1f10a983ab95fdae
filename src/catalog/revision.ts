import { createHash } from 'node:crypto';
import { ContestFinder, type StructureSources } from '../core/contests.js';
import type { ImageHeader } from '../core/dicom.js';
import type { FoundContour } from '../core/found-contours.js';
import { guardedSizeBytes } from '../core/guard.js';
import type { SliceId, StudyId } from '../core/ids.js';
import { type Database, prepare, transact } from '../sqlite.js';
import { SliceGroups, traitsOf } from './groups.js';
import { forgetSlices, writeLearned } from './slices.js';
import { inTurns, othersTurn, Turns } from './turns.js';

/** A slice as a scan found it; `contours` are those of all its structures. */
export interface FoundSlice {
  readonly slice: SliceId;
  readonly path: string;
  readonly guard: string;
  readonly frame: number;
  readonly header: ImageHeader;
  readonly headerDigest: string;
  /** Of the frame's pixel bytes, where they were read. */
  readonly checksum: number | null;
  /** What tells these pixels from earlier ones under the same header. */
  readonly generation: number | null;
  readonly contours: readonly FoundContour[];
  /**
   * Structures that are drawn on the slice and cannot be used there in full, in order; `contours` has none of
   * them.
   */
  readonly unusable: readonly string[];
  /** For each of them that is contested: the sources in which it is unusable. */
  readonly lost?: readonly StructureSources[];
}

/** A study as a scan found it, slices in canonical order. */
export interface FoundStudy {
  readonly id: StudyId;
  /** SHA-256 of each patient's id that its images name. */
  readonly patients: readonly string[];
  readonly slices: readonly FoundSlice[];
  /** Whether contours that could not be read may be on any slice. */
  readonly isUnread: boolean;
}

/** Names a state of a study by its content: ids, sizes, header bytes, contours; no path and no time, so that two machines agree. */
export function revisionDigest(study: FoundStudy): string {
  const steps = digestSteps(study);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same with turns for others. */
async function revisionDigestInTurns(study: FoundStudy): Promise<string> {
  const steps = digestSteps(study);
  const turns = new Turns();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (turns.isOver(value)) await othersTurn();
  }
}

/** Yields the bytes of each row that it took in, and returns the digest. */
function* digestSteps(study: FoundStudy): Generator<number, string> {
  const hash = createHash('sha256').update(`revision 2\n${study.id}\n`);
  if (study.isUnread) hash.update('unread\n');
  for (const found of study.slices) {
    const { slice, guard, frame, headerDigest, generation, contours, unusable, lost = [] } = found;
    hash.update(`${slice} ${guardedSizeBytes(guard)} ${frame} ${headerDigest} ${generation ?? '-'}\n`);
    yield 0;
    for (const structure of unusable) hash.update(`  unusable ${JSON.stringify(structure)}\n`);
    for (const [structure, sources] of lost)
      hash.update(`  lost ${JSON.stringify(structure)} ${sources.join()}\n`);
    for (const { structure, kind, roi, digest, offMm, source = 0 } of contours) {
      const from = source === 0 ? '' : ` ${source}`;
      const off = offMm === 0 ? '' : ` off ${offMm}`;
      hash.update(`  ${JSON.stringify(structure)} ${kind} ${roi} ${digest}${from}${off}\n`);
      yield 0;
    }
  }
  return hash.digest('hex');
}

function oneOrNull(values: ReadonlySet<number>): number | null {
  const [first] = values;
  return values.size === 1 && first !== undefined ? first : null;
}

/**
 * Writes a state of a study in small transactions and returns its row; one that is there already is left as it is.
 * The state becomes the present one only when the caller says so.
 */
export async function writeRevision(db: Database, study: FoundStudy): Promise<number> {
  const digest = await revisionDigestInTurns(study);
  // What a scan left unfinished in this process is begun again.
  prepare(db, 'DELETE FROM revision WHERE digest = ? AND complete = 0').run(digest);
  const known = prepare(db, 'SELECT id FROM revision WHERE digest = ?').get(digest) as
    | { id: number }
    | undefined;
  if (known) {
    transact(db, () => refreshSources(db, known.id, study.slices));
    forgetSlices(db);
    return known.id;
  }
  const counts = new Map<string, number>();
  const finder = new ContestFinder();
  await inTurns(
    study.slices,
    ({ header, contours }) => {
      finder.add({ series: header.seriesUid, parts: contours });
      for (const structure of new Set(contours.map((contour) => contour.structure)))
        counts.set(structure, (counts.get(structure) ?? 0) + 1);
    },
    ({ contours }) => 1 + contours.length,
  );
  const structures = Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  const contests = finder.find();
  const contested = new Set(contests.map(({ structure }) => structure));
  const { lastInsertRowid } = prepare(
    db,
    'INSERT INTO revision (digest, study, patient, slices, pairs, structures, rows, columns, contests) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  ).run(
    digest,
    study.id,
    study.patients.length === 0 ? null : study.patients.join(' '),
    study.slices.length,
    study.slices.filter((slice) => slice.contours.length > 0).length,
    JSON.stringify(structures),
    oneOrNull(new Set(study.slices.map((slice) => slice.header.rows))),
    oneOrNull(new Set(study.slices.map((slice) => slice.header.columns))),
    contests.length === 0 ? null : JSON.stringify(contests),
  );
  const revision = Number(lastInsertRowid);
  const slice = prepare(
    db,
    'INSERT INTO slice (revision, ord, slice, path, guard, frame, header, header_digest, checksum, generation, structures, unusable) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const contour = prepare(
    db,
    'INSERT INTO contour (revision, ord, structure, number, kind, roi, points, source, off_mm) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const groups = new SliceGroups();
  const turns = new Turns();
  let rows: (() => void)[] = [];
  const write = () => {
    const written = rows;
    rows = [];
    transact(db, () => {
      for (const row of written) row();
    });
  };
  /** Writes what has gathered when it is enough. */
  const add = async (bytes: number, row: () => void) => {
    rows.push(row);
    if (!turns.isOver(bytes)) return;
    write();
    await othersTurn();
  };
  for (const [ord, found] of study.slices.entries()) {
    const carried = [...new Set(found.contours.map((c) => c.structure))].sort();
    const sources = sourcesOn(found, carried, contested);
    const lost = (found.lost ?? []).filter(([structure]) => contested.has(structure));
    groups.add(traitsOf(found.header, carried, found.unusable, study.isUnread, sources, lost), ord);
    await add(0, () =>
      slice.run(
        revision,
        ord,
        found.slice,
        found.path,
        found.guard,
        found.frame,
        JSON.stringify(found.header),
        found.headerDigest,
        found.checksum,
        found.generation,
        JSON.stringify(carried),
        JSON.stringify(found.unusable),
      ),
    );
    for (const [number, contourFound] of found.contours.entries()) {
      const { structure, kind, roi, points, source = 0, offMm } = contourFound;
      await add(points.length, () =>
        contour.run(revision, ord, structure, number, kind, roi, points, source, offMm),
      );
    }
  }
  write();
  transact(db, () => {
    groups.write(db, revision);
    prepare(db, 'UPDATE revision SET complete = 1 WHERE id = ?').run(revision);
  });
  return revision;
}

/** Returns, for each contested structure of a slice, the sources that it has there. */
function sourcesOn(
  { contours }: FoundSlice,
  carried: readonly string[],
  contested: ReadonlySet<string>,
): StructureSources[] {
  return carried
    .filter((name) => contested.has(name))
    .map((name): StructureSources => {
      const own = contours.filter(({ structure }) => structure === name);
      return [name, [...new Set(own.map(({ source = 0 }) => source))].sort((a, b) => a - b)];
    });
}

/**
 * Takes the places and guards of files that moved or were touched and hold the content that the revision names. Where that is not
 * known for certain and a snapshot stands on the revision, the guard is left open: the load compares the content.
 */
function refreshSources(db: Database, revision: number, slices: readonly FoundSlice[]): void {
  writeLearned(db);
  const held =
    prepare(db, 'SELECT 1 FROM snapshot_study WHERE revision = ? LIMIT 1').get(revision) !== undefined;
  const rows = prepare(db, 'SELECT path, guard, checksum FROM slice WHERE revision = ? ORDER BY ord').all(
    revision,
  ) as {
    path: string;
    guard: string;
    checksum: number | null;
  }[];
  const update = prepare(
    db,
    'UPDATE slice SET path = ?, guard = ?, checksum = ? WHERE revision = ? AND ord = ?',
  );
  slices.forEach(({ path, guard, checksum }, ord) => {
    const row = rows[ord]!;
    if (row.path === path && row.guard === guard) return;
    const proven = checksum !== null && row.checksum === checksum;
    const free = row.checksum === null && !held;
    if (proven || free) update.run(path, guard, checksum, revision, ord);
    else if (row.path !== path) update.run(path, '', row.checksum, revision, ord);
  });
}
