import t, { type Test } from 'tap';
import { SlfError } from '../../src/errors.js';
import type { SpecRequest } from '../../src/sessions/request.js';
import { resolveSpec } from '../../src/sessions/resolve.js';
import type { Spec } from '../../src/sessions/spec.js';
import { catalogOf, slices, type ToldSlice } from '../fixtures/found-studies.js';

type Asked = SpecRequest['image'];

async function resolver(t: Test, ...told: (readonly ToldSlice[])[]) {
  const db = await catalogOf(
    t,
    Object.fromEntries(told.map((some, at) => [String.fromCharCode(65 + at), { slices: some }])),
  );
  return {
    spec: (request: SpecRequest = {}): Spec => resolveSpec(db, request).spec,
    refuse(request: SpecRequest, code: string, field: string, detail = /./) {
      let thrown: unknown;
      try {
        resolveSpec(db, request);
      } catch (error) {
        thrown = error;
      }
      t.ok(thrown instanceof SlfError, `${code} is thrown`);
      t.match(thrown, { code, subject: { field }, detail });
    },
  };
}

t.test('every default is filled in', async (t) => {
  const { spec } = await resolver(t, slices(3, ['i']));
  t.strictSame(spec(), {
    studies: 'all',
    excludeStudies: [],
    where: {},
    split: null,
    snapshot: null,
    structures: ['i'],
    missing: 'exclude',
    rename: {},
    exclude: [],
    batchSize: 8,
    worldSize: 1,
    shuffle: true,
    seed: 0,
    epochs: null,
    lastBatch: 'keep',
    prefetch: 1,
    image: { values: 'rescaled', dtype: 'int16', normalize: 'none', channels: 1 },
    mask: { rule: 'pixel-center', holes: 'standard', origin: 'integer' },
    shape: { fit: 'exact', rows: 8, columns: 8, fill: 0 },
    onError: 'fail',
  });
});

t.test('several ranks pad their last batch unless told otherwise', async (t) => {
  const { spec, refuse } = await resolver(t, slices(9, ['i']));
  t.equal(spec({ worldSize: 2 }).lastBatch, 'pad');
  t.equal(spec({ worldSize: 2, lastBatch: 'keep' }).lastBatch, 'keep');
  refuse({ worldSize: 3 }, 'SLF_SPEC_CONFLICT', 'batchSize', /8.*3/);
  refuse({ lastBatch: 'drop', batchSize: 10 }, 'SLF_NO_PAIRS', 'lastBatch', /9.*10/);
  t.equal(spec({ lastBatch: 'drop', batchSize: 9 }).lastBatch, 'drop');
});

t.test('studies and parts are told in one order, however they were asked for', async (t) => {
  const { spec } = await resolver(t, slices(1, ['i']), slices(1, ['i']), slices(1, ['i']));
  t.strictSame(spec({ studies: ['C', 'A'] }), spec({ studies: ['A', 'C'] }));
  t.strictSame(spec({ excludeStudies: ['C', 'A'] }), spec({ excludeStudies: ['A', 'C'] }));
  const split = (parts: number[]) => spec({ split: { of: 2, parts } }).split;
  t.strictSame(split([1, 0, 1]), { of: 2, parts: [0, 1], seed: 0 });
});

/** What auto gives for one kind of header. */
async function auto(t: Test, header: ToldSlice['header'], image: Asked = {}, more: SpecRequest = {}) {
  const { spec } = await resolver(t, slices(2, ['i'], header));
  return spec({ ...more, image }).image.dtype;
}

t.test('auto is the smallest integer type that holds what the headers declare', async (t) => {
  const rescale = (slope: number, intercept: number) => ({ slope, intercept });
  t.equal(await auto(t, { bitsStored: 8 }), 'int16');
  t.equal(await auto(t, { bitsStored: 15 }), 'int16');
  t.equal(await auto(t, { bitsStored: 16 }), 'uint16');
  t.equal(await auto(t, { bitsStored: 16, signed: true }), 'int16');
  t.equal(await auto(t, { bitsStored: 16, rescale: rescale(1, -1024) }), 'int32');
  t.equal(await auto(t, { bitsStored: 12, rescale: rescale(1, -1024) }), 'int16');
  t.equal(await auto(t, { bitsStored: 12, rescale: rescale(16, 0) }), 'uint16');
  t.equal(await auto(t, { bitsStored: 12, rescale: rescale(2, 0.5) }), 'float32');
  t.equal(await auto(t, { bitsStored: 12, rescale: rescale(0.5, 0) }), 'float32');
  t.equal(await auto(t, { bitsStored: 32, bitsAllocated: 32 }), 'float32', 'over int32');
  t.equal(await auto(t, { bitsStored: 32, pixelKind: 'float' }), 'float32');
});

t.test('auto looks at the values that are asked for', async (t) => {
  const header = { bitsStored: 12, rescale: { slope: 0.5, intercept: 0 } };
  t.equal(await auto(t, header, { values: 'stored' }), 'int16');
  t.equal(await auto(t, header, { values: 'rescaled' }), 'float32');
  t.equal(await auto(t, {}, { values: 'windowed' }), 'float32');
  t.equal(await auto(t, {}, { normalize: 'minmax' }), 'float32');
  t.equal(await auto(t, {}, { values: 'stored', normalize: 'zscore' }), 'float32');
  t.equal(
    await auto(t, {}, {}, { shape: { fit: 'resize', rows: 4, columns: 4 } }),
    'float32',
    'a mean is not whole',
  );
  t.equal(
    await auto(t, {}, {}, { shape: { fit: 'pad', rows: 9, fill: -32_769 } }),
    'int32',
    'the fill is a value too',
  );
  t.equal(await auto(t, {}, {}, { shape: { fit: 'pad', rows: 9, fill: 0.5 } }), 'float32');
});

t.test('auto holds the values of all studies, and only of those that are chosen', async (t) => {
  const { spec } = await resolver(
    t,
    slices(1, ['i'], { bitsStored: 16 }),
    slices(1, ['i'], { bitsStored: 16, signed: true }),
  );
  t.equal(spec().image.dtype, 'int32');
  t.equal(spec({ studies: ['A'] }).image.dtype, 'uint16');
  t.equal(spec({ studies: ['B'] }).image.dtype, 'int16');
});

t.test('a dtype without fractions does not go with values that have them', async (t) => {
  const { spec, refuse } = await resolver(t, slices(2, ['i']));
  for (const dtype of ['uint8', 'int16', 'uint16', 'int32'] as const) {
    refuse({ image: { dtype, values: 'windowed' } }, 'SLF_SPEC_CONFLICT', 'image.dtype');
    refuse({ image: { dtype, normalize: 'minmax' } }, 'SLF_SPEC_CONFLICT', 'image.dtype');
    t.equal(spec({ image: { dtype } }).image.dtype, dtype);
  }
  for (const dtype of ['float16', 'float32'] as const)
    t.equal(spec({ image: { dtype, values: 'windowed', normalize: 'zscore' } }).image.dtype, dtype);
});

t.test('a fill that its dtype cannot hold is refused', async (t) => {
  const { spec, refuse } = await resolver(t, slices(2, ['i']));
  const asked = (fill: number, dtype: NonNullable<NonNullable<Asked>['dtype']>) => ({
    shape: { fit: 'pad' as const, rows: 10, fill },
    image: { dtype },
  });
  refuse(asked(-1, 'uint8'), 'SLF_VALUE_RANGE', 'shape.fill');
  refuse(asked(256, 'uint8'), 'SLF_VALUE_RANGE', 'shape.fill');
  refuse(asked(0.5, 'int32'), 'SLF_VALUE_RANGE', 'shape.fill');
  refuse(asked(70_000, 'float16'), 'SLF_VALUE_RANGE', 'shape.fill');
  t.equal(spec(asked(-1000, 'int16')).shape.fill, -1000);
  t.equal(spec(asked(0.5, 'float16')).shape.fill, 0.5);
});

t.test('channels are those of the files, or those that are said', async (t) => {
  const { spec, refuse } = await resolver(
    t,
    slices(1, ['i']),
    slices(1, ['i'], { samplesPerPixel: 3, photometric: 'RGB', bitsStored: 8 }),
  );
  t.equal(spec({ studies: ['A'] }).image.channels, 1);
  t.equal(spec({ studies: ['B'] }).image.channels, 3);
  refuse({}, 'SLF_CHANNELS_DIFFER', 'image.channels');
  t.match(spec({ image: { channels: 3 } }).image, { channels: 3, dtype: 'int16' });
  t.match(
    spec({ image: { channels: 1 } }).image,
    { channels: 1, dtype: 'float32' },
    'luminance is not whole',
  );
});

const shaped = (rows: number, columns: number) => slices(2, ['i'], { rows, columns });

t.test('shapes that differ are refused by name, but with batchSize 1', async (t) => {
  const { spec, refuse } = await resolver(t, shaped(8, 9), shaped(10, 7));
  refuse({}, 'SLF_SHAPES_DIFFER', 'shape.fit', /8 × 9 \(A\/1\), 10 × 7 \(B\/1\)/);
  refuse({ batchSize: 2, worldSize: 2 }, 'SLF_SHAPES_DIFFER', 'shape.fit');
  t.match(spec({ batchSize: 1 }).shape, { fit: 'exact', rows: null, columns: null });
  t.match(spec({ studies: ['B'] }).shape, { fit: 'exact', rows: 10, columns: 7 });
});

t.test('the shape of a fit is the largest of each side, or what is said', async (t) => {
  const { spec, refuse } = await resolver(t, shaped(8, 9), shaped(10, 7));
  for (const fit of ['pad', 'crop', 'resize'] as const) {
    t.match(spec({ shape: { fit } }).shape, { fit, rows: 10, columns: 9, fill: 0 });
    t.match(spec({ shape: { fit, rows: 12 } }).shape, { rows: 12, columns: 9 });
  }
  t.match(spec({ shape: { fit: 'crop', rows: 4, columns: 5 } }).shape, { rows: 4, columns: 5 });
  t.match(spec({ shape: { fit: 'resize', rows: 4, columns: 50 } }).shape, { rows: 4, columns: 50 });
  refuse({ shape: { fit: 'pad', rows: 9 } }, 'SLF_SHAPES_DIFFER', 'shape', /10 × 9/);
  refuse({ studies: ['A'], shape: { fit: 'exact', rows: 9 } }, 'SLF_SHAPES_DIFFER', 'shape', /8 × 9/);
});
