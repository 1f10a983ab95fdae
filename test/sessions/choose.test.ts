import t, { type Test } from 'tap';
import { keepSnapshot } from '../../src/catalog/snapshot.js';
import { presentStudies } from '../../src/catalog/studies.js';
import { SlfError } from '../../src/errors.js';
import { chooseSnapshot, chooseStudies, foldOf, splitOf } from '../../src/sessions/choose.js';
import type { SpecRequest } from '../../src/sessions/request.js';
import type { Database } from '../../src/sqlite.js';
import { catalogOf, slices } from '../fixtures/found-studies.js';

/** What is refused, and for which field. */
function refuses(t: Test, work: () => unknown, code: string, field: string, detail = /./): void {
  let thrown: unknown;
  try {
    work();
  } catch (error) {
    thrown = error;
  }
  t.ok(thrown instanceof SlfError, `${code} is thrown`);
  t.match(thrown, { code, subject: { field }, detail });
}

/** The ids of the present studies that a request asks for. */
const idsOf = (db: Database, request: SpecRequest) =>
  chooseStudies(db, request, presentStudies(db)).map(({ study }) => study);

function digest(db: Database, request: SpecRequest): string {
  return chooseSnapshot(db, request).digest;
}

t.test('studies are chosen by name, the others left out, and an unknown one is refused', async (t) => {
  const db = await catalogOf(t, { A: { slices: [] }, B: { slices: [] }, C: { slices: [] } });
  const chosen = (request: SpecRequest) => idsOf(db, request);
  t.strictSame(chosen({}), ['A', 'B', 'C']);
  t.strictSame(chosen({ studies: 'all', excludeStudies: ['B'] }), ['A', 'C']);
  t.strictSame(chosen({ studies: ['C', 'A'] }), ['A', 'C'], 'in catalogue order');
  t.strictSame(chosen({ studies: ['A', 'B'], excludeStudies: ['B'] }), ['A']);
  t.strictSame(chosen({ studies: [] }), []);
  refuses(t, () => chosen({ studies: ['A', 'x'] }), 'SLF_STUDY_MISSING', 'studies');
  refuses(t, () => chosen({ excludeStudies: ['x'] }), 'SLF_STUDY_MISSING', 'excludeStudies');
});

const MANY = Object.fromEntries(
  Array.from({ length: 300 }, (_, n) => [
    `S${String(n).padStart(3, '0')}`,
    { patient: `patient ${n % 100}`, slices: [] },
  ]),
);

t.test('folds are by patient, cover everybody, and are about equally large', async (t) => {
  const db = await catalogOf(t, MANY);
  const folds = new Map<string, number>();
  const strays = presentStudies(db).filter((state) => {
    const fold = foldOf(db, state, { of: 4, parts: [], seed: 0 });
    const { patient } = MANY[state.study]!;
    const before = folds.get(patient) ?? fold;
    folds.set(patient, before);
    return before !== fold;
  });
  t.strictSame(strays, [], 'one patient, one fold');
  const sizes = [0, 1, 2, 3].map((fold) => [...folds.values()].filter((one) => one === fold).length);
  t.equal(
    sizes.reduce((sum, size) => sum + size, 0),
    100,
  );
  // Of 100 patients in 4 folds each expects 25, with a deviation of 4.3.
  t.ok(
    sizes.every((size) => size > 10 && size < 40),
    sizes.join(),
  );
});

t.test('the parts of a split divide the studies among them', async (t) => {
  const db = await catalogOf(t, MANY);
  const of = (parts: number[], seed = 0) => idsOf(db, { split: { of: 5, parts, seed } });
  const each = [0, 1, 2, 3, 4].map((part) => of([part]));
  t.strictSame(each.flat().sort(), Object.keys(MANY).sort());
  t.strictSame([...of([0]), ...of([2]), ...of([4])].sort(), of([4, 0, 2]));
  t.strictSame(of([3, 3]), of([3]));
  t.notSame(of([0], 1), of([0]), 'another seed, other folds');
  t.strictSame(of([0], 1), of([0], 1));
});

t.test('which fold a patient falls into does not depend on who else is there', async (t) => {
  const many = await catalogOf(t, MANY);
  const alone = await catalogOf(t, { OTHER: { patient: 'patient 7', slices: [] } });
  const state = (db: Database, id: string) => presentStudies(db).find(({ study }) => study === id)!;
  for (const seed of [0, 1, 2 ** 53 - 1]) {
    const split = { of: 7, parts: [], seed };
    t.equal(foldOf(alone, state(alone, 'OTHER'), split), foldOf(many, state(many, 'S007'), split));
  }
});

t.test('a study without a patient is its own', async (t) => {
  const nobody = Object.fromEntries(
    Array.from({ length: 50 }, (_, n) => [`S${n}`, { patient: null, slices: [] }]),
  );
  const db = await catalogOf(t, nobody);
  const folds = presentStudies(db).map((state) => foldOf(db, state, { of: 2, parts: [], seed: 0 }));
  t.equal(new Set(folds).size, 2);
});

t.test('a part that the split does not have is refused', async (t) => {
  t.strictSame(splitOf({}), null);
  t.strictSame(splitOf({ split: { of: 3, parts: [2, 0, 2] } }), { of: 3, parts: [0, 2], seed: 0 });
  refuses(t, () => splitOf({ split: { of: 3, parts: [0, 3] } }), 'SLF_SPEC_CONFLICT', 'split.parts', /3/);
});

t.test('without structures the one that most slices carry is taken', async (t) => {
  const db = await catalogOf(t, {
    A: { slices: [...slices(3, ['o']), ...slices(2, ['i'])] },
    B: { slices: slices(2, ['i', 'x']) },
  });
  const chosen = (request: SpecRequest) => chooseSnapshot(db, request).selection.structures;
  t.strictSame(chosen({}), ['i']);
  t.strictSame(chosen({ studies: ['A'] }), ['o'], 'of the studies that are left');
  t.strictSame(chosen({ studies: ['B'] }), ['i'], 'equal counts: the first by name');
  t.strictSame(chosen({ rename: { z: ['o', 'x'] } }), ['z'], 'renamed ones count together');
  const bare = await catalogOf(t, { A: { slices: slices(4, []) } });
  t.match(
    chooseSnapshot(bare, {}),
    { pairs: 4, selection: { structures: [] } },
    'without any contour: images alone',
  );
});

t.test('a pair has all structures, or with missing empty some of them', async (t) => {
  const db = await catalogOf(t, {
    A: { slices: [...slices(3, ['i', 'o']), ...slices(2, ['i']), ...slices(1, ['o']), ...slices(5, [])] },
  });
  const pairs = (request: SpecRequest) => chooseSnapshot(db, request).pairs;
  t.equal(pairs({ structures: ['i', 'o'] }), 3);
  t.equal(pairs({ structures: ['i', 'o'], missing: 'empty' }), 6);
  t.equal(pairs({ structures: ['i'], missing: 'empty' }), 5);
  t.equal(pairs({ structures: [] }), 11);
});

t.test('a renamed structure is where any of its names is', async (t) => {
  const db = await catalogOf(t, {
    A: { slices: [...slices(2, ['lv']), ...slices(1, ['LV']), ...slices(4, ['i'])] },
  });
  const pairs = (request: SpecRequest) => chooseSnapshot(db, request).pairs;
  t.equal(pairs({ structures: ['LV'] }), 1);
  t.equal(pairs({ structures: ['LV'], rename: { LV: ['lv'] } }), 3);
  t.equal(pairs({ structures: ['all'], rename: { all: ['lv', 'LV', 'i'] } }), 7);
  refuses(
    t,
    () => pairs({ structures: ['a'], rename: { a: ['i'], b: ['i'] } }),
    'SLF_SPEC_CONFLICT',
    'rename',
    /"i"/,
  );
});

t.test('where keeps the slices of a modality and of a series', async (t) => {
  const db = await catalogOf(t, {
    A: { slices: [...slices(2, ['i'], { modality: 'CT' }), ...slices(3, ['i'], { seriesUid: '9.9' })] },
  });
  const pairs = (where: SpecRequest['where']) =>
    chooseSnapshot(db, { structures: ['i'], where: where ?? {} }).pairs;
  t.equal(pairs({}), 5);
  t.equal(pairs({ modality: ['CT'] }), 2);
  t.equal(pairs({ modality: ['CT', 'MR'] }), 5);
  t.equal(pairs({ series: ['9.9'] }), 3);
  refuses(t, () => pairs({ modality: ['CT'], series: ['9.9'] }), 'SLF_NO_PAIRS', 'structures');
});

t.test('no pair is refused with what there is', async (t) => {
  const db = await catalogOf(t, { A: { slices: slices(1, ['o', 'i']) } });
  refuses(t, () => chooseSnapshot(db, { structures: ['z'] }), 'SLF_NO_PAIRS', 'structures', /z.*i, o/);
  refuses(t, () => chooseSnapshot(db, { excludeStudies: ['A'] }), 'SLF_NO_PAIRS', 'studies');
  refuses(t, () => chooseSnapshot(db, { structures: ['i', 'i'] }), 'SLF_SPEC_CONFLICT', 'structures');
});

t.test('a snapshot is named by the pairs it holds', async (t) => {
  const told = { A: { slices: slices(2, ['i', 'o']) }, B: { slices: slices(3, ['i']) } };
  const [db, again] = [await catalogOf(t, told), await catalogOf(t, { B: told.B, A: told.A })];
  t.equal(digest(db, {}), digest(again, {}), 'the same studies found in another order');
  t.equal(digest(db, { structures: ['i', 'o'] }), digest(db, { structures: ['o', 'i'] }));
  t.equal(digest(db, { studies: ['A'] }), digest(db, { excludeStudies: ['B'] }));
  const other = await catalogOf(t, { A: { slices: slices(2, ['i']) }, B: told.B });
  const names = [
    digest(db, {}),
    digest(db, { studies: ['A'] }),
    digest(db, { structures: [] }),
    digest(other, {}),
  ];
  t.equal(new Set(names).size, names.length);
});

t.test('a kept snapshot is reopened as it was, and what contradicts it is refused', async (t) => {
  const db = await catalogOf(t, { A: { slices: slices(2, ['i', 'o']) }, B: { slices: slices(3, ['i']) } });
  const snapshot = chooseSnapshot(db, { structures: ['i'] });
  refuses(t, () => chooseSnapshot(db, { snapshot: snapshot.digest }), 'SLF_SNAPSHOT_GONE', 'snapshot');
  keepSnapshot(db, snapshot, 0);
  db.exec("DELETE FROM study WHERE id = 'B'");
  t.strictSame(
    chooseSnapshot(db, { snapshot: snapshot.digest }),
    snapshot,
    'also when a study is no longer there',
  );
  t.strictSame(
    chooseSnapshot(db, { snapshot: snapshot.digest, structures: ['i'], where: {}, missing: 'exclude' }),
    snapshot,
  );
  for (const [field, request] of Object.entries({
    structures: { structures: ['o'] },
    missing: { missing: 'empty' },
    where: { where: { modality: ['MR'] } },
    rename: { rename: { i: ['o'] } },
    studies: { studies: ['A'] },
  } as const))
    refuses(
      t,
      () => chooseSnapshot(db, { snapshot: snapshot.digest, ...(request as SpecRequest) }),
      'SLF_SPEC_CONFLICT',
      field,
    );
  refuses(
    t,
    () => chooseSnapshot(db, { snapshot: snapshot.digest, excludeStudies: ['A'] }),
    'SLF_SPEC_CONFLICT',
    'studies',
  );
});

t.test('the request that made a snapshot reopens it', async (t) => {
  const db = await catalogOf(t, {
    A: { slices: slices(2, ['i']) },
    B: { slices: slices(3, ['i']) },
    C: { slices: slices(3, ['o']) },
  });
  for (const request of [
    { excludeStudies: ['B'] },
    { studies: ['A', 'C'] },
    { studies: ['B', 'C'], excludeStudies: ['C'] },
  ]) {
    const snapshot = chooseSnapshot(db, { ...request, structures: ['i'] });
    keepSnapshot(db, snapshot, 0);
    const again = chooseSnapshot(db, { ...request, structures: ['i'], snapshot: snapshot.digest });
    t.equal(again.digest, snapshot.digest, JSON.stringify(request));
  }
});

t.test('a split still holds for a snapshot whose studies have gone', async (t) => {
  const told = Object.fromEntries(
    Array.from({ length: 12 }, (_, n) => [`S${n}`, { patient: `p${n}`, slices: slices(1, ['i']) }]),
  );
  const db = await catalogOf(t, told);
  const split = { of: 3, parts: [0, 1] };
  const snapshot = chooseSnapshot(db, { split });
  keepSnapshot(db, snapshot, 0);
  db.exec('DELETE FROM study');
  t.equal(chooseSnapshot(db, { split, snapshot: snapshot.digest }).digest, snapshot.digest);
});

t.test('the order of names in a list does not count', async (t) => {
  const db = await catalogOf(t, { A: { slices: slices(2, ['i', 'o']) } });
  const made = { structures: ['z'], where: { modality: ['CT', 'MR'] }, rename: { z: ['i', 'o'] } };
  const other = { structures: ['z'], where: { modality: ['MR', 'CT'] }, rename: { z: ['o', 'i'] } };
  const snapshot = chooseSnapshot(db, made);
  t.equal(chooseSnapshot(db, other).digest, snapshot.digest);
  keepSnapshot(db, snapshot, 0);
  t.equal(chooseSnapshot(db, { ...other, snapshot: snapshot.digest }).digest, snapshot.digest);
});
