/** Where the coefficients of a block lie, in the order they are coded (ISO/IEC 10918-1, figure A.6). */
// biome-ignore format: a table of eight by eight
export const ZIGZAG = Uint8Array.of(
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
  58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
);

const SHIFT = 13;
const fixed = (value: number): number => Math.round(value * 2 ** SHIFT);
const C0298 = fixed(0.298631336);
const C0390 = fixed(0.390180644);
const C0541 = fixed(0.5411961);
const C0765 = fixed(0.765366865);
const C0899 = fixed(0.899976223);
const C1175 = fixed(1.175875602);
const C1501 = fixed(1.50132111);
const C1847 = fixed(1.847759065);
const C1961 = fixed(1.96157056);
const C2053 = fixed(2.053119869);
const C2562 = fixed(2.562915447);
const C3072 = fixed(3.072711026);
const { imul } = Math;

const work = new Int32Array(64);
const line = new Int32Array(8);

/**
 * The inverse cosine transform of one block in integers of 13 fraction bits, after Loeffler, Ligtenberg and Moschytz
 * (1989), with the rounding that the field's decoders share, so that results agree to the last bit. Writes 8 rows of 8
 * samples of `bits` bits, `stride` apart.
 */
export function inverseTransform(
  block: Int32Array,
  bits: number,
  out: Uint8Array | Uint16Array,
  at: number,
  stride: number,
): void {
  // Bits that the first pass keeps for the second: what 32 bits leave room for.
  const kept = bits > 8 ? 1 : 2;
  const middle = 1 << (bits - 1);
  const top = (1 << bits) - 1;
  for (let x = 0; x < 8; x++) {
    for (let i = 0; i < 8; i++) line[i] = block[x + 8 * i]!;
    pass(SHIFT - kept);
    for (let i = 0; i < 8; i++) work[x + 8 * i] = line[i]!;
  }
  for (let y = 0; y < 8; y++) {
    for (let i = 0; i < 8; i++) line[i] = work[8 * y + i]!;
    pass(SHIFT + kept + 3);
    for (let i = 0, to = at + y * stride; i < 8; i++, to++) {
      const value = line[i]! + middle;
      out[to] = value < 0 ? 0 : value > top ? top : value;
    }
  }
}

/** One dimension of eight values, rounded to `shift` fewer bits. */
function pass(shift: number): void {
  const half = 1 << (shift - 1);
  const [s0, s1, s2, s3] = [line[0]!, line[1]!, line[2]!, line[3]!];
  const [s4, s5, s6, s7] = [line[4]!, line[5]!, line[6]!, line[7]!];
  if ((s1 | s2 | s3 | s4 | s5 | s6 | s7) === 0) {
    line.fill(((s0 << SHIFT) + half) >> shift);
    return;
  }
  const e1 = imul(s2 + s6, C0541);
  const e2 = e1 - imul(s6, C1847);
  const e3 = e1 + imul(s2, C0765);
  const a = (s0 + s4) << SHIFT;
  const b = (s0 - s4) << SHIFT;
  const [p0, p3, p1, p2] = [a + e3, a - e3, b + e2, b - e2];
  const z5 = imul(s7 + s3 + s5 + s1, C1175);
  const z1 = -imul(s7 + s1, C0899);
  const z2 = -imul(s5 + s3, C2562);
  const z3 = z5 - imul(s7 + s3, C1961);
  const z4 = z5 - imul(s5 + s1, C0390);
  const q0 = imul(s7, C0298) + z1 + z3;
  const q1 = imul(s5, C2053) + z2 + z4;
  const q2 = imul(s3, C3072) + z2 + z3;
  const q3 = imul(s1, C1501) + z1 + z4;
  line[0] = (p0 + q3 + half) >> shift;
  line[7] = (p0 - q3 + half) >> shift;
  line[1] = (p1 + q2 + half) >> shift;
  line[6] = (p1 - q2 + half) >> shift;
  line[2] = (p2 + q1 + half) >> shift;
  line[5] = (p2 - q1 + half) >> shift;
  line[3] = (p3 + q0 + half) >> shift;
  line[4] = (p3 - q0 + half) >> shift;
}
