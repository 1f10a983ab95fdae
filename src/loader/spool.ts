import { closeSync, fstatSync, ftruncateSync, readSync, statfsSync, unlinkSync } from 'node:fs';
import { openFilesLimit } from '../machine.js';
import { isInMemory, type SharedMemory, WORTH_MAPPING_BYTES } from './shared-memory.js';
import { SpoolFolder } from './spool-folder.js';

const MEMORY_FOLDER = '/dev/shm';

/** A file of one batch's size that loaders write and the service reads. */
export interface Segment {
  readonly path: string;
  readonly fd: number;
  readonly sizeBytes: number;
}

/** The budget can't hold what is asked for, also after waiting. */
export class BudgetExceeded extends Error {
  override readonly name = 'BudgetExceeded';
}

/** A request for room; its fields are read again at each attempt. */
export interface Claim {
  /** Whether a session reserved room for it; otherwise it only gets room that no session reserved. */
  readonly isReserved: boolean;
  /** Whether nobody waits for it any more. */
  readonly isOver: boolean;
}

const OF_A_SESSION: Claim = { isReserved: true, isOver: false };

interface Waiter {
  readonly claim: Claim;
  wake(): void;
}

/** How long a free segment is kept for reuse. */
const KEPT_MS = 30_000;
/** A quarter of the files that this process may open; connections and the catalogue need the rest. */
const MOST_SEGMENTS = Math.max(64, Math.floor(openFilesLimit() / 4));

/** Where segments lie: the folder asked for, else memory where it has room for the whole budget, else the state folder. */
export function spoolBase(asked: string, stateFolder: string, budgetBytes: number): string {
  if (asked !== '') return asked;
  try {
    const room = statfsSync(MEMORY_FOLDER);
    if (room.bavail * room.bsize >= budgetBytes) return MEMORY_FOLDER;
  } catch {
    // No such folder on this system.
  }
  return stateFolder;
}

/** The segments of a running service, within a budget of bytes. */
export class Spool {
  readonly budgetBytes: number;
  /** Called when an asked batch finds no room: whoever holds warm batches may give some back. */
  onPressure: (neededBytes: number) => void = () => {};
  #folder: SpoolFolder;
  #memory: SharedMemory | null;
  #mapped = new WeakMap<Segment, Buffer>();
  #free: Segment[] = [];
  /** The number of segments, free ones included: each is an open file. */
  #count = 0;
  /** When each free segment was given back. */
  #freeSince = new WeakMap<Segment, number>();
  /** Bytes that sessions reserved; and bytes of segments that other requests hold. */
  #reservedBytes = 0;
  #besideBytes = 0;
  #beside = new WeakSet<Segment>();
  #tidying: NodeJS.Timeout;
  #usedBytes = 0;
  #next = 0;
  #waiting: Waiter[] = [];

  /** `memory`: shares segments with loaders where the folder lies in memory; null: they are read and written. */
  constructor(base: string, budgetBytes: number, memory: SharedMemory | null = null) {
    this.budgetBytes = budgetBytes;
    this.#folder = new SpoolFolder(base);
    this.#memory = isInMemory(this.folder) ? memory : null;
    this.#tidying = setInterval(() => this.#dropFree(KEPT_MS), KEPT_MS / 2);
    this.#tidying.unref();
  }

  /** The folder of new segments; it changes when somebody removes it. */
  get folder(): string {
    return this.#folder.path;
  }

  /** The reason why no segment can be made; null if all is well. */
  get problem(): string | null {
    return this.#folder.problem;
  }

  /** Whether loaders may map its segments. */
  get isShared(): boolean {
    return this.#memory !== null;
  }

  /** Bytes of all segments, in use or kept for use again, and of what is being sent. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Bytes of the budget that sessions reserved. */
  get reservedBytes(): number {
    return this.#reservedBytes;
  }

  /**
   * Reserves bytes of the budget for a session: requests of no session never take them. `heldBytes` of them
   * count as used from the start. Returns a function that releases them once and frees unused segments; null
   * if the budget has fewer bytes left.
   */
  reserve(bytes: number, heldBytes = 0): (() => void) | null {
    if (this.#reservedBytes + bytes > this.budgetBytes) return null;
    this.#reservedBytes += bytes;
    this.#usedBytes += heldBytes;
    let isReserved = true;
    return () => {
      if (!isReserved) return;
      isReserved = false;
      this.#reservedBytes -= bytes;
      this.#usedBytes -= heldBytes;
      this.#dropFree(0);
      this.lookAgain();
    };
  }

  /** Counts bytes that are held elsewhere for sending (negative: given back) in the budget. */
  charge(bytes: number): void {
    this.#usedBytes += bytes;
    if (bytes < 0) this.lookAgain();
  }

  /**
   * Takes a segment of exactly this size, or returns null if the budget has no room. Without `isReserved` it
   * leaves the bytes that sessions reserved alone.
   */
  tryTake(sizeBytes: number, isReserved = true): Segment | null {
    if (!isReserved && !this.#hasRoomBeside(sizeBytes)) return null;
    const segment = this.#tryTake(sizeBytes);
    if (segment && !isReserved) {
      this.#beside.add(segment);
      this.#besideBytes += sizeBytes;
    }
    return segment;
  }

  #hasRoomBeside(sizeBytes: number): boolean {
    return this.#besideBytes + sizeBytes <= this.budgetBytes - this.#reservedBytes;
  }

  #tryTake(sizeBytes: number): Segment | null {
    // The one given back last: of all that are free, caches and loaders know it best.
    const at = this.#free.findLastIndex((segment) => segment.sizeBytes === sizeBytes);
    if (at >= 0) return this.#free.splice(at, 1)[0]!;
    const isFull = () => this.#usedBytes + sizeBytes > this.budgetBytes || this.#count >= MOST_SEGMENTS;
    while (isFull() && this.#free.length > 0) this.#unlink(this.#free.shift()!);
    if (isFull()) return null;
    const { path, fd } = this.#folder.open(`segment-${this.#next++}`);
    try {
      ftruncateSync(fd, sizeBytes);
    } catch (error) {
      closeSync(fd);
      remove(path);
      throw error;
    }
    this.#usedBytes += sizeBytes;
    this.#count++;
    return { path, fd, sizeBytes };
  }

  /**
   * Waits for a segment for a batch that somebody waits for; warm batches give way. Resolves to null if the
   * claim is over. Rejects with `BudgetExceeded` after `waitMs`, or at once if sessions reserved too much for
   * it ever to fit.
   */
  take(sizeBytes: number, waitMs: number): Promise<Segment>;
  take(sizeBytes: number, waitMs: number, claim: Claim): Promise<Segment | null>;
  async take(sizeBytes: number, waitMs: number, claim: Claim = OF_A_SESSION): Promise<Segment | null> {
    let { isReserved } = claim;
    let until = Date.now() + waitMs;
    for (;;) {
      // A trainer that joins gets the full wait, not the rest of another request's wait.
      if (claim.isReserved !== isReserved) until = Date.now() + waitMs;
      isReserved = claim.isReserved;
      if (claim.isOver) return null;
      if (!isReserved && sizeBytes > this.budgetBytes - this.#reservedBytes)
        throw new BudgetExceeded(
          `sessions reserved so much of the memory budget that ${sizeBytes} more bytes do not fit`,
        );
      const segment = this.tryTake(sizeBytes, isReserved) ?? this.#press(sizeBytes, isReserved);
      if (segment) return segment;
      const left = until - Date.now();
      if (left <= 0) throw new BudgetExceeded(`no room for ${sizeBytes} bytes in the memory budget`);
      await new Promise<void>((resolve) => {
        const waiter: Waiter = { claim, wake: resolve };
        const timer = setTimeout(() => waiter.wake(), left);
        waiter.wake = () => {
          clearTimeout(timer);
          this.#waiting = this.#waiting.filter((other) => other !== waiter);
          resolve();
        };
        this.#waiting.push(waiter);
      });
    }
  }

  /** Gives a segment back that no child writes and no reader reads any more. */
  give(segment: Segment): void {
    this.#letGo(segment);
    this.#free.push(segment);
    this.#freeSince.set(segment, Date.now());
    this.lookAgain();
  }

  /**
   * Gives back a segment that is gone or that the disk had no room for, and frees the segments that are kept
   * for reuse.
   */
  discard(segment: Segment): void {
    this.#letGo(segment);
    for (const unused of [segment, ...this.#free.splice(0)]) this.#unlink(unused);
    this.lookAgain();
  }

  /**
   * Lets all waiting requests try again, after room came back or a claim changed. Requests with reserved room
   * try first.
   */
  lookAgain(): void {
    // Each tries for itself: the room may be enough for several, or too little for the first.
    const waiting = [...this.#waiting];
    for (const waiter of waiting) if (waiter.claim.isReserved) waiter.wake();
    for (const waiter of waiting) if (!waiter.claim.isReserved) waiter.wake();
  }

  #letGo(segment: Segment): void {
    if (this.#beside.delete(segment)) this.#besideBytes -= segment.sizeBytes;
  }

  /** Frees segments that nobody has used for `ms`. */
  #dropFree(ms: number): void {
    const before = Date.now() - ms;
    const old = this.#free.filter((segment) => this.#freeSince.get(segment)! <= before);
    this.#free = this.#free.filter((segment) => !old.includes(segment));
    for (const segment of old) this.#unlink(segment);
  }

  /**
   * The bytes of a segment that a loader has filled, without a copy; null where it is not shared. Whoever writes to a connection from
   * them lets go of the segment when the write has called back, or the connection has closed.
   */
  view(segment: Segment): Buffer | null {
    if (this.#memory === null || segment.sizeBytes < WORTH_MAPPING_BYTES) return null;
    const known = this.#mapped.get(segment);
    if (known) return known;
    const bytes = this.#memory.map(segment.fd, segment.sizeBytes);
    if (bytes) this.#mapped.set(segment, bytes);
    return bytes;
  }

  /** Reads from a segment into the start of `into`. */
  read(segment: Segment, offset: number, length: number, into: Uint8Array): void {
    let done = 0;
    while (done < length) {
      // Synchronous: the pages lie in memory, and a trip through the thread pool takes longer than the copy.
      const got = readSync(segment.fd, into, done, length - done, offset + done);
      if (got === 0) throw new RangeError('a read beyond the end of a segment');
      done += got;
    }
  }

  /**
   * Checks that the folder and its free segments still exist: a cleaner of temporary files may remove them.
   * Called at intervals.
   */
  look(): void {
    this.#folder.look();
    const gone = this.#free.filter(({ fd }) => fstatSync(fd).nlink === 0);
    if (gone.length === 0) return;
    this.#free = this.#free.filter((segment) => !gone.includes(segment));
    for (const segment of gone) this.#unlink(segment);
    this.lookAgain();
  }

  /** Removes the folder with all that is in it. */
  close(): void {
    clearInterval(this.#tidying);
    for (const segment of this.#free.splice(0)) this.#unlink(segment);
    this.#folder.close();
  }

  #press(sizeBytes: number, isReserved: boolean): Segment | null {
    if (!isReserved && !this.#hasRoomBeside(sizeBytes)) return null;
    this.onPressure(sizeBytes);
    return this.tryTake(sizeBytes, isReserved);
  }

  #unlink(segment: Segment): void {
    // Loaders may have it mapped still.
    this.#memory?.free(segment.fd, segment.sizeBytes);
    closeSync(segment.fd);
    remove(segment.path);
    this.#usedBytes -= segment.sizeBytes;
    this.#count--;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else removed the file or its folder; its bytes are freed with the last descriptor.
  }
}
