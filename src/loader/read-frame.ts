import { chooseCodec, type DecodedFrame } from '../codecs/codec.js';
import { CODECS } from '../codecs/codecs.js';
import { codecOfContent } from '../codecs/family.js';
import type { ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';

/** Decodes a frame's bytes; what comes out has the header's shape. Throws `PixelError`. */
export async function decodeFrame(
  bytes: Uint8Array,
  header: ImageHeader,
  frame: number,
): Promise<DecodedFrame> {
  const { codec, problem } = chooseCodec(CODECS, header);
  if (!codec) throw new PixelError(problem.code, problem.detail);
  const other = codecOfContent(bytes, codec);
  const decoded = await (other?.codec ?? codec).decode(bytes, header, frame);
  if (
    decoded.rows !== header.rows ||
    decoded.columns !== header.columns ||
    decoded.channels !== header.samplesPerPixel
  )
    throw new PixelError('PIXELS_SHORT', 'the decoded frame has another shape than the header says');
  return other ? { ...decoded, notes: [other.note, ...(decoded.notes ?? [])] } : decoded;
}
