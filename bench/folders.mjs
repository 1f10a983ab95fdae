import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { makePhantom } from '../dist/src/demo/phantom.js';

const CONTOUR = /^IM-\d+-0*(\d+)-([a-z])contour-manual\.txt$/;

/** The folder of real pairs, or null where it is not. */
export function realPairs() {
  const path = join(
    process.env.SLICEFEED_TEST_DATA ?? join(import.meta.dirname, '../../shared/data'),
    'sunnybrook',
  );
  return existsSync(path) ? path : null;
}

/** Each image of a folder in the challenge layout that carries a contour, study by study, with its contours. */
function drawnImages(folder) {
  const rows = readFileSync(join(folder, 'link.csv'), 'utf8').trim().split(/\r?\n/).slice(1);
  return rows.map((row) => {
    const [patient, original] = row.split(',');
    const images = new Map();
    for (const structure of ['i', 'o']) {
      const group = join(folder, 'contourfiles', original, `${structure}-contours`);
      for (const name of existsSync(group) ? readdirSync(group) : []) {
        const [, number] = CONTOUR.exec(name) ?? [];
        const image = join(folder, 'dicoms', patient, `${number}.dcm`);
        if (number === undefined || !existsSync(image)) continue;
        const known = images.get(number) ?? { number, image, contours: [] };
        known.contours.push({ structure, name, path: join(group, name) });
        images.set(number, known);
      }
    }
    return { patient, original, images: [...images.values()] };
  });
}

function makeStudy(folder, patient, original) {
  mkdirSync(join(folder, 'dicoms', patient), { recursive: true });
  for (const structure of ['i', 'o'])
    mkdirSync(join(folder, 'contourfiles', original, `${structure}-contours`), { recursive: true });
  return `${patient},${original}\n`;
}

/** Copies every image that carries a contour, with its contours, so many times, each time as studies of their own. */
export function repeatStudies(source, folder, copies) {
  let links = 'patient_id,original_id\n';
  let files = 1;
  const place = (from, to) => {
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
    files++;
  };
  for (let copy = 0; copy < copies; copy++)
    for (const study of drawnImages(source)) {
      const patient = `${study.patient}-${copy}`;
      const original = `${study.original}-${copy}`;
      links += makeStudy(folder, patient, original);
      for (const { number, image, contours } of study.images) {
        place(image, join(folder, 'dicoms', patient, `${number}.dcm`));
        for (const { structure, name, path } of contours)
          place(path, join(folder, 'contourfiles', original, `${structure}-contours`, name));
      }
    }
  writeFileSync(join(folder, 'link.csv'), links);
  return { folder, files };
}

/** Pairs of `side` × `side` pixels: a few of a phantom, repeated. */
export async function sizedStudies(folder, side, pairs) {
  const images = Math.min(pairs, 8);
  const source = join(folder, 'source');
  await makePhantom(source, { studies: 1, slices: images, phases: 1, rows: side, columns: side });
  return repeatStudies(source, join(folder, 'data'), Math.max(1, Math.floor(pairs / images)));
}

/**
 * Studies whose files are hard links to those of a folder of ours: `images` each, the first `contours` of them with one; with `thin` the
 * contours are files of their own, of every `thin`th point.
 */
export function linkStudies(source, folder, { studies, images, contours, thin = 1 }) {
  const pool = drawnImages(source).flatMap((study) => study.images);
  let links = 'patient_id,original_id\n';
  let next = 0;
  for (let study = 0; study < studies; study++) {
    const patient = `LINKED-${study}`;
    const original = `L-${study}`;
    links += makeStudy(folder, patient, original);
    for (let number = 1; number <= images; number++) {
      const drawn = pool[next++ % pool.length];
      linkSync(drawn.image, join(folder, 'dicoms', patient, `${number}.dcm`));
      if (number > contours) continue;
      const { path } = drawn.contours.find(({ structure }) => structure === 'i') ?? drawn.contours[0];
      const name = `IM-0001-${String(number).padStart(4, '0')}-icontour-manual.txt`;
      const placed = join(folder, 'contourfiles', original, 'i-contours', name);
      if (thin === 1) linkSync(path, placed);
      else
        writeFileSync(
          placed,
          readFileSync(path, 'utf8')
            .split('\n')
            .filter((_, i) => i % thin === 0)
            .join('\n'),
        );
    }
  }
  writeFileSync(join(folder, 'link.csv'), links);
  return { folder, files: studies * (images + contours) + 1 };
}

/** A phantom in place of real pairs, of their size. */
export async function smallPhantom(folder) {
  await makePhantom(folder, { studies: 3, slices: 6, phases: 3, rows: 256, columns: 256 });
  return folder;
}
