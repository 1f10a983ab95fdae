import type { Size } from './fit.js';

/** A part of an image: rows [top, bottom), columns [left, right). */
export interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** The smallest box around a mask's pixels, `margin` wider on each side where the image goes on; null where it has none. */
export function boxOf(mask: Uint8Array, { rows, columns }: Size, margin: number): Box | null {
  let [top, bottom, left, right] = [rows, 0, columns, 0];
  for (let y = 0; y < rows; y++)
    for (let x = 0, at = y * columns; x < columns; x++, at++) {
      if (mask[at] === 0) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  if (bottom === 0) return null;
  return {
    top: Math.max(0, top - margin),
    bottom: Math.min(rows, bottom + margin),
    left: Math.max(0, left - margin),
    right: Math.min(columns, right + margin),
  };
}

const FAR = 1e9;

/**
 * For each pixel of a box, row-major, the square of its distance to the nearest pixel of the box whose mask is `value`; exact up to
 * `reach` pixels, any larger number beyond it.
 */
export function squaredDistances(
  mask: Uint8Array,
  columns: number,
  box: Box,
  value: 0 | 1,
  reach: number,
): Float64Array {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  // First along the columns, then over the neighbours in the row.
  const along = new Float64Array(width * height).fill(FAR);
  for (let x = 0; x < width; x++) {
    let last = -FAR;
    for (let y = 0; y < height; y++) {
      if (mask[(box.top + y) * columns + box.left + x] === value) last = y;
      along[y * width + x] = Math.min(FAR, y - last);
    }
    last = FAR;
    for (let y = height - 1; y >= 0; y--) {
      if (mask[(box.top + y) * columns + box.left + x] === value) last = y;
      along[y * width + x] = Math.min(along[y * width + x]!, last - y);
    }
  }
  const squares = new Float64Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let least = along[y * width + x]! ** 2;
      const to = Math.min(width - 1, x + reach);
      for (let u = Math.max(0, x - reach); u <= to && least > 0; u++) {
        const square = along[y * width + u]! ** 2 + (u - x) ** 2;
        if (square < least) least = square;
      }
      squares[y * width + x] = least;
    }
  return squares;
}
