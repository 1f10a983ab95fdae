import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { pairIdsOf, type ReadBatch, readBatch, slotOf } from '../fixtures/batch.js';
import { type Answer, ask, getBody, getJson, openSession } from '../fixtures/client.js';
import { checkProblem, refused } from '../fixtures/problem.js';
import { type Told, toldLoaders } from '../fixtures/told.js';
import { startTestServer, type TestServer, temporaryFolder } from '../helper.js';

// Batches of two in the snapshot's order, none kept warm: each answer is loaded when it is asked for.
const SPEC = { batchSize: 2, shuffle: false, prefetch: 0, structures: ['i'] };

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 32, columns: 32 });

interface Held {
  readonly quarantine: readonly { pair: string; file: string; code: string; detail: string; since: string }[];
}

/** A service with told loaders that the test may also close itself, before another takes over its state. */
async function serve(t: Test, told: Told, state = temporaryFolder(t)): Promise<TestServer> {
  const works: (() => unknown)[] = [];
  const close = async () => {
    for (const work of works.splice(0)) await work();
  };
  t.teardown(close);
  const own = { teardown: (work: () => unknown) => works.unshift(work) };
  const settings = { STATE: state, PAIR_SECONDS: '0.5', LOADER_MEMORY: '192MiB' };
  const server = await startTestServer(own, folder, settings, told.options);
  await server.ready();
  return { ...server, close };
}

async function quarantineOf(server: TestServer): Promise<Held['quarantine']> {
  return (await getJson<Held>(`${server.url}/v1/quarantine`)).quarantine;
}

function batchOf(answer: Answer): ReadBatch {
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.body}`);
  return readBatch(answer.body);
}

function slots(batch: ReadBatch, slot: number): Buffer[] {
  return ['images', 'masks', 'affine', 'spacing'].map((name) => slotOf(batch.tensors[name]!, slot));
}

const CAUSES = [
  ['crash', /ended its loader/],
  ['hang', /SLICEFEED_PAIR_SECONDS/],
  ['swell', /SLICEFEED_LOADER_MEMORY/],
] as const;

for (const [verb, cause] of CAUSES)
  t.test(
    `a pair whose loading ends in ${verb} is refused or masked, as the session wants it, and quarantined`,
    async (t) => {
      const told = toldLoaders(t);
      const server = await serve(t, told);
      const strict = await openSession(server.url, SPEC);
      const whole = readBatch(await getBody(`${server.url}/v1/sessions/${strict.id}/batches/0`));
      const [, pair] = pairIdsOf(whole);
      const [study, slice] = pair!.split('/');
      const file = `dicoms/${study}/${slice}.dcm`;
      t.strictSame(await quarantineOf(server), []);

      told.tell({ [file]: verb });
      const problem = await refused(
        t,
        `${server.url}/v1/sessions/${strict.id}/batches/0`,
        {},
        422,
        'SLF_PAIR_FAILED',
      );
      t.match(problem, { pair, file, detail: cause });
      const [entry, ...others] = await quarantineOf(server);
      t.match(entry, { pair, file, code: 'LOADER_ENDED', detail: cause, since: /^\d{4}-.*Z$/ });
      t.strictSame(others, [], 'and no other pair');

      const restarts = server.service.pool.restarts;
      await refused(t, `${server.url}/v1/sessions/${strict.id}/batches/0`, {}, 422, 'SLF_PAIR_FAILED');
      const masking = await openSession(server.url, { ...SPEC, onError: 'mask' });
      const masked = batchOf(await ask(`${server.url}/v1/sessions/${masking.id}/batches/0`));
      t.equal(server.service.pool.restarts, restarts, 'a quarantined pair costs no loader again');
      t.strictSame([...masked.tensors.valid!.bytes], [1, 0]);
      t.strictSame(slots(masked, 0), slots(whole, 0), 'the other slot is as ever');
      for (const name of ['images', 'masks'])
        t.ok(
          slotOf(masked.tensors[name]!, 1).every((byte) => byte === 0),
          `${name} are zeros`,
        );
      t.strictSame(pairIdsOf(masked), pairIdsOf(whole), 'it still says which pair it is');
      t.match(JSON.parse(masked.metadata.problems ?? ''), [
        { pair, code: 'LOADER_ENDED', file, detail: cause },
      ]);
      t.match(await getJson(`${server.url}/v1/sessions/${masking.id}/audit`), {
        delivered: 2,
        masked: { count: 1, pairs: [pair] },
      });
    },
  );

t.test('a verdict outlives a restart, and what was said outlives a pardon', async (t) => {
  const told = toldLoaders(t);
  const state = temporaryFolder(t);
  const first = await serve(t, told, state);
  const strict = await openSession(first.url, SPEC);
  const whole = await getBody(`${first.url}/v1/sessions/${strict.id}/batches/0`);
  const [, pair] = pairIdsOf(readBatch(whole));
  told.tell({ [`dicoms/${pair}.dcm`]: 'crash' });
  const masking = await openSession(first.url, { ...SPEC, onError: 'mask' });
  const address = `/v1/sessions/${masking.id}/batches/0`;
  const masked = await ask(first.url + address);
  t.strictSame([...batchOf(masked).tensors.valid!.bytes], [1, 0], 'masked at the first answer');
  const entries = await quarantineOf(first);
  t.match(entries, [{ pair }]);
  await first.close();

  const second = await serve(t, told, state);
  t.strictSame(await quarantineOf(second), entries);
  const again = await ask(second.url + address);
  t.ok(again.body.equals(masked.body), 'the same bytes after a restart');
  t.equal(again.headers.get('etag'), masked.headers.get('etag'));

  told.tell({});
  const pardon = () => ask(`${second.url}/v1/quarantine/${pair}`, { method: 'DELETE' });
  t.equal((await pardon()).status, 204);
  checkProblem(t, await pardon(), 404, 'SLF_PAIR_UNKNOWN');
  t.strictSame(await quarantineOf(second), []);
  t.ok(
    whole.equals(await getBody(`${second.url}/v1/sessions/${strict.id}/batches/0`)),
    'a session that refuses has the pair again',
  );
  t.ok(masked.body.equals(await getBody(second.url + address)), 'what was said stays said');
  const headers = { 'if-none-match': masked.headers.get('etag') ?? '' };
  t.equal((await ask(second.url + address, { headers })).status, 304);
  const twin = await openSession(second.url, { ...SPEC, onError: 'mask' });
  t.ok(
    masked.body.equals(await getBody(`${second.url}/v1/sessions/${twin.id}/batches/0`)),
    'also to another session of the same spec',
  );
  const nextEpoch = readBatch(await getBody(`${second.url}/v1/sessions/${masking.id}/batches/2`));
  t.strictSame(pairIdsOf(nextEpoch), pairIdsOf(readBatch(whole)));
  t.strictSame([...nextEpoch.tensors.valid!.bytes], [1, 1], 'at another address the pair has its chance');
  t.strictSame(slots(nextEpoch, 1), slots(readBatch(whole), 1));
});

t.test('a batch that was delivered whole is refused later, and never masked', async (t) => {
  const told = toldLoaders(t);
  const server = await serve(t, told);
  const { id } = await openSession(server.url, { ...SPEC, onError: 'mask' });
  const url = `${server.url}/v1/sessions/${id}/batches/0`;
  const whole = await getBody(url);
  const [, pair] = pairIdsOf(readBatch(whole));
  t.strictSame([...readBatch(whole).tensors.valid!.bytes], [1, 1]);
  told.tell({ [`dicoms/${pair}.dcm`]: 'crash' });
  t.match(await refused(t, url, {}, 422, 'SLF_PAIR_FAILED'), { pair });
  t.match(await refused(t, url, {}, 422, 'SLF_PAIR_FAILED'), { pair }, 'now that it is quarantined, too');
  told.tell({});
  await ask(`${server.url}/v1/quarantine/${pair}`, { method: 'DELETE' });
  t.ok(whole.equals(await getBody(url)));
});
