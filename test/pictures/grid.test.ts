import fc from 'fast-check';
import t from 'tap';
import { gridFor } from '../../src/pictures/grid.js';

t.test('near-square, and wider where that leaves fewer cells empty', async (t) => {
  const shapes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20, 32, 64].map((cells) => {
    const { columns, rows } = gridFor(cells);
    return `${cells}: ${columns} × ${rows}`;
  });
  t.same(shapes, [
    '0: 1 × 1',
    '1: 1 × 1',
    '2: 2 × 1',
    '3: 3 × 1',
    '4: 2 × 2',
    '5: 3 × 2',
    '6: 3 × 2',
    '7: 4 × 2',
    '8: 4 × 2',
    '9: 3 × 3',
    '10: 5 × 2',
    '12: 4 × 3',
    '16: 4 × 4',
    '20: 5 × 4',
    '32: 8 × 4',
    '64: 8 × 8',
  ]);
});

t.test('every cell has a place, no row is empty and none is wider than 8', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), (cells) => {
      const { columns, rows } = gridFor(cells);
      return columns <= 8 && columns * rows >= cells && columns * (rows - 1) < cells;
    }),
  );
});
