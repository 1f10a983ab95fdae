import { join } from 'node:path';
import t from 'tap';
import { maskOf, pairIdsOf, readBatch } from '../fixtures/batch.js';
import { getBody } from '../fixtures/client.js';
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
    field: 'studies',
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
