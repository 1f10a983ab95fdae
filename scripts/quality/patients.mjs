// Patients in the layout of the original pipeline: their pairs with contours as points.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = /^IM-0001-(\d{4})-([io])contour-manual\.txt$/;

/** Every patient of `link.csv`: pairs by slice number, each with its contours by structure. */
export function readPatients(folder) {
  const rows = readFileSync(join(folder, 'link.csv'), 'utf8').trim().split(/\r?\n/).slice(1);
  return rows.map((row) => {
    const [id, original] = row.split(',').map((word) => word.trim());
    const pairs = new Map();
    for (const structure of ['i', 'o'])
      for (const name of readdirSync(join(folder, 'contourfiles', original, `${structure}-contours`))) {
        const number = Number(FILE.exec(name)?.[1]);
        const path = join(folder, 'contourfiles', original, `${structure}-contours`, name);
        const pair = pairs.get(number) ?? { number, contours: {} };
        pair.contours[structure] = readPoints(path);
        pairs.set(number, pair);
      }
    return { id, original, pairs: [...pairs.values()].sort((a, b) => a.number - b.number) };
  });
}

function readPoints(path) {
  const lines = readFileSync(path, 'utf8').trim().split(/\r?\n/);
  return lines.map((line) => line.trim().split(/\s+/).map(Number));
}
