/** Up to so many values insertion is the faster way, and needs no view. */
const FEW = 32;

/** Sorts the first `count` values in place, ascending: the crossings of a row in a buffer that is kept between rows. */
export function sortStart(values: Float32Array | Float64Array, count: number): void {
  if (count > FEW) {
    values.subarray(0, count).sort();
    return;
  }
  for (let c = 1; c < count; c++) {
    const value = values[c]!;
    let place = c;
    for (; place > 0 && values[place - 1]! > value; place--) values[place] = values[place - 1]!;
    values[place] = value;
  }
}
