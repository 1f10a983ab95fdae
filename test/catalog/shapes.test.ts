import t from 'tap';
import { type FoundSlice, writeRevision } from '../../src/catalog/revision.js';
import { nameShapes } from '../../src/catalog/shapes.js';
import { foundContour } from '../../src/core/found-contours.js';
import type { SliceId, StudyId } from '../../src/core/ids.js';
import type { Part } from '../../src/core/part.js';
import { sha256 } from '../../src/sha256.js';
import { temporaryFolder } from '../helper.js';
import { writeImage } from '../loader/sources.js';
import { openCatalogue } from './catalogue.js';

const { header, headerDigest } = writeImage(temporaryFolder(t), 'a.dcm', {
  rows: 2,
  columns: 3,
  pixels: new Uint16Array(6),
});

function slice(name: string, part: Part): FoundSlice {
  return {
    slice: name as SliceId,
    path: `${name}.dcm`,
    guard: '500.1.2.3',
    frame: 0,
    header,
    headerDigest,
    checksum: null,
    generation: null,
    unusable: [],
    contours: [foundContour('i', part, sha256)],
  };
}

const polygon = (x: number): Part => ({ kind: 'text', points: Float64Array.of(x, 1, 2, 1, 2, 2) });
const raster = (shift: number): Part => ({
  kind: 'raster',
  raster: { rows: 2, columns: 3, matrix: [1, 0, shift, 0, 1, 0], runs: Uint32Array.of(0, 2) },
});

t.test(
  'contours that round to the same thousandths of a pixel are the same, to either side of 0',
  async (t) => {
    const db = openCatalogue(t);
    for (const [make, id] of [
      [polygon, 'A'],
      [raster, 'B'],
    ] as const) {
      const slices = [-0.0003, 0, 0.0004, 0.002].map((x, at) => slice(`${at}`, make(x)));
      const revision = await writeRevision(db, { id: id as StudyId, patients: [], isUnread: false, slices });
      await nameShapes(db, revision);
      const rows = db.prepare('SELECT digest FROM shape WHERE revision = ? ORDER BY ord').all(revision);
      const digests = rows.map((row) => (row as { digest: string }).digest);
      t.strictSame(
        digests.map((digest) => digests.indexOf(digest)),
        [0, 0, 0, 3],
      );
    }
  },
);
