import { inflateRawSync } from 'node:zlib';
import type { ImageHeader } from '../core/dicom.js';
import { frameSizeBytes } from '../core/dicom-description.js';
import { DEFLATED_FRAMES } from '../core/dicom-uids.js';
import { PixelError } from '../core/pixels.js';
import type { Codec, DecodedFrame } from './codec.js';
import { nativeCodec } from './native.js';

function decode(frameBytes: Uint8Array, header: ImageHeader): DecodedFrame {
  const wanted = Math.ceil(frameSizeBytes(header));
  let bytes: Uint8Array;
  try {
    // One byte more than is wanted, for a frame that is padded to an even length, and no other.
    bytes = inflateRawSync(frameBytes, { maxOutputLength: wanted + 1 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new PixelError('PIXELS_LONG', `the frame needs ${wanted} bytes of pixel data, the file has more`);
    throw new PixelError('PIXELS_SHORT', 'the frame cannot be inflated');
  }
  const padded = wanted % 2 === 1 && bytes.length === wanted + 1;
  // Every frame starts on a byte of its own, like the first of a native image.
  return nativeCodec.decode(padded ? bytes.subarray(0, wanted) : bytes, header, 0);
}

/** Deflated image frames: each the deflated bytes of a native frame (DICOM PS3.5, section A.4.13). */
export const deflatedFramesCodec = {
  transferSyntaxes: [DEFLATED_FRAMES],
  refuses: nativeCodec.refuses,
  // Nothing can be told of a frame before it is inflated.
  inspect: () => [],
  decode,
} satisfies Codec;
