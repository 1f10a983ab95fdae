import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode as decodePng } from 'fast-png';
import t from 'tap';
import { type ImageOptions, imageElements } from '../src/demo/image-elements.js';
import { EXPLICIT_LITTLE, writePart10 } from '../src/demo/part10.js';
import { temporaryFolder } from './helper.js';

const CLI = fileURLToPath(new URL('../src/cli.js', import.meta.url));

function run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'decode', ...args], (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

function write(folder: string, image: ImageOptions): string {
  const path = join(folder, 'a.dcm');
  writeFileSync(path, writePart10(imageElements(image), { transferSyntax: EXPLICIT_LITTLE }));
  return path;
}

const sha256 = (values: Uint8Array) => createHash('sha256').update(values).digest('hex');

t.test('one line of JSON for one frame, its values as a NumPy array', async (t) => {
  const folder = temporaryFolder(t);
  const pixels = Int16Array.of(1, 2, -3, 4, 5, 6, 7, 8);
  const file = write(folder, {
    rows: 1,
    columns: 4,
    frames: 2,
    pixels,
    rescaleSlope: 2,
    rescaleIntercept: 1,
  });
  const first = await run(file, '--npy', join(folder, 'a.npy'));
  t.equal(first.stderr, '');
  t.strictSame(JSON.parse(first.stdout), {
    shape: [1, 4],
    dtype: 'int16',
    min: -3,
    max: 4,
    sha256: sha256(new Uint8Array(pixels.buffer, 0, 8)),
    frames: 2,
    transferSyntax: EXPLICIT_LITTLE,
    problems: [],
  });
  const npy = readFileSync(join(folder, 'a.npy'));
  t.equal(npy.subarray(0, 8).toString('hex'), '934e554d50590100');
  t.match(
    npy.subarray(10).toString('latin1'),
    /^\{'descr': '<i2', 'fortran_order': False, 'shape': \(1, 4\), \} *\n/,
  );
  t.equal((npy.length - 8) % 64, 0);
  t.strictSame(new Int16Array(Uint8Array.from(npy.subarray(-8)).buffer), pixels.slice(0, 4));
  const second = await run(file, '--frame', '1', '--values', 'rescaled');
  t.match(JSON.parse(second.stdout), { dtype: 'int32', min: 11, max: 17 });
});

t.test('colour by pixel, and as a picture', async (t) => {
  const folder = temporaryFolder(t);
  const pixels = Uint8Array.of(10, 20, 30, 40, 50, 255);
  const file = write(folder, { rows: 1, columns: 2, samplesPerPixel: 3, pixels });
  const { stdout } = await run(file, '--png', join(folder, 'a.png'));
  t.match(JSON.parse(stdout), { shape: [1, 2, 3], dtype: 'uint8', sha256: sha256(pixels) });
  const png = decodePng(readFileSync(join(folder, 'a.png')));
  t.strictSame([png.width, png.height, png.channels, [...png.data]], [2, 1, 3, [...pixels]]);
});

t.test('a refused file is one line and exit code 1, wrong use is 2', async (t) => {
  const folder = temporaryFolder(t);
  const file = write(folder, { rows: 1, columns: 2, pixels: Uint8Array.of(1, 2) });
  const noFrame = await run(file, '--frame', '1');
  t.strictSame([noFrame.code, noFrame.stdout], [1, '']);
  t.match(
    noFrame.stderr,
    /^slicefeed: .*a\.dcm: PIXELS_SHORT: there is no frame 1; the file has 1, from 0\n$/,
  );
  writeFileSync(join(folder, 'b.dcm'), 'no image');
  const broken = await run(join(folder, 'b.dcm'));
  t.match([broken.code, broken.stderr], [1, /^slicefeed: .*b\.dcm: NOT_DICOM: [^\n]*\n$/]);
  const missing = await run(join(folder, 'c.dcm'));
  t.match([missing.code, missing.stderr], [1, /FILE_UNREADABLE: it cannot be read \(ENOENT\)\n$/]);
  t.equal((await run()).code, 2);
  t.equal((await run(file, '--values', 'grey')).code, 2);
  t.equal((await run(file, '--frame', '-1')).code, 2);
});
