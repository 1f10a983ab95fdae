import type { BaseLogger } from 'pino';

interface Part {
  readonly name: string;
  readonly limitMs: number;
  readonly end: () => unknown;
}

/**
 * The parts of a running service, each with the function that ends it. They end one after the other, the last
 * one first. If a part fails, or takes longer than its limit, the log tells, and the other parts end all the
 * same.
 */
export class Ending {
  #log: Pick<BaseLogger, 'error'>;
  #parts: Part[] = [];
  #run: Promise<void> | null = null;

  constructor(log: Pick<BaseLogger, 'error'>) {
    this.#log = log;
  }

  /** `end` is called once, before the ends of all parts that were added earlier. */
  add(name: string, limitMs: number, end: () => unknown): void {
    this.#parts.push({ name, limitMs, end });
  }

  /**
   * Ends every part; a second call waits for the first. Rejects, after all parts, if some did not end well.
   */
  run(): Promise<void> {
    this.#run ??= this.#endAll();
    return this.#run;
  }

  async #endAll(): Promise<void> {
    const failed: string[] = [];
    for (const part of this.#parts.reverse()) if (!(await this.#endsWell(part))) failed.push(part.name);
    if (failed.length > 0) throw new Error(`not everything ended well: ${failed.join(', ')}`);
  }

  async #endsWell({ name, limitMs, end }: Part): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        this.#log.error({ part: name, limitMs }, 'a part of the service did not end in time');
        resolve(false);
      }, limitMs);
    });
    const ended = (async () => end())().then(
      () => true,
      (error) => {
        this.#log.error({ part: name, err: error }, 'a part of the service did not end well');
        return false;
      },
    );
    try {
      return await Promise.race([ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
