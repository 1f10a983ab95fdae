import { copyFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { partsOf } from '../../src/catalog/parts.js';
import { scanFolder } from '../../src/catalog/scan.js';
import { readSlice } from '../../src/catalog/slices.js';
import { presentStudies } from '../../src/catalog/studies.js';
import { fillExtent } from '../../src/core/extent.js';
import { extentsOf } from '../../src/core/outlining.js';
import { type LabelVolume, readLabelVolume } from '../fixtures/label-volume.js';
import { temporaryFolder } from '../helper.js';
import { memoryLog } from '../loader/scripted.js';
import { sharedData } from '../shared-data.js';
import { loadersHere, openCatalogue } from './catalogue.js';

const FOLDER = sharedData('seg/dcmqi/segmentations');
const skip = FOLDER === null && 'seg/dcmqi is missing: set SLICEFEED_TEST_DATA';

const CT = ['ct-3slice/01.dcm', 'ct-3slice/02.dcm', 'ct-3slice/03.dcm'];
const singles = (folder: string) => [1, 2, 3].map((number) => `${folder}/image/IMG000${number}.dcm`);

/** Images, a segmentation of them, and for each structure the volume and the label that it was made from. */
const CASES: readonly {
  readonly files: readonly string[];
  readonly structures: Readonly<Record<string, readonly [volume: string, label: number]>>;
}[] = [
  {
    files: [...CT, 'liver.dcm'],
    structures: { Liver: ['liver_seg.nrrd', 1] },
  },
  {
    files: [...CT, 'partial_overlaps.dcm'],
    structures: {
      GREEN: ['partial_overlaps-1.nrrd', 1],
      ORANGE: ['partial_overlaps-2.nrrd', 2],
      PURPLE: ['partial_overlaps-3.nrrd', 3],
      LIGHT_BLUE: ['partial_overlaps-1.nrrd', 4],
      DARK_BLUE: ['partial_overlaps-1.nrrd', 5],
    },
  },
  {
    files: [...singles('23x38x3'), '23x38x3/seg/label.seg'],
    structures: { Liver: ['23x38x3/nrrd/label.nrrd', 1] },
  },
  {
    // It names the images that the frames of this one were made of: they are found by their planes.
    files: ['23x38x3/multiframe/mf.dcm', '23x38x3/seg/label.seg'],
    structures: { Liver: ['23x38x3/nrrd/label.nrrd', 1] },
  },
  {
    files: [...singles('24x38x3'), '24x38x3/seg/label.seg'],
    structures: { Liver: ['24x38x3/nrrd/label.nrrd', 1] },
  },
  {
    files: [...singles('24x38x3'), 'sparse-labelmap-noppv.dcm'],
    structures: { Liver: ['sparse_labelmap_noppv_seg.nrrd', 1] },
  },
  {
    // Label 5 of its volume is the padding value, which is no segment.
    files: [...singles('24x38x3'), 'sparse-labelmap-ppv5.dcm'],
    structures: { Liver: ['sparse_labelmap_ppv5_seg.nrrd', 1] },
  },
];

/** The masks of all slices of the only study of a folder, by height and structure. */
async function masksOf(t: Test, root: string) {
  const db = openCatalogue(t);
  await scanFolder(
    db,
    root,
    loadersHere(),
    { state: 'walking', files: 0, toRead: 0, read: 0, studies: 0 },
    memoryLog().log,
  );
  const [only, ...others] = presentStudies(db);
  t.strictSame(others, []);
  const { revision } = only!;
  const { slices } = db.prepare('SELECT slices FROM revision WHERE id = ?').get(revision) as {
    slices: number;
  };
  return Array.from({ length: slices }, (_, ord) => {
    const { header, structures } = readSlice(db, revision, ord);
    const names = structures.map((name) => [name]);
    const extents = extentsOf(partsOf(db, revision, ord), { names, holes: 'standard', originShift: 0 });
    const masks = structures.map((name, at): [string, Uint8Array] => {
      const mask = new Uint8Array(header.rows * header.columns);
      fillExtent('pixel-center', extents[at]!, header.rows, header.columns, mask, 0);
      return [name, mask];
    });
    return { header, masks: new Map(masks) };
  });
}

function planeAt(
  { firstMm, betweenMm, rows, columns, labels }: LabelVolume,
  mm: number,
  label: number,
): Uint8Array {
  const plane = Math.round((mm - firstMm) / betweenMm);
  const start = plane * rows * columns;
  return Uint8Array.from(labels.subarray(start, start + rows * columns), (value) => Number(value === label));
}

for (const { files, structures } of CASES)
  t.test(
    `${files.map((file) => basename(file)).join(', ')}: the masks are the label volumes`,
    { skip },
    async (t) => {
      const root = temporaryFolder(t);
      for (const [at, file] of files.entries()) copyFileSync(join(FOLDER!, file), join(root, `${at}.dcm`));
      const slices = await masksOf(t, root);
      t.equal(slices.length, 3);
      for (const { header, masks } of slices)
        for (const [structure, [volume, label]] of Object.entries(structures)) {
          const wanted = planeAt(readLabelVolume(join(FOLDER!, volume)), header.position![2]!, label);
          const mask = masks.get(structure) ?? new Uint8Array(wanted.length);
          const differing = mask.reduce((count, pixel, at) => count + Number(pixel !== wanted[at]), 0);
          t.strictSame(
            [mask.length, differing],
            [wanted.length, 0],
            `${structure} at ${header.position![2]}`,
          );
        }
    },
  );
