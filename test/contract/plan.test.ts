import { join } from 'node:path';
import t, { type Test } from 'tap';
import { pairIdsOf, type ReadBatch, slotOf } from '../fixtures/batch.js';
import { type Feed, openFeed, until } from '../fixtures/feed.js';
import { MIXED, makeMixedFolder } from '../fixtures/mixed-folder.js';
import { numbersOf } from '../fixtures/numbers.js';
import { refused } from '../fixtures/problem.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder, MIXED);
const server = await startTestServer(t, folder);
await server.ready();

/** Ten pairs of one shape, in three batches of four. */
const SPEC = { studies: ['ANN-1', 'CYD', 'FAY', 'GUS'], batchSize: 4, epochs: 2, seed: 9 };

type LastBatch = 'keep' | 'drop' | 'pad';

/** The real slots of a batch: id, place, image and masks of each. */
function realSlots(batch: ReadBatch): { id: string; place: number; image: string; masks: string }[] {
  const { pairs, images, masks } = batch.tensors;
  return pairIdsOf(batch).flatMap((id, slot) =>
    id === null
      ? []
      : [
          {
            id,
            place: numbersOf(pairs!)[slot]!,
            image: slotOf(images!, slot).toString('base64'),
            masks: slotOf(masks!, slot).toString('base64'),
          },
        ],
  );
}

/** Checks that padding stands at the end, is marked by everything that marks it, and is empty. */
function checkPadding(t: Test, batch: ReadBatch, what: string): void {
  const ids = pairIdsOf(batch);
  const real = ids.filter((id) => id !== null).length;
  const { pairs, valid, images, masks } = batch.tensors;
  t.ok(
    ids.slice(0, real).every((id) => id !== null),
    `${what}: padding ends the share`,
  );
  t.strictSame(
    [...valid!.bytes],
    ids.map((id) => Number(id !== null)),
    `${what}: valid`,
  );
  t.strictSame(
    [...numbersOf(pairs!)].map((place) => place < 0),
    ids.map((id) => id === null),
    `${what}: pairs`,
  );
  for (let slot = real; slot < ids.length; slot++) {
    t.equal(numbersOf(pairs!)[slot], -1);
    t.ok(
      slotOf(images!, slot).every((byte) => byte === 0) && slotOf(masks!, slot).every((byte) => byte === 0),
    );
  }
}

async function allRanks(feed: Feed, step: number, worldSize: number): Promise<ReadBatch[]> {
  return Promise.all(Array.from({ length: worldSize }, (_, rank) => feed.batch(step, rank)));
}

/** For each worldSize and lastBatch: the same pairs as one rank alone, dealt as the contract says. */
async function checkDealing(
  t: Test,
  { url }: TestServer,
  spec: object,
  worldSizes: readonly number[],
): Promise<void> {
  const alone = await openFeed(url, { ...spec, lastBatch: 'keep' });
  const { pairs, stepsPerEpoch } = alone.opened;
  const { batchSize } = alone.opened.spec as { batchSize: number };
  t.ok(pairs % batchSize > 0, 'the last batch is short');
  const reference: ReturnType<typeof realSlots>[] = [];
  for (let step = 0; step < 2 * stepsPerEpoch; step++) reference.push(realSlots(await alone.batch(step)));
  for (let epoch = 0; epoch < 2; epoch++) {
    const places = reference
      .slice(epoch * stepsPerEpoch, (epoch + 1) * stepsPerEpoch)
      .flat()
      .map(({ place }) => place);
    t.strictSame(
      places.sort((a, b) => a - b),
      Array.from({ length: pairs }, (_, place) => place),
      'each pair once',
    );
  }
  for (const worldSize of worldSizes)
    for (const lastBatch of ['keep', 'drop', 'pad'] as LastBatch[]) {
      const feed = await openFeed(url, { ...spec, worldSize, lastBatch });
      const steps = stepsPerEpoch - Number(lastBatch === 'drop');
      t.match(feed.opened, { stepsPerEpoch: steps, steps: 2 * steps }, `${worldSize} ranks, ${lastBatch}`);
      for (let step = 0; step < 2 * steps; step++) {
        const what = `${worldSize} ranks, ${lastBatch}, step ${step}`;
        const shares = await allRanks(feed, step, worldSize);
        const expected = reference[Math.floor(step / steps) * stepsPerEpoch + (step % steps)];
        t.strictSame(shares.flatMap(realSlots), expected, `${what}: the same pairs in the same order`);
        const runs = shares.map((share) => realSlots(share).length);
        t.strictSame(
          runs,
          [...runs].sort((a, b) => b - a),
          `${what}: longer runs first`,
        );
        t.ok(runs[0]! - runs.at(-1)! <= 1, `${what}: runs differ by at most one`);
        const slots = shares.map((share) => share.tensors.valid!.shape[0]);
        const full = Array(worldSize).fill(batchSize / worldSize);
        t.strictSame(slots, lastBatch === 'keep' ? runs : full, `${what}: slots`);
        for (const share of shares) checkPadding(t, share, what);
      }
    }
}

t.test('global batch k is the same for every worldSize and lastBatch', async (t) => {
  await checkDealing(t, server, SPEC, [1, 2, 4]);
});

const real = sharedData('sunnybrook');
const skip = real === null && 'shared/data/sunnybrook is missing';

t.test('the same of sunnybrook', { skip }, async (t) => {
  const sunnybrook = await startTestServer(t, real!);
  await sunnybrook.ready();
  await checkDealing(t, sunnybrook, { batchSize: 20, epochs: 2, seed: 4 }, [4]);
});

t.test('a rank that the session does not have is refused everywhere', async (t) => {
  const { url } = await openFeed(server.url, { ...SPEC, worldSize: 2 });
  for (const rank of [2, 3, 65_535]) {
    for (const path of [
      `batches/0?rank=${rank}`,
      `stream?rank=${rank}`,
      `batches/0/overlay.png?rank=${rank}`,
    ])
      t.match(await refused(t, `${url}/${path}`, {}, 400, 'SLF_INVALID'), { field: 'rank' });
    t.match(await refused(t, `${url}/next?rank=${rank}`, { method: 'POST' }, 400, 'SLF_INVALID'), {
      field: 'rank',
    });
  }
  t.match((await openFeed(server.url, { ...SPEC, worldSize: 2 })).opened, {
    batch: { valid: { shape: [2] } },
  });
});

t.test('a batchSize that its ranks cannot share is refused', async (t) => {
  for (const [batchSize, worldSize] of [
    [3, 2],
    [4, 3],
    [2, 4],
  ]) {
    const body = { ...SPEC, batchSize, worldSize };
    const options = { method: 'POST', body };
    t.match(await refused(t, `${server.url}/v1/sessions`, options, 422, 'SLF_SPEC_CONFLICT'), {
      field: 'batchSize',
    });
  }
});

t.test('each rank has a warm window of its own', async (t) => {
  const feed = await openFeed(server.url, {
    ...SPEC,
    seed: 11,
    batchSize: 2,
    worldSize: 2,
    prefetch: 2,
    epochs: 1,
  });
  const lines = (msg: string, rank: number) =>
    server.log
      .filter((line) => line.msg === msg && line.session === feed.id && line.rank === rank)
      .map((line) => line.step);
  const loads = (rank: number) => lines('load started', rank);
  const warm = async (count: number) => {
    await until(async () => (await feed.look()).warm === count);
    return [loads(0), loads(1)];
  };
  t.strictSame(await warm(2), [[0], [0]], 'opened: the first of each');
  await feed.body(0, 0);
  t.strictSame(await warm(3), [[0, 1, 2], [0]], 'one rank moves, the other stays');
  await feed.body(1, 0);
  t.strictSame(await warm(3), [[0, 1, 2, 3], [0]]);
  await feed.body(0, 1);
  t.strictSame(await warm(4), [
    [0, 1, 2, 3],
    [0, 1, 2],
  ]);
  await feed.body(4, 1);
  t.strictSame(
    await warm(2),
    [
      [0, 1, 2, 3],
      [0, 1, 2, 4],
    ],
    'a step further on gives the window back, and nothing follows the last',
  );
  await feed.body(0, 0);
  await until(() => lines('load done', 0).length === 6);
  t.equal((await feed.look()).warm, 2, 'and so does a step back');
});

t.test('without prefetch nothing is warm but the first of each rank', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, seed: 10, prefetch: 0, worldSize: 2 });
  await until(async () => (await feed.look()).warm === 2);
  await feed.body(0, 0);
  await feed.body(1, 0);
  t.match(await feed.look(), { warm: 1, hits: 1, misses: 1 });
  const started = server.log.filter((line) => line.msg === 'load started' && line.session === feed.id);
  t.strictSame(
    started.map(({ step, rank }) => [step, rank]),
    [
      [0, 0],
      [0, 1],
      [1, 0],
    ],
  );
});
