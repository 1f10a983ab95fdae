/** From here on the nearest binary16 number is infinite. */
export const HALF_LIMIT = 65_520;

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/** IEEE 754 binary16 of a number whose magnitude is below `HALF_LIMIT`, or of NaN: ties to even, rounded once. */
export function halfBits(value: number): number {
  if (value === 0) return Object.is(value, -0) ? 0x8000 : 0;
  if (Number.isNaN(value)) return 0x7e00;
  double[0] = value;
  const [low, high] = [doubleWords[0]!, doubleWords[1]!];
  const sign = (high >>> 16) & 0x8000;
  const exponent = ((high >>> 20) & 0x7ff) - 1023;
  if (exponent < -14) return sign | roundToEven(Math.abs(value) * 2 ** 24);
  // 10 of the mantissa's 52 bits stay, all in the upper word; its carry goes on into the exponent, as it should.
  const kept = (high & 0x7fffffff) - (1008 << 20);
  const rest = kept & 0x3ff;
  const half = kept >>> 10;
  const up = rest > 0x200 || (rest === 0x200 && (low !== 0 || (half & 1) === 1));
  return sign | (half + (up ? 1 : 0));
}

function roundToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
