import { cpSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Answer, ask, getBody, jsonOf, type OpenedSession } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { type Feed, feedOf, openFeed, splitBodies } from '../fixtures/feed.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { type TestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder);
const state = temporaryFolder(t);
const server = await startClosable(t, folder, { STATE: state });

/** Every kind of pixel, brought to one shape; two ranks and two epochs. */
const SPEC = {
  structures: ['i'],
  batchSize: 4,
  worldSize: 2,
  epochs: 2,
  seed: 3,
  image: { values: 'windowed', dtype: 'float16', channels: 3 },
  shape: { fit: 'resize', rows: 22, columns: 26 },
  prefetch: 0,
};

/** So large that a batch is split over idle loaders. */
const LARGE = {
  ...SPEC,
  batchSize: 8,
  worldSize: 1,
  epochs: 1,
  shape: { fit: 'pad', rows: 200, columns: 200 },
};

interface Known {
  readonly body: Buffer;
  readonly etag: string;
}

async function known(url: string): Promise<Known> {
  const answer = await ask(url);
  if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${answer.body}`);
  return { body: answer.body, etag: answer.headers.get('etag') ?? '' };
}

/** The addresses of a session, ranks in turn. */
function addresses({ opened }: Feed): [step: number, rank: number][] {
  const { worldSize } = opened.spec as { worldSize: number };
  return Array.from({ length: opened.steps! * worldSize }, (_, at) => [
    Math.floor(at / worldSize),
    at % worldSize,
  ]);
}

const path = (step: number, rank: number, format = 'safetensors') =>
  `batches/${step}?rank=${rank}&format=${format}`;

const first = await openFeed(server.url, SPEC);
const large = await openFeed(server.url, LARGE);
const reference = new Map<string, Known>();
for (const format of ['safetensors', 'npz']) {
  for (const at of addresses(first))
    reference.set(path(...at, format), await known(`${first.url}/${path(...at, format)}`));
  for (const at of addresses(large))
    reference.set(`large ${path(...at, format)}`, await known(`${large.url}/${path(...at, format)}`));
}

/** Checks one answer against what the first session gave for that address. */
function check(
  t: Test,
  key: string,
  { status, body, headers }: Pick<Answer, 'status' | 'body' | 'headers'>,
): void {
  const expected = reference.get(key)!;
  t.strictSame([status, headers.get('etag')], [200, expected.etag], `${key}: tag`);
  t.ok(body.equals(expected.body), `${key}: bytes`);
}

/** Asks for every address of a session in the order that `sort` gives, all ranks and a few steps at once. */
async function checkAll(
  t: Test,
  feed: Feed,
  sort: (all: [number, number][]) => [number, number][],
  prefix = '',
): Promise<void> {
  const all = sort(addresses(feed));
  for (let from = 0; from < all.length; from += 3)
    await Promise.all(
      all
        .slice(from, from + 3)
        .flatMap((at) =>
          ['safetensors', 'npz'].map(async (format) =>
            check(t, prefix + path(...at, format), await ask(`${feed.url}/${path(...at, format)}`)),
          ),
        ),
    );
}

const backwards = (all: [number, number][]) => all.reverse();
const jumping = (all: [number, number][]) =>
  all.sort(([a, i], [b, j]) => ((a * 7 + i) % 5) - ((b * 7 + j) % 5) || b - a);

t.test('every address has bytes of its own', async (t) => {
  t.equal(first.opened.pairs, 18, 'all that carry i: 4 + 3 + 3 + 2 + 2 + 3 + 1');
  t.equal(reference.size, 2 * (2 * 2 * 5 + 3));
  t.equal(new Set([...reference.values()].map(({ etag }) => etag)).size, reference.size, 'tags');
  t.equal(
    new Set([...reference.values()].map(({ body }) => body.toString('base64'))).size,
    reference.size,
    'bytes',
  );
});

t.test('asked again, in any order, an address gives the same bytes', async (t) => {
  await checkAll(t, first, (all) => all);
  await checkAll(t, first, jumping);
});

t.test('a second session of the same spec, with another prefetch, gives the same bytes', async (t) => {
  for (const prefetch of [1, 8]) {
    const feed = await openFeed(server.url, { ...SPEC, prefetch });
    t.not(feed.id, first.id);
    t.equal(feed.opened.specDigest, first.opened.specDigest);
    await checkAll(t, feed, prefetch === 8 ? backwards : jumping);
  }
});

t.test('next gives the bytes of its step', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, prefetch: 2 });
  for (const [step, rank] of addresses(feed)) check(t, path(step, rank), await feed.next(`rank=${rank}`));
  for (const [step, rank] of addresses(feed).reverse())
    check(t, path(step, rank, 'npz'), await feed.next(`rank=${rank}&after=${step - 1}&format=npz`));
});

t.test('a stream gives the bytes of its steps', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, prefetch: 8 });
  const streams = await Promise.all([0, 1].map((rank) => getBody(`${feed.url}/stream?rank=${rank}`)));
  for (const [rank, stream] of streams.entries()) {
    const bodies = splitBodies(stream);
    t.equal(bodies.length, feed.opened.steps);
    for (const [step, body] of bodies.entries())
      t.ok(body.equals(reference.get(path(step, rank))!.body), path(step, rank));
  }
});

t.test('a tag spares its bytes in another session as well, and no others', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, prefetch: 1 });
  const tagged = (at: string, etag: string) =>
    ask(`${feed.url}/${at}`, { headers: { 'if-none-match': etag } });
  for (const at of addresses(feed)) {
    const { etag } = reference.get(path(...at))!;
    const spared = await tagged(path(...at), etag);
    t.strictSame([spared.status, spared.body.length, spared.headers.get('etag')], [304, 0, etag]);
  }
  check(t, path(1, 0), await tagged(path(1, 0), reference.get(path(0, 0))!.etag));
  check(t, path(0, 1), await tagged(path(0, 1), reference.get(path(0, 0))!.etag));
  check(t, path(0, 0, 'npz'), await tagged(path(0, 0, 'npz'), reference.get(path(0, 0))!.etag));
});

async function checkElsewhere(t: Test, other: TestServer): Promise<void> {
  for (const prefetch of [0, 8]) {
    const feed = await openFeed(other.url, { ...SPEC, prefetch });
    t.equal(feed.opened.snapshot, first.opened.snapshot);
    await checkAll(t, feed, prefetch === 0 ? (all) => all : backwards);
  }
  await checkAll(t, await openFeed(other.url, LARGE), jumping, 'large ');
}

t.test(
  'a state folder made anew over a copy elsewhere, with three loaders, gives the same bytes',
  async (t) => {
    const copy = join(temporaryFolder(t), 'far', 'away');
    cpSync(folder, copy, { recursive: true });
    const other = await startClosable(t, copy, { LOADERS: '3' });
    await checkElsewhere(t, other);
  },
);

t.test('a restart gives the same bytes, in the same session and in a new one', async (t) => {
  await server.close();
  const again = await startClosable(t, folder, { STATE: state, LOADERS: '2' });
  const opened = jsonOf<OpenedSession>(await ask(`${again.url}/v1/sessions/${first.id}`));
  const feed = feedOf(again.url, opened);
  await checkAll(t, feed, backwards);
  await checkElsewhere(t, again);
});
