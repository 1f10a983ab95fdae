// A list of more than about 125,000 values that is passed as arguments, like `push(...list)`, fails with a
// RangeError. These functions take lists of any length.

/** Returns the largest number; minus infinity if there is none. */
export function largestOf(numbers: Iterable<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const number of numbers) largest = Math.max(largest, number);
  return largest;
}

/** Returns the smallest number; infinity if there is none. */
export function smallestOf(numbers: Iterable<number>): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (const number of numbers) smallest = Math.min(smallest, number);
  return smallest;
}

/** Appends all values to a list. */
export function appendAll<T>(list: T[], values: Iterable<T>): void {
  for (const value of values) list.push(value);
}
