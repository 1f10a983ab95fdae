import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import { chooseCodec } from './codec.js';
import { CODECS } from './codecs.js';
import { codestreamDepth } from './codestream.js';
import { codecOfContent } from './family.js';
import { jpegCodec } from './jpeg.js';
import { readJpegFrame } from './jpeg-frame.js';
import { jpegLsCodec } from './jpeg-ls.js';
import { jpegXlCodec } from './jpeg-xl.js';
import { readXlHeader } from './jpeg-xl-header.js';
import { htj2kCodec, jpeg2000Codec } from './jpeg2000.js';
import { depthNote } from './samples.js';

/** Bytes of a frame in which its own header is. */
export const FRAME_START_BYTES = 4096;

/**
 * What a compressed frame's first bytes say otherwise than the image's header and what every decode of it will read around:
 * known without decoding it. Empty where nothing can be told; what is broken is the decode's to say.
 */
export function disagreements(start: Uint8Array, header: ImageHeader): HeaderProblem[] {
  const { codec: chosen } = chooseCodec(CODECS, header);
  if (chosen === null) return [];
  const other = codecOfContent(start, chosen);
  const codec = other?.codec ?? chosen;
  try {
    const bits =
      codec === jpegCodec || codec === jpegLsCodec
        ? readJpegFrame(start).bits
        : codec === jpeg2000Codec || codec === htj2kCodec
          ? codestreamDepth(start)
          : codec === jpegXlCodec
            ? readXlHeader(start).bits
            : null;
    const depth = bits === null ? null : depthNote(bits, header);
    return [...(other ? [other.note] : []), ...(depth ? [depth] : [])];
  } catch (error) {
    if (!(error instanceof PixelError)) throw error;
    return [];
  }
}
