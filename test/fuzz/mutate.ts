/** Pseudo-random 32-bit numbers, the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

/** Lengths and counts that readers stumble over. */
const EDGES = [
  0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
];

/** The head of the element that an image's pixels are in. */
const PIXEL_DATA = Uint8Array.of(0xe0, 0x7f, 0x10, 0x00);

/** A copy of a valid file with a few things wrong: bits, bytes, numbers, a cut, something left out, doubled or moved. */
export function mutate(valid: Uint8Array, random: () => number): Uint8Array {
  let bytes = Buffer.from(valid);
  // Half of the files keep their header: else few get as far as a decoder.
  const body = bytes.indexOf(PIXEL_DATA);
  const kept = body > 0 && random() % 2 === 0 ? body + PIXEL_DATA.length : 0;
  // Most of what is fragile is in the first part: the header, and the heads of frames behind it.
  const place = (): number => {
    const near = Math.min(bytes.length, kept + 4096);
    const anywhere = kept + (random() % Math.max(1, bytes.length - kept));
    switch (random() % 4) {
      case 0:
        return anywhere;
      case 1: {
        // The heads of a compressed image's segments are told by FF.
        const marker = bytes.indexOf(0xff, anywhere);
        return marker < 0 ? anywhere : Math.min(bytes.length - 1, marker + 1 + (random() % 6));
      }
      default:
        return kept + (random() % Math.max(1, near - kept));
    }
  };
  for (let left = 1 + (random() % 6); left > 0 && bytes.length > 16; left--) {
    const at = place();
    const length = 1 + (random() % 64);
    switch (random() % 7) {
      case 0:
        bytes[at]! ^= 1 << (random() % 8);
        break;
      case 1:
        bytes[at] = random() & 0xff;
        break;
      case 2:
        if (at + 4 <= bytes.length) bytes.writeUInt32LE(EDGES[random() % EDGES.length]!, at);
        break;
      case 3:
        if (at + 2 <= bytes.length) bytes.writeUInt16LE(EDGES[random() % EDGES.length]! & 0xffff, at);
        break;
      case 4:
        bytes = bytes.subarray(0, Math.max(16, at));
        break;
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    }
  }
  return bytes;
}
