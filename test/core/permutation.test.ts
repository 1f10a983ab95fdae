import fc from 'fast-check';
import t from 'tap';
import { PERMUTATION_ID, permutation } from '../../src/core/permutation.js';

const LARGEST = Number.MAX_SAFE_INTEGER;
const SEEDS = 20_000;

function orderOf(n: number, seed: number, epoch: number): number[] {
  return Array.from({ length: n }, (_, position) => permutation(n, seed, epoch)(position));
}

t.test('the order of ten places never changes under this id', async (t) => {
  t.equal(PERMUTATION_ID, 'feistel12-1');
  t.strictSame(orderOf(10, 0, 0), [2, 5, 9, 3, 1, 8, 7, 6, 4, 0]);
  t.strictSame(orderOf(10, 0, 1), [6, 0, 9, 1, 2, 3, 7, 5, 8, 4]);
  t.strictSame(orderOf(10, LARGEST, 0), [3, 9, 7, 4, 8, 2, 1, 5, 6, 0]);
  t.strictSame(orderOf(10, 2 ** 32, 0), [2, 0, 3, 1, 7, 6, 5, 4, 8, 9]);
  t.strictSame(orderOf(10, 0, 2 ** 32), [7, 8, 2, 4, 0, 3, 9, 5, 1, 6]);
});

t.test('the order of many places never changes under this id', async (t) => {
  const some = (n: number, seed: number, epoch: number) =>
    [0, 1, 2, Math.floor(n / 2), n - 1].map(permutation(n, seed, epoch));
  t.strictSame(some(1000, 0, 0), [29, 514, 316, 359, 376]);
  t.strictSame(some(1e9, 0, 0), [399797232, 980716021, 674642513, 798198420, 674577420]);
  t.strictSame(some(1e9, 1, 7), [936103750, 66441490, 491786267, 992758885, 991636221]);
  t.strictSame(some(1e9, LARGEST, LARGEST), [306035542, 850345959, 334598644, 468377941, 931632215]);
  t.strictSame(some(2 ** 40, 0, 0), [508497672526, 886531304360, 515689114420, 307423136908, 77136178194]);
  t.strictSame(
    some(LARGEST, 0, 0),
    [1754620266988634, 1300800200945712, 7074991871519100, 4670729399986519, 8340039098765423],
  );
});

t.test('a value out of its range is refused and named', async (t) => {
  for (const bad of [-1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => permutation(bad, 0, 0), new RangeError(`n must be an integer from 0 to 2^53-1: ${bad}`));
    t.throws(
      () => permutation(1, bad, 0),
      new RangeError(`seed must be an integer from 0 to 2^53-1: ${bad}`),
    );
    t.throws(
      () => permutation(1, 0, bad),
      new RangeError(`epoch must be an integer from 0 to 2^53-1: ${bad}`),
    );
    t.throws(
      () => permutation(10, 0, 0)(bad),
      new RangeError(`position must be an integer in [0, 10): ${bad}`),
    );
  }
  t.throws(() => permutation(10, 0, 0)(10), new RangeError('position must be an integer in [0, 10): 10'));
  t.throws(() => permutation(0, 0, 0)(0), new RangeError('position must be an integer in [0, 0): 0'));
});

/** The number of distinct places within [0, n) that a whole order gives. */
function placesReached(n: number, seed: number, epoch: number): number {
  const order = permutation(n, seed, epoch);
  const seen = new Uint8Array(n);
  let reached = 0;
  for (let position = 0; position < n; position++) {
    const place = order(position);
    if (seen[place] === 0) {
      seen[place] = 1;
      reached++;
    }
  }
  return reached;
}

t.test('every n up to 3000, and a million, gives each place once', async (t) => {
  const wrong: number[] = [];
  for (let n = 0; n <= 3000; n++) if (placesReached(n, n * 7, n % 5) !== n) wrong.push(n);
  t.strictSame(wrong, []);
  t.equal(placesReached(1_000_000, 42, 3), 1_000_000);
});

t.test('a hundred thousand positions among very many collide nowhere and stay in range', async (t) => {
  // Neighbours and far strides: positions that share one half of the network or the other.
  for (const n of [1e9, 2 ** 40, LARGEST]) {
    const order = permutation(n, 5, 0);
    const stride = Math.floor(n / 50_000);
    const places = new Set<number>();
    const positions = new Set<number>();
    for (let i = 0; i < 50_000; i++) positions.add(i).add(n - 1 - i * stride);
    for (const position of positions) places.add(order(position));
    t.ok(positions.size >= 99_990);
    t.equal(places.size, positions.size, `n ${n}`);
    t.ok([...places].every((place) => Number.isSafeInteger(place) && place >= 0 && place < n));
  }
});

t.test('two positions never share a place, whatever n, seed and epoch', async () => {
  const whole = fc.integer({ min: 0, max: LARGEST });
  const count = fc.oneof(fc.integer({ min: 2, max: 600 }), fc.integer({ min: 2, max: LARGEST }));
  fc.assert(
    fc.property(count, whole, whole, whole, whole, (n, seed, epoch, x, y) => {
      const order = permutation(n, seed, epoch);
      const [a, b] = [order(x % n), order(y % n)];
      return a >= 0 && a < n && b >= 0 && b < n && (a === b) === (x % n === y % n);
    }),
    { seed: 1, numRuns: 2000 },
  );
});

t.test('every bit of seed and epoch gives another order', async (t) => {
  const orders = new Set([orderOf(50, 0, 0).join()]);
  for (let bit = 0; bit < 53; bit++) {
    orders.add(orderOf(50, 2 ** bit, 0).join());
    orders.add(orderOf(50, 0, 2 ** bit).join());
  }
  t.equal(orders.size, 1 + 2 * 53);
});

/**
 * How many standard deviations a chi-square value is from what its degrees of freedom lead to expect
 * (Wilson and Hilferty, 1931). A true shuffle passes FAR, to either side, twice in a million tests; the 144
 * tests of this file would then raise a false alarm for one in 3,500 choices of their keys, which are fixed.
 */
function deviation(chiSquare: number, freedom: number): number {
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(chiSquare / freedom) - (1 - spread)) / Math.sqrt(spread);
}
const FAR = 4.753;

/** Pearson's test that independent draws fall into each cell alike. */
function cellDeviation(cells: readonly number[] | Uint32Array): number {
  let draws = 0;
  for (const count of cells) draws += count;
  const expected = draws / cells.length;
  let sum = 0;
  for (const count of cells) sum += (count - expected) ** 2;
  return deviation(sum / expected, cells.length - 1);
}

/**
 * The same for counts[i * n + j], how many of `orders` put j at i. Rows and columns have fixed sums, so that
 * (n - 1) / orders times the summed squares is chi-square of (n - 1)² degrees.
 */
function placementDeviation(counts: Uint32Array, n: number, orders: number): number {
  let sum = 0;
  for (const count of counts) sum += (count - orders / n) ** 2;
  return deviation((sum * (n - 1)) / orders, (n - 1) ** 2);
}

type Keys = (i: number) => readonly [seed: number, epoch: number];
const bySeed: Keys = (i) => [i, 0];
const byEpoch: Keys = (i) => [0, i];

/** The orders of n <= 256 places under many keys, one after the other. */
function manyOrders(n: number, count: number, keys: Keys): Uint8Array {
  const orders = new Uint8Array(n * count);
  for (let i = 0; i < count; i++) {
    const order = permutation(n, ...keys(i));
    for (let position = 0; position < n; position++) orders[i * n + position] = order(position);
  }
  return orders;
}

/** The number of an order of five among all 120 (Lehmer code). */
function rankOfFive(order: Uint8Array): number {
  let rank = 0;
  for (let i = 0; i < 5; i++) {
    let smallerAfter = 0;
    for (let j = i + 1; j < 5; j++) if (order[j]! < order[i]!) smallerAfter++;
    rank = rank * (5 - i) + smallerAfter;
  }
  return rank;
}

t.test('all 120 orders of five come up alike, over seeds and over epochs', async (t) => {
  for (const keys of [bySeed, byEpoch]) {
    const orders = manyOrders(5, SEEDS, keys);
    const cells = new Uint32Array(120);
    for (let i = 0; i < SEEDS; i++) cells[rankOfFive(orders.subarray(5 * i, 5 * i + 5))]!++;
    const far = cellDeviation(cells);
    t.ok(Math.abs(far) < FAR, `${keys.name}: ${far.toFixed(2)} deviations`);
  }
});

t.test('each place comes to each position alike, and each follows each alike', async (t) => {
  for (const n of [5, 10, 100]) {
    const orders = manyOrders(n, SEEDS, bySeed);
    const placements = new Uint32Array(n * n);
    for (let k = 0; k < orders.length; k++) placements[(k % n) * n + orders[k]!]!++;
    const placed = placementDeviation(placements, n, SEEDS);
    t.ok(Math.abs(placed) < FAR, `n ${n}, positions: ${placed.toFixed(2)} deviations`);

    // One test per position: within one order who follows whom is not independent, over the seeds it is.
    // For n = 100 the pairs are taken together by their distance, so that each cell expects 200.
    let farthest = 0;
    for (let position = 0; position < n - 1; position++) {
      const cells = new Uint32Array(n === 100 ? n - 1 : n * (n - 1));
      for (let k = position; k < orders.length; k += n) {
        const distance = (orders[k + 1]! - orders[k]! + n) % n;
        cells[n === 100 ? distance - 1 : orders[k]! * (n - 1) + distance - 1]!++;
      }
      farthest = Math.max(farthest, Math.abs(cellDeviation(cells)));
    }
    t.ok(farthest < FAR, `n ${n}, neighbours: at most ${farthest.toFixed(2)} deviations`);
  }
});

t.test('orders of related keys know nothing of each other', async (t) => {
  const related: Record<string, [Keys, Keys]> = {
    'the next epoch': [bySeed, (i) => [i, 1]],
    'epochs of one seed': [byEpoch, (i) => [0, i + 1]],
    'the next seed': [bySeed, (i) => [i + 1, 0]],
    'the high word of the seed': [bySeed, (i) => [i + 2 ** 32, 0]],
    'the top bit of the seed': [bySeed, (i) => [i + 2 ** 52, 0]],
    'the high word of the epoch': [byEpoch, (i) => [0, i + 2 ** 32]],
    'seed and epoch exchanged': [(i) => [i + 1, 0], (i) => [0, i + 1]],
  };
  for (const [name, [one, other]] of Object.entries(related)) {
    for (const [n, count] of [
      [5, 6_000],
      [64, 500],
    ] as const) {
      const from = manyOrders(n, count, one);
      const to = manyOrders(n, count, other);
      // Where the second order puts what the first has at each position: again a true shuffle.
      const between = new Uint8Array(n * count);
      for (let start = 0; start < between.length; start += n) {
        const positionIn = new Uint8Array(n);
        for (let p = 0; p < n; p++) positionIn[to[start + p]!] = p;
        for (let p = 0; p < n; p++) between[start + p] = positionIn[from[start + p]!]!;
      }
      const placements = new Uint32Array(n * n);
      for (let k = 0; k < between.length; k++) placements[(k % n) * n + between[k]!]!++;
      const placed = placementDeviation(placements, n, count);
      t.ok(Math.abs(placed) < FAR, `${name}, n ${n}: ${placed.toFixed(2)} deviations`);
      if (n !== 5) continue;
      const cells = new Uint32Array(120);
      for (let i = 0; i < count; i++) cells[rankOfFive(between.subarray(5 * i, 5 * i + 5))]!++;
      const far = cellDeviation(cells);
      t.ok(Math.abs(far) < FAR, `${name}, all orders: ${far.toFixed(2)} deviations`);
    }
  }
});

t.test('many places are shuffled well, over seeds and within one order', async (t) => {
  const n = 1e9;
  for (const position of [0, 1, n / 2, n - 1]) {
    const cells = new Uint32Array(250);
    for (let seed = 0; seed < SEEDS; seed++) {
      cells[Math.floor(permutation(n, seed, 0)(position) / (n / 250))]!++;
    }
    const far = cellDeviation(cells);
    t.ok(Math.abs(far) < FAR, `position ${position}: ${far.toFixed(2)} deviations`);
  }

  const million = 1_000_000;
  const order = permutation(million, 9, 0);
  const distances = new Uint32Array(100);
  const moves = new Uint32Array(100);
  for (let position = 0; position < million; position++) {
    const place = order(position);
    const next = order((position + 1) % million);
    distances[Math.floor(((next - place + million) % million) / (million / 100))]!++;
    moves[Math.floor(((place - position + million) % million) / (million / 100))]!++;
  }
  for (const [name, cells] of Object.entries({ distances, moves })) {
    const far = cellDeviation(cells);
    t.ok(Math.abs(far) < FAR, `${name}: ${far.toFixed(2)} deviations`);
  }
});
