import { createHash } from 'node:crypto';
import t from 'tap';
import {
  findSlice,
  forgetSlices,
  learnSources,
  listSlices,
  recordsAt,
  sliceAt,
  writeLearned,
} from '../../src/catalog/slices.js';
import {
  findStudy,
  listStudies,
  patientsOf,
  presentStudies,
  structureCounts,
} from '../../src/catalog/studies.js';
import { openCatalogue, scanInto, smallFolder } from './catalogue.js';

async function open(t: Parameters<typeof smallFolder>[0]) {
  const db = openCatalogue(t);
  await scanInto(db, smallFolder(t));
  return db;
}

t.test('studies come in order of their ids, page by page', async (t) => {
  const db = await open(t);
  const ids = (after: string, limit: number) => listStudies(db, after, limit).map(({ id }) => id);
  t.strictSame(ids('', 10), ['A', 'B']);
  t.strictSame(ids('', 1), ['A']);
  t.strictSame(ids('A', 1), ['B']);
  t.strictSame(ids('B', 1), []);
  t.strictSame(
    presentStudies(db).map(({ study }) => study),
    ['A', 'B'],
  );
});

t.test('a study by its id', async (t) => {
  const db = await open(t);
  t.strictSame(findStudy(db, 'A'), {
    id: 'A',
    slices: 2,
    pairs: 1,
    structures: { i: 1, o: 1 },
    rows: 2,
    columns: 3,
    problems: 0,
  });
  for (const id of ['a', 'C', '', '../A', "A' OR '1'='1"]) t.equal(findStudy(db, id), null, id);
});

t.test('slices come in canonical order, by default those with a contour', async (t) => {
  const db = await open(t);
  const names = (after: number, limit: number, all: boolean) =>
    listSlices(db, 'A', after, limit, all).map(({ slice }) => slice);
  t.strictSame(names(-1, 10, false), ['1']);
  t.strictSame(names(-1, 10, true), ['1', '2']);
  t.strictSame(names(-1, 1, true), ['1']);
  t.strictSame(names(0, 10, true), ['2']);
  t.strictSame(names(0, 10, false), []);
  t.strictSame(listSlices(db, 'nobody', -1, 10, true), []);
});

t.test('a slice by its id, and by its place in its state', async (t) => {
  const db = await open(t);
  const slice = findSlice(db, 'A', '1')!;
  t.match(slice, {
    ordinal: 0,
    slice: '1',
    file: 'dicoms/A/1.dcm',
    frame: 0,
    checksum: null,
    structures: ['i', 'o'],
  });
  t.strictSame(sliceAt(db, slice.revision, slice.ordinal), slice);
  t.equal(findSlice(db, 'A', '3'), null);
  t.equal(findSlice(db, 'C', '1'), null);
  t.throws(() => sliceAt(db, slice.revision, 7), { message: 'a slice of a kept revision is gone' });
});

t.test('how many slices of some studies carry each structure', async (t) => {
  const db = await open(t);
  t.strictSame(
    structureCounts(db, presentStudies(db)),
    new Map([
      ['i', 2],
      ['o', 1],
    ]),
  );
  t.strictSame(structureCounts(db, presentStudies(db).slice(1)), new Map([['i', 1]]));
  t.strictSame(structureCounts(db, []), new Map());
});

t.test('a patient is known as a hash', async (t) => {
  const db = await open(t);
  const [study] = presentStudies(db);
  t.strictSame(patientsOf(db, study!.revision), [createHash('sha256').update('P').digest('hex')]);
  t.strictSame(patientsOf(db, -1), []);
});

t.test('slices are read together, in the order asked for, remembered or not', async (t) => {
  const db = await open(t);
  const [first, second] = [findSlice(db, 'A', '1')!, findSlice(db, 'A', '2')!];
  const [remembered] = recordsAt(db, [second]);
  const records = recordsAt(db, [first, second, first]);
  t.strictSame(
    records.map(({ slice }) => slice),
    ['1', '2', '1'],
  );
  t.equal(records[1], remembered);
  t.strictSame(recordsAt(db, []), []);
  const gone = { revision: first.revision, ordinal: 7 };
  t.throws(() => recordsAt(db, [first, gone, second]), { message: 'a slice of a kept revision is gone' });
});

t.test('a checksum is learned once, a guard each time', async (t) => {
  const db = await open(t);
  const slice = findSlice(db, 'A', '1')!;
  const { revision, ordinal } = slice;
  const remembered = sliceAt(db, revision, ordinal);
  learnSources(db, [{ slice, checksum: null, guard: null }]);
  t.strictSame(sliceAt(db, revision, ordinal), remembered);
  learnSources(db, [{ slice, checksum: 7, guard: null }]);
  learnSources(db, [{ slice, checksum: 8, guard: 'guard' }]);
  t.match(sliceAt(db, revision, ordinal), { checksum: 7, guard: 'guard' }, 'it counts at once');
  t.strictSame(findSlice(db, 'A', '1'), slice, 'and is written when that is asked for');
  writeLearned(db);
  t.match(findSlice(db, 'A', '1'), { checksum: 7, guard: 'guard' });
  t.match(findSlice(db, 'A', '2'), { checksum: null });
});

t.test('what was learned is not lost with what is remembered', async (t) => {
  const db = await open(t);
  const slice = findSlice(db, 'A', '1')!;
  learnSources(db, [{ slice, checksum: 7, guard: null }]);
  forgetSlices(db);
  t.equal(sliceAt(db, slice.revision, slice.ordinal).checksum, 7);
});
