// Patients in the layout of the original pipeline: their pairs with contours as points.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rasterize } from '../../dist/src/core/rasterize.js';

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

/** Of the masks of both, by structure, the lowest Dice coefficient: 1 the same, 0 nothing in common. */
export function likeness(good, given) {
  const names = Object.keys(given).filter((name) => good[name]);
  return Math.min(...names.map((name) => dice(maskOf(good[name]), maskOf(given[name]))));
}

const SIDE = 256;

function maskOf(points) {
  const mask = new Uint8Array(SIDE * SIDE);
  rasterize('pixel-center', Float64Array.from(points.flat()), SIDE, SIDE, mask, 0);
  return mask;
}

function dice(one, other) {
  let [common, sum] = [0, 0];
  for (let at = 0; at < one.length; at++) {
    common += one[at] & other[at];
    sum += one[at] + other[at];
  }
  return (2 * common) / sum;
}
