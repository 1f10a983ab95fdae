import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { resolveSpec } from '../../src/sessions/resolve.js';
import { canonicalJson, type Spec, specDigest } from '../../src/sessions/spec.js';
import { openCatalogue, scanInto, smallFolder } from '../catalog/catalogue.js';

const db = openCatalogue(t);
await scanInto(db, smallFolder(t));
const SPEC = resolveSpec(db, {}).spec;

t.test('equal values are equal texts, whatever the order of their keys', async (t) => {
  t.equal(canonicalJson({ b: 1, a: { d: [2, 1], c: null } }), '{"a":{"c":null,"d":[2,1]},"b":1}');
  t.equal(canonicalJson([{ b: 1, a: 2 }, 'x']), '[{"a":2,"b":1},"x"]');
  t.not(canonicalJson([1, 2]), canonicalJson([2, 1]), 'the order of a list counts');
});

t.test('nothing of a value is lost in its text', async (t) => {
  const property = fc.property(fc.jsonValue(), (value) => {
    const text = canonicalJson(value);
    assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    assert.equal(canonicalJson(JSON.parse(text)), text);
  });
  t.doesNotThrow(() => fc.assert(property));
});

t.test('a spec is named by 64 hexadecimal digits, the same for equal specs', async (t) => {
  t.match(specDigest(SPEC), /^[0-9a-f]{64}$/);
  const turned = Object.fromEntries(Object.entries(SPEC).reverse()) as unknown as Spec;
  t.equal(specDigest(turned), specDigest(SPEC));
});

t.test('what decides no byte does not count', async (t) => {
  const others: Partial<Spec>[] = [{ prefetch: 7 }, { epochs: 3 }, { snapshot: 'f'.repeat(64) }];
  for (const change of others)
    t.equal(specDigest({ ...SPEC, ...change }), specDigest(SPEC), Object.keys(change)[0]);
});

t.test('what decides bytes counts', async (t) => {
  const others: Partial<Spec>[] = [
    { structures: ['o'] },
    { batchSize: 9 },
    { worldSize: 2 },
    { shuffle: false },
    { seed: 1 },
    { lastBatch: 'pad' },
    { image: { ...SPEC.image, values: 'stored' } },
    { image: { ...SPEC.image, dtype: 'float32' } },
    { mask: { ...SPEC.mask, rule: 'pil' } },
    { mask: { ...SPEC.mask, origin: 'half' } },
    { shape: { ...SPEC.shape, rows: 7 } },
  ];
  const names = [SPEC, ...others.map((change) => ({ ...SPEC, ...change }))].map(specDigest);
  t.equal(new Set(names).size, others.length + 1);
});

t.test('every default is filled in', async (t) => {
  t.match(SPEC, {
    studies: 'all',
    excludeStudies: [],
    structures: ['i'],
    batchSize: 8,
    worldSize: 1,
    shuffle: true,
    seed: 0,
    epochs: null,
    lastBatch: 'keep',
    prefetch: 1,
    image: { values: 'rescaled', dtype: 'uint16', channels: 1 },
    mask: { rule: 'pixel-center', origin: 'integer' },
    shape: { fit: 'exact', rows: 2, columns: 3 },
    onError: 'fail',
  });
  t.equal(resolveSpec(db, { batchSize: 8, worldSize: 2 }).spec.lastBatch, 'pad');
});
