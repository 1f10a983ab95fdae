import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import dicomParser from 'dicom-parser';
import t from 'tap';
import { makePhantom, type PhantomTruth } from '../../src/demo/phantom.js';
import { python, withoutPython } from '../python.js';

function filesOf(folder: string): string[] {
  const found = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return found.map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort();
}

function read(path: string): { dataSet: dicomParser.DataSet; pixels: Buffer } {
  const file = readFileSync(path);
  const dataSet = dicomParser.parseDicom(file);
  const { dataOffset, length } = dataSet.elements.x7fe00010!;
  return { dataSet, pixels: file.subarray(dataOffset, dataOffset + length) };
}

/** The mean of the pixels whose centres lie in the first polygon and, where there is a second, outside of that. */
function meanInside(
  truth: PhantomTruth,
  pixels: Buffer,
  polygon: readonly (readonly [number, number])[],
  hole: readonly (readonly [number, number])[] = [],
): number {
  const holds = (points: typeof polygon, x: number, y: number) =>
    points.reduce((odd, [x1, y1], index) => {
      const [x2, y2] = points[(index + 1) % points.length]!;
      return y1 > y !== y2 > y && x < x1 + ((y - y1) * (x2 - x1)) / (y2 - y1) ? !odd : odd;
    }, false);
  let sum = 0;
  let count = 0;
  for (let row = 0; row < truth.rows; row++) {
    for (let column = 0; column < truth.columns; column++) {
      if (!holds(polygon, column, row) || holds(hole, column, row)) continue;
      sum += pixels.readUInt16LE(2 * (row * truth.columns + column));
      count++;
    }
  }
  return sum / count;
}

t.test(
  'the folder has the layout and names of the Sunnybrook data, and the truth names every file',
  async (t) => {
    const folder = t.testdir();
    const truth = await makePhantom(folder, { studies: 2, slices: 2, phases: 3, rows: 32, columns: 40 });
    const links = 'patient_id,original_id\nPHANTOM001,SF-RING-1\nPHANTOM002,SF-RING-2';
    t.equal(readFileSync(join(folder, 'link.csv'), 'utf8'), links);
    const expected = ['link.csv'];
    for (const study of [1, 2]) {
      for (let number = 1; number <= 6; number++) expected.push(`dicoms/PHANTOM00${study}/${number}.dcm`);
      for (const name of [
        'i-contours/IM-0001-0001-icontour-manual.txt',
        'i-contours/IM-0001-0002-icontour-manual.txt',
        'i-contours/IM-0001-0004-icontour-manual.txt',
        'i-contours/IM-0001-0005-icontour-manual.txt',
        'o-contours/IM-0001-0001-ocontour-manual.txt',
        'o-contours/IM-0001-0004-ocontour-manual.txt',
      ]) {
        expected.push(`contourfiles/SF-RING-${study}/${name}`);
      }
    }
    t.same(filesOf(folder), expected.sort());
    const named = truth.studies.flatMap(({ images }) =>
      images.flatMap(({ file, contours }) => [file, ...contours.map((contour) => contour.file)]),
    );
    t.same(['link.csv', ...named].sort(), expected);
    t.same(
      truth.studies.map(({ id, original, slices, structures }) => ({ id, original, slices, structures })),
      [
        { id: 'PHANTOM001', original: 'SF-RING-1', slices: 6, structures: { i: 4, o: 2 } },
        { id: 'PHANTOM002', original: 'SF-RING-2', slices: 6, structures: { i: 4, o: 2 } },
      ],
    );
    t.same(
      truth.studies[0]!.images.map(({ slice, contours }) => [
        slice,
        contours.map(({ structure }) => structure).join(''),
      ]),
      [
        ['1', 'io'],
        ['2', 'i'],
        ['3', ''],
        ['4', 'io'],
        ['5', 'i'],
        ['6', ''],
      ],
    );
  },
);

t.test(
  'by default three patients of sixty images, whose pixels and contours are those of the truth',
  async (t) => {
    const folder = t.testdir();
    const truth = await makePhantom(folder);
    t.same([truth.rows, truth.columns, truth.studies.length], [128, 128, 3]);
    t.same(
      truth.studies.map(({ slices, structures }) => [slices, structures.i, structures.o]),
      Array(3).fill([60, 12, 6]),
    );
    const instances = new Set<string>();
    for (const study of truth.studies) {
      const shared = new Set<string>();
      for (const { slice, file, sha256, contours } of study.images) {
        const { dataSet, pixels } = read(join(folder, file));
        if (createHash('sha256').update(pixels).digest('hex') !== sha256) t.fail(`${file} has other pixels`);
        if (dataSet.string('x00200013') !== slice) t.fail(`${file} has another number`);
        instances.add(dataSet.string('x00080018')!);
        shared.add(
          `${dataSet.string('x0020000d')} ${dataSet.string('x0020000e')} ${dataSet.string('x00100020')}`,
        );
        for (const contour of contours) {
          const text = readFileSync(join(folder, contour.file), 'utf8');
          if (!/^(\d+\.\d\d \d+\.\d\d\n){60,150}$/.test(text)) t.fail(`${contour.file} has other lines`);
          const points = text
            .trimEnd()
            .split('\n')
            .map((line) => line.split(' ').map(Number));
          t.same(points, contour.points, contour.file);
        }
      }
      t.equal(shared.size, 1, `${study.id} is one series of one patient`);
    }
    t.equal(instances.size, 180);
  },
);

t.test('an image is 12 of 16 bits of MR with its place in the patient', async (t) => {
  const folder = t.testdir();
  await makePhantom(folder, { studies: 1, slices: 2, phases: 2, rows: 64, columns: 48 });
  const { dataSet, pixels } = read(join(folder, 'dicoms/PHANTOM001/4.dcm'));
  const texts = ['x00020010', 'x00080060', 'x00280004', 'x00280030', 'x00200032', 'x00200037', 'x00181060'];
  t.same(
    texts.map((tag) => dataSet.string(tag)),
    [
      '1.2.840.10008.1.2.1',
      'MR',
      'MONOCHROME2',
      '5.4167\\5.4167',
      '-68\\-134\\130',
      '0.6\\0.8\\0\\0\\0\\-1',
      '400',
    ],
  );
  const numbers = ['x00280010', 'x00280011', 'x00280100', 'x00280101', 'x00280102', 'x00280103'];
  t.same(
    numbers.map((tag) => dataSet.uint16(tag)),
    [64, 48, 16, 12, 11, 0],
  );
  t.equal(pixels.length, 2 * 64 * 48);
  const values = Array.from({ length: 64 * 48 }, (_, index) => pixels.readUInt16LE(2 * index));
  t.ok(Math.max(...values) < 4096);
  t.ok(new Set(values).size > 500, 'noisy');
});

t.test('the contours sit on a dark ring around a bright pool that shrinks until end-systole', async (t) => {
  const folder = t.testdir();
  const truth = await makePhantom(folder, { studies: 2, slices: 3, phases: 5 });
  const widths = (points: readonly (readonly [number, number])[]) =>
    Math.max(...points.map(([x]) => x)) - Math.min(...points.map(([x]) => x));
  for (const { images } of truth.studies) {
    for (const first of [0, 5, 10]) {
      const diastole = images[first]!;
      const systole = images[first + 2]!;
      const [inner, outer] = diastole.contours.map(({ points }) => points);
      const { pixels } = read(join(folder, diastole.file));
      const pool = meanInside(truth, pixels, inner!);
      const ring = meanInside(truth, pixels, outer!, inner);
      t.ok(pool > 1500 && ring > 400 && ring < 1000, `pool ${pool}, ring ${ring}`);
      t.ok(widths(systole.contours[0]!.points) < 0.75 * widths(inner!));
      t.ok(meanInside(truth, read(join(folder, systole.file)).pixels, systole.contours[0]!.points) > 1500);
    }
    const sizes = [0, 5, 10].map((first) => widths(images[first]!.contours[0]!.points));
    t.ok(sizes[0]! > sizes[1]! && sizes[1]! > sizes[2]!, 'narrower from base to apex');
  }
});

t.test('the seed decides every byte', async (t) => {
  const folder = t.testdir({ a: {}, b: {}, c: {} });
  const make = (name: string, seed: number) =>
    makePhantom(join(folder, name), { studies: 1, slices: 1, phases: 2, rows: 32, columns: 32, seed });
  const [a, b, c] = [await make('a', 7), await make('b', 7), await make('c', 8)];
  t.same(a!.studies, b!.studies);
  for (const file of filesOf(a!.folder)) {
    t.ok(readFileSync(join(a!.folder, file)).equals(readFileSync(join(b!.folder, file))), file);
  }
  const bytes = (truth: PhantomTruth) => new Set(truth.studies[0]!.images.map(({ sha256 }) => sha256));
  t.equal(new Set([...bytes(a!), ...bytes(c!)]).size, 4);
  t.notSame(a!.studies[0]!.images[0]!.contours, c!.studies[0]!.images[0]!.contours);
});

t.test('a single phase is end-diastole', async (t) => {
  const truth = await makePhantom(t.testdir(), { studies: 1, slices: 2, phases: 1, rows: 32, columns: 32 });
  t.same(truth.studies[0]!.structures, { i: 2, o: 2 });
});

t.test('options out of range and a folder in use are refused', async (t) => {
  const folder = t.testdir();
  await t.rejects(
    makePhantom(folder, { rows: 31 }),
    new RangeError('rows is a whole number from 32 to 4096, not 31'),
  );
  await t.rejects(makePhantom(folder, { studies: 0 }), { name: 'RangeError', message: /^studies .* not 0$/ });
  await t.rejects(makePhantom(folder, { phases: 1.5 }), {
    name: 'RangeError',
    message: /^phases .* not 1\.5$/,
  });
  t.same(readdirSync(folder), []);
  writeFileSync(join(folder, 'link.csv'), '');
  await t.rejects(makePhantom(folder), { message: /^link\.csv is there already/ });
  t.same(readdirSync(folder), ['link.csv']);
});

const HASH_BY_PYDICOM = `
import hashlib, sys
import pydicom
for path in sys.argv[1:]:
    print(hashlib.sha256(pydicom.dcmread(path).pixel_array.astype('<u2').tobytes()).hexdigest())
`;

t.test(
  'pydicom reads the pixels of the truth',
  { skip: withoutPython('pydicom, numpy', 'python3-pydicom python3-numpy') },
  async (t) => {
    const truth = await makePhantom(t.testdir(), { studies: 1, slices: 2, phases: 3, rows: 48, columns: 64 });
    const images = truth.studies[0]!.images;
    const hashes = await python(HASH_BY_PYDICOM, ...images.map(({ file }) => join(truth.folder, file)));
    t.same(
      hashes.trim().split('\n'),
      images.map(({ sha256 }) => sha256),
    );
  },
);
