import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import { chooseCodec } from './codec.js';
import { CODECS } from './codecs.js';
import { hasEnd } from './ending.js';
import { codecOfContent } from './family.js';

/** Bytes of a frame in which its own header is, nearly always. */
export const FRAME_START_BYTES = 4096;
/** Bytes at the end of a frame in which its last marker is. */
export const FRAME_END_BYTES = 128;

/** A compressed frame that can be read in parts. */
export interface InspectedFrame {
  readonly sizeBytes: number;
  start(): Uint8Array;
  end(): Uint8Array;
  whole(): Uint8Array;
}

/**
 * What a compressed frame says otherwise than the image's header and every decode of it reads around: known without decoding it.
 * Its first and its last bytes are read, all of it only where those leave something open. Throws `PixelError` where every decode
 * of the frame will.
 */
export function inspectFrame(frame: InspectedFrame, header: ImageHeader): readonly HeaderProblem[] {
  const { codec: chosen, problem } = chooseCodec(CODECS, header);
  if (chosen === null) throw new PixelError(problem.code, problem.detail);
  const start = frame.start();
  const isWhole = start.length === frame.sizeBytes;
  const other = codecOfContent(start, chosen);
  const codec = other?.codec ?? chosen;
  const added = other ? [other.note] : [];
  const isEndOpen = !isWhole && codec.endsWithMarker === true && !hasEnd(frame.end());
  if (isWhole || !isEndOpen) {
    try {
      return [...added, ...codec.inspect(start, header, isWhole)];
    } catch (error) {
      if (isWhole || !(error instanceof PixelError)) throw error;
    }
  }
  return [...added, ...codec.inspect(frame.whole(), header, true)];
}
