import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import { toPlanes } from '../core/planes.js';
import type { Codec, DecodedFrame } from './codec.js';
import { refuseDescription } from './description.js';
import { readXlHeader } from './jpeg-xl-header.js';
import { type CodedSamples, checkCoded, fitSamples, sampleNotes } from './samples.js';

const LOSSLESS = '1.2.840.10008.1.2.4.110';

function refuses(header: ImageHeader): HeaderProblem | null {
  return refuseDescription(header, [8, 16]);
}

/** Compares the parameters before the first frame of the image with the header. Throws `PixelError`. */
function checked(frameBytes: Uint8Array, header: ImageHeader): CodedSamples {
  const isLossy = header.transferSyntax !== LOSSLESS;
  const coded = { ...readXlHeader(frameBytes), channels: header.samplesPerPixel, signed: false, isLossy };
  checkCoded(coded, header);
  return coded;
}

async function decode(frameBytes: Uint8Array, header: ImageHeader): Promise<DecodedFrame> {
  const { rows, columns, samplesPerPixel: channels, photometric } = header;
  const coded = checked(frameBytes, header);
  // A large module: loaded with the first frame that needs it.
  const { decodeXl } = await import('./jpeg-xl-module.js');
  let bytes: Uint8Array;
  try {
    bytes = decodeXl(frameBytes, coded);
  } catch {
    throw new PixelError('PIXELS_SHORT', 'the JPEG XL image cannot be decoded');
  }
  const { bits } = coded;
  const count = rows * columns * channels;
  if (bytes.length !== count * (bits > 8 ? 2 : 1))
    throw new PixelError('PIXELS_SHORT', 'the decoded image has another shape than the compressed one says');
  const samples = bits > 8 ? new Uint16Array(bytes.buffer as ArrayBuffer, 0, count) : bytes;
  const { values, notes } = fitSamples(unscaled(samples, bits), coded, header);
  const planes = channels > 1 ? toPlanes(values, channels) : values;
  return {
    values: planes,
    channels,
    rows,
    columns,
    photometric: channels === 3 ? 'RGB' : photometric,
    notes,
  };
}

/** Samples that were scaled to the range of their array's elements, in the range of their own bits again; in place. */
function unscaled<T extends Uint8Array | Uint16Array>(samples: T, bits: number): T {
  const top = 2 ** bits - 1;
  const range = 2 ** (8 * samples.BYTES_PER_ELEMENT) - 1;
  if (top !== range)
    for (let i = 0; i < samples.length; i++) samples[i] = Math.round((samples[i]! * top) / range);
  return samples;
}

/** JPEG XL: lossless, recompressed JPEG, and any (DICOM PS3.5, section A.4.12). */
export const jpegXlCodec = {
  transferSyntaxes: [LOSSLESS, ...['111', '112'].map((end) => `1.2.840.10008.1.2.4.${end}`)],
  refuses,
  inspect: (frame, header) => sampleNotes(checked(frame, header), header),
  decode,
} satisfies Codec;
