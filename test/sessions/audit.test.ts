import fc from 'fast-check';
import t, { type Test } from 'tap';
import { SlotSources } from '../../src/catalog/slot-sources.js';
import { BYTES_VERSION } from '../../src/core/bytes-version.js';
import type { PairId, SessionId } from '../../src/core/ids.js';
import { auditEpoch } from '../../src/sessions/audit.js';
import type { SpecRequest } from '../../src/sessions/request.js';
import { resolveSpec } from '../../src/sessions/resolve.js';
import { Session, type SessionContext } from '../../src/sessions/session.js';
import { newIncarnation, SessionStore } from '../../src/sessions/store.js';
import { Verdicts } from '../../src/sessions/verdicts.js';
import { journalOf } from '../fixtures/delivery-journal.js';
import { catalogOf, slices } from '../fixtures/found-studies.js';

const NONE = { count: 0, pairs: [] };

/** A session over `pairs` pairs of one study, whose deliveries are told and not made. */
async function session(t: Test, pairs: number, request: SpecRequest) {
  const db = await catalogOf(t, { A: { slices: slices(pairs, ['i']) } });
  const [store, verdicts] = [new SessionStore(db, journalOf(t)), new Verdicts(db)];
  const { spec, snapshot } = resolveSpec(db, request);
  const incarnation = newIncarnation();
  const id = 's' as SessionId;
  const stored = {
    incarnation,
    id,
    request: '',
    spec,
    snapshot,
    bytesVersion: BYTES_VERSION,
    owner: null,
  };
  store.put(stored);
  // Nothing is loaded here: of what a session stands on, the plan and the stored spec are all that an audit looks at.
  const timings = { waitMs: 0, loadMs: 0, hits: 0, misses: 0 };
  const slotSources = new SlotSources(db, (path) => ({ root: '', path }));
  const made = new Session(stored, { db, slotSources } as unknown as SessionContext, timings);
  return {
    plan: made.plan,
    deliver: (step: number, rank = 0) => store.delivered({ incarnation, rank, step, movesCursor: false }),
    mask: (step: number, rank: number, slot: number, pair: string) =>
      verdicts.give({ snapshot: snapshot.digest, specDigest: made.digest, rank, step }, [
        { slot, pair: pair as PairId, code: 'VALUE_RANGE', file: null, detail: '' },
      ]),
    audit: (epoch = 0) => auditEpoch({ db, store, verdicts }, made, epoch),
  };
}

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => `A/${from + n}`);

t.test('before the first delivery everything is missing, named up to the hundredth', async (t) => {
  const few = await session(t, 3, { batchSize: 2 });
  t.strictSame(await few.audit(), {
    epoch: 0,
    pairs: 3,
    delivered: 0,
    missing: { count: 3, pairs: ids(1, 4) },
    repeated: NONE,
    dropped: NONE,
    masked: NONE,
  });
  const many = await session(t, 150, { batchSize: 8 });
  t.match((await many.audit(7)).missing, { count: 150, pairs: ids(1, 101) });
});

t.test('what a step delivers is no longer missing, in its own epoch', async (t) => {
  const { deliver, audit } = await session(t, 5, { batchSize: 2, shuffle: false });
  deliver(1);
  t.match(await audit(), { delivered: 2, missing: { count: 3, pairs: ['A/1', 'A/2', 'A/5'] } });
  t.match(await audit(1), { delivered: 0 });
  deliver(2);
  deliver(0);
  t.match(await audit(), { delivered: 5, missing: NONE, repeated: NONE });
  deliver(5);
  t.match(await audit(1), { epoch: 1, delivered: 1, missing: { count: 4, pairs: ids(1, 5) } });
});

t.test('a step that is sent again repeats nothing: its address is the same', async (t) => {
  const { deliver, audit } = await session(t, 4, { batchSize: 2 });
  for (let n = 0; n < 3; n++) deliver(0);
  t.match(await audit(), { delivered: 2, missing: { count: 2 }, repeated: NONE });
});

t.test('each rank delivers its own share, and padding is no pair', async (t) => {
  const { deliver, audit } = await session(t, 5, { batchSize: 4, worldSize: 2, shuffle: false });
  deliver(0, 1);
  deliver(1, 0);
  t.match(await audit(), { pairs: 5, delivered: 3, missing: { count: 2, pairs: ['A/1', 'A/2'] } });
  deliver(1, 1);
  deliver(0, 0);
  t.match(await audit(), { delivered: 5, missing: NONE, repeated: NONE, dropped: NONE });
});

t.test('what the plan leaves out is dropped, and not missing', async (t) => {
  const { deliver, audit } = await session(t, 7, { batchSize: 3, lastBatch: 'drop', shuffle: false });
  deliver(0);
  t.match(await audit(), {
    delivered: 3,
    missing: { count: 3, pairs: ['A/4', 'A/5', 'A/6'] },
    dropped: { count: 1, pairs: ['A/7'] },
  });
});

t.test('a masked pair is named once its batch was delivered', async (t) => {
  const { deliver, mask, audit } = await session(t, 4, {
    batchSize: 4,
    worldSize: 2,
    shuffle: false,
    onError: 'mask',
  });
  mask(0, 1, 0, 'A/3');
  t.match(await audit(), { delivered: 0, masked: NONE, missing: { count: 4 } });
  deliver(0, 1);
  t.match(await audit(), { delivered: 2, masked: { count: 1, pairs: ['A/3'] }, missing: { count: 2 } });
});

t.test('after any deliveries every pair is delivered, missing or dropped, and nothing twice', async (t) => {
  const shape = fc.record({
    pairs: fc.integer({ min: 1, max: 30 }),
    slots: fc.integer({ min: 1, max: 4 }),
    worldSize: fc.integer({ min: 1, max: 3 }),
    lastBatch: fc.constantFrom('keep' as const, 'pad' as const, 'drop' as const),
    seed: fc.nat(),
    sent: fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 }),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ pairs, slots, worldSize, lastBatch, seed, sent }) => {
      const batchSize = slots * worldSize;
      fc.pre(lastBatch !== 'drop' || pairs >= batchSize);
      const { plan, deliver, audit } = await session(t, pairs, { batchSize, worldSize, lastBatch, seed });
      const expected = new Set<number>();
      for (const [n, r] of sent) {
        const [step, rank] = [n % plan.stepsPerEpoch, r % worldSize];
        deliver(step, rank);
        for (const place of plan.share(step, rank)) if (place >= 0) expected.add(place);
      }
      const { delivered, missing, repeated, dropped } = await audit();
      return (
        delivered === expected.size &&
        delivered + missing.count + dropped.count === pairs &&
        dropped.count === plan.droppedPerEpoch &&
        repeated.count === 0
      );
    }),
    { numRuns: 25 },
  );
  t.pass();
});
