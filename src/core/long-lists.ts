// A list that is handed to a function as its arguments, as `push(...list)` does, fails with a RangeError where it has over 125,000
// values or so. These take lists of any length.

/** The largest of numbers; minus infinity where there is none. */
export function largestOf(numbers: Iterable<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const number of numbers) largest = Math.max(largest, number);
  return largest;
}

/** The smallest of numbers; infinity where there is none. */
export function smallestOf(numbers: Iterable<number>): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (const number of numbers) smallest = Math.min(smallest, number);
  return smallest;
}

/** Puts all values behind those of a list. */
export function appendAll<T>(list: T[], values: Iterable<T>): void {
  for (const value of values) list.push(value);
}
