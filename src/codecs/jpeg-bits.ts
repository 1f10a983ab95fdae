import { PixelError } from '../core/pixels.js';

const FAST_BITS = 9;

function broken(what: string): PixelError {
  return new PixelError('PIXELS_SHORT', what);
}

/** A Huffman table (ISO/IEC 10918-1, annex C): codes of up to 9 bits by one look, longer ones by length. */
export class HuffmanTable {
  readonly fast = new Uint16Array(1 << FAST_BITS);
  readonly #last = new Int32Array(18);
  readonly #offset = new Int32Array(17);
  readonly #symbols: Uint8Array;

  /** `counts`: how many codes of 1 to 16 bits there are; `symbols` in the order of their codes. */
  constructor(counts: Uint8Array, symbols: Uint8Array) {
    this.#symbols = symbols;
    let code = 0;
    let at = 0;
    for (let length = 1; length <= 16; length++) {
      const count = counts[length - 1]!;
      if (code + count > 1 << length) throw broken('a Huffman table of the JPEG image has too many codes');
      this.#offset[length] = at - code;
      for (let i = 0; i < count; i++, at++, code++) {
        if (length > FAST_BITS) continue;
        const first = code << (FAST_BITS - length);
        this.fast.fill((length << 8) | symbols[at]!, first, first + (1 << (FAST_BITS - length)));
      }
      this.#last[length] = count > 0 ? code - 1 : -1;
      code <<= 1;
    }
  }

  /** The length and symbol of a code of more than 9 bits, from the next 16; as in `fast`. */
  long(next: number): number {
    for (let length = FAST_BITS + 1; length <= 16; length++) {
      const code = next >> (16 - length);
      if (code <= this.#last[length]!) return (length << 8) | this.#symbols[this.#offset[length]! + code]!;
    }
    throw broken('the JPEG image has a code that is in no table');
  }
}

/** Reads the entropy-coded bits of a scan; behind its end they are 0, and `isOver` tells whether some of those were used. */
export class BitReader {
  #word = 0;
  #count = 0;
  #padding = 0;
  #position: number;

  constructor(
    readonly bytes: Uint8Array,
    position: number,
  ) {
    this.#position = position;
  }

  /** Where the next byte is read; at a marker where there is one. */
  get position(): number {
    return this.#position;
  }

  get isOver(): boolean {
    return this.#count < this.#padding;
  }

  /** The next symbol. */
  symbol(table: HuffmanTable): number {
    if (this.#count < 16) this.#fill();
    let found = table.fast[(this.#word >> (this.#count - FAST_BITS)) & ((1 << FAST_BITS) - 1)]!;
    if (found === 0) found = table.long((this.#word >> (this.#count - 16)) & 0xffff);
    this.#count -= found >> 8;
    return found & 0xff;
  }

  /** The next `length` bits, at most 16, as a number. */
  bits(length: number): number {
    if (length === 0) return 0;
    if (this.#count < length) this.#fill();
    this.#count -= length;
    return (this.#word >> this.#count) & ((1 << length) - 1);
  }

  /** The next `length` bits as a signed difference (section F.2.2.1). */
  difference(length: number): number {
    if (length === 0) return 0;
    const value = this.bits(length);
    return value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  /** Goes behind a restart marker. */
  restart(): void {
    if (this.isOver) throw broken('the JPEG image ends before its samples');
    this.#word = 0;
    this.#count = 0;
    this.#padding = 0;
    const { bytes } = this;
    while (this.#position + 1 < bytes.length) {
      if (bytes[this.#position] === 0xff) {
        const marker = bytes[this.#position + 1]!;
        if (marker >= 0xd0 && marker <= 0xd7) {
          this.#position += 2;
          return;
        }
        if (marker !== 0 && marker !== 0xff) break;
      }
      this.#position += 1;
    }
    throw broken('the JPEG image lacks a restart marker');
  }

  #fill(): void {
    const { bytes } = this;
    while (this.#count <= 24) {
      let byte = 0;
      if (this.#padding > 0) this.#padding += 8;
      else {
        const next = bytes[this.#position];
        if (next === undefined) this.#padding = 8;
        else if (next !== 0xff) {
          byte = next;
          this.#position += 1;
        } else if (bytes[this.#position + 1] === 0) {
          byte = 0xff;
          this.#position += 2;
        } else if (bytes[this.#position + 1] === 0xff) {
          // Fill bytes may stand before a marker.
          this.#position += 1;
          continue;
        } else this.#padding = 8;
      }
      this.#word = (this.#word << 8) | byte;
      this.#count += 8;
    }
    // Bits of padding that were used up are counted no more than fit behind them.
    if (this.#padding > 1 << 20) throw broken('the JPEG image ends before its samples');
  }
}
