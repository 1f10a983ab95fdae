import assert from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import type { ImageHeader } from '../../src/core/dicom.js';
import type { FrameDescription } from '../../src/core/dicom-frames.js';
import type { Timing } from '../../src/core/dicom-timing.js';
import { arrangeSlices, dropCopies, type FoundImage, numberedSlices } from '../../src/core/slices.js';

const NO_TIME: Timing = { triggerMs: null, acquired: null, content: null, temporalPosition: null };
const AXIAL = [1, 0, 0, 0, 1, 0];

interface Told {
  readonly header?: Partial<ImageHeader>;
  readonly timing?: Partial<Timing>;
  readonly frames?: readonly FrameDescription[];
  readonly digest?: string;
  readonly checksums?: readonly number[];
}

/** An image `uid` in `path`; its series is 1 unless told otherwise. */
function image(uid: string, told: Told = {}, path = `${uid}.dcm`): FoundImage {
  const header = {
    sopInstanceUid: uid,
    seriesUid: '1.2.1',
    seriesNumber: 1,
    instanceNumber: null,
    transferSyntax: '1.2.840.10008.1.2.1',
    frames: told.frames?.length ?? 1,
    position: null,
    orientation: null,
    ...told.header,
  } as ImageHeader;
  return {
    path,
    header,
    timing: { ...NO_TIME, ...told.timing },
    frames: told.frames ?? null,
    headerDigest: told.digest ?? `digest of ${uid}`,
    sizeBytes: 100,
    checksums: told.checksums ?? null,
  };
}

function at(z: number, told: Told = {}): Told {
  return { ...told, header: { position: [0, 0, z], orientation: AXIAL, ...told.header } };
}

/** Stands for a digest: other texts, other digits. */
function hash(text: string): string {
  return Buffer.from(text).toString('hex').padStart(16, '0').slice(-16);
}

function order(images: readonly FoundImage[]): string[] {
  return arrangeSlices(images, new Map(), hash).slices.map(({ slice }) => slice);
}

t.test('slices come by place along the normal, whatever their numbers and names say', async (t) => {
  const images = [
    image('1.1', at(30, { header: { instanceNumber: 1 } }), 'a'),
    image('1.2', at(-10, { header: { instanceNumber: 2 } }), 'c'),
    image('1.3', at(10.5, { header: { instanceNumber: 3 } }), 'b'),
  ];
  t.strictSame(order(images), ['1.2', '1.3', '1.1']);
});

t.test(
  'at one place they come by trigger, acquisition and content time, temporal position, number',
  async (t) => {
    const images = [
      image('1.9', at(0.0004, { timing: { triggerMs: 10 } })),
      image('1.8', at(0, { timing: { triggerMs: 20, acquired: 1 } })),
      image('1.7', at(0.0001, { timing: { triggerMs: 20, acquired: 2, content: 1 } })),
      image('1.6', at(0, { timing: { triggerMs: 20, acquired: 2, content: 2, temporalPosition: 1 } })),
      image('1.5', at(0, { timing: { triggerMs: 20, acquired: 2, content: 2, temporalPosition: 2 } })),
      image('1.4', at(0, { timing: { triggerMs: 30 }, header: { instanceNumber: 2 } })),
      image('1.3', at(0, { timing: { triggerMs: 30 }, header: { instanceNumber: 10 } })),
      image('1.2', at(0, { timing: { triggerMs: 30 } })),
      image('1.1', at(0)),
      image('1.0', at(0.01)),
    ];
    const expected = ['1.9', '1.8', '1.7', '1.6', '1.5', '1.4', '1.3', '1.2', '1.1', '1.0'];
    t.strictSame(order(images), expected);
    t.strictSame(order([...images].reverse()), expected);
  },
);

t.test('series come by their numbers, then by their identifiers; those without a number last', async (t) => {
  const series = (seriesNumber: number | null, seriesUid: string) => ({
    header: { seriesNumber, seriesUid },
  });
  const images = [
    image('1.1', series(null, '1.2.0')),
    image('1.2', series(10, '1.2.3')),
    image('1.3', series(9, '1.2.9')),
    image('1.4', series(10, '1.2.2')),
  ];
  t.strictSame(order(images), ['1.3', '1.4', '1.2', '1.1']);
});

t.test('slices without a place come behind those that have one', async (t) => {
  t.strictSame(order([image('1.1', { header: { instanceNumber: 1 } }), image('1.2', at(900))]), [
    '1.2',
    '1.1',
  ]);
});

t.test('each frame is a slice with its own header, in order of its own place', async (t) => {
  const frame = (z: number, slope: number): FrameDescription => ({
    header: { position: [0, 0, z], rescale: { slope, intercept: 0 } },
    timing: {},
  });
  const many = image('1.5', {
    frames: [frame(3, 1), frame(1, 2), frame(5, 3)],
    header: { orientation: AXIAL },
  });
  const { slices } = arrangeSlices([many, image('1.1', at(2))], new Map(), hash);
  t.strictSame(
    slices.map(({ slice, frame, header }) => [slice, frame, header.position?.[2]]),
    [
      ['1.5.f2', 1, 1],
      ['1.1', 0, 2],
      ['1.5.f1', 0, 3],
      ['1.5.f3', 2, 5],
    ],
  );
  t.strictSame(slices[0]!.header.rescale, { slope: 2, intercept: 0 });
});

t.test('frames without a place of their own keep their order', async (t) => {
  const many = image('1.5', { header: { frames: 12 } });
  t.strictSame(
    order([many]),
    Array.from({ length: 12 }, (_, frame) => `1.5.f${frame + 1}`),
  );
});

t.test('a slice is named by its SOPInstanceUID where that can be an id, else by a hash', async (t) => {
  const long = `1.${'2'.repeat(60)}`;
  const ids = order([
    image('1.2.840.0.007'),
    image('1.2 3'),
    image(long),
    image(`${long}.9`, { header: { frames: 2 } }),
    image('', { digest: 'abc', checksums: [1] }),
  ]);
  t.equal(ids.length, 6);
  t.equal(new Set(ids).size, 6);
  for (const id of ids) t.match(id, /^[A-Za-z0-9._-]{1,64}$/);
  t.ok(ids.includes('1.2.840.0.007'));
  t.ok(ids.includes(long));
  t.equal(ids.filter((id) => /^slice-[0-9a-f]{16}$/.test(id)).length, 2);
  t.equal(ids.filter((id) => /^slice-[0-9a-f]{16}\.f[12]$/.test(id)).length, 2);
});

t.test('numbers that contours name images by are ids, and none is given twice', async (t) => {
  const [a, b, c] = [image('1.1'), image('1.2'), image('48')];
  const numbers = new Map([
    [48, a],
    [49, b],
  ]);
  const ids = arrangeSlices([a, b, c], numbers, hash).slices.map(({ slice }) => slice);
  t.strictSame(ids.slice(0, 2), ['48', '49']);
  t.match(ids[2], /^slice-/);
});

t.test(
  'of files with one SOPInstanceUID one is used: the uncompressed one, else the same on every machine',
  async (t) => {
    const jpeg = { header: { transferSyntax: '1.2.840.10008.1.2.4.50' } };
    const files = [
      image('1.1', { ...jpeg, digest: 'a' }, 'first'),
      image('1.1', { digest: 'c' }, 'second'),
      image('1.1', { digest: 'b' }, 'third'),
      image('1.1', { digest: 'b' }, 'fourth'),
      image('1.2', {}, 'other'),
    ];
    for (const given of [files, [...files].reverse()]) {
      const { images, problems } = dropCopies(given);
      t.strictSame(images.map(({ path }) => path).sort(), ['fourth', 'other']);
      t.strictSame(problems, [
        { code: 'SLICE_TWICE', file: 'first', detail: 'fourth is used, which has another header' },
        { code: 'SLICE_TWICE', file: 'second', detail: 'fourth is used, which has another header' },
        { code: 'SLICE_TWICE', file: 'third', detail: 'fourth is used, which has the same header' },
      ]);
    }
  },
);

t.test('files without an identifier are one image only where all of them is the same', async (t) => {
  const files = [
    image('', { digest: 'a', checksums: [1] }, 'x'),
    image('', { digest: 'a', checksums: [2] }, 'y'),
    image('', { digest: 'a', checksums: [1] }, 'z'),
  ];
  const { images, problems } = dropCopies(files);
  t.strictSame(images.map(({ path }) => path).sort(), ['x', 'y']);
  t.match(problems, [{ code: 'SLICE_TWICE', file: 'z' }]);
});

t.test('a folder that numbers its images has the numbers for ids and for order', async (t) => {
  const slices = numberedSlices(
    new Map([
      [10, image('1.1', at(1))],
      [9, image('1.2', at(2))],
      [2, image('1.3', { header: { frames: 2 } })],
    ]),
  );
  t.strictSame(
    slices.map(({ slice }) => slice),
    ['2.f1', '2.f2', '9', '10'],
  );
});

t.test('neither the order of files nor their names count', async (t) => {
  const number = fc.constantFrom(null, 0, 1, 2);
  const made = fc.uniqueArray(
    fc.record({
      uid: fc.constantFrom('1.1', '1.2', '1.3', '1.4', '1.5', '1.6', '1.7', '1.8'),
      z: fc.constantFrom(0, 0.0005, 1, 2, null),
      series: number,
      triggerMs: number,
      content: number,
      instanceNumber: number,
    }),
    { selector: ({ uid }) => uid },
  );
  const property = fc.property(made, fc.infiniteStream(fc.nat()), (told, stream) => {
    const images = told.map(({ uid, z, series, triggerMs, content, instanceNumber }) => {
      const header = { instanceNumber, seriesNumber: series, seriesUid: `1.2.${series}` };
      return image(
        uid,
        z === null
          ? { header, timing: { triggerMs, content } }
          : at(z, { header, timing: { triggerMs, content } }),
      );
    });
    const others = images
      .map((each) => [stream.next().value as number, { ...each, path: `x${stream.next().value}` }] as const)
      .sort(([a], [b]) => a - b)
      .map(([, each]) => each);
    const ids = order(images);
    assert.deepEqual(order(others), ids);
    assert.equal(new Set(ids).size, images.length);
  });
  t.doesNotThrow(() => fc.assert(property));
});
