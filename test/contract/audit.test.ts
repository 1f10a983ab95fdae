import { join } from 'node:path';
import { decode } from 'fast-png';
import t from 'tap';
import { ask, getBody, getJson } from '../fixtures/client.js';
import { startClosable } from '../fixtures/closable.js';
import { type Feed, openFeed, until } from '../fixtures/feed.js';
import { makeMixedFolder } from '../fixtures/mixed-folder.js';
import { numbersOf } from '../fixtures/numbers.js';
import { refused } from '../fixtures/problem.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
makeMixedFolder(folder);
const server = await startClosable(t, folder);

/** Ten pairs of one shape. */
const SPEC = { studies: ['ANN-1', 'CYD', 'FAY', 'GUS'], batchSize: 4, epochs: 2 };
const ORDER = [
  'ANN-1/1',
  'ANN-1/2',
  'ANN-1/3',
  'ANN-1/4',
  'CYD/1',
  'CYD/2',
  'FAY/1',
  'FAY/2',
  'FAY/3',
  'GUS/1',
];

interface Count {
  readonly count: number;
  readonly pairs: readonly string[];
}

interface Audit {
  readonly epoch: number;
  readonly pairs: number;
  readonly delivered: number;
  readonly missing: Count;
  readonly repeated: Count;
  readonly dropped: Count;
  readonly masked: Count;
}

const NONE: Count = { count: 0, pairs: [] };
const audit = ({ url }: Feed, epoch = 0) => getJson<Audit>(`${url}/audit?epoch=${epoch}`);

t.test('an audit tells what became of every pair of an epoch', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, shuffle: false });
  t.strictSame(await audit(feed), {
    epoch: 0,
    pairs: 10,
    delivered: 0,
    missing: { count: 10, pairs: ORDER },
    repeated: NONE,
    dropped: NONE,
    masked: NONE,
  });
  await feed.body(1);
  t.match(await audit(feed), {
    delivered: 4,
    missing: { count: 6, pairs: [...ORDER.slice(0, 4), 'FAY/3', 'GUS/1'] },
  });
  await feed.next();
  await getBody(`${feed.url}/stream?from=2&to=4`);
  t.match(await audit(feed), { delivered: 10, missing: NONE, repeated: NONE });
  t.match(await audit(feed, 1), { epoch: 1, delivered: 4, missing: { count: 6, pairs: ORDER.slice(4) } });
});

t.test('a batch that is fetched again is the same delivery, not a second one', async (t) => {
  const feed = await openFeed(server.url, SPEC);
  for (let n = 0; n < 3; n++) await feed.body(0);
  await feed.next();
  await feed.next('after=-1&format=npz');
  t.match(await audit(feed), { delivered: 4, missing: { count: 6 }, repeated: NONE });
  t.match(await feed.look(), { delivered: 1 });
});

t.test('what drop leaves out is named, in each epoch its own', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, lastBatch: 'drop', seed: 4 });
  const dropped = [];
  for (const epoch of [0, 1]) {
    const seen = [...(await feed.ids(2 * epoch)), ...(await feed.ids(2 * epoch + 1))] as string[];
    const told = await audit(feed, epoch);
    const rest = ORDER.filter((id) => !seen.includes(id));
    t.strictSame(told, {
      epoch,
      pairs: 10,
      delivered: 8,
      missing: NONE,
      repeated: NONE,
      dropped: { count: 2, pairs: rest },
      masked: NONE,
    });
    dropped.push(rest.join());
  }
  t.not(dropped[0], dropped[1]);
});

t.test('the ranks’ deliveries count together, and padding is nobody’s', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, worldSize: 4, lastBatch: 'pad' });
  const seen: string[] = [];
  for (let step = 0; step < 3; step++) {
    for (const rank of [3, 1, 0])
      seen.push(...((await feed.ids(step, rank)).filter((id) => id !== null) as string[]));
    const { delivered, missing } = await audit(feed);
    t.strictSame([delivered, missing.count], [seen.length, 10 - seen.length], `step ${step}`);
    t.strictSame([...missing.pairs, ...seen].sort(), [...ORDER].sort());
  }
  for (let step = 0; step < 3; step++) await feed.body(step, 2);
  t.match(await audit(feed), { delivered: 10, missing: NONE, repeated: NONE });
});

t.test('pictures, 304 and what was not sent whole are no delivery', async (t) => {
  const feed = await openFeed(server.url, {
    ...SPEC,
    batchSize: 1,
    shape: { fit: 'pad', rows: 2500, columns: 2500 },
  });
  t.equal((await ask(`${feed.url}/batches/1/overlay.png`)).status, 200);
  const twin = await openFeed(server.url, {
    ...SPEC,
    batchSize: 1,
    shape: { fit: 'pad', rows: 2500, columns: 2500 },
  });
  const etag = (await ask(`${twin.url}/batches/2`)).headers.get('etag') ?? '';
  t.equal((await ask(`${feed.url}/batches/2`, { headers: { 'if-none-match': etag } })).status, 304);
  // A body of 18 MiB is more than a connection takes without a reader.
  const connection = await rawConnection(t, server.url);
  connection.get(`${new URL(feed.url).pathname}/batches/3`);
  await connection.some(100_000);
  t.equal(server.service.sessions.get(feed.id).sending, 1);
  connection.socket.destroy();
  await until(() => server.service.sessions.get(feed.id).sending === 0);
  t.match(await audit(feed), { delivered: 0, missing: { count: 10 }, masked: NONE });
  t.match(await feed.look(), { delivered: 0, cursors: [0] });
  await feed.body(3);
  t.match(await audit(feed), { delivered: 1 });
});

t.test('an epoch that is none is refused', async (t) => {
  const feed = await openFeed(server.url, SPEC);
  await refused(t, `${feed.url}/audit?epoch=2`, {}, 404, 'SLF_STEP_PAST_END');
  for (const epoch of ['-1', 'x', '0.5'])
    t.match(await refused(t, `${feed.url}/audit?epoch=${epoch}`, {}, 400, 'SLF_INVALID'), { field: 'epoch' });
  await refused(t, `${server.url}/v1/sessions/nobody/audit`, {}, 404, 'SLF_SESSION_UNKNOWN');
  const endless = await openFeed(server.url, { ...SPEC, epochs: null });
  t.match(await audit(endless, 123_456), { epoch: 123_456, delivered: 0, missing: { count: 10 } });
});

/** A picture of a step, decoded. */
async function picture(feed: Feed, step: number, rank = 0) {
  const answer = await ask(`${feed.url}/batches/${step}/overlay.png?rank=${rank}`);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`);
  const { width, height, channels, data } = decode(answer.body);
  const colours = new Set<string>();
  for (let at = 0; at < data.length; at += channels) colours.add(data.slice(at, at + channels).join());
  return {
    type: answer.headers.get('content-type'),
    bytes: answer.body,
    width,
    height,
    colours: colours.size,
  };
}

t.test('a contact sheet shows a step, and moves nothing', async (t) => {
  const feed = await openFeed(server.url, { ...SPEC, worldSize: 2, lastBatch: 'pad' });
  await feed.next();
  const before = await feed.look();
  const sheet = await picture(feed, 1);
  t.equal(sheet.type, 'image/png');
  t.ok(sheet.width >= 2 * 20 && sheet.height >= 24, `${sheet.width} × ${sheet.height}`);
  t.ok(sheet.colours > 50, 'images, masks and words');
  t.ok((await picture(feed, 1)).bytes.equals(sheet.bytes), 'twice the same');
  const others = [
    await picture(feed, 0),
    await picture(feed, 1, 1),
    await picture(feed, 2, 1),
    await picture(feed, 5),
  ];
  t.equal(new Set([sheet, ...others].map(({ bytes }) => bytes.toString('base64'))).size, 5, 'each its own');
  const { warm: _, ...after } = await feed.look();
  const { warm: __, ...same } = before;
  t.strictSame(after, same, 'no cursor, no delivery, no hit and no miss');
  await refused(t, `${feed.url}/batches/6/overlay.png`, {}, 404, 'SLF_STEP_PAST_END');
});

/** Whether an image is in a picture, at any place and in any whole scale, but for brightness and contrast. */
function shows(png: Buffer, image: Float64Array, rows: number, columns: number): boolean {
  const { width, height, channels, data } = decode(png);
  const correlation = (places: readonly number[], top: number, left: number, scale: number) => {
    let [n, x, y, xx, yy, xy] = [places.length, 0, 0, 0, 0, 0];
    for (const at of places) {
      const row = top + Math.floor(at / columns) * scale;
      const grey = data[(row * width + left + (at % columns) * scale) * channels]!;
      const value = image[at]!;
      x += grey;
      y += value;
      xx += grey * grey;
      yy += value * value;
      xy += grey * value;
    }
    return (n * xy - x * y) / Math.sqrt((n * xx - x * x) * (n * yy - y * y));
  };
  const all = Array.from({ length: image.length }, (_, at) => at);
  const few = all.filter((at) => at % 37 === 0);
  for (let scale = 1; scale * columns <= width && scale * rows <= height; scale++)
    for (let top = 0; top + scale * rows <= height; top++)
      for (let left = 0; left + scale * columns <= width; left++)
        if (correlation(few, top, left, scale) > 0.97 && correlation(all, top, left, scale) > 0.99)
          return true;
  return false;
}

t.test('a contact sheet is drawn from the values of its step', async (t) => {
  const feed = await openFeed(server.url, {
    studies: ['ANN-1'],
    structures: [],
    batchSize: 1,
    image: { values: 'windowed' },
  });
  const images = [];
  for (const step of [0, 1]) images.push(numbersOf((await feed.batch(step)).tensors.images!));
  for (const step of [0, 1]) {
    const { bytes } = await picture(feed, step);
    t.ok(shows(bytes, images[step]!, 24, 20), `step ${step}: its own image`);
    t.notOk(shows(bytes, images[1 - step]!, 24, 20), `step ${step}: not the other`);
  }
});

t.test('a contact sheet of a batch that cannot be had says so, or shows what is masked', async (t) => {
  const spec = { studies: ['FAY'], batchSize: 3, image: { dtype: 'uint8' } };
  const failing = await openFeed(server.url, spec);
  const problem = await refused(t, `${failing.url}/batches/0/overlay.png`, {}, 422, 'SLF_VALUE_RANGE');
  t.equal(problem.pair, 'FAY/2');
  const masking = await openFeed(server.url, { ...spec, onError: 'mask' });
  t.ok((await picture(masking, 0)).colours > 1);
  t.match(await audit(masking), { delivered: 0, masked: NONE });
});
