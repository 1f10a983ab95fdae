import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { rasterize } from '../../src/core/rasterize.js';
import { type Check, checkEpoch, expectedPairs, fillEvenOdd } from '../../src/demo/check.js';
import { makePhantom, type PhantomTruth } from '../../src/demo/phantom.js';
import type { ReceivedBatch, SessionTimings, Tensor } from '../../src/demo/reader.js';

const STRUCTURES = ['i', 'o'];
const TIMINGS: SessionTimings = { waitMs: 3, hits: 1, misses: 1 };

let truth: PhantomTruth;

t.before(async () => {
  const folder = t.testdir();
  truth = await makePhantom(folder, { studies: 2, slices: 3, phases: 2, rows: 40, columns: 48 });
});

/** A batch as the service would send it, its masks by the service's own rasterizer. */
function batchOf(step: number, ids: readonly string[]): ReceivedBatch {
  const { rows, columns, folder } = truth;
  const plane = rows * columns;
  const expected = expectedPairs(truth, STRUCTURES);
  const images = Buffer.alloc(ids.length * plane * 2);
  const masks = new Uint8Array(ids.length * STRUCTURES.length * plane);
  ids.forEach((id, slot) => {
    const { file, contours } = expected.get(id)!;
    // Pixel data is the last element of a phantom's file.
    images.set(readFileSync(join(folder, file)).subarray(-2 * plane), 2 * slot * plane);
    contours.forEach(({ points }, index) => {
      const offset = (slot * STRUCTURES.length + index) * plane;
      rasterize('pixel-center', Float64Array.from(points.flat()), rows, columns, masks, offset);
    });
  });
  const tensors: [string, Tensor][] = [
    ['images', { dtype: 'U16', shape: [ids.length, 1, rows, columns], bytes: images }],
    ['masks', { dtype: 'BOOL', shape: [ids.length, STRUCTURES.length, rows, columns], bytes: masks }],
    ['valid', { dtype: 'BOOL', shape: [ids.length], bytes: new Uint8Array(ids.length).fill(1) }],
  ];
  return {
    step,
    sizeBytes: 1000,
    waitMs: 4,
    loadingMs: step === 0 ? 2 : 1,
    warm: step > 0,
    metadata: { pairIds: JSON.stringify(ids), structures: JSON.stringify(STRUCTURES) },
    tensors: new Map(tensors),
  };
}

function epoch(): ReceivedBatch[] {
  const ids = [...expectedPairs(truth, STRUCTURES).keys()];
  return [batchOf(0, ids.slice(0, 4)), batchOf(1, ids.slice(4))];
}

function check(batches: readonly ReceivedBatch[], timings = TIMINGS): Check[] {
  return checkEpoch(truth, STRUCTURES, batches, timings);
}

function failures(batches: readonly ReceivedBatch[], timings = TIMINGS): Record<string, string> {
  const failed = check(batches, timings).filter(({ passed }) => !passed);
  return Object.fromEntries(failed.map(({ name, detail }) => [name, detail]));
}

t.test('an epoch as it should be passes', async (t) => {
  t.same(
    check(epoch()).map(({ name, passed, detail }) => [name, passed, detail]),
    [
      ['pairs', true, '6 of 6, each exactly once'],
      ['images', true, '6 equal to the stored values of their files, pixel by pixel'],
      ['masks', true, '12 equal to an even-odd fill of their contours, pixel by pixel'],
      ['waits', true, 'the answers and their session tell the same: 1 warm, 1 not, 3.0 ms'],
    ],
  );
});

t.test('pairs are images that carry every structure asked for', async (t) => {
  const ids = (...structures: string[]) => [...expectedPairs(truth, structures).keys()];
  const first = ['PHANTOM001/1', 'PHANTOM001/3', 'PHANTOM001/5'];
  t.same(ids('i', 'o'), [...first, 'PHANTOM002/1', 'PHANTOM002/3', 'PHANTOM002/5']);
  t.equal(ids('i').length, 12);
  t.equal(ids().length, 12);
});

t.test('one pixel of one mask is enough to fail', async (t) => {
  const batches = epoch();
  const { bytes } = batches[1]!.tensors.get('masks')!;
  bytes[bytes.length - 1]! ^= 1;
  t.same(failures(batches), { masks: '1 not the even-odd fill of the contour: PHANTOM002/5 o (1 px)' });
});

t.test('one bit of one stored value is enough to fail', async (t) => {
  const batches = epoch();
  batches[0]!.tensors.get('images')!.bytes[0]! ^= 1;
  t.same(failures(batches), { images: '1 not the pixels of the file: PHANTOM001/1' });
});

t.test('a pair that is missing, comes twice or was not asked for fails', async (t) => {
  const [first, second] = epoch();
  t.match(failures([first!]).pairs, '2 missing: PHANTOM002/3, PHANTOM002/5');
  t.match(failures([first!, second!, second!]).pairs, '2 repeated: PHANTOM002/3, PHANTOM002/5');
  t.match(failures([]).pairs, /^6 missing: .* and 3 more$/);
  const renamed = JSON.stringify(['PHANTOM002/3', 'PHANTOM002/4']);
  const strange = { ...second!, metadata: { ...second!.metadata, pairIds: renamed } };
  t.match(failures([first!, strange]), {
    pairs: '1 missing: PHANTOM002/5; 1 not asked for: PHANTOM002/4',
    images: /: PHANTOM002\/4$/,
    masks: /: PHANTOM002\/4 i .*, PHANTOM002\/4 o /,
  });
});

t.test('a slot that is not valid holds no pair', async (t) => {
  const batches = epoch();
  batches[1]!.tensors.get('valid')!.bytes[1] = 0;
  t.same(failures(batches), { pairs: '1 missing: PHANTOM002/5' });
});

t.test(
  'tensors of another type, shape or order of structures fail before anything is read from them',
  async (t) => {
    const [first, second] = epoch();
    const images = { ...second!.tensors.get('images')!, dtype: 'I16' };
    const typed = { ...second!, tensors: new Map([...second!.tensors, ['images', images] as const]) };
    t.same(failures([first!, typed]), {
      tensors: 'step 1: the tensor images is I16 [2,1,40,48], not U16 [2,1,40,48]',
    });
    const without = new Map([...second!.tensors].filter(([name]) => name !== 'masks'));
    t.same(failures([first!, { ...second!, tensors: without }]), {
      tensors: 'step 1: the tensor masks is missing, not BOOL [2,2,40,48]',
    });
    const swapped = { ...second!, metadata: { ...second!.metadata, structures: '["o","i"]' } };
    t.same(failures([first!, swapped]), { tensors: 'step 1: its structures are o, i, not i, o' });
  },
);

t.test(
  'waits that the session tells otherwise, or that were longer than the trainer waited, fail',
  async (t) => {
    const batches = epoch();
    t.same(failures(batches, { waitMs: 3, hits: 2, misses: 0 }), {
      waits: 'the answers told 1 warm, 1 not, 3.0 ms; their session tells 2 warm, 0 not, 3.0 ms',
    });
    t.match(failures(batches, { ...TIMINGS, waitMs: 3.1 }).waits, 'tells 1 warm, 1 not, 3.1 ms');
    t.same(failures([{ ...batches[0]!, waitMs: 1.9 }, batches[1]!]), {
      waits: '1 told a longer wait than there was: step 0',
    });
    t.match(failures([{ ...batches[0]!, loadingMs: Number.NaN }, batches[1]!]), { waits: /step 0$/ });
  },
);

t.test(
  'the even-odd fill: half-open edges, a hole where a polygon crosses itself, cut off at the border',
  async (t) => {
    const rowsOf = (mask: Uint8Array, columns: number) =>
      Array.from({ length: mask.length / columns }, (_, row) =>
        [...mask.subarray(row * columns, (row + 1) * columns)].join(''),
      );
    const square = [
      [1, 1],
      [3, 1],
      [3, 3],
      [1, 3],
    ] as const;
    t.same(rowsOf(fillEvenOdd(square, 4, 5), 5), ['00000', '01100', '01100', '00000']);
    const twice = [
      [0, 0],
      [4, 0],
      [4, 4],
      [0, 4],
      [0, 0],
      [1, 1],
      [3, 1],
      [3, 3],
      [1, 3],
      [1, 1],
    ] as const;
    t.same(rowsOf(fillEvenOdd(twice, 4, 4), 4), ['1111', '1001', '1001', '1111']);
    const beyond = [
      [-5, -5],
      [9, -5],
      [9, 1.5],
      [-5, 1.5],
    ] as const;
    t.same(rowsOf(fillEvenOdd(beyond, 3, 2), 2), ['11', '11', '00']);
    t.same(rowsOf(fillEvenOdd([], 1, 2), 2), ['00']);
  },
);
