import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import type { Codec, DecodedFrame } from './codec.js';
import { refuseDescription } from './description.js';
import { type JpegFrame, jpegColour, readJpegFrame } from './jpeg-frame.js';
import { checkCoded, fitSamples, sampleNotes } from './samples.js';

const LOSSLESS = 0xc3;
const PROCESSES: readonly number[] = [0xc0, 0xc1, 0xc2, LOSSLESS];

function refuses(header: ImageHeader): HeaderProblem | null {
  return refuseDescription(header, [8, 16]);
}

/** Compares the parameters before the first scan of the image with the header. Throws `PixelError`. */
function checked(frameBytes: Uint8Array, header: ImageHeader): JpegFrame {
  const frame = readJpegFrame(frameBytes);
  checkCoded(frame, header);
  if (!PROCESSES.includes(frame.process))
    throw new PixelError('PIXELS_UNSUPPORTED', 'the JPEG image is hierarchical or arithmetic-coded');
  return { ...frame, isLossy: frame.process !== LOSSLESS };
}

async function decode(frameBytes: Uint8Array, header: ImageHeader): Promise<DecodedFrame> {
  const frame = checked(frameBytes, header);
  const { rows, columns, samplesPerPixel: channels, photometric } = header;
  let coded: Uint8Array | Uint16Array;
  if (frame.isLossy) {
    const { decodeDct } = await import('./jpeg-dct.js');
    coded = decodeDct(frameBytes, frame);
  } else {
    const { decodeLossless } = await import('./jpeg-lossless.js');
    coded = decodeLossless(frameBytes, frame);
  }
  const { values, notes } = fitSamples(coded, frame, header);
  const named = channels === 3 ? jpegColour(frame, photometric) : photometric;
  return { values, channels, rows, columns, photometric: named, notes };
}

/** JPEG of 8 and 12 bits, sequential and progressive, and lossless JPEG (DICOM PS3.5, sections A.4.1 and A.4.2). */
export const jpegCodec = {
  transferSyntaxes: ['50', '51', '53', '55', '57', '70'].map((end) => `1.2.840.10008.1.2.4.${end}`),
  refuses,
  inspect: (frame, header) => sampleNotes(checked(frame, header), header),
  decode,
} satisfies Codec;
