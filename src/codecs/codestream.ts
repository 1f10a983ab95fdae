import type { HeaderProblem } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import type { CodedImage } from './decoded.js';
import { END_ADDED, hasEnd, withEnd } from './ending.js';
import type { CodedSamples } from './samples.js';

const SOC = 0xff4f;
const SIZ = 0xff51;
const COD = 0xff52;
const SOT = 0xff90;
const EOC = 0xffd9;
/** The 9-7 filter. */
const IRREVERSIBLE = 0;
/** Tiles that an image may have; each costs a decoder memory before a sample is read. */
const MAX_TILES = 4096;

/** What the main header of a JPEG 2000 codestream says (ISO/IEC 15444-1, annex A). */
export interface MainHeader extends CodedSamples {
  /** The codestream alone, without the boxes of a JP2 file around it. */
  readonly bytes: Uint8Array;
  readonly tiles: number;
  /** Whether the components are transformed to luminance and chroma, which decoders undo. */
  readonly isTransformed: boolean;
}

/** A codestream up to its end. A missing end is added, with a note, if nothing else is missing. */
export interface Codestream extends MainHeader {
  readonly notes: readonly HeaderProblem[];
}

/** Reads a codestream up to its end, bare or in a JP2 file. Throws `PixelError`. */
export function readCodestream(frame: Uint8Array): Codestream {
  const header = readMainHeader(frame);
  const { bytes, tiles } = header;
  const end = endOfTileParts(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), tiles);
  const isEnded = end === null || hasEnd(bytes);
  return {
    ...header,
    bytes: isEnded ? bytes : withEnd(bytes.subarray(0, end)),
    notes: isEnded ? [] : [END_ADDED],
  };
}

/** Reads the main header, for which the first bytes of a codestream are enough. Throws `PixelError`. */
export function readMainHeader(frame: Uint8Array): MainHeader {
  const bytes = frame.subarray(startOf(frame));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 48 || view.getUint16(2) !== SIZ)
    throw new PixelError('PIXELS_SHORT', 'the JPEG 2000 codestream has no size');
  const [x, y, x0, y0] = [8, 12, 16, 20].map((at) => view.getUint32(at)) as [number, number, number, number];
  const [tileX, tileY, tileX0, tileY0] = [24, 28, 32, 36].map((at) => view.getUint32(at)) as [
    number,
    number,
    number,
    number,
  ];
  const channels = view.getUint16(40);
  if (channels < 1 || 42 + 3 * channels > bytes.length)
    throw new PixelError('PIXELS_SHORT', 'the JPEG 2000 codestream is cut off');
  if (tileX === 0 || tileY === 0 || x <= x0 || y <= y0)
    throw new PixelError('PIXELS_UNSUPPORTED', 'the JPEG 2000 codestream has no area');
  const tiles = Math.ceil((x - tileX0) / tileX) * Math.ceil((y - tileY0) / tileY);
  if (tiles > MAX_TILES)
    throw new PixelError('LIMIT_EXCEEDED', `the JPEG 2000 codestream has more than ${MAX_TILES} tiles`);
  const depth = view.getUint8(42);
  for (let channel = 0; channel < channels; channel++) {
    const at = 42 + 3 * channel;
    if (view.getUint8(at) !== depth || view.getUint8(at + 1) !== 1 || view.getUint8(at + 2) !== 1)
      throw new PixelError('PIXELS_UNSUPPORTED', 'the JPEG 2000 components have different depths or sizes');
  }
  return {
    bytes,
    tiles,
    rows: y - y0,
    columns: x - x0,
    channels,
    bits: (depth & 0x7f) + 1,
    signed: depth >= 0x80,
    ...codingOf(view),
  };
}

function startOf(frame: Uint8Array): number {
  for (let at = 0; at + 4 <= Math.min(frame.length, 4096); at++) {
    if (
      frame[at] === SOC >> 8 &&
      frame[at + 1] === (SOC & 0xff) &&
      frame[at + 2] === 0xff &&
      frame[at + 3] === (SIZ & 0xff)
    )
      return at;
  }
  throw new PixelError('PIXELS_SHORT', 'the frame holds no JPEG 2000 codestream');
}

/**
 * Where the tile-parts end, null where the last marker follows them. Decoders fill what is cut off with the little they have;
 * so each tile-part has to be there, and one of each tile (section A.4.2). Throws `PixelError`.
 */
function endOfTileParts(view: DataView, tiles: number): number | null {
  const seen = new Set<number>();
  const cutOff = new PixelError('PIXELS_SHORT', 'the JPEG 2000 codestream is cut off');
  for (let at = 2; ; ) {
    if (at > view.byteLength) throw cutOff;
    const isOver = at + 12 > view.byteLength;
    const marker = at + 2 <= view.byteLength ? view.getUint16(at) : 0;
    if (isOver || marker === EOC || marker < 0xff00) {
      if (seen.size < tiles) throw cutOff;
      return marker === EOC ? null : at;
    }
    if (marker !== SOT) {
      at += 2 + Math.max(2, view.getUint16(at + 2));
      continue;
    }
    seen.add(view.getUint16(at + 4));
    const length = view.getUint32(at + 6);
    // The last one may go up to the end.
    if (length === 0) return view.byteLength;
    if (length < 14)
      throw new PixelError('PIXELS_SHORT', 'a tile-part of the JPEG 2000 codestream has no length');
    at += length;
  }
}

/**
 * The image with its signed samples declared unsigned, where they have at most 8 bits: the decoders cut those to what a byte
 * holds. Decoded so they are larger by the half of their range, and nothing else (section G.1).
 */
export function asUnsigned(coded: Codestream): CodedImage {
  if (!coded.signed || coded.bits > 8) return coded;
  const bytes = coded.bytes.slice();
  for (let channel = 0; channel < coded.channels; channel++) bytes[42 + 3 * channel]! &= 0x7f;
  return { ...coded, bytes, bias: 2 ** (coded.bits - 1) };
}

/**
 * By the first coding style: the transform of components, and whether that of samples can be undone (table
 * A.20).
 */
function codingOf(view: DataView): Pick<MainHeader, 'isTransformed' | 'isLossy'> {
  for (let at = 2; at + 14 <= view.byteLength; ) {
    const marker = view.getUint16(at);
    if (marker === COD)
      return { isTransformed: view.getUint8(at + 8) !== 0, isLossy: view.getUint8(at + 13) === IRREVERSIBLE };
    if (marker === SOT || marker < 0xff00) break;
    at += 2 + Math.max(2, view.getUint16(at + 2));
  }
  throw new PixelError('PIXELS_SHORT', 'the JPEG 2000 codestream does not say how it is coded');
}
