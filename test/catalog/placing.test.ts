import t, { type Test } from 'tap';
import { partsOf } from '../../src/catalog/parts.js';
import { readSlice } from '../../src/catalog/slices.js';
import { listProblems, presentStudies } from '../../src/catalog/studies.js';
import { fillExtent } from '../../src/core/extent.js';
import { extentsOf } from '../../src/core/outlining.js';
import { segmentationFile } from '../fixtures/segmentation-file.js';
import { structureSetFile } from '../fixtures/structure-set-file.js';
import { imageFile, writeFiles } from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';
import { sharedData } from '../shared-data.js';
import { openCatalogue, scanInto } from './catalogue.js';

/**
 * Of the only study of a folder: how many pixels each mask has, by slice, and its problems without their
 * files.
 */
async function masksIn(t: Test, root: string) {
  const db = openCatalogue(t);
  await scanInto(db, root);
  const [only, ...others] = presentStudies(db);
  t.strictSame(others, []);
  const { study, revision } = only!;
  const rows = db
    .prepare("SELECT ord FROM slice WHERE revision = ? AND structures <> '[]' ORDER BY ord")
    .all(revision);
  const pixels = (rows as { ord: number }[]).map(({ ord }) => {
    const { slice, header, structures } = readSlice(db, revision, ord);
    const names = structures.map((name) => [name]);
    const extents = extentsOf(partsOf(db, revision, ord), { names, holes: 'standard', originShift: 0 });
    const counts = structures.map((name, at) => {
      const mask = new Uint8Array(header.rows * header.columns);
      fillExtent('pixel-center', extents[at]!, header.rows, header.columns, mask, 0);
      return `${name} ${mask.reduce((sum, value) => sum + value, 0)}`;
    });
    return [slice, ...counts].join(' ');
  });
  return { pixels, problems: listProblems(db, study).map(({ code, detail }) => `${code} ${detail}`) };
}

const FRAME = 'it names an image of several frames and not which of them; placed by its plane';
const ELSEWHERE = 'it lies in the plane of another image than it names; placed there';

const CASES = {
  'thin-slices-named': { pixels: ['2.25.10.3 T 72'], problems: [] },
  'thin-slices-enhanced': {
    pixels: ['2.25.10.1.f4 R 72 S 136'],
    problems: [`FRAME_NOT_NAMED ROI 1: contour 1: ${FRAME}`, `FRAME_NOT_NAMED frame 1: ${FRAME}`],
  },
  'all-contours-name-one-image': {
    pixels: ['2.25.10.100 V 42', '2.25.10.101 V 42', '2.25.10.102 V 42', '2.25.10.103 V 42'],
    problems: [`CONTOUR_OFF_PLANE ROI 1: contour 2-4: ${ELSEWHERE}`],
  },
  'all-frames-name-one-image': {
    pixels: ['2.25.10.100 Tumor 72', '2.25.10.101 Tumor 136', '2.25.10.102 Tumor 228'],
    problems: [`CONTOUR_OFF_PLANE frame 2-3: ${ELSEWHERE}`],
  },
  'frames-name-the-next-image': {
    pixels: ['2.25.10.100 Tumor 72', '2.25.10.101 Tumor 136', '2.25.10.102 Tumor 228'],
    problems: [
      `CONTOUR_OFF_PLANE frame 1-3: ${ELSEWHERE}`,
      // On the last image, which a frame names and none lies in.
      'STRUCTURE_UNUSABLE Tumor: on 1 slice(s) it cannot be used in full; sessions that ask for Tumor leave these out, GET /v1/studies/{study}/pairs?all=1 lists them',
    ],
  },
} as const;

for (const [name, { pixels, problems }] of Object.entries(CASES)) {
  const folder = sharedData('faults', name, 'data');
  t.test(
    `${name}: each mask on the slice in whose plane it was drawn`,
    { skip: folder === null && 'not here' },
    async (t) => {
      const found = await masksIn(t, folder!);
      t.strictSame(found.pixels, pixels);
      t.strictSame(found.problems, problems);
    },
  );
}

const SPACE = '1.2.4';
const AXIAL = { orientation: [1, 0, 0, 0, 1, 0], spacingMm: [1, 1] } as const;

/** Images of 16 × 16 pixels at these heights, named 1.9.0, 1.9.1 …, with an object drawn on them. */
function folderOf(t: Test, heights: readonly number[], object: Uint8Array): string {
  const images = heights.map((z, at): [string, Uint8Array] => [
    `${at}.dcm`,
    imageFile(at, {
      rows: 16,
      columns: 16,
      studyUid: '1.2.3',
      seriesUid: '1.2.5',
      sopInstanceUid: `1.9.${at}`,
      instanceNumber: at + 1,
      position: [0, 0, z],
      ...AXIAL,
      extra: [{ tag: '00200052', vr: 'UI', value: SPACE }],
    }),
  ]);
  const root = temporaryFolder(t);
  writeFiles(root, { ...Object.fromEntries(images), 'object.dcm': object });
  return root;
}

/** A strip of 2 × 8 pixels at column 3 × `at`, at a height, that names an image. */
const strip = (at: number, z: number, image: string) => ({
  points: [3 * at, 2, z, 3 * at + 2, 2, z, 3 * at + 2, 10, z, 3 * at, 10, z].map((value, axis) =>
    axis % 3 === 2 ? value : value - 0.5,
  ),
  images: [image],
});

function contours(...rois: readonly (readonly ReturnType<typeof strip>[])[]): Uint8Array {
  const named = rois.map((own) => ({ name: 'A', contours: own }));
  return structureSetFile({ studyUid: '1.2.3', frameOfReference: SPACE, rois: named });
}

function frames(...all: readonly { readonly at: number; readonly z: number; readonly image: string }[]) {
  return segmentationFile({
    rows: 16,
    columns: 16,
    studyUid: '1.2.3',
    frameOfReference: SPACE,
    ...AXIAL,
    segments: [{ label: 'A' }],
    frames: all.map(({ at, z, image }) => ({
      values: Array.from({ length: 256 }, (_, pixel) => {
        const [row, column] = [Math.floor(pixel / 16), pixel % 16];
        return Number(row >= 2 && row < 10 && column >= 3 * at && column < 3 * at + 2);
      }),
      position: [0, 0, z],
      sources: [image],
    })),
  });
}

t.test('contours and frames of several planes are never joined on one image', async (t) => {
  const pixels = async (heights: readonly number[], object: Uint8Array) =>
    (await masksIn(t, folderOf(t, heights, object))).pixels.toSorted();
  const stack = [0, 3, 6, 9];
  const each = [0, 1, 2, 3];
  // The height of the first slice on all of them, each of which names its own image.
  t.strictSame(await pixels(stack, contours(each.map((at) => strip(at, 0, `1.9.${at}`)))), ['1.9.0 A 16']);
  t.strictSame(await pixels(stack, frames(...each.map((at) => ({ at, z: 0, image: `1.9.${at}` })))), [
    '1.9.0 A 16',
  ]);
  // On both sides of the image that they name, and one of two ROIs of one name.
  const [above, below] = [strip(0, 2, '1.9.1'), strip(1, 4, '1.9.1')];
  t.strictSame(await pixels(stack, contours([above, below])), []);
  t.strictSame(await pixels(stack, contours([above], [below])), []);
  t.strictSame(await pixels(stack, contours([strip(0, 3, '1.9.1')], [strip(1, 4.2, '1.9.1')])), [
    '1.9.1 A 16',
  ]);
  t.strictSame(
    await pixels(stack, frames({ at: 0, z: 2, image: '1.9.1' }, { at: 1, z: 4, image: '1.9.1' })),
    [],
  );
  t.strictSame(await pixels([3], contours([strip(0, 2.7, '1.9.0'), strip(1, 3.3, '1.9.0')])), []);
  // Slices within the tolerance: each name decides; midway between two that are named, nothing does.
  const phases = [0, 0.02, 0, 0.02];
  t.strictSame(
    await pixels(phases, contours(each.map((at) => strip(at, 0, `1.9.${at}`)))),
    each.map((at) => `1.9.${at} A 16`),
  );
  const midway = { ...strip(0, 0.025, ''), images: ['1.9.0', '1.9.1'] };
  t.strictSame(await pixels([0, 0.05], contours([midway])), []);
});
