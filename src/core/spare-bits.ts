import type { ImageHeader } from './dicom.js';
import type { StoredValues } from './pixels.js';

type Described = Pick<ImageHeader, 'bitsAllocated' | 'bitsStored' | 'highBit' | 'signed'>;

/**
 * Whether the bits of each sample above BitsStored are all 0, or copies of the sign in signed ones, so that there is nothing to
 * cut. Looks at 32 bits at a time, however many samples those are.
 */
export function areSpareBitsClean(values: StoredValues, header: Described): boolean {
  const { bitsAllocated, bitsStored, highBit, signed } = header;
  if (highBit !== bitsStored - 1) return false;
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: size } = values;
  if (size * 8 !== bitsAllocated) return false;
  const start = Math.ceil(byteOffset / 4) * 4;
  const count = Math.max(0, Math.floor((byteOffset + byteLength - start) / 4));
  const ends = values.length - (4 / size) * count;
  const words = count > 0 ? new Int32Array(buffer, start, count) : new Int32Array(0);
  let found = signed ? differences(words) : allBits(words);
  const look = (bits: number): void => {
    found |= signed ? bits ^ (bits << 1) : bits;
  };
  // What of the samples lies before and behind the whole words.
  const first = (start - byteOffset) / size;
  for (let i = 0; i < ends; i++) look(values[i < first ? i : values.length - ends + i]!);
  const spare = (-1 << bitsStored) & (bitsAllocated === 32 ? -1 : (1 << bitsAllocated) - 1);
  const mask =
    bitsAllocated === 8
      ? spare | (spare << 8) | (spare << 16) | (spare << 24)
      : bitsAllocated === 16
        ? spare | (spare << 16)
        : spare;
  return (found & mask) === 0;
}

/** Every bit that is in any of the words; four at a time, which takes two thirds of the time. */
function allBits(words: Int32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const count = words.length;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    a |= words[i]!;
    b |= words[i + 1]!;
    c |= words[i + 2]!;
    d |= words[i + 3]!;
  }
  for (; i < count; i++) a |= words[i]!;
  return a | b | c | d;
}

/**
 * Every bit that differs from the one below it in any of the words. A sample's lowest is compared with the one before it,
 * which does not count: it is never a spare one.
 */
function differences(words: Int32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const count = words.length;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    const [p, q, r, s] = [words[i]!, words[i + 1]!, words[i + 2]!, words[i + 3]!];
    a |= p ^ (p << 1);
    b |= q ^ (q << 1);
    c |= r ^ (r << 1);
    d |= s ^ (s << 1);
  }
  for (; i < count; i++) a |= words[i]! ^ (words[i]! << 1);
  return a | b | c | d;
}
