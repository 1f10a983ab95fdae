import t from 'tap';
import { jumps, type StackedStructure, stepsAlong } from '../../src/core/neighbours.js';

function at(position: number, time: number | null, radius: number, x = 0, stack = 0): StackedStructure {
  return { stack, position, time, area: Math.PI * radius ** 2, centre: [x, 0] };
}

const near = (value: number | undefined) => Math.round((value ?? -1) * 100) / 100;

t.test('a stack that goes on evenly has no jumps', async (t) => {
  const found = jumps([at(0, 300, 20), at(8, 310, 18, 2), at(16, 290, 15, 4), at(24, 300, 12, 6)]);
  t.strictSame(
    found.slice(1, 3).map((jump) => [near(jump?.area), near(jump?.centre)]),
    [
      [1, 0],
      [1, 0],
    ],
  );
  t.strictSame(
    [found[0], found[3]],
    [null, null],
    'at the ends there is one neighbour, which says too little',
  );
});

t.test('one of them too large or aside is found, and the others are not', async (t) => {
  const large = jumps([at(0, 0, 20), at(8, 0, 20), at(16, 0, 30), at(24, 0, 20), at(32, 0, 20)]);
  t.strictSame(
    large.map((jump) => near(jump?.area)),
    [-1, 1, 2.25, 1, -1],
  );
  const aside = jumps([at(0, 0, 20), at(8, 0, 20), at(16, 0, 20, 10), at(24, 0, 20), at(32, 0, 20)]);
  t.strictSame(
    aside.map((jump) => near(jump?.centre)),
    [-1, 0, 0.5, 0, -1],
  );
});

t.test('phases are told apart by their times', async (t) => {
  const systole = [0, 8, 16].map((position) => at(position, 300, 10));
  const diastole = [0, 8, 16].map((position) => at(position, 800, 20));
  const found = jumps([...systole, ...diastole]);
  t.strictSame(
    found.map((jump) => near(jump?.area)),
    [1, 1, 1, 1, 1, 1],
  );
  const [, wrong] = jumps([systole[0]!, at(8, 300, 20), systole[2]!, ...diastole]);
  t.equal(near(wrong?.area), 4, 'diastole of its own slice does not excuse it');
});

t.test('other stacks, and planes without a time where there are several, are no neighbours', async (t) => {
  t.strictSame(jumps([at(0, 0, 20, 0, 1), at(8, 0, 9), at(16, 0, 20, 0, 2)]), [null, null, null]);
  const untold = jumps([at(0, null, 20), at(0, null, 10), at(8, null, 20), at(16, null, 20)]);
  t.equal(untold[2], null);
  t.ok(jumps([at(0, null, 20), at(8, null, 20), at(16, null, 20)])[1]);
});

t.test('so many planes further on is in the same stack and phase', async (t) => {
  const places = [
    at(0, 300, 9),
    at(8, 310, 9),
    at(8, 800, 9),
    at(16, 290, 9),
    at(16, 800, 9),
    at(8, 300, 9, 0, 1),
  ];
  const further = (steps: number) =>
    stepsAlong(places, steps).map((place) => (place ? places.indexOf(place) : null));
  t.strictSame(further(1), [1, 3, 4, null, null, null]);
  t.strictSame(further(-1), [null, 0, null, 1, 2, null]);
  t.strictSame(further(2), [3, null, null, null, null, null]);
});
