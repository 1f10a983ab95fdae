import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';

const { O_APPEND, O_CREAT, O_RDWR } = constants;
const NEWLINE = 0x0a;
/**
 * More bytes than an entry has. The unfinished end of an entry that a killed process leaves has no line end;
 * the next start cuts it off.
 */
const PROBE_BYTES = 4096;

/**
 * Entries that outlive the process from the moment they are appended, until they are kept elsewhere: a file of JSON lines. An entry costs one write to
 * the memory of the system, a fraction of a transaction. As with the database, a machine that loses its power may lose the last of them.
 */
export class Journal<Entry> {
  /** The number of lines of the last process that are no entries; they are kept in `PATH.damaged`. */
  readonly setAside: number;
  #path: string;
  #fd: number;
  #sizeBytes: number;
  #isFull = false;

  /** `isEntry` tells whether the value of a line is an entry. */
  constructor(path: string, isEntry: (value: unknown) => boolean) {
    this.#path = path;
    this.setAside = keepEntries(path, isEntry);
    this.#fd = openSync(path, O_RDWR | O_CREAT | O_APPEND, 0o600);
    try {
      this.#sizeBytes = wholeLines(readFileSync(path)).length;
      // An earlier process did not finish this line, so nobody relies on it.
      ftruncateSync(this.#fd, this.#sizeBytes);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  /** What an earlier process left, oldest first. */
  read(): Entry[] {
    return linesOf(readFileSync(this.#path)).map((line) => JSON.parse(line.toString('utf8')) as Entry);
  }

  /** Throws where there is no room for the entry, and leaves nothing of it. */
  append(entry: Entry): void {
    this.#sizeBytes += this.#write(`${JSON.stringify(entry)}\n`);
  }

  /**
   * Throws if the last entry had no room and another one would have none: checked before work begins, so that
   * nothing has to be undone.
   */
  checkRoom(): void {
    if (!this.#isFull) return;
    this.#write(' '.repeat(PROBE_BYTES));
    ftruncateSync(this.#fd, this.#sizeBytes);
  }

  /** Forgets all entries: they are kept elsewhere. */
  clear(): void {
    ftruncateSync(this.#fd, 0);
    this.#sizeBytes = 0;
  }

  /** Ends it; an empty one leaves no file behind. */
  close(): void {
    closeSync(this.#fd);
    if (this.#sizeBytes === 0) rmSync(this.#path, { force: true });
  }

  #write(text: string): number {
    const sizeBytes = Buffer.byteLength(text);
    let written = 0;
    this.#isFull = true;
    try {
      written = writeSync(this.#fd, text);
    } finally {
      if (written < sizeBytes) ftruncateSync(this.#fd, this.#sizeBytes);
    }
    if (written < sizeBytes) throw Object.assign(new Error('the disk is full'), { code: 'ENOSPC' });
    this.#isFull = false;
    return sizeBytes;
  }
}

/**
 * Moves the lines of a journal that are no entries to a file beside it and returns their number. Each file is
 * complete at any moment.
 */
function keepEntries(path: string, isEntry: (value: unknown) => boolean): number {
  if (!existsSync(path)) return 0;
  const lines = linesOf(readFileSync(path));
  const isGood = (line: Buffer) => {
    try {
      return isEntry(JSON.parse(line.toString('utf8')));
    } catch {
      return false;
    }
  };
  const good = lines.filter(isGood);
  if (good.length === lines.length) return 0;
  const bad = lines.filter((line) => !isGood(line));
  appendFileSync(`${path}.damaged`, withEnds(bad), { mode: 0o600 });
  writeFileSync(`${path}.part`, withEnds(good), { mode: 0o600 });
  renameSync(`${path}.part`, path);
  return bad.length;
}

function wholeLines(bytes: Buffer): Buffer {
  return bytes.subarray(0, bytes.lastIndexOf(NEWLINE) + 1);
}

function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  for (let at = 0, end = bytes.indexOf(NEWLINE); end >= 0; at = end + 1, end = bytes.indexOf(NEWLINE, at))
    lines.push(bytes.subarray(at, end));
  return lines;
}

function withEnds(lines: readonly Buffer[]): Buffer {
  const end = Buffer.of(NEWLINE);
  return Buffer.concat(lines.flatMap((line) => [line, end]));
}
