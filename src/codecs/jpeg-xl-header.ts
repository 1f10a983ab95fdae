import { PixelError } from '../core/pixels.js';

const SIGNATURE = 0xff0a;
const CONTAINER = '\x00\x00\x00\x0cJXL ';
const BOX_HEAD = 8;
/** Columns to rows, by the number that stands for a ratio (ISO/IEC 18181-1, table of SizeHeader). */
const RATIOS: readonly (readonly [number, number])[] = [
  [1, 1],
  [12, 10],
  [4, 3],
  [3, 2],
  [16, 9],
  [5, 4],
  [2, 1],
];

/** What a JPEG XL image says of itself before its first frame. */
export interface XlHeader {
  readonly rows: number;
  readonly columns: number;
  /** Bits of a sample. */
  readonly bits: number;
}

/** Reads the header of a JPEG XL image, bare or in its container. Throws `PixelError`. */
export function readXlHeader(frame: Uint8Array): XlHeader {
  const bits = new Bits(frame, codestreamStart(frame) + 2);
  const isSmall = bits.take(1) === 1;
  const side = (): number =>
    isSmall ? 8 * (bits.take(5) + 1) : 1 + bits.take([9, 13, 18, 30][bits.take(2)]!);
  const rows = side();
  const ratio = RATIOS[bits.take(3) - 1];
  const columns = ratio ? Math.floor((rows * ratio[0]) / ratio[1]) : side();
  const isDefault = bits.take(1) === 1;
  return { rows, columns, bits: isDefault ? 8 : depth(bits) };
}

/** The depth, behind what an image of a DICOM file has no use for. */
function depth(bits: Bits): number {
  const hasExtras = bits.take(1) === 1;
  // An orientation, an intrinsic size, a preview, an animation.
  if (hasExtras && bits.take(6) !== 0) throw unsupported('is turned, scaled, or more than one picture');
  const isFloat = bits.take(1) === 1;
  if (isFloat) throw unsupported('has samples that are no whole numbers');
  const choice = bits.take(2);
  return choice === 3 ? 1 + bits.take(6) : [8, 10, 12][choice]!;
}

function unsupported(what: string): PixelError {
  return new PixelError('PIXELS_UNSUPPORTED', `the JPEG XL image ${what}`);
}

/** Where the codestream begins: at the start, or in the first box of the container that holds some of it. */
function codestreamStart(frame: Uint8Array): number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const isHere = (at: number): boolean => at + 2 <= frame.length && view.getUint16(at) === SIGNATURE;
  if (isHere(0)) return 0;
  const text = (at: number, length: number): string =>
    // biome-ignore lint/plugin: a name of a box has 4 or 8 bytes
    String.fromCharCode(...frame.subarray(at, at + length));
  if (text(0, BOX_HEAD) === CONTAINER)
    for (let at = 0; at + BOX_HEAD <= frame.length; ) {
      const size = view.getUint32(at);
      const kind = text(at + 4, 4);
      // A part of the codestream has its number in front.
      const start = at + BOX_HEAD + (kind === 'jxlp' ? 4 : 0);
      if ((kind === 'jxlc' || kind === 'jxlp') && isHere(start)) return start;
      if (size < BOX_HEAD) break;
      at += size;
    }
  throw new PixelError('PIXELS_SHORT', 'the frame holds no JPEG XL image');
}

/** Bits of bytes, the least significant first. */
class Bits {
  #at: number;

  constructor(
    readonly bytes: Uint8Array,
    start: number,
  ) {
    this.#at = 8 * start;
  }

  take(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++, this.#at++) {
      const byte = this.bytes[this.#at >> 3];
      if (byte === undefined)
        throw new PixelError('PIXELS_SHORT', 'the JPEG XL image ends inside its header');
      value += ((byte >> (this.#at & 7)) & 1) * 2 ** i;
    }
    return value;
  }
}
