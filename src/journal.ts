import { closeSync, constants, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

const { O_APPEND, O_CREAT, O_RDWR } = constants;

/**
 * Entries that outlive the process from the moment they are appended, until they are kept elsewhere: a file of JSON lines. An entry costs one write to
 * the memory of the system, a fraction of a transaction. As with the database, a machine that loses its power may lose the last of them.
 */
export class Journal<Entry> {
  #path: string;
  #fd: number;
  #sizeBytes: number;

  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, O_RDWR | O_CREAT | O_APPEND, 0o600);
    this.#sizeBytes = Buffer.byteLength(this.#lines());
    // A line that an earlier process did not finish was appended for nobody.
    ftruncateSync(this.#fd, this.#sizeBytes);
  }

  /** What an earlier process left, oldest first. */
  read(): Entry[] {
    return this.#lines()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Entry);
  }

  /** Throws where there is no room for the entry, and leaves nothing of it. */
  append(entry: Entry): void {
    const line = `${JSON.stringify(entry)}\n`;
    const sizeBytes = Buffer.byteLength(line);
    let written = 0;
    try {
      written = writeSync(this.#fd, line);
    } finally {
      if (written < sizeBytes) ftruncateSync(this.#fd, this.#sizeBytes);
    }
    if (written < sizeBytes) throw Object.assign(new Error('the disk is full'), { code: 'ENOSPC' });
    this.#sizeBytes += sizeBytes;
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

  #lines(): string {
    const text = readFileSync(this.#path, 'utf8');
    return text.slice(0, text.lastIndexOf('\n') + 1);
  }
}
