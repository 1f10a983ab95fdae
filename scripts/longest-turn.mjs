// Measures the longest turns of the service's event loop while a folder is scanned, in processor time, which a busy machine does not lengthen:
// `npx tsc -p . && node scripts/longest-turn.mjs [FOLDER]`. Without a folder it makes one: 200 images and a structure set of 16,000 contours of 700 points.
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { readConfig } from '../dist/src/config.js';
import { startService } from '../dist/src/service.js';
import { structureSetFile } from '../dist/test/fixtures/structure-set-file.js';
import { imageFile } from '../dist/test/fixtures/study-folder.js';

const [SLICES, ROIS, PER_SLICE, POINTS] = [200, 40, 2, 700];
const IDS = { studyUid: '1.2.3', frameOfReference: '1.2.4' };
const uid = (slice) => `1.2.5.${slice + 1}`;

function image(slice) {
  return imageFile(slice, {
    rows: 128,
    columns: 128,
    studyUid: IDS.studyUid,
    seriesUid: '1.2.6',
    sopInstanceUid: uid(slice),
    position: [0, 0, 2 * slice],
    orientation: [1, 0, 0, 0, 1, 0],
    spacingMm: [1, 1],
    extra: [{ tag: '00200052', vr: 'UI', value: IDS.frameOfReference }],
  });
}

function contour(roi, slice) {
  const text = Array.from({ length: POINTS }, (_, at) => {
    const turn = (2 * Math.PI * at) / POINTS;
    const radius = 10 + (roi % 30) + 0.5 * Math.sin(9 * turn);
    return `${(64 + radius * Math.cos(turn)).toFixed(3)}\\${(64 + radius * Math.sin(turn)).toFixed(3)}\\${2 * slice}`;
  });
  return { data: text.join('\\'), images: [uid(slice)] };
}

function make(folder) {
  mkdirSync(folder);
  const slices = Array.from({ length: SLICES }, (_, slice) => slice);
  for (const slice of slices) writeFileSync(join(folder, `${slice}.dcm`), image(slice));
  const rois = Array.from({ length: ROIS }, (_, roi) => ({
    name: `roi ${roi}`,
    contours: slices.flatMap((slice) => Array.from({ length: PER_SLICE }, () => contour(roi, slice))),
  }));
  writeFileSync(join(folder, 'structures.dcm'), structureSetFile({ ...IDS, rois }));
  console.log(`a structure set of ${(statSync(join(folder, 'structures.dcm')).size / 1e6).toFixed(0)} MB`);
}

const temporary = mkdtempSync(join(tmpdir(), 'slicefeed-turns-'));
const data = process.argv[2] ?? join(temporary, 'data');
if (process.argv[2] === undefined) make(data);
const service = await startService(
  readConfig({}, { DATA: data, STATE: join(temporary, 'state'), MEMORY_BUDGET: '64MiB' }),
  pino({ level: 'error' }),
);
// The first turns are those of starting.
await new Promise((resolve) => setTimeout(resolve, 500));
const turns = [];
let before = process.cpuUsage();
const look = setInterval(() => {
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  turns.push((user + system) / 1000);
}, 1);
try {
  await service.scans.first;
  clearInterval(look);
  const longest = turns.sort((a, b) => b - a).slice(0, 5);
  console.log(`longest turns, ms of processor time: ${longest.map((ms) => ms.toFixed(0)).join(', ')}`);
} finally {
  await service.close();
  rmSync(temporary, { recursive: true });
}
