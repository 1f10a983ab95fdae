import fc from 'fast-check';
import t from 'tap';
import {
  greatestShift,
  offPlaneMm,
  type Plane,
  pixelsBetween,
  planeOf,
  projectionOf,
  spanOfGrid,
  spanOfPoints,
  toPatient,
  toPixels,
} from '../../src/core/plane.js';

const AXIAL: Plane = { position: [-100, -50, 7], orientation: [1, 0, 0, 0, 1, 0], spacingMm: [2, 0.5] };

t.test('spacing between rows counts along a column, spacing between columns along a row', async (t) => {
  t.strictSame(toPatient(AXIAL, 10, 3), [-95, -44, 7]);
  t.strictSame([...toPixels(projectionOf(AXIAL)!, Float64Array.of(9, 9, 9, -95, -44, 7), 1, 1)], [10, 3]);
  // A sagittal image: rows run along y, columns down z.
  const sagittal: Plane = { position: [5, 10, 20], orientation: [0, 1, 0, 0, 0, -1], spacingMm: [3, 4] };
  t.strictSame(toPatient(sagittal, 2, 1), [5, 18, 17]);
  t.strictSame([...toPixels(projectionOf(sagittal)!, Float64Array.of(5, 18, 17), 0, 1)], [2, 1]);
});

t.test('distance from the plane, of points and of a grid', async (t) => {
  const projection = projectionOf(AXIAL)!;
  const points = Float64Array.of(0, 0, 7, 0, 0, 6.75, 0, 0, 8);
  t.strictSame(spanOfPoints(points, 0, 2, [0, 0, 1], 0.25), { low: 6.75, high: 7 });
  t.equal(offPlaneMm(projection, { low: 6.75, high: 7 }), 0.25);
  t.equal(offPlaneMm(projection, { low: 6.75, high: 9.5 }), 2.5);
  t.equal(spanOfPoints(points, 0, 3, [0, 0, 1], 1), null);
  t.equal(offPlaneMm(projection, null), Number.POSITIVE_INFINITY);
  const tilted: Plane = { ...AXIAL, orientation: [1, 0, 0, 0, 0.8, 0.6] };
  const span = spanOfGrid(tilted, { rows: 11, columns: 4 }, projection.normal, 100);
  t.ok(Math.abs(offPlaneMm(projection, span) - 12) < 1e-12);
});

t.test('one grid on another: shifted, flipped, of another spacing', async (t) => {
  const matrix = (to: Plane) =>
    pixelsBetween(AXIAL, projectionOf(to)!).map((value) => Math.round(value * 1e9) / 1e9 + 0);
  t.strictSame(matrix(AXIAL), [1, 0, 0, 0, 1, 0]);
  t.strictSame(matrix({ ...AXIAL, position: [-99, -54, 7] }), [1, 0, -2, 0, 1, 2]);
  t.strictSame(matrix({ ...AXIAL, spacingMm: [1, 1] }), [0.5, 0, 0, 0, 2, 0]);
  const flipped: Plane = { ...AXIAL, position: [-95.5, -50, 7], orientation: [-1, 0, 0, 0, 1, 0] };
  t.strictSame(matrix(flipped), [-1, 0, 9, 0, 1, 0]);
  t.equal(greatestShift([1, 0, 0.25, 0, 1, 0], { rows: 5, columns: 5 }), 0.25);
  t.equal(greatestShift([-1, 0, 9, 0, 1, 0], { rows: 2, columns: 10 }), 9);
});

t.test('what spans no plane is none', async (t) => {
  t.equal(planeOf([0, 0, 0], [1, 0, 0, 2, 0, 0], [1, 1]), null);
  t.equal(planeOf([0, 0, 0], [0, 0, 0, 0, 0, 0], [1, 1]), null);
  t.equal(planeOf([0, 0, 0], [2, 0, 0, 0, 2, 0], [1, 1]), null);
  t.equal(planeOf([0, 0, 0], [1, 0, 0, 0.6, 0.8, 0], [1, 1]), null);
  t.equal(planeOf([0, 0, Number.NaN], [1, 0, 0, 0, 1, 0], [1, 1]), null);
  t.equal(planeOf([0, 0, 0], [1, 0, 0, 0, 1, 0], [1, 0]), null);
  t.equal(planeOf(null, [1, 0, 0, 0, 1, 0], [1, 1]), null);
  t.equal(planeOf([0, 0], [1, 0, 0, 0, 1, 0], [1, 1]), null);
  t.same(planeOf([0, 0, 0], [1, 0, 0, 0, 1, 0], [1, 1])?.spacingMm, [1, 1]);
});

t.test('a pixel of any oblique, anisotropic image comes back from its point in space', async (t) => {
  const angle = fc.double({ min: -3, max: 3, noNaN: true });
  const mm = fc.double({ min: -500, max: 500, noNaN: true });
  const spacing = fc.double({ min: 0.1, max: 10, noNaN: true });
  fc.assert(
    fc.property(
      angle,
      angle,
      angle,
      mm,
      mm,
      mm,
      spacing,
      spacing,
      fc.nat(511),
      fc.nat(511),
      (a, b, c, x, y, z, s, u, i, j) => {
        const orientation = [...rotated([1, 0, 0], a, b, c), ...rotated([0, 1, 0], a, b, c)];
        const plane: Plane = { position: [x, y, z], orientation, spacingMm: [s, u] };
        const projection = projectionOf(plane)!;
        const point = toPatient(plane, i, j);
        const [column, row] = toPixels(projection, Float64Array.from(point), 0, 1);
        return (
          Math.abs(column! - i) < 1e-8 &&
          Math.abs(row! - j) < 1e-8 &&
          offPlaneMm(projection, spanOfPoints(Float64Array.from(point), 0, 1, projection.normal, 0)) < 1e-8
        );
      },
    ),
  );
  t.pass();
});

function rotated([x, y, z]: [number, number, number], a: number, b: number, c: number): number[] {
  const [x1, y1] = [x * Math.cos(a) - y * Math.sin(a), x * Math.sin(a) + y * Math.cos(a)];
  const [y2, z2] = [y1 * Math.cos(b) - z * Math.sin(b), y1 * Math.sin(b) + z * Math.cos(b)];
  return [x1 * Math.cos(c) - z2 * Math.sin(c), y2, x1 * Math.sin(c) + z2 * Math.cos(c)];
}
