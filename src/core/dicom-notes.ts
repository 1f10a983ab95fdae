import type { HeaderProblem } from './dicom.js';
import type { ProblemCode } from './problem.js';

/** Collects what was odd in a header and read around, each thing once. */
export class Notes {
  readonly list: HeaderProblem[] = [];

  add(code: ProblemCode, detail: string): void {
    if (!this.list.some((note) => note.code === code && note.detail === detail))
      this.list.push({ code, detail });
  }
}
