/** @typedef {{ median: number, min: number, max: number }} Spread */

/** @param {number[]} values @returns {number} */
export function median(values) {
  return quantile(values, 0.5);
}

/** The value below which a share of all lies, between the two nearest. @param {number[]} values @param {number} share */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at % 1);
}

/** @param {number[]} values @returns {Spread} */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * Runs the anchor, then ours, then the anchor again, so many times; each answers its figures by name.
 * @param {number} rounds
 * @param {() => Promise<Record<string, number>>} anchor
 * @param {() => Promise<Record<string, number>>} ours
 */
export async function interleave(rounds, anchor, ours) {
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    const before = await anchor();
    const value = await ours();
    runs.push({ before, value, after: await anchor() });
  }
  return runs;
}

/**
 * A figure beside its anchor: ours and the anchor over all rounds, `ratio` of ours to the mean of the round's two anchors, and `aa`,
 * the second anchor to the first, which tells the noise.
 * @param {Awaited<ReturnType<typeof interleave>>} runs
 * @param {string} name of ours @param {string} anchorName of the anchor's
 */
export function besides(runs, name, anchorName = name) {
  const anchors = runs.map(({ before, after }) => [before[anchorName], after[anchorName]]);
  return {
    value: spread(runs.map(({ value }) => value[name])),
    anchor: spread(anchors.flat()),
    ratio: spread(runs.map(({ value }, i) => value[name] / ((anchors[i][0] + anchors[i][1]) / 2))),
    aa: spread(anchors.map(([before, after]) => after / before)),
  };
}
