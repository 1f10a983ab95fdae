// The first epoch over a study of JPEG 2000 images beside later ones, whose frames were decoded before: `node bench/decode-epochs.mjs
// [--copies 8] [--epochs 4]`. A service of its own in a state folder that nobody used; prints a JSON line with seconds an epoch.
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './rounds.mjs';
import { Service } from './service.mjs';

const { values } = parseArgs({
  options: { copies: { type: 'string', default: '8' }, epochs: { type: 'string', default: '4' } },
});
const IMAGES = ['J2KR/MR1_J2KR', 'J2KR/MR4_J2KR', 'J2KI/MR3_J2KI'];
const source = process.env.SLICEFEED_TEST_DATA ?? join(import.meta.dirname, '../../shared/data');
const folder = mkdtempSync(join(tmpdir(), 'slicefeed-bench-'));
const study = join(folder, 'data', 'dicoms', 'J2K');
mkdirSync(study, { recursive: true });
mkdirSync(join(folder, 'data', 'contourfiles', 'SC', 'i-contours'), { recursive: true });
writeFileSync(join(folder, 'data', 'link.csv'), 'patient_id,original_id\nJ2K,SC\n');
let number = 0;
for (let copy = 0; copy < Number(values.copies); copy++)
  for (const image of IMAGES) copyFileSync(join(source, 'dicom/wg04', image), join(study, `${++number}.dcm`));

const service = await Service.ready(join(folder, 'data'), folder);
try {
  const session = await service.open({ structures: [], batchSize: 4, prefetch: 0 });
  const seconds = [];
  for (let epoch = 0; epoch < Number(values.epochs); epoch++) {
    const startedAt = performance.now();
    for (let step = 0; step < session.stepsPerEpoch; step++) {
      const answer = await fetch(service.url(`${session.path}${epoch * session.stepsPerEpoch + step}`));
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      await answer.arrayBuffer();
    }
    seconds.push((performance.now() - startedAt) / 1000);
  }
  const [first, ...later] = seconds;
  console.log(JSON.stringify({ images: number, seconds, timesAsFast: first / median(later) }));
} finally {
  await service.stop();
  rmSync(folder, { recursive: true });
}
