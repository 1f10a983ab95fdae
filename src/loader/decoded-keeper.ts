import { existsSync, mkdirSync, readdirSync, statfsSync, unlinkSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { BaseLogger } from 'pino';
import { onDiskBytes, sourceName, UNBORN_PREFIX } from './decoded-cache.js';
import type { DecodeTally } from './messages.js';

export interface KeeperOptions {
  readonly folder: string;
  /** Bytes that frames may have together; null: `DEFAULT_BYTES` or a tenth of what is free, if that is less. */
  readonly limitBytes: number | null;
  /** The files that loads under way read: none of their frames is removed. */
  readonly inUse: () => Iterable<{ readonly root: string; readonly path: string }>;
  readonly log: Pick<BaseLogger, 'info' | 'warn'>;
}

const DEFAULT_BYTES = 8 * 1024 ** 3;
const SHARE_OF_FREE = 10;
/** Removal begins a little below the limit, because loaders write on meanwhile, and ends well below it. */
const BEGIN_AT = 0.95;
const END_AT = 0.85;
/** Uses are told apart by the minute, which is how finely they are written down. */
const MINUTE_MS = 60_000;
/** Files that are removed in one turn of the event loop. */
const AT_ONCE = 8;

interface Kept {
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly minute: number;
}

/**
 * Holds the folder of decoded frames to its size: counts what loaders write, and removes the frames whose last use is longest
 * ago. It reads names, sizes and times alone, and no frame.
 */
export class DecodedKeeper {
  hits = 0;
  misses = 0;
  /** As far as is known: what lay there when it was last counted, and what was written since. */
  bytes = 0;
  #options: KeeperOptions;
  #limitBytes: number;
  #sweeping: Promise<void> | null = null;
  #closing = false;
  /** Where removal could not go below the mark, as much has to come again and a little more before it is tried again. */
  #leftBytes = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#limitBytes = options.limitBytes ?? DEFAULT_BYTES;
  }

  /** Makes the folder; what lies in it is counted in the background, and what a loader left unfinished is removed. */
  open(): void {
    mkdirSync(this.#options.folder, { recursive: true, mode: 0o700 });
    this.#begin(() => this.#count());
  }

  /** Takes in what a loader's cache did. */
  add({ hits, misses, writtenBytes }: DecodeTally): void {
    this.hits += hits;
    this.misses += misses;
    this.bytes += writtenBytes;
    this.#sweepIfFull();
  }

  /** Removes every frame of a file, whoever may want it: the file itself is to be gone. */
  forget(root: string, path: string): void {
    const prefix = sourceName(root, path);
    const shard = join(this.#options.folder, prefix.slice(0, 2));
    if (!existsSync(shard)) return;
    for (const name of readdirSync(shard)) if (name.startsWith(prefix)) remove(join(shard, name));
  }

  /** Resolves when no count and no removal is under way. */
  async idle(): Promise<void> {
    await this.#sweeping;
  }

  /** Stops what is under way; frames are removed no more. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.idle();
  }

  #sweepIfFull(): void {
    const mark = Math.max(this.#limitBytes * BEGIN_AT, this.#leftBytes * 1.05);
    if (this.bytes > mark) this.#begin(() => this.#sweep());
  }

  #begin(work: () => Promise<void>): void {
    if (this.#sweeping || this.#closing) return;
    this.#sweeping = work()
      .catch((error: Error) => {
        this.#options.log.warn({ err: error }, 'decoded frames cannot be looked after');
      })
      .finally(() => {
        this.#sweeping = null;
      });
  }

  async #count(): Promise<void> {
    const { folder, limitBytes } = this.#options;
    await this.#removeUnborn();
    await this.#sweep();
    if (limitBytes !== null) return;
    const { bavail, bsize } = statfsSync(folder);
    const free = bavail * bsize + this.bytes;
    this.#limitBytes = Math.min(DEFAULT_BYTES, Math.floor(free / SHARE_OF_FREE));
    if (this.bytes > this.#limitBytes * BEGIN_AT) await this.#sweep();
  }

  async #removeUnborn(): Promise<void> {
    const { folder } = this.#options;
    for (const name of await readdir(folder))
      if (name.startsWith(UNBORN_PREFIX)) await rm(join(folder, name), { force: true });
  }

  /** Counts everything, then removes down to the lower mark where it is over the higher one. */
  async #sweep(): Promise<void> {
    const byMinute = new Map<number, number>();
    let total = 0;
    const before = this.bytes;
    for await (const shard of this.#shards()) {
      const needed = this.#needed();
      for (const { name, sizeBytes, minute } of shard) {
        total += sizeBytes;
        if (!needed.has(sourceOf(name))) byMinute.set(minute, (byMinute.get(minute) ?? 0) + sizeBytes);
      }
    }
    // What was written while it was counted may be in both: then the next count comes a little early.
    this.bytes = total + (this.bytes - before);
    let excess = this.bytes > this.#limitBytes * BEGIN_AT ? this.bytes - this.#limitBytes * END_AT : 0;
    if (excess <= 0) return;
    let last = Number.NEGATIVE_INFINITY;
    let older = 0;
    for (const [minute, sizeBytes] of [...byMinute].sort(([a], [b]) => a - b)) {
      if (older >= excess) break;
      last = minute;
      older += sizeBytes;
    }
    let removed = 0;
    for await (const shard of this.#shards()) {
      const victims = shard.filter(({ minute }) => minute <= last);
      for (let at = 0; at < victims.length && excess > 0 && !this.#closing; at += AT_ONCE) {
        // Asked again in every turn: between two of them a load may begin.
        const needed = this.#needed();
        for (const { path, name, sizeBytes } of victims.slice(at, at + AT_ONCE)) {
          if (needed.has(sourceOf(name)) || !remove(path)) continue;
          excess -= sizeBytes;
          this.bytes -= sizeBytes;
          removed += 1;
        }
        await setImmediate();
      }
    }
    this.#leftBytes = this.bytes > this.#limitBytes * BEGIN_AT ? this.bytes : 0;
    this.#options.log.info({ removed, bytes: this.bytes }, 'decoded frames removed');
  }

  /** The sources of the batches that are being loaded at this moment. */
  #needed(): Set<string> {
    return new Set(Array.from(this.#options.inUse(), ({ root, path }) => sourceName(root, path)));
  }

  async *#shards(): AsyncGenerator<Kept[]> {
    const { folder } = this.#options;
    for (const shard of await readdir(folder)) {
      if (this.#closing) return;
      if (shard.startsWith(UNBORN_PREFIX)) continue;
      const names = await readdir(join(folder, shard));
      const kept = await Promise.all(names.map((name) => look(join(folder, shard, name), name)));
      yield kept.filter((found) => found !== null);
    }
  }
}

function sourceOf(name: string): string {
  return name.slice(0, name.indexOf('-'));
}

async function look(path: string, name: string): Promise<Kept | null> {
  try {
    const { size, mtimeMs } = await stat(path);
    return { path, name, sizeBytes: onDiskBytes(size), minute: Math.floor(mtimeMs / MINUTE_MS) };
  } catch {
    // A loader found it broken and removed it.
    return null;
  }
}

function remove(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}
