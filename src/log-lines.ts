import { write, writeSync } from 'node:fs';
import { type DestinationStream, pino, symbols } from 'pino';

/** Lines wait this long for others, to be written together: each write is a trip to another thread. */
const TOGETHER_MS = 50;
const TOGETHER_BYTES = 12 * 1024;
/** The most bytes of one write. */
const WRITE_BYTES = 64 * 1024;
/** How long to wait before writing again to a reader that takes no lines. */
const RETRY_MS = 100;
/** The most bytes of lines that are held while nobody takes them; further lines are left out. */
const MOST_HELD_BYTES = 4 * 1024 * 1024;
/** How long the end of the process waits for a reader that does not take its last lines. */
const END_MS = 500;

/** The calls of `node:fs` that write; tests pass others. */
export interface Writing {
  write(
    fd: number,
    bytes: Buffer,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void;
  /** Throws if nothing can be written at this moment. */
  writeSync(fd: number, bytes: Buffer): number;
}

const FILE_SYSTEM: Writing = {
  write: (fd, bytes, done) => write(fd, bytes, done),
  writeSync: (fd, bytes) => writeSync(fd, bytes),
};

/**
 * Writes lines to a descriptor without making the caller wait, in order and several at once. A line of level
 * `warn` or above leaves at once, with the lines before it. If the reader stalls, lines are held up to a
 * limit, then left out and counted.
 */
export class LogLines implements DestinationStream {
  // Makes pino give a line's level in `lastLevel`.
  readonly [symbols.needsMetadataGsym] = true;
  lastLevel = 0;
  /** Called with the number of lines that were left out, when there is room again. */
  onLeftOut: (lines: number) => void = () => {};
  #fd: number;
  #writing: Writing;
  #held: string[] = [];
  /** Bytes of lines that are held or being written. */
  #bytes = 0;
  #leftOut = 0;
  #timer: NodeJS.Timeout | null = null;
  /** The bytes that are being written. */
  #rest: Buffer | null = null;
  /** Whether a write has been handed to the system and can't be taken back. */
  #isUnderWay = false;
  /** Whether nobody will ever read again. */
  #isBroken = false;
  #waiting: (() => void)[] = [];

  constructor(fd: number, writing: Writing = FILE_SYSTEM) {
    this.#fd = fd;
    this.#writing = writing;
  }

  write(line: string): void {
    if (this.#isBroken) return;
    const bytes = Buffer.byteLength(line);
    if (this.#bytes + bytes > MOST_HELD_BYTES) {
      this.#leftOut++;
      return;
    }
    this.#held.push(line);
    this.#bytes += bytes;
    if (this.#rest) return;
    if (this.lastLevel >= pino.levels.values.warn! || this.#bytes >= TOGETHER_BYTES) this.#begin();
    else this.#timer ??= setTimeout(() => this.#begin(), TOGETHER_MS).unref();
  }

  /** Calls `done` when every line has been written, or after `END_MS`. */
  flush(done: (error?: Error) => void = () => {}): void {
    this.#begin();
    if (!this.#rest) return void done();
    const timer = setTimeout(() => settle(), END_MS);
    const settle = () => {
      clearTimeout(timer);
      this.#waiting = this.#waiting.filter((other) => other !== settle);
      done();
    };
    this.#waiting.push(settle);
  }

  /** Writes the held lines synchronously, as far as they are taken: for a process that ends. */
  end(): void {
    // A write that was handed to the system needs no second one.
    const rest = this.#isUnderWay || !this.#rest ? [] : [this.#rest];
    let bytes = Buffer.concat([...rest, ...this.#held.splice(0).map((line) => Buffer.from(line))]);
    this.#rest = null;
    try {
      while (bytes.length > 0 && !this.#isBroken)
        bytes = bytes.subarray(this.#writing.writeSync(this.#fd, bytes.subarray(0, WRITE_BYTES)));
    } catch {
      // Nobody takes the lines, and nobody is left to report it to.
    }
  }

  #begin(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#rest || this.#held.length === 0) return;
    this.#rest = Buffer.from(this.#held.splice(0).join(''));
    this.#go();
  }

  #go(): void {
    if (!this.#rest) return;
    this.#isUnderWay = true;
    this.#writing.write(this.#fd, this.#rest.subarray(0, WRITE_BYTES), (error, written) => {
      this.#isUnderWay = false;
      if (error) this.#failed(error);
      else this.#took(written);
    });
  }

  #took(written: number): void {
    const rest = this.#rest!.subarray(written);
    this.#bytes -= written;
    this.#rest = rest.length > 0 ? rest : null;
    const count = this.#leftOut;
    if (count > 0 && this.#bytes < MOST_HELD_BYTES / 2) {
      this.#leftOut = 0;
      this.onLeftOut(count);
    }
    if (this.#rest) this.#go();
    else if (this.#held.length > 0) this.#begin();
    else this.#settle();
  }

  #failed({ code }: NodeJS.ErrnoException): void {
    if (code === 'EPIPE' || code === 'EBADF') {
      this.#isBroken = true;
      this.#held = [];
      this.#rest = null;
      this.#settle();
    }
    // The pipe or the disk is full: give its reader time.
    else setTimeout(() => this.#go(), RETRY_MS).unref();
  }

  #settle(): void {
    for (const settle of this.#waiting.splice(0)) settle();
  }
}

/**
 * Returns the lines of this process on stderr; when it ends, the held ones are written as far as they are
 * taken.
 */
export function stderrLines(): LogLines {
  // Reading `process.stderr` makes Node set a pipe or socket to refuse what it has no room for. Otherwise a
  // write would block, and with it the end of the process.
  const { fd } = process.stderr;
  const lines = new LogLines(fd);
  process.once('exit', () => lines.end());
  return lines;
}
