import { createHash } from 'node:crypto';
import { BYTES_VERSION } from '../core/bytes-version.js';
import type { SnapshotDigest, StudyId } from '../core/ids.js';
import { Recent } from '../recent.js';
import { type Database, prepare, transact } from '../sqlite.js';
import {
  type Flagged,
  joinRanges,
  type Selection,
  type SelectionSummary,
  selectedOrdinals,
  selectionDigest,
  selectionKey,
  selectPairs,
  type Unused,
} from './selection.js';
import type { StudyState } from './studies.js';

/** A study's part in a snapshot: pairs [first, first + pairs). */
interface SnapshotStudy {
  readonly study: StudyId;
  readonly revision: number;
  readonly first: number;
  readonly pairs: number;
}

/** A frozen, ordered list of pairs: one entry a study, and a search for each pair. */
export interface Snapshot {
  readonly digest: SnapshotDigest;
  readonly selection: Selection;
  readonly pairs: number;
  readonly studies: readonly SnapshotStudy[];
  readonly summary: SelectionSummary & {
    readonly shapes: readonly { rows: number; columns: number; slice: string }[];
  };
}

/** Where a pair of a snapshot stands in the catalogue. */
export interface PairPlace {
  readonly study: StudyId;
  readonly revision: number;
  /** The slice's place among all slices of its revision. */
  readonly ordinal: number;
}

interface RevisionRow {
  readonly id: number;
  readonly digest: string;
  readonly study: string;
}

function assemble(
  db: Database,
  revisions: readonly RevisionRow[],
  selection: Selection,
  flagged: Flagged | null = null,
  unused: Unused = new Map(),
): Snapshot {
  const hash = createHash('sha256').update(`snapshot 1\n${selectionKey(selection)}\n`);
  const studies: SnapshotStudy[] = [];
  const shapes = new Map<string, SelectionSummary['shapes'][number]>();
  const channels = new Set<1 | 3>();
  let pairs = 0;
  let stored: SelectionSummary['stored'] = null;
  let rescaled: SelectionSummary['rescaled'] = null;
  let unusable = 0;
  for (const { id, digest, study } of revisions) {
    const selected = selectPairs(db, id, selection, flagged, unused);
    if (selected.pairs === 0) continue;
    unusable += selected.summary.unusable ?? 0;
    hash.update(`${study} ${digest} ${selected.digest}\n`);
    studies.push({ study: study as StudyId, revision: id, first: pairs, pairs: selected.pairs });
    pairs += selected.pairs;
    for (const { rows, columns, slice } of selected.summary.shapes) {
      const key = `${rows}x${columns}`;
      if (!shapes.has(key)) shapes.set(key, { rows, columns, slice: `${study}/${slice}` });
    }
    for (const channel of selected.summary.channels) channels.add(channel);
    stored = joinRanges(stored, selected.summary.stored);
    rescaled = joinRanges(rescaled, selected.summary.rescaled);
  }
  return {
    digest: hash.digest('hex') as SnapshotDigest,
    selection,
    pairs,
    studies,
    summary: { shapes: [...shapes.values()], channels: [...channels].sort(), stored, rescaled, unusable },
  };
}

/** The snapshot of these states of studies, in order of the studies' ids; not kept until `keepSnapshot`. */
export function makeSnapshot(
  db: Database,
  studies: readonly StudyState[],
  selection: Selection,
  flagged: Flagged | null = null,
  unused: Unused = new Map(),
): Snapshot {
  const ordered = [...studies].sort((a, b) => (a.study < b.study ? -1 : 1));
  const key = `${JSON.stringify(selection)} ${ordered.map(({ revision }) => revision).join()}`;
  let recent = made.get(db);
  if (!recent) {
    recent = new Recent(SNAPSHOTS_REMEMBERED);
    made.set(db, recent);
  }
  return recent.get(key, () => {
    const row = prepare(db, 'SELECT id, digest, study FROM revision WHERE id = ?');
    const revisions = ordered.map(({ revision }) => row.get(revision));
    // What is worked out of each revision is kept: together, for one commit a study is what would take longest.
    return transact(db, () =>
      assemble(db, revisions as unknown as RevisionRow[], selection, flagged, unused),
    );
  });
}

const SNAPSHOTS_REMEMBERED = 8;
/** Revisions never change, so what was put together of them stays right while the rows of its selection are there. */
const made = new WeakMap<Database, Recent<string, Snapshot>>();

/** To be called where rows of a selection were removed: a snapshot of it must be made anew. */
export function forgetMade(db: Database): void {
  made.delete(db);
}

/** Writes a snapshot down so that a session may stand on it; call it inside the transaction that writes the session. */
export function keepSnapshot(db: Database, snapshot: Snapshot, nowMs: number): void {
  const { changes } = prepare(
    db,
    'INSERT OR IGNORE INTO snapshot (digest, selection, selection_digest, pairs, used_at, bytes_version) VALUES (?, ?, ?, ?, ?, ?)',
  ).run(
    snapshot.digest,
    JSON.stringify(snapshot.selection),
    selectionDigest(snapshot.selection),
    snapshot.pairs,
    nowMs,
    BYTES_VERSION,
  );
  if (Number(changes) === 0) return;
  const insert = prepare(db, 'INSERT INTO snapshot_study (snapshot, number, revision) VALUES (?, ?, ?)');
  snapshot.studies.forEach(({ revision }, number) => {
    insert.run(snapshot.digest, number, revision);
  });
}

/** A snapshot that was kept, or null. */
export function keptSnapshot(db: Database, digest: SnapshotDigest): Snapshot | null {
  const row = prepare(db, 'SELECT selection FROM snapshot WHERE digest = ?').get(digest) as
    | { selection: string }
    | undefined;
  if (!row) return null;
  const revisions = prepare(
    db,
    'SELECT r.id, r.digest, r.study FROM snapshot_study s JOIN revision r ON r.id = s.revision WHERE s.snapshot = ? ORDER BY s.number',
  ).all(digest) as unknown as RevisionRow[];
  return assemble(db, revisions, JSON.parse(row.selection));
}

/** Removes what batches of a snapshot said of their slots; to be called with the removal of the snapshot. */
export function dropAnswers(db: Database, digest: string): void {
  for (const table of ['answered', 'verdict', 'given'])
    prepare(db, `DELETE FROM ${table} WHERE snapshot = ?`).run(digest);
}

/** The bytes version of the release that read the files of a kept snapshot; null where it is not kept. */
export function bytesVersionOf(db: Database, digest: SnapshotDigest): string | null {
  const row = prepare(db, 'SELECT bytes_version FROM snapshot WHERE digest = ?').get(digest) as
    | { bytes_version: string }
    | undefined;
  return row?.bytes_version ?? null;
}

/** Finds pair `place` of a snapshot by its prefix sums. */
export function locatePair(db: Database, snapshot: Snapshot, place: number): PairPlace {
  let low = 0;
  let high = snapshot.studies.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (snapshot.studies[middle]!.first <= place) low = middle;
    else high = middle - 1;
  }
  const { study, revision, first } = snapshot.studies[low]!;
  const ordinals = ordinalsOf(db, snapshot, revision);
  return { study, revision, ordinal: ordinals ? ordinals[place - first]! : place - first };
}

/** Four bytes a pair, read when a study's first pair is asked for, and gone with the snapshot. */
const ordinals = new WeakMap<Snapshot, Map<number, Uint32Array | null>>();

function ordinalsOf(db: Database, snapshot: Snapshot, revision: number): Uint32Array | null {
  let known = ordinals.get(snapshot);
  if (!known) {
    known = new Map();
    ordinals.set(snapshot, known);
  }
  let places = known.get(revision);
  if (places === undefined) {
    places = selectedOrdinals(db, revision, snapshot.selection);
    known.set(revision, places);
  }
  return places;
}
