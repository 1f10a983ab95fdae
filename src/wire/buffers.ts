/** The largest chunk a body is sent in. */
export const CHUNK_BYTES = 2 * 1024 * 1024;
const KEPT_BUFFERS = 8;

/** Buffers of up to 2 MiB between segments and connections; those in use count in the memory budget. */
export class SendBuffers {
  #charge: (bytes: number) => void;
  #kept: Buffer[] = [];

  /** `charge` is told of bytes taken, and of bytes given back as a negative number. */
  constructor(charge: (bytes: number) => void) {
    this.#charge = charge;
  }

  take(bytes: number): Buffer {
    const buffer =
      bytes > CHUNK_BYTES / 8
        ? (this.#kept.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES))
        : Buffer.allocUnsafe(bytes);
    this.#charge(buffer.length);
    return buffer;
  }

  /** Ends the use of a buffer; one that a closed connection may still refer to is never used again. */
  end(buffer: Buffer, isFree: boolean): void {
    this.#charge(-buffer.length);
    if (isFree && buffer.length === CHUNK_BYTES && this.#kept.length < KEPT_BUFFERS) this.#kept.push(buffer);
  }
}
