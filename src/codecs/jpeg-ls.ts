import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import type { Codec, DecodedFrame } from './codec.js';
import { decodedFrame } from './decoded.js';
import { refuseDescription } from './description.js';
import { END_ADDED, hasEnd, withEnd } from './ending.js';
import { type JpegFrame, readJpegFrame } from './jpeg-frame.js';
import { checkCoded, sampleNotes } from './samples.js';
import { SharedModule, type WasmDecoder } from './wasm.js';

const charls = new SharedModule(
  '@cornerstonejs/codec-charls/decodewasmjs',
  '@cornerstonejs/codec-charls/decodewasm',
  'JpegLSDecoder',
);

function refuses(header: ImageHeader): HeaderProblem | null {
  return refuseDescription(header, [8, 16, 32]);
}

/** Compares the parameters before the first scan of the image with the header. Throws `PixelError`. */
function checked(frameBytes: Uint8Array, header: ImageHeader): JpegFrame {
  const coded = readJpegFrame(frameBytes);
  if (coded.process !== 0xf7)
    throw new PixelError('PIXELS_UNSUPPORTED', 'the frame is a JPEG image, not JPEG-LS');
  checkCoded(coded, header);
  return { ...coded, isLossy: true };
}

function inspect(frame: Uint8Array, header: ImageHeader, isWhole: boolean): HeaderProblem[] {
  const notes = sampleNotes(checked(frame, header), header);
  return isWhole && !hasEnd(frame) ? [END_ADDED, ...notes] : notes;
}

async function decode(frameBytes: Uint8Array, header: ImageHeader): Promise<DecodedFrame> {
  const coded = checked(frameBytes, header);
  const whole = hasEnd(frameBytes);
  const image = {
    ...coded,
    bytes: whole ? frameBytes : withEnd(frameBytes),
    notes: whole ? [] : [END_ADDED],
  };
  return decodedFrame(charls, image, header, header.photometric, run);
}

function run(decoder: WasmDecoder): void {
  try {
    decoder.decode();
  } catch {
    // What it throws is a number or a text of its own, and may quote the frame.
    throw new PixelError('PIXELS_SHORT', 'the JPEG-LS image cannot be decoded');
  }
}

/** JPEG-LS, lossless and near-lossless (DICOM PS3.5, section A.4.3). */
export const jpegLsCodec = {
  transferSyntaxes: ['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.81'],
  refuses,
  inspect,
  endsWithMarker: true,
  decode,
} satisfies Codec;
