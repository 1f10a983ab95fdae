import type { HeaderProblem } from './dicom.js';
import type { ProblemCode } from './problem.js';

/** So many runs of numbers are named in a detail. */
const NAMED_RANGES = 12;

/** Collects what is wrong with many numbered things (contours of an ROI, frames of a file) as one problem for each kind. */
export class ProblemList {
  readonly #found = new Map<string, { code: ProblemCode; where: string; what: string; items: number[] }>();

  /** `where` says what is counted (`ROI 2: contours`), `item` is counted from 1. */
  add(code: ProblemCode, where: string, item: number, what: string): void {
    const key = `${code} ${where} ${what}`;
    const known = this.#found.get(key);
    if (known) known.items.push(item);
    else this.#found.set(key, { code, where, what, items: [item] });
  }

  get list(): HeaderProblem[] {
    return [...this.#found.values()].map(({ code, where, what, items }) => ({
      code,
      detail: `${where} ${numbersText(items)}: ${what}`,
    }));
  }
}

/** `1-3, 7`: numbers in ascending order, each once; after some runs the others are counted. */
function numbersText(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last && last[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  const named = ranges.slice(0, NAMED_RANGES);
  const text = named.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
  const rest = ranges.slice(NAMED_RANGES).reduce((sum, [from, to]) => sum + to - from + 1, 0);
  return rest === 0 ? text : `${text} and ${rest} more`;
}
