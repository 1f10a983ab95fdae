import { join } from 'node:path';
import t from 'tap';
import { PROBLEMS } from '../../src/core/problem.js';
import { LoaderChild } from '../../src/loader/child.js';
import { loaderLimits } from '../../src/loader/limits.js';
import type { DecodeFinding } from '../../src/loader/messages.js';
import { decodeFrame, readImageFile, tableRows } from '../fixtures/image-files.js';
import { fuzz } from '../fuzz/fuzz.js';
import { temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';

const MEMORY_BYTES = 1024 ** 3;

/** Files that pydicom makes an image of and we don't, with the reason. */
const REFUSED = new Map([
  ['dicom-fuzzing-corpus/cat04_pixel_data/TC0295_rows_zero.dcm', 'an image without rows is none'],
  [
    'dicom-fuzzing-corpus/cat04_pixel_data/TC0321_encap_empty_bot.dcm',
    'no JPEG: its peer shows unset memory',
  ],
  [
    'dicom-fuzzing-corpus/cat04_pixel_data/TC0325_encap_10k_frags.dcm',
    'no JPEG: its peer shows unset memory',
  ],
]);

const malformed = sharedData('malformed', 'index.tsv');
t.test(
  'every malformed file is decoded or refused with one line, and what pydicom reads is read',
  { skip: malformed === null && 'the real data is missing: ../shared/data/malformed/index.tsv' },
  async (t) => {
    const child = new LoaderChild({ limits: loaderLimits(MEMORY_BYTES), memoryBytes: MEMORY_BYTES });
    t.teardown(() => child.kill('closing'));
    await child.ready;
    const root = sharedData('malformed')!;
    const rows = tableRows(malformed!);
    t.ok(rows.length > 150);
    for (const { path, 'pydicom_2.3.1_gdcm': peer } of rows) {
      const unit = {
        root: join(root),
        path: path!,
        frame: 0,
        values: 'rescaled' as const,
        withValues: false,
      };
      const [outcome] = await child.run({ kind: 'decode', units: [unit] }, 10_000);
      const found = outcome as DecodeFinding;
      if (found.kind === 'refused') {
        t.ok(found.code in PROBLEMS, path!);
        t.notMatch(found.detail, /[^ -~]|FUZZ|XXXX/, path!);
        if (peer!.startsWith('OK') && !REFUSED.has(path!)) t.fail(`${path}: ${found.code} ${found.detail}`);
      } else if (REFUSED.has(path!)) t.fail(`${path} is on the list of those that are refused`);
    }
    t.ok(child.alive, 'one loader read them all');
  },
);

const golden = sharedData('dicom', 'golden.tsv');
const skip = golden === null && 'the real data is missing: ../shared/data/dicom/golden.tsv';

t.test('mutated files end no loader and give no answer that is none', { skip }, async (t) => {
  const folder = sharedData('dicom')!;
  const files = tableRows(golden!)
    .map(({ path }) => join(folder, path!))
    .filter((_, i) => i % 4 === 0);
  const report = await fuzz(files, { seed: 1, count: 150, folder: temporaryFolder(t) });
  t.strictSame(report.failures, []);
  t.equal(report.decoded + report.refused, 150);
  t.ok(report.decoded > 0 && report.refused > 0);
});

t.test(
  'a frame that is cut off is an error in every encoding, never the frame before',
  { skip },
  async (t) => {
    for (const path of [
      'wg04/J2KR/MR4_J2KR',
      'wg04/JLSL/MR4_JLSL',
      'derived/MR3_HTJ2K.201.dcm',
      'wg04/JPLY/MR1_JPLY',
      'wg04/JPLL/MR1_JPLL',
      'pydicom-data/emri_small_RLE.dcm',
    ]) {
      const image = readImageFile(sharedData('dicom')!, path);
      await decodeFrame(image, 0);
      for (const share of [0.01, 0.5, 0.98]) {
        const [whole] = image.frames;
        const frames = [whole!.slice(0, Math.floor(whole!.length * share))];
        await t.rejects(decodeFrame({ ...image, frames }, 0), { name: 'PixelError' }, `${path} ${share}`);
      }
    }
  },
);

t.test('a broken codestream after a good one never shows the good one', { skip }, async (t) => {
  for (const path of ['wg04/J2KR/MR4_J2KR', 'derived/MR3_HTJ2K.201.dcm']) {
    const image = readImageFile(sharedData('dicom')!, path);
    const good = await decodeFrame(image, 0);
    const broken = image.frames[0]!.slice();
    // The packets of the first tile-part: everything behind its head.
    broken.fill(0x55, 300, broken.length - 2);
    const shown = await decodeFrame({ ...image, frames: [broken] }, 0).catch(() => null);
    t.notOk(shown !== null && isSame(shown.values, good.values), path);
    t.ok(isSame((await decodeFrame(image, 0)).values, good.values), `${path} again`);
  }
});

function isSame(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
    Buffer.from(buffer, byteOffset, byteLength);
  return bytes(a).equals(bytes(b));
}
