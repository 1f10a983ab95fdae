import t from 'tap';
import { ANSWERED_KEPT, pruneSnapshots, SNAPSHOTS_KEPT } from '../../src/catalog/prune.js';
import { type Flagged, type Selection, selectPairs } from '../../src/catalog/selection.js';
import {
  keepSnapshot,
  keptSnapshot,
  locatePair,
  makeSnapshot,
  type Snapshot,
} from '../../src/catalog/snapshot.js';
import { presentStudies } from '../../src/catalog/studies.js';
import type { PairId } from '../../src/core/ids.js';
import { Verdicts } from '../../src/sessions/verdicts.js';
import type { Database } from '../../src/sqlite.js';
import { openCatalogue, scanInto, selecting, smallFolder } from './catalogue.js';

const DAY_MS = 86_400_000;
const NOW = { days: 30, nowMs: DAY_MS };

async function catalogue(t: Parameters<typeof smallFolder>[0]): Promise<Database> {
  const db = openCatalogue(t);
  await scanInto(db, smallFolder(t));
  return db;
}

/** A selection that has the same pairs as every other one of these, and another name. */
function renamed(number: number): Selection {
  return selecting(['i'], { rename: { i: [`other ${number}`] } });
}

function make(db: Database, selection: Selection, flagged: Flagged | null = null): Snapshot {
  return makeSnapshot(db, presentStudies(db), selection, flagged);
}

/** Keeps a snapshot as a session does that is deleted at that time. */
function rest(db: Database, selection: Selection, atMs: number): Snapshot {
  const snapshot = make(db, selection);
  keepSnapshot(db, snapshot, atMs);
  return snapshot;
}

function standOn(db: Database, snapshot: Snapshot): void {
  db.prepare(
    "INSERT INTO session (id, request, spec, snapshot, bytes_version, opened_at) VALUES (?, '', '{}', ?, '2', 0)",
  ).run(snapshot.digest, snapshot.digest);
}

function rows(db: Database, table: string): number {
  return (db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
}

/** The names of all pairs' slices by their places: reads the rows that a snapshot counts on. */
function pairsOf(db: Database, snapshot: Snapshot): string[] {
  return Array.from({ length: snapshot.pairs }, (_, place) => {
    const { study, ordinal } = locatePair(db, snapshot, place);
    return `${study}/${ordinal}`;
  });
}

t.test('of snapshots without a session, those that were in use last are kept', async (t) => {
  const db = await catalogue(t);
  const stoodOn = rest(db, renamed(0), 0);
  standOn(db, stoodOn);
  const resting = Array.from({ length: SNAPSHOTS_KEPT + 5 }, (_, at) => rest(db, renamed(at + 1), at));
  db.prepare("INSERT INTO verdict VALUES (?, 'd', 0, 0, 0, 'A/1', 'C', NULL, '')").run(resting[4]!.digest);
  db.prepare("INSERT INTO given VALUES (?, 'd', 0, 0, x'00')").run(resting[4]!.digest);
  await pruneSnapshots(db, NOW);
  const isKept = ({ digest }: Snapshot) => keptSnapshot(db, digest) !== null;
  t.strictSame(
    resting.map(isKept),
    resting.map((_, at) => at >= 5),
  );
  t.ok(isKept(stoodOn), 'one that a session stands on is not counted');
  t.equal(rows(db, 'snapshot'), SNAPSHOTS_KEPT + 1);
  t.equal(rows(db, 'snapshot_study'), 2 * (SNAPSHOTS_KEPT + 1));
  t.equal(rows(db, 'selection'), 2 * (SNAPSHOTS_KEPT + 1), 'a row for each study');
  t.equal(rows(db, 'verdict') + rows(db, 'given'), 0);
  t.strictSame(pairsOf(db, keptSnapshot(db, stoodOn.digest)!), ['A/0', 'B/0']);
});

t.test('of what deleted sessions masked, that of the specs in use last is kept', async (t) => {
  const db = await catalogue(t);
  const { digest } = rest(db, selecting(['i']), DAY_MS);
  standOn(db, keptSnapshot(db, digest)!);
  db.prepare("UPDATE session SET spec_digest = 'spec 1'").run();
  const address = (number: number) => ({ snapshot: digest, specDigest: `spec ${number}`, rank: 0, step: 3 });
  const verdicts = new Verdicts(db);
  const masked = { slot: 1, pair: 'A/1' as PairId, code: 'VALUE_RANGE', file: null, detail: '' };
  for (let number = 0; number < ANSWERED_KEPT + 3; number++) {
    verdicts.give(address(number), [masked]);
    db.prepare('UPDATE answered SET used_at = ? WHERE spec_digest = ?').run(number, `spec ${number}`);
  }
  await pruneSnapshots(db, NOW);
  t.strictSame(
    [0, 1, 2, 3, ANSWERED_KEPT + 2].map((number) => verdicts.said(address(number)).length),
    [0, 1, 0, 1, 1],
  );
  t.strictSame(
    [0, 1, 2, 3].map((number) => verdicts.wasGiven(address(number))),
    [false, true, false, true],
    'a session has the second',
  );
  for (const table of ['answered', 'verdict', 'given']) t.equal(rows(db, table), ANSWERED_KEPT + 1, table);
  db.exec('UPDATE session SET spec_digest = NULL');
  verdicts.give(address(0), [masked]);
  await pruneSnapshots(db, NOW);
  t.equal(rows(db, 'answered'), ANSWERED_KEPT + 2, 'under a session of an earlier format nothing goes');
  db.exec('DELETE FROM session');
  await pruneSnapshots(db, { days: 0, nowMs: 2 * DAY_MS });
  for (const table of ['answered', 'verdict', 'given']) t.equal(rows(db, table), 0, table);
});

t.test('selections that no snapshot came of go', async (t) => {
  const db = await catalogue(t);
  make(db, selecting(['i']));
  make(db, selecting(['none']));
  t.equal(rows(db, 'selection'), 4);
  await pruneSnapshots(db, NOW);
  t.equal(rows(db, 'selection'), 0);
});

t.test('a snapshot that is made again after it was let go has its pairs', async (t) => {
  const db = await catalogue(t);
  const first = rest(db, selecting(['o']), 0);
  await pruneSnapshots(db, { days: 0, nowMs: DAY_MS });
  t.equal(keptSnapshot(db, first.digest), null);
  t.equal(rows(db, 'selection'), 0);
  const again = rest(db, selecting(['o']), DAY_MS);
  t.equal(again.digest, first.digest);
  t.strictSame(pairsOf(db, again), ['A/0']);
  t.strictSame(pairsOf(db, keptSnapshot(db, again.digest)!), ['A/0']);
});

t.test('what the quality report left out stays left out while the snapshot is kept', async (t) => {
  const db = await catalogue(t);
  const flagged: Flagged = new Map(
    presentStudies(db).map(({ study, revision }) => [revision, new Set(study === 'A' ? [0] : [])]),
  );
  const selection = selecting(['i'], { leftOut: { codes: ['TINY'], digest: 'of A/0' } });
  const snapshot = make(db, selection, flagged);
  keepSnapshot(db, snapshot, 0);
  await pruneSnapshots(db, NOW);
  t.strictSame(pairsOf(db, keptSnapshot(db, snapshot.digest)!), ['B/0']);
  await pruneSnapshots(db, { days: 0, nowMs: DAY_MS });
  const again = make(db, selection, flagged);
  t.equal(again.digest, snapshot.digest);
  t.strictSame(pairsOf(db, again), ['B/0']);
});

t.test('a session that is opened in the middle of a sweep keeps all that it needs', async (t) => {
  const db = await catalogue(t);
  const selections = [1, 2, 3, 4].map(renamed);
  for (const selection of selections) rest(db, selection, 0);
  // All snapshots are gone after the first turns, their selections one by one in those that follow.
  for (const turns of [0, 1, 2, 3, 4, 5, 6, 7, 8]) {
    const swept = pruneSnapshots(db, { days: 0, nowMs: DAY_MS });
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    const opened = selections.map((selection) => rest(db, selection, DAY_MS));
    for (const snapshot of opened) standOn(db, snapshot);
    await swept;
    for (const { digest } of opened)
      t.strictSame(pairsOf(db, keptSnapshot(db, digest)!), ['A/0', 'B/0'], `after ${turns} turns`);
    t.equal(rows(db, 'selection'), 8);
    db.exec('DELETE FROM session; UPDATE snapshot SET used_at = 0');
  }
});

t.test('a snapshot that was in use again since the sweep began stays', async (t) => {
  const db = await catalogue(t);
  const snapshots = [1, 2].map((number) => rest(db, renamed(number), 0));
  const swept = pruneSnapshots(db, { days: 0, nowMs: DAY_MS });
  const left = snapshots.filter(({ digest }) => keptSnapshot(db, digest) !== null);
  t.equal(left.length, 1, 'they go one at a time');
  db.exec(`UPDATE snapshot SET used_at = ${DAY_MS}`);
  await swept;
  t.not(keptSnapshot(db, left[0]!.digest), null);
});

t.test('a sweep that is told to end leaves the rest for the next one', async (t) => {
  const db = await catalogue(t);
  for (const number of [1, 2, 3]) rest(db, renamed(number), 0);
  const ending = new AbortController();
  const swept = pruneSnapshots(db, { days: 0, nowMs: DAY_MS }, ending.signal);
  ending.abort();
  await swept;
  t.equal(rows(db, 'snapshot'), 2);
  t.equal(rows(db, 'selection'), 6);
  await pruneSnapshots(db, { days: 0, nowMs: DAY_MS });
  t.equal(rows(db, 'snapshot') + rows(db, 'selection'), 0);
});

t.test('a revision with rows of many selections keeps those in use', async (t) => {
  const db = await catalogue(t);
  const { revision } = presentStudies(db)[0]!;
  const kept = rest(db, renamed(0), DAY_MS);
  for (let number = 1; number < 300; number++) selectPairs(db, revision, renamed(number));
  await pruneSnapshots(db, NOW);
  t.equal(rows(db, 'selection'), 2);
  t.strictSame(pairsOf(db, kept), ['A/0', 'B/0']);
});
