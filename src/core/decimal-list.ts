const BACKSLASH = 0x5c;
const SPACE = 0x20;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const UPPER_E = 0x45;
const LOWER_E = 0x65;

/** Powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** How many values a list of decimal strings holds; 0 for one of spaces alone. */
export function countDecimals(bytes: Uint8Array): number {
  let count = 1;
  let isBlank = true;
  for (const byte of bytes) {
    if (byte === BACKSLASH) count++;
    if (byte > SPACE) isBlank = false;
  }
  return isBlank ? 0 : count;
}

/**
 * Reads a list of decimal strings separated by backslashes (DICOM PS3.5, section 6.2) into `out` from `first`: each the same double
 * as `Number` gives, NaN for anything else. Spaces and NULs around a value are nothing. Gives the number of values.
 */
export function readDecimals(bytes: Uint8Array, out: Float64Array, first: number): number {
  let count = 0;
  let at = 0;
  while (at <= bytes.length) {
    let end = at;
    while (end < bytes.length && bytes[end] !== BACKSLASH) end++;
    let from = at;
    let to = end;
    while (from < to && bytes[from]! <= SPACE) from++;
    while (to > from && bytes[to - 1]! <= SPACE) to--;
    out[first + count++] = from < to ? readDecimal(bytes, from, to) : Number.NaN;
    at = end + 1;
  }
  return count;
}

function readDecimal(bytes: Uint8Array, from: number, to: number): number {
  let at = from;
  const isNegative = bytes[at] === MINUS;
  if (isNegative || bytes[at] === PLUS) at++;
  let value = 0;
  let digits = 0;
  let decimals = 0;
  let isFraction = false;
  for (; at < to; at++) {
    const code = bytes[at]!;
    if (code >= ZERO && code <= NINE) {
      value = value * 10 + (code - ZERO);
      digits++;
      if (isFraction) decimals++;
    } else if (code === DOT && !isFraction) isFraction = true;
    else break;
  }
  if (digits === 0) return Number.NaN;
  if (at === to && digits <= 15) {
    // Both exact, so that the one division rounds as it should. Adding 0 makes 0 of -0.
    const size = value / POWERS[decimals]!;
    return isNegative ? 0 - size : size;
  }
  return readSlowly(bytes, from, at, to);
}

/** Many digits, or an exponent. */
function readSlowly(bytes: Uint8Array, from: number, exponent: number, to: number): number {
  let at = exponent;
  if (at < to) {
    if (bytes[at] !== LOWER_E && bytes[at] !== UPPER_E) return Number.NaN;
    at++;
    if (bytes[at] === PLUS || bytes[at] === MINUS) at++;
    if (at >= to) return Number.NaN;
    for (; at < to; at++) if (bytes[at]! < ZERO || bytes[at]! > NINE) return Number.NaN;
  }
  // biome-ignore lint/plugin: at most 512 bytes
  const value = Number(String.fromCharCode(...bytes.subarray(from, Math.min(to, from + 512))));
  return Number.isFinite(value) ? value + 0 : Number.NaN;
}
