import t from 'tap';
import { shiftsOf } from '../../src/core/shifted-stack.js';
import type { StructureMeasures } from '../../src/core/structure-measures.js';

/** A structure whose own contour overlaps with its surroundings by `own`, and with those some planes further on by `others`. */
function structure(own: number, others: Readonly<Record<number, number>>, name = 'i'): StructureMeasures {
  return {
    structure: name,
    points: 20,
    crossings: 0,
    repeats: 0,
    outside: 0,
    area: 100,
    centre: [5, 5],
    leaves: [],
    around: { brighter: 1 - own, darker: 0, spread: 0.1 },
    edge: null,
    turned: null,
    others: Object.entries(others).map(([steps, overlap]) => ({
      steps: Number(steps),
      contrast: { brighter: 1 - overlap, darker: 0 },
    })),
    within: [],
  };
}

const slices = (count: number, ...structures: StructureMeasures[]) =>
  Array.from({ length: count }, () => ({ structures }));
const BRIGHTER = new Map([['i', 1]]);
const shareOf = (some: ReturnType<typeof slices>) => {
  const shift = shiftsOf(some, BRIGHTER).get('i');
  return shift && { ...shift, share: Math.round(100 * shift.share) / 100 };
};

t.test('contours that fit better some planes further on are told with how far', async (t) => {
  t.strictSame(shareOf(slices(6, structure(0.4, { 2: 0.3, 4: 0.1, [-2]: 0.6 }))), { steps: 4, share: 0.75 });
});

t.test('contours that fit where they are have a share under 0', async (t) => {
  t.strictSame(shareOf(slices(6, structure(0.1, { 2: 0.2, [-2]: 0.15 }))), { steps: -2, share: -0.5 });
});

t.test('some slices that are wrong do not make a stack shifted', async (t) => {
  const some = [...slices(7, structure(0.1, { 2: 0.2 })), ...slices(5, structure(0.9, { 2: 0.1 }))];
  t.strictSame(shareOf(some), { steps: 2, share: -1 });
});

t.test('few slices, no overlap and no image say nothing', async (t) => {
  t.equal(shareOf(slices(4, structure(0.4, { 2: 0.1 }))), undefined);
  t.equal(shareOf(slices(6, structure(0, { 2: 0.1 }))), undefined);
  t.equal(shareOf(slices(6, { ...structure(0.4, { 2: 0.1 }), around: null })), undefined);
});
