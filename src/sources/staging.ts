import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isGarbled, isHidden, relativeName } from '../core/upload-name.js';

/** Files that are on their way to the disk while the next one is received. */
const FLUSHES_AT_ONCE = 16;

/** What an upload may have; bytes and files in all, those of an expanded zip counted for themselves. */
export interface UploadLimits {
  readonly bytes: number;
  readonly files: number;
  readonly zipBytes: number;
  /** How many times its own size a zip may expand to. */
  readonly zipRatio: number;
}

/** A file of an upload: `number` is its name on disk, `name` what its sender calls it, which is never a path here. */
export interface StagedFile {
  readonly number: number;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Why an upload is not taken; `limit` where it is larger than allowed. */
export class UploadRefused extends Error {
  override readonly name = 'UploadRefused';
  constructor(
    readonly reason: 'limit' | 'name' | 'twice' | 'zip',
    message: string,
  ) {
    super(message);
  }
}

/** The folder of uploads under way; what a stop left behind in it is removed when it is opened. */
export class StagingArea {
  readonly folder: string;
  readonly limits: UploadLimits;

  constructor(folder: string, limits: UploadLimits) {
    this.folder = folder;
    this.limits = limits;
    rmSync(this.folder, { recursive: true, force: true });
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  /** A new upload's folder. `durable`: its files reach the disk before they count as received. */
  async begin(durable: boolean): Promise<Staging> {
    const folder = join(this.folder, randomBytes(8).toString('hex'));
    await mkdir(folder, { mode: 0o700 });
    return new Staging(folder, this.limits, durable);
  }
}

/** An upload on its way: files under numbers in a folder of its own, until it is committed or removed. */
export class Staging {
  readonly folder: string;
  readonly limits: UploadLimits;
  #durable: boolean;
  #files = new Map<string, StagedFile>();
  #bytes = 0;
  #next = 0;
  #flushes = new Set<Promise<void>>();
  #flushError: unknown = null;

  constructor(folder: string, limits: UploadLimits, durable: boolean) {
    this.folder = folder;
    this.limits = limits;
    this.#durable = durable;
  }

  get files(): StagedFile[] {
    return [...this.#files.values()];
  }

  /** Bytes received. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /** The number of the next file. */
  get next(): number {
    return this.#next;
  }

  /** Whether files are to be on the disk, not only on their way there. */
  get durable(): boolean {
    return this.#durable;
  }

  /**
   * Writes a file's content under the next number; answers null for a file that desktops leave behind, which is read and not kept.
   * Throws `UploadRefused` for a name that is no relative path, or that another file has, and over the limits.
   */
  async add(told: string, content: AsyncIterable<Uint8Array>): Promise<StagedFile | null> {
    const name = this.#checked(told);
    const number = this.#next;
    const kept = isHidden(name) ? null : await open(join(this.folder, String(number)), 'wx', 0o600);
    const hash = createHash('sha256');
    let sizeBytes = 0;
    try {
      for await (const chunk of content) {
        sizeBytes += chunk.length;
        this.#bytes += chunk.length;
        if (this.#bytes > this.limits.bytes)
          throw new UploadRefused(
            'limit',
            `the upload is over ${this.limits.bytes} bytes, the limit of SLICEFEED_UPLOAD_BYTES`,
          );
        if (!kept) continue;
        hash.update(chunk);
        for (let done = 0; done < chunk.length; )
          done += (await kept.write(chunk, done, chunk.length - done)).bytesWritten;
      }
    } catch (error) {
      await kept?.close();
      throw error;
    }
    if (!kept) return null;
    await this.#finish(kept);
    this.#next++;
    return this.#take({ number, name, sizeBytes, sha256: hash.digest('hex') });
  }

  /** Takes files in that a loader wrote to the folder from number `next` on. Throws `UploadRefused` like `add`. */
  takeWritten(files: readonly StagedFile[]): void {
    for (const file of files) {
      this.#checked(file.name);
      this.#take(file);
      this.#next = Math.max(this.#next, file.number + 1);
    }
  }

  /** Resolves when every file has reached the disk, where that is asked for. Rejects where one could not. */
  async settled(): Promise<void> {
    await Promise.all(this.#flushes);
    if (this.#flushError !== null) throw this.#flushError;
  }

  /** Drops a file, on disk as well. */
  async drop(file: StagedFile): Promise<void> {
    this.#files.delete(file.name);
    await rm(join(this.folder, String(file.number)), { force: true });
  }

  /** Removes the folder and all that is in it. */
  async remove(): Promise<void> {
    await Promise.all(this.#flushes);
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Has a file reach the disk and closes it, behind those that are received meanwhile. */
  async #finish(file: FileHandle): Promise<void> {
    if (!this.#durable) return file.close();
    const flush = file
      .datasync()
      .finally(() => file.close())
      .catch((error) => {
        this.#flushError ??= error;
      })
      .finally(() => this.#flushes.delete(flush));
    this.#flushes.add(flush);
    if (this.#flushes.size >= FLUSHES_AT_ONCE) await Promise.race(this.#flushes);
  }

  #checked(told: string): string {
    const name = relativeName(told);
    if (name === null)
      throw new UploadRefused('name', 'a file name is no relative path: it may not be absolute or hold ".."');
    if (this.#files.has(name))
      throw new UploadRefused(
        'twice',
        isGarbled(name)
          ? 'two file names cannot be told apart, because they are no UTF-8: send names in UTF-8'
          : "two files have one name: send their relative paths, with curl -F 'file=@a/1.dcm;filename=a/1.dcm'",
      );
    if (this.#files.size >= this.limits.files)
      throw new UploadRefused(
        'limit',
        `the upload has more than ${this.limits.files} files, the limit of SLICEFEED_UPLOAD_FILES`,
      );
    return name;
  }

  #take(file: StagedFile): StagedFile {
    this.#files.set(file.name, file);
    return file;
  }
}
