import { PixelError } from '../core/pixels.js';
import type { BitReader, HuffmanTable } from './jpeg-bits.js';
import { ZIGZAG } from './jpeg-idct.js';

function broken(): PixelError {
  return new PixelError('PIXELS_SHORT', 'the JPEG image has a block of more than 64 coefficients');
}

/** Reads the blocks of a scan; keeps the prediction of each component and the run of blocks that end early. */
export class BlockReader {
  readonly #predictions = new Int32Array(4);
  #endRun = 0;

  constructor(readonly reader: BitReader) {}

  restart(): void {
    this.#predictions.fill(0);
    this.#endRun = 0;
  }

  /** A whole block, dequantized, in natural order (ISO/IEC 10918-1, section F.2.2). */
  sequential(
    component: number,
    dc: HuffmanTable,
    ac: HuffmanTable,
    quantization: Int32Array,
    block: Int32Array,
  ): void {
    const { reader } = this;
    block.fill(0);
    const size = reader.symbol(dc) & 15;
    const prediction = this.#predictions[component]! + reader.difference(size);
    this.#predictions[component] = prediction;
    block[0] = prediction * quantization[0]!;
    for (let k = 1; k < 64; k++) {
      const symbol = reader.symbol(ac);
      const length = symbol & 15;
      if (length === 0) {
        if (symbol !== 0xf0) return;
        k += 15;
        continue;
      }
      k += symbol >> 4;
      if (k > 63) throw broken();
      block[ZIGZAG[k]!] = reader.difference(length) * quantization[k]!;
    }
  }

  /** The first scan of a block's mean value, or a later one that adds a bit to it (section G.1.2.1). */
  mean(component: number, dc: HuffmanTable | undefined, low: number, blocks: Int16Array, at: number): void {
    const { reader } = this;
    if (dc === undefined) {
      blocks[at]! |= reader.bits(1) << low;
      return;
    }
    const prediction = this.#predictions[component]! + reader.difference(reader.symbol(dc) & 15);
    this.#predictions[component] = prediction;
    blocks[at] = prediction << low;
  }

  /** The first scan of a band of coefficients, in coded order (section G.1.2.2). */
  firstBand(ac: HuffmanTable, from: number, to: number, low: number, blocks: Int16Array, at: number): void {
    if (this.#endRun > 0) {
      this.#endRun -= 1;
      return;
    }
    const { reader } = this;
    for (let k = from; k <= to; k++) {
      const symbol = reader.symbol(ac);
      const run = symbol >> 4;
      const length = symbol & 15;
      if (length === 0) {
        if (run < 15) {
          this.#endRun = (1 << run) - 1 + reader.bits(run);
          return;
        }
        k += 15;
        continue;
      }
      k += run;
      if (k > 63) throw broken();
      blocks[at + k] = reader.difference(length) << low;
    }
  }

  /** A later scan of a band, that adds a bit to its coefficients and may bring new ones (section G.1.2.3). */
  laterBand(ac: HuffmanTable, from: number, to: number, low: number, blocks: Int16Array, at: number): void {
    const { reader } = this;
    const one = 1 << low;
    let k = from;
    if (this.#endRun === 0) {
      while (k <= to) {
        const symbol = reader.symbol(ac);
        let run = symbol >> 4;
        let value = 0;
        if ((symbol & 15) === 0) {
          if (run < 15) {
            this.#endRun = (1 << run) + reader.bits(run);
            break;
          }
        } else value = reader.bits(1) === 1 ? one : -one;
        for (; k <= to; k++) {
          const known = blocks[at + k]!;
          if (known !== 0) {
            if (reader.bits(1) === 1 && (known & one) === 0)
              blocks[at + k] = known + (known > 0 ? one : -one);
          } else {
            if (run === 0) break;
            run -= 1;
          }
        }
        if (value !== 0 && k <= 63) blocks[at + k] = value;
        k += 1;
      }
    }
    if (this.#endRun > 0) {
      for (; k <= to; k++) {
        const known = blocks[at + k]!;
        if (known !== 0 && reader.bits(1) === 1 && (known & one) === 0)
          blocks[at + k] = known + (known > 0 ? one : -one);
      }
      this.#endRun -= 1;
    }
  }
}
