import { PixelError } from '../core/pixels.js';
import type { CodedSamples } from './samples.js';

/** One component of a JPEG image (ISO/IEC 10918-1, section B.2.2). */
interface JpegComponent {
  readonly id: number;
  readonly horizontal: number;
  readonly vertical: number;
  readonly quantization: number;
}

/** What a JPEG or JPEG-LS image says before its first scan. */
export interface JpegFrame extends CodedSamples {
  /** The second byte of its start-of-frame marker, C0 to CF, or F7 for JPEG-LS. */
  readonly process: number;
  readonly components: readonly JpegComponent[];
  /** The colour transform of an Adobe marker: 0 none, 1 luminance and chroma; null without such a marker. */
  readonly adobeTransform: number | null;
  readonly isJfif: boolean;
}

/** Reads the markers before the first scan. Throws `PixelError`. */
export function readJpegFrame(bytes: Uint8Array): JpegFrame {
  const word = (at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
  if (bytes.length < 4 || word(0) !== 0xffd8)
    throw new PixelError('PIXELS_SHORT', 'the frame holds no JPEG image');
  let adobeTransform: number | null = null;
  let isJfif = false;
  for (let at = 2; at + 4 <= bytes.length; ) {
    if (bytes[at] !== 0xff)
      throw new PixelError('PIXELS_SHORT', 'the JPEG image has something between its markers');
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const length = word(at + 2);
    const end = at + 2 + length;
    if (length < 2 || end > bytes.length) break;
    if (marker === 0xe0 && length >= 7 && bytes[at + 4] === 0x4a && bytes[at + 5] === 0x46) isJfif = true;
    if (marker === 0xee && length >= 14 && bytes[at + 4] === 0x41 && bytes[at + 5] === 0x64)
      adobeTransform = bytes[at + 15]!;
    if (marker === 0xda) break;
    if (isStartOfFrame(marker)) return frameOf(bytes.subarray(at + 4, end), marker, adobeTransform, isJfif);
    at = end;
  }
  throw new PixelError('PIXELS_SHORT', 'the JPEG image has no frame header');
}

function isStartOfFrame(marker: number): boolean {
  return marker === 0xf7 || (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker));
}

function frameOf(
  head: Uint8Array,
  process: number,
  adobeTransform: number | null,
  isJfif: boolean,
): JpegFrame {
  const channels = head[5] ?? 0;
  if (head.length < 6 + 3 * channels || channels === 0)
    throw new PixelError('PIXELS_SHORT', 'the JPEG image has a frame header that is cut off');
  const components = Array.from({ length: channels }, (_, i): JpegComponent => {
    const at = 6 + 3 * i;
    return {
      id: head[at]!,
      horizontal: head[at + 1]! >> 4,
      vertical: head[at + 1]! & 15,
      quantization: head[at + 2]!,
    };
  });
  return {
    process,
    bits: head[0]!,
    rows: (head[1]! << 8) | head[2]!,
    columns: (head[3]! << 8) | head[4]!,
    channels,
    signed: false,
    components,
    adobeTransform,
    isJfif,
  };
}

const RGB_IDS = [0x52, 0x47, 0x42];

/**
 * Whether three components are RGB or YBR_FULL: the image's own word goes before the header's (which is often RGB for an
 * image that a JPEG library converted); without one, shared chroma tells, then the header.
 */
export function jpegColour(frame: JpegFrame, photometric: string): 'RGB' | 'YBR_FULL' {
  const { adobeTransform, components, isJfif } = frame;
  if (adobeTransform !== null) return adobeTransform === 0 ? 'RGB' : 'YBR_FULL';
  if (components.every(({ id }, i) => id === RGB_IDS[i])) return 'RGB';
  const [first, second] = components;
  if (first!.horizontal !== second!.horizontal || first!.vertical !== second!.vertical) return 'YBR_FULL';
  return isJfif || photometric.startsWith('YBR') ? 'YBR_FULL' : 'RGB';
}
