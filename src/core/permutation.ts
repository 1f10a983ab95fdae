/**
 * Names the algorithm of `permutation` and goes into the digest of a spec: whoever changes a single place
 * that it gives, for any input, gives it a new name.
 */
export const PERMUTATION_ID = 'feistel12-1';

const ROUNDS = 12;
const SMALLEST_HALF = 16;
const WORD = 2 ** 32;

/**
 * A keyed bijection of [0, n): maps a position in an epoch's order to a place in the snapshot.
 *
 * An alternating Feistel network over high × low >= n with cycle walking (Black and Rogaway, "Ciphers with
 * arbitrary finite domains", 2002). The low half is a power of two, so that splitting a position is exact and
 * low² <= n < 4 low²; the high half is just large enough. So the domain holds at most n/16 more than n and a
 * position is found in about one walk, except for n < 256, where the domain is 256 and it takes 256/n on
 * average. A domain near n itself would, for few pairs, reach too few of the orders and some too often.
 *
 * Nothing is stored but 24 key words. All mixing is 32-bit integer arithmetic, so that every machine agrees.
 *
 * @param n 0 … 2^53-1
 * @param seed 0 … 2^53-1, every bit counts
 * @param epoch 0 … 2^53-1, every bit counts
 * @throws RangeError for a parameter, and by the returned function for a position, that is out of its range
 */
export function permutation(n: number, seed: number, epoch: number): (position: number) => number {
  checkParameter('n', n);
  checkParameter('seed', seed);
  checkParameter('epoch', epoch);
  let low = SMALLEST_HALF;
  while (low * low * 4 <= n) low *= 2;
  const high = Math.max(SMALLEST_HALF, Math.ceil(n / low));
  const lowMask = low - 1;
  const keys = roundKeys(seed, epoch);

  return (position) => {
    if (!(Number.isInteger(position) && position >= 0 && position < n)) {
      throw new RangeError(`position must be an integer in [0, ${n}): ${position}`);
    }
    let place = position;
    do {
      let upper = Math.floor(place / low) | 0;
      let lower = (place - upper * low) | 0;
      for (let k = 0; k < 2 * ROUNDS; k += 4) {
        upper = (upper + (roundValue(lower, keys[k]!, keys[k + 1]!) % high)) | 0;
        if (upper >= high) upper -= high;
        lower = (lower + roundValue(upper, keys[k + 2]!, keys[k + 3]!)) & lowMask;
      }
      place = upper * low + lower;
    } while (place >= n);
    return place;
  };
}

/**
 * The round function: a half, at most 27 bits, under two key words to 31 bits. Not 32, because these the engine
 * divides as small integers, in half the time. The remainder favours no value by more than high / 2^31, which
 * is one part in a million for a million pairs.
 */
function roundValue(half: number, before: number, between: number): number {
  let h = half ^ before;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  // A second key word in the middle: with the first alone, keys that differ in their low bits would give a
  // small half the same values in another order.
  h = ((h ^ (h >>> 15)) + between) | 0;
  h = Math.imul(h, 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 1;
}

/** Two words per round, each a hash of its own number and the four words of seed and epoch. */
function roundKeys(seed: number, epoch: number): Int32Array {
  const words = [seed % WORD, Math.floor(seed / WORD), epoch % WORD, Math.floor(epoch / WORD)];
  const keys = new Int32Array(2 * ROUNDS);
  for (let i = 0; i < keys.length; i++) {
    let h = Math.imul(i + 1, 0x9e3779b9);
    for (const word of words) h = (scramble(h ^ word) + 0x9e3779b9) | 0;
    keys[i] = scramble(h);
  }
  return keys;
}

/** A bijection of 32-bit words in which every input bit moves about half of the output bits. */
function scramble(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}

function checkParameter(name: string, value: number): void {
  if (!(Number.isSafeInteger(value) && value >= 0)) {
    throw new RangeError(`${name} must be an integer from 0 to 2^53-1: ${value}`);
  }
}
