import { write, writeSync } from 'node:fs';
import { type DestinationStream, pino, symbols } from 'pino';

/** Lines wait so long for others to be written with them: each write is a trip to another thread. */
const TOGETHER_MS = 50;
const TOGETHER_BYTES = 12 * 1024;
/** One write is at most so long. */
const WRITE_BYTES = 64 * 1024;
/** How long who does not take lines is left alone. */
const RETRY_MS = 100;
/** Lines that nobody takes are held up to here, and left out beyond. */
const MOST_HELD_BYTES = 4 * 1024 * 1024;
/** The end of the process waits no longer than this for who does not take its last lines. */
const END_MS = 500;

/** Where bytes go: the calls of `node:fs`; tests hand in others. */
export interface Writing {
  write(
    fd: number,
    bytes: Buffer,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void;
  /** Throws where nothing can be written now. */
  writeSync(fd: number, bytes: Buffer): number;
}

const FILE_SYSTEM: Writing = {
  write: (fd, bytes, done) => write(fd, bytes, done),
  writeSync: (fd, bytes) => writeSync(fd, bytes),
};

/**
 * Writes lines to a descriptor behind the back of who says them, in order and together; one that warns or is
 * worse leaves at once, and those before it with it. Nothing ever waits for a reader that stands still: what
 * it does not take is held within bounds, then left out and counted.
 */
export class LogLines implements DestinationStream {
  // Has pino say a line's level in `lastLevel`.
  readonly [symbols.needsMetadataGsym] = true;
  lastLevel = 0;
  /** Told how many lines were left out, when there is room again. */
  onLeftOut: (lines: number) => void = () => {};
  #fd: number;
  #writing: Writing;
  #held: string[] = [];
  /** Bytes of lines that are held, and of those that are being written. */
  #bytes = 0;
  #leftOut = 0;
  #timer: NodeJS.Timeout | null = null;
  /** The bytes that are being written. */
  #rest: Buffer | null = null;
  /** Whether the system has it: it can't be taken back. */
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

  /** Calls back when every line has left, or after the time that the end of the process waits. */
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

  /** Writes what is held at once, as far as it is taken: for a process that ends. */
  end(): void {
    // A write that is under way gets there by itself, or never.
    const rest = this.#isUnderWay || !this.#rest ? [] : [this.#rest];
    let bytes = Buffer.concat([...rest, ...this.#held.splice(0).map((line) => Buffer.from(line))]);
    this.#rest = null;
    try {
      while (bytes.length > 0 && !this.#isBroken)
        bytes = bytes.subarray(this.#writing.writeSync(this.#fd, bytes.subarray(0, WRITE_BYTES)));
    } catch {
      // Nobody takes it, and nobody is left to be told.
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
    // Full, as a pipe or as a disk: who is behind it gets time.
    else setTimeout(() => this.#go(), RETRY_MS).unref();
  }

  #settle(): void {
    for (const settle of this.#waiting.splice(0)) settle();
  }
}

/** The lines of this process on stderr, written whole when it ends as far as anybody takes them. */
export function stderrLines(): LogLines {
  // With its first use Node has a pipe or a socket refuse what it has no room for; else a write would wait,
  // and the end of the process for it.
  const { fd } = process.stderr;
  const lines = new LogLines(fd);
  process.once('exit', () => lines.end());
  return lines;
}
