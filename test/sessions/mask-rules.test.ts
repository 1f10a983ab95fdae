import t from 'tap';
import { maskOf, readBatch } from '../fixtures/batch.js';
import { ask, getBody } from '../fixtures/client.js';
import { openFeed } from '../fixtures/feed.js';
import { numbersOf } from '../fixtures/numbers.js';
import { contourPath, imageFile, imagePath, linkTable, writeFiles } from '../fixtures/study-folder.js';
import { startTestServer, temporaryFolder } from '../helper.js';

/** A square of 4 × 4 whose corners are in the middle of pixels 2 and 6. */
const SQUARE = '2 2\n6 2\n6 6\n2 6\n';

const folder = temporaryFolder(t);
writeFiles(folder, {
  'link.csv': linkTable(['P', 'Q']),
  [imagePath('P', 1)]: imageFile(1),
  [imagePath('P', 2)]: imageFile(2),
  [contourPath('Q', 1, 'i')]: SQUARE,
  [contourPath('Q', 1, 'o')]: '0 0\n9 0\n9 9\n0 9\n',
  [contourPath('Q', 2, 'i')]: SQUARE,
});
const { url, ready } = await startTestServer(t, folder);
await ready();

const SPEC = { structures: ['i'], batchSize: 1, shuffle: false };

async function maskNumbers(spec: object): Promise<{ dtype: string; values: Float64Array }> {
  const { tensors } = await (await openFeed(url, { ...SPEC, ...spec })).batch(0);
  const { dtype } = tensors.masks!;
  return { dtype, values: numbersOf({ dtype, shape: [1], bytes: maskOf(tensors.masks!, 0, 0) }) };
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);

t.test('coverage: float32 shares that add up to the area, also from half a pixel on', async (t) => {
  const { dtype, values } = await maskNumbers({ mask: { rule: 'coverage' } });
  t.equal(dtype, 'F32');
  t.equal(sum(values), 16);
  t.strictSame(
    [2, 3, 6, 7].map((x) => values[2 * 16 + x]),
    [0.25, 0.5, 0.25, 0],
  );
  t.equal(values[3 * 16 + 3], 1);
  const half = await maskNumbers({ mask: { rule: 'coverage', origin: 'half' } });
  t.equal(half.values[2 * 16 + 2], 1, 'the square now lies on the edges of pixels');
  t.equal(sum(half.values), 16);
});

t.test('coverage is measured at the size of a resized batch, and moved by pad and crop', async (t) => {
  const rule = { mask: { rule: 'coverage' } };
  const grown = await maskNumbers({ ...rule, shape: { fit: 'resize', rows: 32, columns: 32 } });
  t.equal(sum(grown.values), 64);
  t.equal(grown.values[5 * 32 + 5], 1);
  t.equal(grown.values[4 * 32 + 5], 0, 'the source’s half pixel is none or a whole one of the batch');
  const shrunk = await maskNumbers({ ...rule, shape: { fit: 'resize', rows: 4, columns: 4 } });
  t.equal(sum(shrunk.values), 1);
  const padded = await maskNumbers({ ...rule, shape: { fit: 'pad', rows: 20, columns: 20 } });
  t.equal(padded.values[4 * 20 + 4], 0.25);
  const cropped = await maskNumbers({ ...rule, shape: { fit: 'crop', rows: 12, columns: 12 } });
  t.equal(cropped.values[0], 0.25);
  t.equal(sum(cropped.values), 16);
});

t.test('opencv: the outline belongs to the mask, in bool', async (t) => {
  const { dtype, values } = await maskNumbers({ mask: { rule: 'opencv' } });
  t.equal(dtype, 'BOOL');
  t.equal(sum(values), 25);
  t.strictSame(
    [1, 2, 6, 7].map((x) => values[6 * 16 + x]),
    [0, 1, 1, 0],
  );
});

t.test('a structure that is missing is empty by either rule', async (t) => {
  for (const rule of ['opencv', 'coverage']) {
    const spec = { ...SPEC, structures: ['i', 'o'], missing: 'empty', batchSize: 2, mask: { rule } };
    const { tensors, metadata } = await (await openFeed(url, spec)).batch(0);
    const masks = tensors.masks!;
    t.strictSame(masks.shape, [2, 2, 16, 16], rule);
    t.ok(
      maskOf(masks, 0, 1).some((byte) => byte !== 0),
      rule,
    );
    t.ok(
      maskOf(masks, 1, 1).every((byte) => byte === 0),
      rule,
    );
    t.equal(metadata.rule, rule);
  }
});

t.test('one pair and its picture by either rule', async (t) => {
  const pair = `${url}/v1/studies/P/pairs/1`;
  const { tensors } = readBatch(await getBody(`${pair}?rule=coverage&structures=i`));
  t.equal(sum(numbersOf(tensors.masks!)), 16);
  const drawn = readBatch(await getBody(`${pair}?rule=opencv&structures=i`));
  t.equal(sum(numbersOf(drawn.tensors.masks!)), 25);
  for (const rule of ['opencv', 'coverage']) {
    const picture = await ask(`${pair}/overlay.png?rule=${rule}`);
    t.equal(picture.headers.get('content-type'), 'image/png', rule);
  }
  const npz = await getBody(`${pair}?rule=coverage&format=npz`);
  t.equal(npz.subarray(0, 2).toString(), 'PK');
});
