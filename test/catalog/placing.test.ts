import t, { type Test } from 'tap';
import { partsOf } from '../../src/catalog/parts.js';
import { readSlice } from '../../src/catalog/slices.js';
import { listProblems, presentStudies } from '../../src/catalog/studies.js';
import { fillExtent } from '../../src/core/extent.js';
import { extentsOf } from '../../src/core/outlining.js';
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
