import fc from 'fast-check';
import t from 'tap';
import { permutation } from '../../src/core/permutation.js';
import { type LastBatch, type Plan, type PlanSpec, plan } from '../../src/core/plan.js';

const LARGEST = Number.MAX_SAFE_INTEGER;

const TEN: PlanSpec = {
  pairs: 10,
  batchSize: 4,
  worldSize: 1,
  shuffle: false,
  seed: 0,
  epochs: 1,
  lastBatch: 'keep',
};

/** Every share of an epoch, by step in it, then by rank. */
function sharesOf(made: Plan, worldSize: number, epoch = 0): number[][][] {
  return Array.from({ length: made.stepsPerEpoch }, (_, step) =>
    Array.from({ length: worldSize }, (_, rank) => [...made.share(epoch * made.stepsPerEpoch + step, rank)]),
  );
}

/** Both whole batches of the ten pairs, and the last two pairs as `keep` and as `pad` deliver them. */
const written: { worldSize: number; whole: number[][][]; keep: number[][]; pad: number[][] }[] = [
  { worldSize: 1, whole: [[[0, 1, 2, 3]], [[4, 5, 6, 7]]], keep: [[8, 9]], pad: [[8, 9, -1, -1]] },
  {
    worldSize: 2,
    whole: [
      [
        [0, 1],
        [2, 3],
      ],
      [
        [4, 5],
        [6, 7],
      ],
    ],
    keep: [[8], [9]],
    pad: [
      [8, -1],
      [9, -1],
    ],
  },
  {
    worldSize: 4,
    whole: [
      [[0], [1], [2], [3]],
      [[4], [5], [6], [7]],
    ],
    keep: [[8], [9], [], []],
    pad: [[8], [9], [-1], [-1]],
  },
];

for (const { worldSize, whole, keep, pad } of written) {
  for (const [lastBatch, shares, dropped] of [
    ['keep', [...whole, keep], []],
    ['drop', whole, [8, 9]],
    ['pad', [...whole, pad], []],
  ] as const) {
    t.test(`ten pairs in batches of four, lastBatch ${lastBatch}, worldSize ${worldSize}`, async (t) => {
      const made = plan({ ...TEN, lastBatch, worldSize });
      t.equal(made.slots, 4 / worldSize);
      t.equal(made.stepsPerEpoch, shares.length);
      t.equal(made.steps, shares.length);
      t.strictSame(sharesOf(made, worldSize), shares);
      t.strictSame([...made.dropped(0)], dropped);
      t.equal(made.droppedPerEpoch, dropped.length);
    });
  }
}

t.test('the longer runs of a short batch come first', async (t) => {
  const spec: PlanSpec = { ...TEN, pairs: 13, batchSize: 8, worldSize: 4 };
  t.strictSame(sharesOf(plan(spec), 4)[1], [[8, 9], [10], [11], [12]]);
  t.strictSame(sharesOf(plan({ ...spec, lastBatch: 'pad' }), 4)[1], [
    [8, 9],
    [10, -1],
    [11, -1],
    [12, -1],
  ]);
});

t.test('a shuffled plan never changes under the id of its permutation', async (t) => {
  const made = plan({ ...TEN, worldSize: 2, shuffle: true, seed: 7, epochs: 2, lastBatch: 'pad' });
  t.strictSame(sharesOf(made, 2, 0), [
    [
      [0, 2],
      [7, 3],
    ],
    [
      [1, 8],
      [6, 4],
    ],
    [
      [9, -1],
      [5, -1],
    ],
  ]);
  t.strictSame(sharesOf(made, 2, 1), [
    [
      [9, 8],
      [1, 5],
    ],
    [
      [3, 2],
      [7, 0],
    ],
    [
      [6, -1],
      [4, -1],
    ],
  ]);
  const dropping = plan({ ...TEN, shuffle: true, seed: 7, epochs: 2, lastBatch: 'drop' });
  t.strictSame([...dropping.dropped(0)], [9, 5]);
  t.strictSame([...dropping.dropped(1)], [6, 4]);
});

t.test('without a whole batch, drop has no step and says what it leaves out', async (t) => {
  const made = plan({ ...TEN, pairs: 3, epochs: null, lastBatch: 'drop' });
  t.equal(made.stepsPerEpoch, 0);
  t.equal(made.steps, 0);
  t.strictSame([...made.dropped(5)], [0, 1, 2]);
  t.throws(() => made.share(0, 0), new RangeError('step must be an integer in [0, 0): 0'));
});

t.test('without a pair there is no step, and nothing is left out', async (t) => {
  for (const lastBatch of ['keep', 'drop', 'pad'] as const) {
    const made = plan({ ...TEN, pairs: 0, shuffle: true, lastBatch });
    t.equal(made.stepsPerEpoch, 0);
    t.equal(made.steps, 0);
    t.strictSame([...made.dropped(0)], []);
  }
});

t.test('one pair in a batch much larger than it is kept short or padded', async (t) => {
  const spec: PlanSpec = { ...TEN, pairs: 1, batchSize: 6, worldSize: 2, shuffle: true };
  t.strictSame(sharesOf(plan(spec), 2), [[[0], []]]);
  t.strictSame(sharesOf(plan({ ...spec, lastBatch: 'pad' }), 2), [
    [
      [0, -1, -1],
      [-1, -1, -1],
    ],
  ]);
});

t.test('steps count on through the epochs, with an end or without', async (t) => {
  const endless = plan({ ...TEN, epochs: null });
  t.equal(endless.steps, null);
  t.strictSame([0, 2, 3, 5, 6].map(endless.epochOf), [0, 0, 1, 1, 2]);
  t.equal(endless.epochOf(LARGEST), 3002399751580330);
  t.strictSame([...endless.share(LARGEST, 0)], [4, 5, 6, 7]);

  const three = plan({ ...TEN, epochs: 3 });
  t.equal(three.steps, 9);
  t.equal(three.epochOf(8), 2);
  t.strictSame([...three.share(8, 0)], [8, 9]);
  t.throws(() => three.epochOf(9), new RangeError('step must be an integer in [0, 9): 9'));
  t.throws(() => three.share(9, 0), new RangeError('step must be an integer in [0, 9): 9'));
  t.throws(() => three.dropped(3), new RangeError('epoch must be an integer in [0, 3): 3'));
});

t.test('a step, rank or epoch that is no index is refused and named', async (t) => {
  const made = plan({ ...TEN, worldSize: 2, epochs: null });
  for (const bad of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
    const step = new RangeError(`step must be an integer in [0, 2^53): ${bad}`);
    t.throws(() => made.epochOf(bad), step);
    t.throws(() => made.share(bad, 0), step);
    t.throws(() => made.share(0, bad), new RangeError(`rank must be an integer in [0, 2): ${bad}`));
    t.throws(() => made.dropped(bad), new RangeError(`epoch must be an integer in [0, 2^53): ${bad}`));
  }
  t.throws(() => made.share(0, 2), new RangeError('rank must be an integer in [0, 2): 2'));
});

const refused: [Partial<PlanSpec>, string][] = [
  [{ pairs: -1 }, 'pairs must be an integer from 0 to 2^53-1: -1'],
  [{ pairs: 2 ** 53 }, 'pairs must be an integer from 0 to 2^53-1: 9007199254740992'],
  [{ batchSize: 0 }, 'batchSize must be an integer from 1 to 2^53-1: 0'],
  [{ batchSize: 1.5 }, 'batchSize must be an integer from 1 to 2^53-1: 1.5'],
  [{ worldSize: 0 }, 'worldSize must be an integer from 1 to 2^53-1: 0'],
  [{ worldSize: 3 }, 'batchSize must be a multiple of worldSize 3: 4'],
  [{ worldSize: 8 }, 'batchSize must be a multiple of worldSize 8: 4'],
  [{ seed: -1 }, 'seed must be an integer from 0 to 2^53-1: -1'],
  [{ seed: Number.NaN }, 'seed must be an integer from 0 to 2^53-1: NaN'],
  [{ epochs: 0 }, 'epochs must be an integer from 1 to 2^53-1: 0'],
  [{ epochs: LARGEST }, 'epochs must keep the steps of the whole training below 2^53: 9007199254740991'],
  [{ lastBatch: 'wrap' as LastBatch }, 'lastBatch must be keep, drop or pad: wrap'],
];

for (const [change, message] of refused) {
  t.test(`a spec is refused: ${message}`, async (t) => {
    t.throws(() => plan({ ...TEN, ...change }), new RangeError(message));
  });
}

t.test('the largest snapshot is cut exactly', async (t) => {
  const made = plan({ ...TEN, pairs: LARGEST, batchSize: 1000 });
  t.equal(made.stepsPerEpoch, 9007199254741);
  t.equal(made.epochOf(9007199254740), 0);
  const last = made.share(9007199254740, 0);
  t.equal(last.length, 991);
  t.equal(last[0], 9007199254740000);
  t.equal(last[990], LARGEST - 1);
  t.equal(plan({ ...TEN, pairs: LARGEST, batchSize: LARGEST }).stepsPerEpoch, 1);
  t.equal(plan({ ...TEN, pairs: 5, batchSize: LARGEST }).share(0, 0).length, 5);
});

t.test('what was asked before changes no share', async (t) => {
  const spec: PlanSpec = { ...TEN, shuffle: true, seed: 3, epochs: null };
  const made = plan(spec);
  for (const step of [0, 3, 1, 6, 9, 0, 4, 4, 2, 300, 0]) {
    t.strictSame(made.share(step, 0), plan(spec).share(step, 0), `step ${step}`);
  }
});

const spec = fc
  .record({
    pairs: fc.integer({ min: 0, max: 120 }),
    perRank: fc.integer({ min: 1, max: 9 }),
    worldSize: fc.integer({ min: 1, max: 9 }),
    shuffle: fc.boolean(),
    seed: fc.integer({ min: 0, max: LARGEST }),
    epochs: fc.constant(3),
    lastBatch: fc.constantFrom<LastBatch>('keep', 'drop', 'pad'),
  })
  .map(({ perRank, ...rest }): PlanSpec => ({ ...rest, batchSize: perRank * rest.worldSize }));

t.test('every pair comes exactly once per epoch over all ranks', async () => {
  fc.assert(
    fc.property(spec, fc.integer({ min: 0, max: 2 }), (spec, epoch) => {
      const made = plan(spec);
      const places = sharesOf(made, spec.worldSize, epoch).flat(2);
      const real = places.filter((place) => place !== -1);
      const left = [...made.dropped(epoch)];
      const all = [...real, ...left].sort((a, b) => a - b);
      const padded = places.length - real.length;
      return (
        all.join() === Array.from({ length: spec.pairs }, (_, place) => place).join() &&
        left.length === (spec.lastBatch === 'drop' ? spec.pairs % spec.batchSize : 0) &&
        padded === (spec.lastBatch === 'pad' ? made.stepsPerEpoch * spec.batchSize - spec.pairs : 0)
      );
    }),
    { seed: 1, numRuns: 400 },
  );
});

t.test('shares are even, longer first, padded at their ends, and all full under pad and drop', async () => {
  fc.assert(
    fc.property(spec, (spec) => {
      const made = plan(spec);
      return sharesOf(made, spec.worldSize).every((ranks) => {
        const runs = ranks.map((share) => share.filter((place) => place !== -1).length);
        return (
          runs[0]! - runs.at(-1)! <= 1 &&
          runs.every((run, rank) => rank === 0 || run <= runs[rank - 1]!) &&
          ranks.every((share, rank) => share.slice(runs[rank]).every((place) => place === -1)) &&
          ranks.every((share) => share.length <= made.slots) &&
          (spec.lastBatch === 'keep' || ranks.every((share) => share.length === made.slots))
        );
      });
    }),
    { seed: 2, numRuns: 400 },
  );
});

t.test('global batch k is the same pairs in the same order for every worldSize', async () => {
  fc.assert(
    fc.property(spec, fc.integer({ min: 0, max: 2 }), (spec, epoch) => {
      const alone = plan({ ...spec, worldSize: 1 });
      const shared = plan(spec);
      const real = (ranks: number[][]) => ranks.flat().filter((place) => place !== -1);
      const order = spec.shuffle ? permutation(spec.pairs, spec.seed, epoch) : (place: number) => place;
      const batches = sharesOf(alone, 1, epoch).map(real);
      return (
        shared.stepsPerEpoch === alone.stepsPerEpoch &&
        sharesOf(shared, spec.worldSize, epoch).map(real).join('|') === batches.join('|') &&
        batches.flat().every((place, position) => place === order(position)) &&
        batches.every((batch, k) => k === batches.length - 1 || batch.length === spec.batchSize)
      );
    }),
    { seed: 3, numRuns: 400 },
  );
});
