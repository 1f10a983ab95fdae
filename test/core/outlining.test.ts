import t from 'tap';
import { extentsOf, type StructurePart } from '../../src/core/outlining.js';

const square = (from: number) => Float64Array.of(from, from, from + 1, from, from + 1, from + 1);

t.test(
  'text contours alone are shifted where pixel centres lie at halves, and left alone themselves',
  async (t) => {
    const text = square(4);
    const parts: StructurePart[] = [
      { structure: 'i', part: { kind: 'text', points: text } },
      { structure: 'i', part: { kind: 'closed', roi: 1, points: square(8) } },
    ];
    t.strictSame(extentsOf(parts, { names: [['i']], holes: 'standard', originShift: -0.5 }), [
      { regions: [[Float64Array.of(3.5, 3.5, 4.5, 3.5, 4.5, 4.5)], [square(8)]], rasters: [] },
    ]);
    t.strictSame(text, square(4));
  },
);

t.test('names that mean one structure are joined, each by itself', async (t) => {
  const raster = { rows: 2, columns: 2, matrix: null, runs: [0, 1] };
  const parts: StructurePart[] = [
    { structure: 'a', part: { kind: 'xor', roi: 1, points: square(1) } },
    { structure: 'a', part: { kind: 'xor', roi: 1, points: square(2) } },
    { structure: 'b', part: { kind: 'xor', roi: 1, points: square(3) } },
    { structure: 'c', part: { kind: 'raster', raster } },
  ];
  t.strictSame(extentsOf(parts, { names: [['a', 'b', 'c'], ['c']], holes: 'standard', originShift: 0 }), [
    { regions: [[square(1), square(2)], [square(3)]], rasters: [raster] },
    { regions: [], rasters: [raster] },
  ]);
});
