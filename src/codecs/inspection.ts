import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import { chooseCodec } from './codec.js';
import { CODECS } from './codecs.js';
import { hasEnd } from './ending.js';
import { codecOfContent } from './family.js';

/** The first bytes of a frame, which nearly always hold its own header. */
export const FRAME_START_BYTES = 4096;
/** The last bytes of a frame, which hold its last marker. */
export const FRAME_END_BYTES = 128;

/** A compressed frame that can be read in parts. */
export interface InspectedFrame {
  readonly sizeBytes: number;
  start(): Uint8Array;
  end(): Uint8Array;
  whole(): Uint8Array;
}

/**
 * Returns where a compressed frame describes itself otherwise than the image's header and every decode reads
 * it all the same, without decoding it. Reads the first and the last bytes of the frame; reads all of it only
 * if those leave something open. Throws `PixelError` if every decode of the frame will.
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
