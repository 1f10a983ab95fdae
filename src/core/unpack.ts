/** Single bits, the least significant of a byte first (DICOM PS3.5, section 8.1.1), as bytes of 0 and 1. */
export function unpackBits(packed: Uint8Array, firstBit: number, count: number): Uint8Array {
  const out = new Uint8Array(count);
  for (let i = 0, bit = firstBit; i < count; i++, bit++) out[i] = (packed[bit >> 3]! >> (bit & 7)) & 1;
  return out;
}

/** Samples of 12 bits, two in three bytes, the first one's low byte first (DICOM PS3.5, section 8.1.1). */
export function unpackTwelve(packed: Uint8Array, count: number): Uint16Array {
  const out = new Uint16Array(count);
  for (let i = 0, at = 0; i < count; i += 2, at += 3) {
    const middle = packed[at + 1]!;
    out[i] = packed[at]! | ((middle & 0x0f) << 8);
    if (i + 1 < count) out[i + 1] = (middle >> 4) | (packed[at + 2]! << 4);
  }
  return out;
}

/**
 * Samples that share chroma between two neighbours of a row, Y1 Y2 Cb Cr, as planes of full size in which both have
 * the same (DICOM PS3.3, section C.7.6.3.1.2, YBR_FULL_422).
 */
export function unpackSharedChroma<T extends Uint8Array | Uint16Array>(shared: T, pixels: number): T {
  const planes = new (shared.constructor as new (length: number) => T)(pixels * 3);
  for (let i = 0, at = 0; i < pixels; i += 2, at += 4) {
    planes[i] = shared[at]!;
    planes[i + 1] = shared[at + 1]!;
    planes.fill(shared[at + 2]!, pixels + i, pixels + i + 2);
    planes.fill(shared[at + 3]!, 2 * pixels + i, 2 * pixels + i + 2);
  }
  return planes;
}
