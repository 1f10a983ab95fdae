/** Where progress is shown; a terminal has `isTTY` and a width in `columns`. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const LABEL_WIDTH = 9;
const LONGEST_BAR = 24;
const SHORTEST_BAR = 6;
const USUAL_COLUMNS = 80;
const PLAIN_EVERY_MS = 1000;
const REDRAW_EVERY_MS = 40;
const CLEAR_LINE = '\r\x1b[2K';

/** `done` of `total` as blocks, `width` of them. */
export function bar(done: number, total: number, width: number): string {
  const full = total > 0 ? Math.round((Math.min(done, total) / total) * width) : 0;
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/**
 * One line that tells how far the work under way is: redrawn in place on a terminal, else written anew, at most once a second.
 * `now` is in milliseconds.
 */
export class Progress {
  readonly #screen: Screen;
  readonly #now: () => number;
  #shownAt = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(screen: Screen, now: () => number = () => performance.now()) {
    this.#screen = screen;
    this.#now = now;
  }

  /** Work that goes on; `total` 0 where it isn't known. */
  show(label: string, text: string, done = 0, total = 0): void {
    const now = this.#now();
    if (now - this.#shownAt < (this.#screen.isTTY ? REDRAW_EVERY_MS : PLAIN_EVERY_MS)) return;
    this.#shownAt = now;
    if (!this.#screen.isTTY) {
      this.#screen.write(`${label.padEnd(LABEL_WIDTH)} ${text}\n`);
      return;
    }
    this.#screen.write(CLEAR_LINE + this.#line(label, text, done, total));
    this.#drawn = true;
  }

  /** Work that is done: its line stays. */
  settle(label: string, text: string): void {
    this.clear();
    this.#screen.write(`${label.padEnd(LABEL_WIDTH)} ${text}\n`);
    this.#shownAt = Number.NEGATIVE_INFINITY;
  }

  /** Takes away a line that would have been redrawn. */
  clear(): void {
    if (this.#drawn) this.#screen.write(CLEAR_LINE);
    this.#drawn = false;
  }

  #line(label: string, text: string, done: number, total: number): string {
    // The last column stays free: a terminal that fills it may wrap, and a wrapped line can't be redrawn.
    const room = (this.#screen.columns || USUAL_COLUMNS) - 1;
    const start = `${label.padEnd(LABEL_WIDTH)} `;
    const width = Math.min(LONGEST_BAR, room - start.length - text.length - 1);
    const shown = total > 0 && width >= SHORTEST_BAR ? `${bar(done, total, width)} ${text}` : text;
    return (start + shown).slice(0, room);
  }
}
