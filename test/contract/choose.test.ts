import { join } from 'node:path';
import t from 'tap';
import { maskOf, pairIdsOf, readBatch } from '../fixtures/batch.js';
import { getBody, getJson } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { openFeed } from '../fixtures/feed.js';
import { type MixedStudy, makeMixedFolder, seriesUid, study } from '../fixtures/mixed-folder.js';
import { refused } from '../fixtures/problem.js';
import { temporaryFolder } from '../helper.js';

/** 24 patients with one to three studies of one image; every fifth has none of its own name. */
const COHORT: MixedStudy[] = Array.from({ length: 24 }, (_, patient) =>
  Array.from({ length: 1 + (patient % 3) }, (_, visit) =>
    study(`P${patient}.${visit}`, patient % 5 === 0 ? null : `patient ${patient}`, 10, 9, 1, {
      modality: 'MR',
    }),
  ),
).flat();

const STRUCTURES: Readonly<Record<number, readonly string[]>> = {
  1: ['lv', 'i'],
  2: ['LVendo'],
  3: ['i'],
  4: [],
  5: ['lv', 'LVendo'],
};
const SPECIAL: MixedStudy[] = [
  { ...study('X-CT', 'x', 10, 9, 2, { modality: 'CT' }, () => ['x']), series: 'thorax' },
  { ...study('X-MR', 'x', 10, 9, 3, { modality: 'MR' }, () => ['x']), series: 'cine' },
  { ...study('X-NO', 'y', 10, 9, 1, {}, () => ['x']), series: 'cine' },
  study('NAMES', 'z', 20, 18, 5, { modality: 'MR' }, (number) => STRUCTURES[number]!),
];

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder, [...COHORT, ...SPECIAL]);
const server = await startClosable(t, folder);

/** The pairs of a session in catalogue order. */
async function pairsOf(spec: object): Promise<string[]> {
  const feed = await openFeed(server.url, { batchSize: 64, shuffle: false, epochs: 1, ...spec });
  return (await feed.ids(0)) as string[];
}

const ALL = COHORT.map(({ id }) => `${id}/1`).sort();
const COHORT_ONLY = { structures: ['i'], excludeStudies: ['NAMES'] };

t.test('the parts of a split share the studies without a rest', async (t) => {
  t.strictSame(await pairsOf(COHORT_ONLY), ALL);
  const parts = [];
  for (const part of [0, 1, 2, 3])
    parts.push(await pairsOf({ ...COHORT_ONLY, split: { of: 4, parts: [part] } }));
  t.strictSame(parts.flat().sort(), ALL);
  const train = await pairsOf({ ...COHORT_ONLY, split: { of: 4, parts: [0, 1, 3] } });
  t.strictSame(train, [...parts[0]!, ...parts[1]!, ...parts[3]!].sort());
  t.strictSame(await pairsOf({ ...COHORT_ONLY, split: { of: 4, parts: [3, 1, 0], seed: 0 } }), train);
});

t.test('a patient is never on both sides', async (t) => {
  const patients = new Map(COHORT.map(({ id, patient }) => [`${id}/1`, patient]));
  for (const seed of [0, 1, 2]) {
    const sides = [];
    for (const parts of [[0, 1], [2]]) {
      const pairs = await pairsOf({ ...COHORT_ONLY, split: { of: 3, parts, seed } });
      sides.push(new Set(pairs.map((pair) => patients.get(pair)).filter((patient) => patient !== null)));
    }
    const [one, other] = sides as [Set<string>, Set<string>];
    t.strictSame(
      [...one].filter((patient) => other.has(patient)),
      [],
      `seed ${seed}`,
    );
    t.equal(one.size + other.size, 19, 'all who have a name');
  }
});

t.test('another seed makes other folds, the same seed the same', async (t) => {
  const part = (seed: number) => pairsOf({ ...COHORT_ONLY, split: { of: 4, parts: [1], seed } });
  const folds = [await part(0), await part(1), await part(2 ** 53 - 1)];
  t.equal(new Set(folds.map(String)).size, 3);
  t.strictSame(await part(1), folds[1]);
});

t.test('a split that has no such part, or of whose parts nobody is, is refused', async (t) => {
  const refuse = async (split: object, status: number, code: string) =>
    (await refused(t, `${server.url}/v1/sessions`, { method: 'POST', body: { split } }, status, code)).field;
  t.equal(await refuse({ of: 3, parts: [3] }, 422, 'SLF_SPEC_CONFLICT'), 'split.parts');
  t.equal(await refuse({ of: 3, parts: [] }, 400, 'SLF_INVALID'), 'split.parts');
  t.equal(await refuse({ of: 0, parts: [0] }, 400, 'SLF_INVALID'), 'split.of');
  t.equal(await refuse({ of: 3, parts: [0], seeds: 1 }, 400, 'SLF_INVALID'), 'split.seeds');
  const body = { studies: ['X-CT'], split: { of: 1000, parts: [999] } };
  t.match(await refused(t, `${server.url}/v1/sessions`, { method: 'POST', body }, 422, 'SLF_NO_PAIRS'), {
    field: 'split.parts',
  });
});

t.test('where keeps the slices of modalities and series', async (t) => {
  const x = (where: object) => pairsOf({ structures: ['x'], where });
  const [ct, mr] = [
    ['X-CT/1', 'X-CT/2'],
    ['X-MR/1', 'X-MR/2', 'X-MR/3'],
  ];
  t.strictSame(await x({}), [...ct, ...mr, 'X-NO/1']);
  t.strictSame(await x({ modality: ['CT'] }), ct);
  t.strictSame(await x({ modality: ['MR', 'CT'] }), [...ct, ...mr]);
  t.strictSame(await x({ series: [seriesUid('cine')] }), [...mr, 'X-NO/1']);
  t.strictSame(await x({ series: [seriesUid('cine'), seriesUid('thorax')], modality: ['MR'] }), mr);
  for (const where of [
    { modality: ['PT'] },
    { modality: ['CT'], series: [seriesUid('cine')] },
    { series: ['1.2'] },
  ]) {
    const options = { method: 'POST', body: { structures: ['x'], where } };
    await refused(t, `${server.url}/v1/sessions`, options, 422, 'SLF_NO_PAIRS');
  }
});

t.test('excludeStudies leaves studies out', async (t) => {
  t.strictSame(await pairsOf({ structures: ['x'], excludeStudies: ['X-MR', 'X-NO'] }), ['X-CT/1', 'X-CT/2']);
  t.strictSame(await pairsOf({ structures: ['x'], studies: ['X-CT', 'X-NO'], excludeStudies: ['X-CT'] }), [
    'X-NO/1',
  ]);
  const options = { method: 'POST', body: { excludeStudies: ['nobody'] } };
  t.match(await refused(t, `${server.url}/v1/sessions`, options, 422, 'SLF_STUDY_MISSING'), {
    field: 'excludeStudies',
  });
});

/** The masks of a slice of NAMES by structure, as it is outside any session. */
async function masksOf(slice: number): Promise<Map<string, Buffer>> {
  const { tensors, metadata } = readBatch(await getBody(`${server.url}/v1/studies/NAMES/pairs/${slice}`));
  const names = JSON.parse(metadata.structures!) as string[];
  return new Map(names.map((name, at) => [name, maskOf(tensors.masks!, 0, at)]));
}

/** Where any of them is. */
function union(masks: readonly (Buffer | undefined)[]): Buffer {
  return Buffer.from(
    Array.from({ length: 20 * 18 }, (_, at) => Number(masks.some((mask) => mask?.[at] === 1))),
  );
}

t.test('names that mean one structure are joined', async (t) => {
  const spec = { studies: ['NAMES'], structures: ['LV'], rename: { LV: ['lv', 'LVendo'] } };
  const feed = await openFeed(server.url, { ...spec, batchSize: 8, shuffle: false });
  const batch = await feed.batch(0);
  t.strictSame(pairIdsOf(batch), ['NAMES/1', 'NAMES/2', 'NAMES/5']);
  t.equal(batch.metadata.structures, '["LV"]');
  for (const [slot, slice] of [1, 2, 5].entries()) {
    const alone = await masksOf(slice);
    const expected = union([alone.get('lv'), alone.get('LVendo')]);
    t.ok(maskOf(batch.tensors.masks!, slot, 0).equals(expected), `slice ${slice}`);
  }
  const both = await masksOf(5);
  t.notOk(both.get('lv')!.equals(both.get('LVendo')!), 'the two are not the same');
  t.notOk(union([...both.values()]).equals(both.get('lv')!), 'and neither holds the other');
  const body = { studies: ['NAMES'], rename: { a: ['lv'], b: ['lv'] } };
  t.match(await refused(t, `${server.url}/v1/sessions`, { method: 'POST', body }, 422, 'SLF_SPEC_CONFLICT'), {
    field: 'rename',
  });
});

t.test('with missing empty a slice that lacks some stays, with an empty mask', async (t) => {
  const spec = { studies: ['NAMES'], structures: ['i', 'lv', 'LVendo'] };
  const options = { method: 'POST', body: spec };
  await refused(t, `${server.url}/v1/sessions`, options, 422, 'SLF_NO_PAIRS');
  const feed = await openFeed(server.url, { ...spec, missing: 'empty', batchSize: 8, shuffle: false });
  const batch = await feed.batch(0);
  t.strictSame(pairIdsOf(batch), ['NAMES/1', 'NAMES/2', 'NAMES/3', 'NAMES/5'], 'not the one that has none');
  for (const [slot, slice] of [1, 2, 3, 5].entries()) {
    const alone = await masksOf(slice);
    for (const [at, name] of spec.structures.entries())
      t.ok(
        maskOf(batch.tensors.masks!, slot, at).equals(alone.get(name) ?? Buffer.alloc(360)),
        `${slice}: ${name}`,
      );
  }
  t.strictSame([...batch.tensors.valid!.bytes], [1, 1, 1, 1]);
});

t.test('without structures every slice is a pair, and there are no masks', async (t) => {
  const feed = await openFeed(server.url, {
    studies: ['NAMES'],
    structures: [],
    batchSize: 8,
    shuffle: false,
  });
  const batch = await feed.batch(0);
  t.equal(pairIdsOf(batch).length, 5);
  t.strictSame(batch.tensors.masks!.shape, [5, 0, 20, 18]);
  t.equal(batch.metadata.structures, '[]');
});

t.test('the structures of a session stand in its own order', async (t) => {
  const masks = async (structures: string[]) => {
    const feed = await openFeed(server.url, { studies: ['NAMES'], structures, batchSize: 1, shuffle: false });
    const { tensors, metadata } = await feed.batch(0);
    t.equal(metadata.structures, JSON.stringify(structures));
    return structures.map((_, at) => maskOf(tensors.masks!, 0, at).toString('hex'));
  };
  const [a, b] = [await masks(['i', 'lv']), await masks(['lv', 'i'])];
  t.strictSame(a, [...b].reverse());
  t.not(a[0], a[1]);
});

interface SplitPage {
  readonly folds?: readonly {
    fold: number;
    studies: number;
    groups: number;
    pairs: number;
    structures: object;
  }[];
  readonly studies: readonly { study: string; fold: number; group: string; pairs: number }[];
  readonly next: string | null;
}

interface PairPage {
  readonly pairs: readonly {
    index: number;
    id: string;
    study: string;
    slice: string;
    fold: number | null;
    structures: string[];
    missing: string[];
  }[];
  readonly next: string | null;
}

/** All pages of a list, one item or a few at a time. */
async function pagesOf<T extends { next: string | null }>(url: string): Promise<T[]> {
  const pages: T[] = [];
  for (let after: string | null = ''; after !== null; after = pages.at(-1)!.next)
    pages.push(await getJson<T>(after === '' ? url : `${url}&after=${encodeURIComponent(after)}`));
  return pages;
}

t.test('GET /v1/splits shows the fold of each study as sessions have it, page by page', async (t) => {
  const pages = await pagesOf<SplitPage>(`${server.url}/v1/splits?of=4&seed=1&limit=20`);
  const studies = pages.flatMap((page) => page.studies);
  t.strictSame(
    studies.map(({ study: id }) => id),
    [...COHORT, ...SPECIAL].map(({ id }) => id).sort(),
  );
  for (const part of [0, 1, 2, 3]) {
    const pairs = await pairsOf({ ...COHORT_ONLY, split: { of: 4, parts: [part], seed: 1 } });
    const shown = studies.filter(({ study: id, fold }) => fold === part && ALL.includes(`${id}/1`));
    t.strictSame(
      pairs,
      shown.map(({ study: id }) => `${id}/1`),
    );
    const only = await getJson<SplitPage>(`${server.url}/v1/splits?of=4&seed=1&fold=${part}&limit=1000`);
    t.strictSame(
      only.studies,
      studies.filter(({ fold }) => fold === part),
    );
  }
  const [first, ...others] = pages;
  t.ok(others.every(({ folds }) => folds === undefined));
  const { folds } = first!;
  t.strictSame(
    folds?.map(({ fold }) => fold),
    [0, 1, 2, 3],
  );
  for (const { fold, studies: count, groups, pairs } of folds ?? []) {
    const own = studies.filter((each) => each.fold === fold);
    t.equal(count, own.length);
    t.equal(groups, new Set(own.map(({ group }) => group)).size);
    t.equal(
      pairs,
      own.reduce((sum, each) => sum + each.pairs, 0),
    );
  }
  const groupOf = new Map(studies.map(({ study: id, group }) => [id, group]));
  t.strictSame([groupOf.get('P1.1'), groupOf.get('P2.2'), groupOf.get('P5.2')], ['P1.0', 'P2.0', 'P5.2']);
  await refused(t, `${server.url}/v1/splits?of=4&fold=4`, {}, 400, 'SLF_INVALID');
});

t.test('GET /v1/sessions/{id}/pairs lists the snapshot in its order, with folds', async (t) => {
  const split = { of: 4, parts: [1, 2], seed: 1 };
  const feed = await openFeed(server.url, { ...COHORT_ONLY, split });
  const pages = await pagesOf<PairPage>(`${feed.url}/pairs?limit=7`);
  t.ok(pages.length > 2);
  const pairs = pages.flatMap((page) => page.pairs);
  t.strictSame(
    pairs.map(({ id }) => id),
    await pairsOf({ ...COHORT_ONLY, split }),
  );
  t.strictSame(
    pairs.map(({ index }) => index),
    [...pairs.keys()],
  );
  const { studies } = await getJson<SplitPage>(`${server.url}/v1/splits?of=4&seed=1&limit=1000`);
  const foldOf = new Map(studies.map(({ study: id, fold }) => [id, fold]));
  for (const { study: id, fold, structures, missing } of pairs)
    t.strictSame([fold, structures, missing], [foldOf.get(id), ['i'], []]);
  t.strictSame(await getJson(`${feed.url}/pairs?after=${pairs.length - 1}`), { pairs: [], next: null });
  await refused(t, `${feed.url}/pairs?after=x`, {}, 400, 'SLF_INVALID');
  await refused(t, `${server.url}/v1/sessions/nobody/pairs`, {}, 404, 'SLF_SESSION_UNKNOWN');
});

t.test('with missing empty each empty mask is a problem of its batch', async (t) => {
  const spec = {
    studies: ['NAMES'],
    structures: ['i', 'LV'],
    rename: { LV: ['lv', 'LVendo'] },
    missing: 'empty',
    batchSize: 3,
    shuffle: false,
  };
  const feed = await openFeed(server.url, spec);
  t.equal(feed.opened.pairs, 4);
  const told = async (step: number) => {
    const { metadata } = await feed.batch(step);
    return JSON.parse(metadata.problems!) as { code: string; pair: string; file: null; detail: string }[];
  };
  t.strictSame(await told(0), [
    {
      code: 'STRUCTURE_MISSING',
      pair: 'NAMES/2',
      file: null,
      detail: 'it has no contour of i; its mask is empty',
    },
    {
      code: 'STRUCTURE_MISSING',
      pair: 'NAMES/3',
      file: null,
      detail: 'it has no contour of LV; its mask is empty',
    },
  ]);
  t.strictSame(
    (await told(1)).map(({ pair }) => pair),
    ['NAMES/5'],
  );
  const { pairs } = await getJson<PairPage>(`${feed.url}/pairs`);
  t.strictSame(
    pairs.map(({ id, structures, missing }) => [id, structures, missing]),
    [
      ['NAMES/1', ['i', 'LV'], []],
      ['NAMES/2', ['LV'], ['i']],
      ['NAMES/3', ['i'], ['LV']],
      ['NAMES/5', ['LV'], ['i']],
    ],
  );
  const whole = await openFeed(server.url, { ...spec, missing: 'exclude' });
  t.equal((await whole.batch(0)).metadata.problems, '[]');
});

t.test('a misspelt structure is refused with the names that there are', async (t) => {
  const body = { structures: ['i', 'nothere'], missing: 'empty' };
  const problem = await refused(
    t,
    `${server.url}/v1/sessions`,
    { method: 'POST', body },
    422,
    'SLF_NO_PAIRS',
  );
  t.match(problem, {
    field: 'structures',
    detail: 'no slice that matches carries nothere; there are: LVendo, i, lv, x',
  });
});
