/** A set of steps as ascending [from, to) ranges that don't touch. */
export type Steps = readonly (readonly [from: number, to: number])[];

/** The set with one step more. */
export function addStep(steps: Steps, step: number): Steps {
  const before = steps.filter(([, to]) => to < step);
  const after = steps.filter(([from]) => from > step + 1);
  const touching = steps.slice(before.length, steps.length - after.length);
  const from = Math.min(step, ...touching.map((range) => range[0]));
  const to = Math.max(step + 1, ...touching.map((range) => range[1]));
  return [...before, [from, to], ...after];
}

export function stepCount(steps: Steps): number {
  return steps.reduce((sum, [from, to]) => sum + to - from, 0);
}

export function hasStep(steps: Steps, step: number): boolean {
  return steps.some(([from, to]) => from <= step && step < to);
}
