import { SlfError } from '../errors.js';

interface Waiter {
  admit(): void;
}

/** Lets so many in at a time; the others wait in line, for a bounded time. */
export class Gate {
  #inside = 0;
  #room: number;
  #busy: string;
  #line: Waiter[] = [];

  /** `busy` is told to those who waited in vain. */
  constructor(room: number, busy: string) {
    this.#room = room;
    this.#busy = busy;
  }

  get inside(): number {
    return this.#inside;
  }

  /** Waits for a place and answers how to leave it (once). Throws `SLF_BUSY` after `waitMs`, or the signal's reason. */
  async enter(waitMs: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#inside < this.#room) this.#inside++;
    else await this.#wait(waitMs, signal);
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      const next = this.#line.shift();
      if (next) next.admit();
      else this.#inside--;
    };
  }

  /** Runs `work` inside the gate; throws like `enter`. */
  async within<T>(waitMs: number, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const leave = await this.enter(waitMs, signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  #wait(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        finish();
      };
      const waiter: Waiter = { admit: () => settle(resolve) };
      const leaveLine = (reason: unknown) => {
        this.#line = this.#line.filter((other) => other !== waiter);
        settle(() => reject(reason));
      };
      const onAbort = () => leaveLine(signal.reason);
      const timer = setTimeout(() => {
        leaveLine(new SlfError('SLF_BUSY', this.#busy, { retryAfterS: 1 }));
      }, waitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#line.push(waiter);
    });
  }
}
