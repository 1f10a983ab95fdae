import t, { type Test } from 'tap';
import { keepSnapshot } from '../../src/catalog/snapshot.js';
import { presentStudies, type StudyState } from '../../src/catalog/studies.js';
import { SlfError } from '../../src/errors.js';
import { chooseSnapshot, chooseStudies } from '../../src/sessions/choose.js';
import { foldOf, splitKeys, splitOf } from '../../src/sessions/folds.js';
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

/** The fold of a present study. */
function foldIn(
  db: Database,
  state: StudyState,
  split: { readonly of: number; readonly seed: number },
): number {
  return foldOf(splitKeys(db, [])(state), split);
}

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
    { patient: `patient-${n % 100}`, slices: [] },
  ]),
);

t.test('folds are by patient, cover everybody, and are about equally large', async (t) => {
  const db = await catalogOf(t, MANY);
  const folds = new Map<string, number>();
  const strays = presentStudies(db).filter((state) => {
    const fold = foldIn(db, state, { of: 4, seed: 0 });
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
  const alone = await catalogOf(t, { OTHER: { patient: 'patient-7', slices: [] } });
  const state = (db: Database, id: string) => presentStudies(db).find(({ study }) => study === id)!;
  for (const seed of [0, 1, 2 ** 53 - 1]) {
    const split = { of: 7, seed };
    t.equal(foldIn(alone, state(alone, 'OTHER'), split), foldIn(many, state(many, 'S007'), split));
  }
});

t.test('a study without a patient is its own', async (t) => {
  const nobody = Object.fromEntries(
    Array.from({ length: 50 }, (_, n) => [`S${n}`, { patient: null, slices: [] }]),
  );
  const db = await catalogOf(t, nobody);
  const folds = presentStudies(db).map((state) => foldIn(db, state, { of: 2, seed: 0 }));
  t.equal(new Set(folds).size, 2);
});

t.test('a study of several patients is in one fold with all their studies', async (t) => {
  const told = {
    MIXED: { patient: 'a b', slices: slices(1, ['i']) },
    A: { patient: 'a', slices: slices(1, ['i']) },
    B: { patient: 'b', slices: slices(1, ['i']) },
    BC: { patient: 'b c', slices: slices(1, ['i']) },
    C: { patient: 'c', slices: slices(1, ['i']) },
    D: { patient: 'd', slices: slices(1, ['i']) },
  };
  const db = await catalogOf(t, told);
  const seeds = Array.from({ length: 20 }, (_, seed) => seed);
  for (const seed of seeds) {
    const folds = new Map(
      presentStudies(db).map((state) => [state.study as string, foldIn(db, state, { of: 10, seed })]),
    );
    const joined = new Set(['MIXED', 'A', 'B', 'BC', 'C'].map((id) => folds.get(id)));
    t.equal(joined.size, 1, `seed ${seed}`);
  }
  const apart = seeds.filter((seed) => {
    const [a, d] = ['A', 'D'].map((id) => presentStudies(db).find(({ study }) => study === id)!);
    return foldIn(db, a!, { of: 10, seed }) !== foldIn(db, d!, { of: 10, seed });
  });
  t.ok(apart.length > 10, 'another patient is elsewhere');
  const split = { of: 10, parts: [0, 1, 2, 3, 4], seed: 1 };
  const sides = [split, { ...split, parts: [5, 6, 7, 8, 9] }].map((each) => idsOf(db, { split: each }));
  t.strictSame(sides.flat().sort(), Object.keys(told).sort(), 'each study is on one side');
  t.ok(
    sides.some((ids) => ['MIXED', 'A', 'B', 'BC', 'C'].every((id) => ids.includes(id as never))),
    'and those of joined patients on the same',
  );
});

t.test(
  'training and validation have the same structure: the default is chosen before the split',
  async (t) => {
    // By patient: most slices carry o, in some folds most carry i.
    const told = Object.fromEntries(
      Array.from({ length: 12 }, (_, n) => [
        `S${n}`,
        {
          patient: `p${n}`,
          slices: n % 3 === 0 ? [...slices(3, ['i']), ...slices(1, ['o'])] : slices(4, ['o']),
        },
      ]),
    );
    const db = await catalogOf(t, told);
    const parts = Array.from({ length: 6 }, (_, part) => part).filter(
      (part) => idsOf(db, { split: { of: 6, parts: [part] } }).length > 0,
    );
    t.ok(parts.length > 2);
    for (const part of parts)
      t.strictSame(
        chooseSnapshot(db, { split: { of: 6, parts: [part] } }).selection.structures,
        ['o'],
        `fold ${part}`,
      );
  },
);

t.test('the error of an empty fold says how to choose', async (t) => {
  const db = await catalogOf(t, {
    A: { patient: 'p', slices: slices(1, ['i']) },
    B: { patient: 'p', slices: slices(1, ['i']) },
  });
  const full = foldIn(db, presentStudies(db)[0]!, { of: 5, seed: 0 });
  const empty = [0, 1, 2, 3, 4].filter((part) => part !== full);
  refuses(
    t,
    () => chooseSnapshot(db, { split: { of: 5, parts: empty } }),
    'SLF_NO_PAIRS',
    'split.parts',
    new RegExp(`2 studies, which are of 1 patients; not empty: ${full}\\. .*GET /v1/splits\\?of=5&seed=0`),
  );
  t.equal(chooseSnapshot(db, { split: { of: 5, parts: [full] } }).pairs, 2);
  refuses(
    t,
    () => chooseSnapshot(db, { split: { of: 5, parts: [full] }, structures: ['i', 'o'] }),
    'SLF_NO_PAIRS',
    'structures',
    /carries o; there are: i$/,
  );
});

t.test('a structure that only another fold has is a known structure without pairs in this one', async (t) => {
  const db = await catalogOf(t, {
    A: { patient: 'p', slices: slices(1, ['i']) },
    B: { patient: 'q', slices: slices(1, ['o']) },
  });
  const fold = (at: number) => foldIn(db, presentStudies(db)[at]!, { of: 50, seed: 0 });
  t.not(fold(0), fold(1));
  const split = { of: 50, parts: [fold(0)] };
  refuses(
    t,
    () => chooseSnapshot(db, { split, structures: ['o'] }),
    'SLF_NO_PAIRS',
    'structures',
    /GET \/v1\/splits\?of=50&seed=0 .*there are: i$/,
  );
  t.match(chooseSnapshot(db, { split, structures: ['i', 'o'], missing: 'empty' }), { pairs: 1 });
});

t.test('a structure that no slice carries is refused, also where the others are there', async (t) => {
  const db = await catalogOf(t, {
    A: { slices: [...slices(2, ['i', 'o']), ...slices(1, ['lv'], { modality: 'CT' })] },
  });
  const unknown = (request: SpecRequest, detail: RegExp) =>
    refuses(t, () => chooseSnapshot(db, request), 'SLF_NO_PAIRS', 'structures', detail);
  const empty = { missing: 'empty' } as const;
  unknown({ structures: ['i', 'nothere'], ...empty }, /carries nothere; there are: i, lv, o$/);
  unknown({ structures: ['a', 'i', 'b'], ...empty }, /carries a or b;/);
  unknown({ structures: ['i', 'LV'], rename: { LV: ['LV1'] }, ...empty }, /carries LV;/);
  unknown({ structures: ['i', 'lv'], where: { modality: ['MR'] }, ...empty }, /carries lv; there are: i, o$/);
  unknown({ structures: ['constructor', 'i'], ...empty }, /carries constructor;/);
  t.equal(chooseSnapshot(db, { structures: ['i', 'LV'], rename: { LV: ['lv'] }, ...empty }).pairs, 3);
  t.strictSame(
    chooseSnapshot(db, { where: { modality: ['CT'] } }).selection.structures,
    ['lv'],
    'the default is one of the slices that `where` names',
  );
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

t.test('slices on which a requested structure cannot be used are no pairs, and are counted', async (t) => {
  const db = await catalogOf(t, {
    A: {
      slices: [
        ...slices(2, ['i', 'o']),
        { carries: ['o'], unusable: ['i'] },
        { carries: ['i', 'o'], unusable: ['p'] },
        { carries: [], unusable: ['i'] },
        ...slices(1, ['o']),
        ...slices(3, []),
      ],
    },
    B: { isUnread: true, slices: [...slices(2, ['i', 'o']), ...slices(4, ['o'])] },
  });
  const chosen = (request: SpecRequest) => {
    const { pairs, summary } = chooseSnapshot(db, request);
    return [pairs, summary.unusable];
  };
  const [both, empty] = [['i', 'o'], { missing: 'empty' }] as const;
  t.strictSame(chosen({ studies: ['A'], structures: [...both], ...empty }), [4, 2]);
  t.strictSame(chosen({ studies: ['A'], structures: [...both] }), [3, 1]);
  t.strictSame(chosen({ studies: ['A'], structures: ['o'] }), [5, 0], 'what is not asked for does not count');
  t.strictSame(chosen({ studies: ['A'], structures: [] }), [9, 0]);
  t.strictSame(chosen({ studies: ['B'], structures: [...both], ...empty }), [2, 4], 'an object was not read');
  t.strictSame(chosen({ studies: ['B'], structures: [...both] }), [2, 0]);
  t.strictSame(chosen({ studies: ['B'], structures: ['o'], ...empty }), [6, 0]);
  const rename = { lv: ['i'] };
  t.strictSame(
    chosen({ studies: ['A'], structures: ['lv', 'o'], rename, ...empty }),
    [4, 2],
    'by any of its names',
  );
  t.not(
    chooseSnapshot(db, { studies: ['A'], structures: ['o'] }).digest,
    chooseSnapshot(db, { studies: ['B'], structures: ['o'] }).digest,
  );
  const lost = await catalogOf(t, {
    A: { slices: [{ carries: ['o'], unusable: ['i'] }, ...slices(1, ['i'])] },
  });
  refuses(
    t,
    () => chooseSnapshot(lost, { structures: ['i', 'o'] }),
    'SLF_NO_PAIRS',
    'structures',
    /1 slice\(s\) are left out because a structure on them cannot be used/,
  );
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
  refuses(
    t,
    () => pairs({ modality: ['CT'], series: ['9.9'] }),
    'SLF_NO_PAIRS',
    'where',
    /^no slice matches where\. Modalities, with their slices: MR \(3\), CT \(2\); series: 1\.2\.3, 9\.9\. GET/,
  );
});

t.test('what is no modality and no UID is not repeated', async (t) => {
  const odd = ['DOE', '1.1', '1.2', '1.4', '1.5', 'DOE^JOHN'].map((seriesUid) =>
    slices(1, ['i'], { modality: 'DOE', seriesUid }),
  );
  const db = await catalogOf(t, { A: { slices: odd.flat() } });
  refuses(
    t,
    () => chooseSnapshot(db, { where: { modality: ['MR'] } }),
    'SLF_NO_PAIRS',
    'where',
    /^no slice matches where\. Modalities, with their slices: none; series: 1\.1, 1\.2, 1\.4 and 1 more\. GET/,
  );
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
