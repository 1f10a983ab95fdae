import fc from 'fast-check';
import t from 'tap';
import { pruneRevisions, pruneSnapshots } from '../../src/catalog/prune.js';
import { type FoundStudy, writeRevision } from '../../src/catalog/revision.js';
import { sliceAt } from '../../src/catalog/slices.js';
import { keepSnapshot, keptSnapshot, locatePair, makeSnapshot } from '../../src/catalog/snapshot.js';
import { presentStudies } from '../../src/catalog/studies.js';
import { foundContour } from '../../src/core/found-contours.js';
import type { SliceId, SnapshotDigest, StudyId } from '../../src/core/ids.js';
import { sha256 } from '../../src/sha256.js';
import type { Database } from '../../src/sqlite.js';
import { temporaryFolder } from '../helper.js';
import { writeImage } from '../loader/sources.js';
import { openCatalogue, present, scanInto, selecting, smallFolder, smallImage, write } from './catalogue.js';

const { header, headerDigest } = writeImage(temporaryFolder(t), 'a.dcm', {
  rows: 2,
  columns: 3,
  pixels: new Uint16Array(6),
});

/** Makes a study present whose slices carry `i` where the pattern says so. */
async function addStudy(db: Database, id: string, carries: readonly boolean[]): Promise<void> {
  const part = { kind: 'text', points: Float64Array.of(0, 0, 1, 0, 0, 1) } as const;
  const contour = foundContour('i', part, sha256);
  const study: FoundStudy = {
    id: id as StudyId,
    patients: [],
    isUnread: false,
    slices: carries.map((has, number) => ({
      slice: String(number) as SliceId,
      path: `${id}/${number}`,
      guard: '1.2.3.4',
      frame: 0,
      header,
      headerDigest,
      checksum: null,
      generation: null,
      unusable: [],
      contours: has ? [contour] : [],
    })),
  };
  const revision = await writeRevision(db, study);
  db.prepare('INSERT OR REPLACE INTO study (id, revision) VALUES (?, ?)').run(id, revision);
}

t.test('a snapshot is its studies in order, each from the sum of those before', async (t) => {
  const db = openCatalogue(t);
  await addStudy(db, 'B', [true, true]);
  await addStudy(db, 'C', [false]);
  await addStudy(db, 'A', [true, false, true, true]);
  const snapshot = present(db);
  t.equal(snapshot.pairs, 5);
  t.match(snapshot.digest, /^[0-9a-f]{64}$/);
  t.strictSame(
    snapshot.studies.map(({ study, first, pairs }) => [study, first, pairs]),
    [
      ['A', 0, 3],
      ['B', 3, 2],
    ],
  );
  t.strictSame(snapshot.summary.shapes, [{ rows: 2, columns: 3, slice: 'A/0' }]);
  t.equal(makeSnapshot(db, [...presentStudies(db)].reverse(), selecting(['i'])).digest, snapshot.digest);
});

t.test('pairs are found by their place', async (t) => {
  const db = openCatalogue(t);
  await addStudy(db, 'A', [true, false, true, true]);
  await addStudy(db, 'B', [true, true]);
  const places = (structures: readonly string[]) => {
    const snapshot = present(db, structures);
    return Array.from({ length: snapshot.pairs }, (_, place) => {
      const { study, ordinal } = locatePair(db, snapshot, place);
      return `${study}/${ordinal}`;
    });
  };
  t.strictSame(places(['i']), ['A/0', 'A/2', 'A/3', 'B/0', 'B/1']);
  t.strictSame(places([]), ['A/0', 'A/1', 'A/2', 'A/3', 'B/0', 'B/1']);
});

t.test('every pair of every snapshot is found, and nothing beside them', async (t) => {
  const patterns = fc.array(fc.array(fc.boolean(), { maxLength: 12 }), { maxLength: 6 });
  const property = fc.asyncProperty(patterns, async (studies) => {
    const db = openCatalogue(t);
    for (const [at, carries] of studies.entries()) await addStudy(db, `S${at}`, carries);
    const snapshot = present(db);
    const wanted = studies.flatMap((carries, at) =>
      carries.flatMap((has, ord) => (has ? [`S${at}/${ord}`] : [])),
    );
    if (snapshot.pairs !== wanted.length) return false;
    return wanted.every((name, place) => {
      const { study, revision, ordinal } = locatePair(db, snapshot, place);
      return `${study}/${sliceAt(db, revision, ordinal).slice}` === name;
    });
  });
  await t.resolves(fc.assert(property, { numRuns: 20 }));
});

t.test('its name is that of its pairs', async (t) => {
  const db = openCatalogue(t);
  await addStudy(db, 'A', [true, false]);
  await addStudy(db, 'B', [true]);
  const all = present(db).digest;
  t.equal(present(db).digest, all);
  t.not(makeSnapshot(db, presentStudies(db).slice(0, 1), selecting(['i'])).digest, all);
  t.not(present(db, []).digest, all);
  await addStudy(db, 'C', [false]);
  t.equal(present(db).digest, all, 'a study without a pair does not count');
  await addStudy(db, 'B', [true, true]);
  t.not(present(db).digest, all);
});

t.test('a snapshot that is kept is untouched by what comes later', async (t) => {
  const root = smallFolder(t);
  const db = openCatalogue(t);
  await scanInto(db, root);
  const snapshot = present(db);
  keepSnapshot(db, snapshot, 1);
  keepSnapshot(db, snapshot, 2);
  write(root, 'dicoms/A/1.dcm', smallImage(1, 'other'));
  await scanInto(db, root);
  t.not(present(db).digest, snapshot.digest);
  const kept = keptSnapshot(db, snapshot.digest)!;
  t.strictSame(kept, snapshot);
  const { revision, ordinal } = locatePair(db, kept, 0);
  t.equal(sliceAt(db, revision, ordinal).slice, '1');
  t.equal(keptSnapshot(db, 'f'.repeat(64) as SnapshotDigest), null);
});

t.test('an empty catalogue has an empty snapshot', async (t) => {
  t.match(present(openCatalogue(t)), { pairs: 0, studies: [], summary: { shapes: [], stored: null } });
});

const DAY_MS = 86_400_000;

/** What a scan removes when so many milliseconds have passed. */
async function prune(db: Database, days: number, nowMs: number): Promise<void> {
  await pruneSnapshots(db, { days, nowMs });
  await pruneRevisions(db);
}

t.test('snapshots and states that nothing stands on go after their days', async (t) => {
  const db = openCatalogue(t);
  const rows = (table: string) => (db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
  await addStudy(db, 'A', [true]);
  const old = present(db);
  keepSnapshot(db, old, 0);
  await addStudy(db, 'A', [true, true]);
  keepSnapshot(db, present(db), 2 * DAY_MS);
  await prune(db, 3, 3 * DAY_MS);
  t.equal(keptSnapshot(db, old.digest)?.digest, old.digest, 'not over its days yet');
  await prune(db, 3, 3 * DAY_MS + 1);
  t.equal(keptSnapshot(db, old.digest), null);
  t.equal(rows('snapshot'), 1);
  t.equal(rows('revision'), 1);
  t.equal(rows('slice'), 2);
  t.equal(present(db).pairs, 2);
});

t.test('a snapshot that a session takes up while others are let go stays', async (t) => {
  const db = openCatalogue(t);
  for (const pattern of [[true], [true, true], [true, true, true]]) {
    await addStudy(db, 'A', pattern);
    keepSnapshot(db, present(db), 0);
  }
  const stale = (db.prepare('SELECT digest FROM snapshot').all() as { digest: SnapshotDigest }[]).map(
    ({ digest }) => digest,
  );
  const pruned = prune(db, 1, 10 * DAY_MS);
  const left = stale.filter((digest) => keptSnapshot(db, digest) !== null);
  t.ok(left.length > 0, 'they go one at a time');
  for (const [at, digest] of left.entries())
    db.prepare(
      "INSERT INTO session (id, request, spec, snapshot, bytes_version, opened_at) VALUES (?, '', '{}', ?, '1', 0)",
    ).run(`s${at}`, digest);
  await t.resolves(pruned);
  t.strictSame(
    left.filter((digest) => keptSnapshot(db, digest) === null),
    [],
  );
});
