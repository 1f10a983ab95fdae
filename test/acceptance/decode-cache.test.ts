import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { imageElements } from '../../src/demo/image-elements.js';
import { writePart10 } from '../../src/demo/part10.js';
import { ask, getBody } from '../fixtures/client.js';
import { openFeed } from '../fixtures/feed.js';
import { numbersOf } from '../fixtures/numbers.js';
import { contourPath, imagePath, linkTable, squareContour, writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';

/** A run-length image of 4 × 4 equal pixels. */
function rleFile(value: number, number: number): Uint8Array {
  const head = new Uint32Array(16);
  head.set([1, 64]);
  const frame = Uint8Array.from([...new Uint8Array(head.buffer), 241, value]);
  const image = { rows: 4, columns: 4, bitsAllocated: 8, seed: `rle ${number}`, studyUid: '1.2.3' };
  const elements = imageElements({ ...image, pixels: { frames: [[frame]] } });
  return writePart10(elements, { transferSyntax: '1.2.840.10008.1.2.5' });
}

const data = temporaryFolder(t);
writeFiles(data, { 'link.csv': linkTable(['P', 'O']) });
for (const number of [1, 2, 3])
  writeFiles(data, {
    [imagePath('P', number)]: rleFile(10 * number, number),
    [contourPath('O', number)]: squareContour(1, 3),
  });

async function framesOf(url: string): Promise<Record<string, number>> {
  const text = (await getBody(`${url}/metrics`)).toString();
  const lines = text.matchAll(/^slicefeed_decode_cache_frames_total\{result="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries(Array.from(lines, ([, result, count]) => [result, Number(count)]));
}

t.test('later epochs have the frames that the first decoded, until a file changes', async (t) => {
  const server = await startTestServer(t, data, { LOADERS: '2' });
  await server.ready();
  const feed = await openFeed(server.url, { batchSize: 1, shuffle: false, prefetch: 0, epochs: 4 });
  const first: number[][] = [];
  for (const step of [0, 1, 2]) first.push([...numbersOf((await feed.batch(step)).tensors.images!, 0)]);
  t.strictSame(
    first,
    [10, 20, 30].map((value) => Array(16).fill(value)),
  );
  t.strictSame(await framesOf(server.url), { hit: 0, miss: 3 });
  for (const step of [3, 4, 5])
    t.strictSame([...numbersOf((await feed.batch(step)).tensors.images!, 0)], first[step - 3]);
  t.strictSame(await framesOf(server.url), { hit: 3, miss: 3 });
  t.match((await getBody(`${server.url}/metrics`)).toString(), /^slicefeed_decode_cache_bytes 12288$/m);

  writeFileSync(join(data, imagePath('P', 2)), rleFile(99, 2));
  t.equal((await ask(`${feed.url}/batches/6`)).status, 200);
  const answer = await ask(`${feed.url}/batches/7`);
  t.equal(answer.status, 409);
  t.match(JSON.parse(answer.body.toString()), { code: 'SLF_SOURCE_CHANGED' });
});

t.test('0 keeps no frame, and removes those of before', async (t) => {
  const state = temporaryFolder(t);
  writeFiles(state, { 'decoded/ab/frame': 'old' });
  const server = await startTestServer(t, data, { STATE: state, DECODE_CACHE: '0' });
  await server.ready();
  const feed = await openFeed(server.url, { batchSize: 1, prefetch: 0 });
  for (const step of [0, 1, 2, 3, 4, 5]) await feed.batch(step);
  t.strictSame(await framesOf(server.url), { hit: 0, miss: 0 });
  t.notOk(existsSync(join(state, 'decoded')));
  t.notOk(readdirSync(state).includes('decoded'));
});
