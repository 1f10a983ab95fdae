import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import type { Codec, DecodedFrame } from './codec.js';
import { refuseDescription } from './description.js';
import { jpegColour, readJpegFrame } from './jpeg-frame.js';
import { checkCoded, fitSamples } from './samples.js';

function refuses(header: ImageHeader): HeaderProblem | null {
  return refuseDescription(header, [8, 16]);
}

async function decode(frameBytes: Uint8Array, header: ImageHeader): Promise<DecodedFrame> {
  const frame = readJpegFrame(frameBytes);
  checkCoded(frame, header);
  const { rows, columns, samplesPerPixel: channels, photometric } = header;
  let coded: Uint8Array | Uint16Array;
  switch (frame.process) {
    case 0xc0:
    case 0xc1:
    case 0xc2: {
      const { decodeDct } = await import('./jpeg-dct.js');
      coded = decodeDct(frameBytes, frame);
      break;
    }
    case 0xc3: {
      const { decodeLossless } = await import('./jpeg-lossless.js');
      coded = decodeLossless(frameBytes, frame);
      break;
    }
    default:
      throw new PixelError('PIXELS_UNSUPPORTED', 'the JPEG image is hierarchical or arithmetic-coded');
  }
  const { values, notes } = fitSamples(coded, { ...frame, isTakenAsCoded: frame.process !== 0xc3 }, header);
  const named = channels === 3 ? jpegColour(frame, photometric) : photometric;
  return { values, channels, rows, columns, photometric: named, notes };
}

/** JPEG of 8 and 12 bits, sequential and progressive, and lossless JPEG (DICOM PS3.5, sections A.4.1 and A.4.2). */
export const jpegCodec = {
  transferSyntaxes: ['50', '51', '53', '55', '57', '70'].map((end) => `1.2.840.10008.1.2.4.${end}`),
  refuses,
  decode,
} satisfies Codec;
