import t from 'tap';
import { SlicePlanes } from '../../src/core/slice-plane.js';

const GRID = { spacingMm: [2, 0.5], rows: 64, columns: 48, triggerMs: 30 } as const;
const at = (position: [number, number, number], orientation: number[], grid: object = {}) => ({
  ...GRID,
  position,
  orientation,
  ...grid,
});

t.test('slices whose directions differ by a rounded zero or a rounded half are one stack', async (t) => {
  const planes = new SlicePlanes();
  const found = [
    planes.of(at([0, 0, 0], [1, 0, 0.001, 0, 1, 0])),
    planes.of(at([0, 0, 8], [1, 0, -0.001, -0, 1, 0])),
    planes.of(at([0, 0, 16], [1, 0, 0.0049, 0, 1, 0])),
    planes.of(at([0, 0, 24], [1, 0, 0.0051, 0, 1, 0])),
  ];
  t.strictSame(
    found.map((plane) => [plane?.stack, plane?.grid]),
    Array(4).fill([0, 0]),
  );
  t.strictSame(
    found.map((plane) => Math.round(plane!.position)),
    [0, 8, 16, 24],
  );
});

t.test(
  'planes that point to the other side share the stack and its coordinates, not the pixel grid',
  async (t) => {
    const planes = new SlicePlanes();
    const one = planes.of(at([10, 20, 0], [1, 0, 0, 0, 1, 0]))!;
    // The same pixels, the columns in the other order: the last column lies where the first of the other one
    // does.
    const other = planes.of(at([10 + 47 * 0.5, 20, 8], [-1, 0, 0, 0, 1, 0]))!;
    t.strictSame([one.stack, other.stack, one.position, other.position], [0, 0, 0, 8]);
    t.not(one.grid, other.grid);
    t.strictSame(
      [one.toPlane(3, 5), other.toPlane(44, 5)],
      [
        [11.5, 30],
        [11.5, 30],
      ],
    );
  },
);

t.test(
  'spacing that is written with other digits is the same grid, another size or spacing is not',
  async (t) => {
    const planes = new SlicePlanes();
    const axial = [1, 0, 0, 0, 1, 0];
    const grids = [
      {},
      { spacingMm: [2.0000001, 0.5] },
      { spacingMm: [2.1, 0.5] },
      { rows: 65 },
      { spacingMm: null },
    ].map((grid) => planes.of(at([0, 0, 0], axial, grid))!.grid);
    t.strictSame(grids, [0, 0, 1, 2, 3]);
  },
);

t.test('a slice without a plane has none', async (t) => {
  const planes = new SlicePlanes();
  t.equal(planes.of({ ...at([0, 0, 0], []), orientation: null }), null);
  t.equal(planes.of({ ...at([0, 0, 0], [1, 0, 0, 0, 1, 0]), position: null }), null);
  t.equal(planes.of(at([0, 0, 0], [1, 0, 0, 1, 0, 0])), null, 'directions that span no plane');
});
