import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import type { Codec, DecodedFrame } from './codec.js';
import { asUnsigned, type MainHeader, readCodestream, readMainHeader } from './codestream.js';
import { decodedFrame } from './decoded.js';
import { refuseDescription } from './description.js';
import { checkCoded, sampleNotes } from './samples.js';
import { SharedModule, type WasmDecoder } from './wasm.js';

const openjpeg = new SharedModule(
  '@cornerstonejs/codec-openjpeg/decodewasmjs',
  '@cornerstonejs/codec-openjpeg/decodewasm',
  'J2KDecoder',
);
const openjph = new SharedModule(
  '@cornerstonejs/codec-openjph/wasmjs',
  '@cornerstonejs/codec-openjph/wasm',
  'HTJ2KDecoder',
);

/** The wasm packages give samples of at most 16 bits, whatever the codestream has. */
const MOST_BITS = 16;

function tooDeep(bits: number): HeaderProblem {
  return {
    code: 'PIXELS_UNSUPPORTED',
    detail: `samples of ${bits} bits; JPEG 2000 is read up to ${MOST_BITS}`,
  };
}

function refuses(header: ImageHeader): HeaderProblem | null {
  const refused = refuseDescription(header, [1, 8, 16, 32]);
  return refused ?? (header.bitsStored > MOST_BITS ? tooDeep(header.bitsStored) : null);
}

/** Throws `PixelError` if a codestream differs from the header or cannot be read. */
function check(coded: MainHeader, header: ImageHeader): void {
  checkCoded(coded, header);
  if (coded.bits > MOST_BITS) throw new PixelError('PIXELS_UNSUPPORTED', tooDeep(coded.bits).detail);
}

function inspect(frame: Uint8Array, header: ImageHeader, isWhole: boolean): HeaderProblem[] {
  const coded = readMainHeader(frame);
  check(coded, header);
  const damage = isWhole ? readCodestream(frame).notes : [];
  return [...damage, ...sampleNotes(coded, header)];
}

async function decode(
  shared: SharedModule,
  frameBytes: Uint8Array,
  header: ImageHeader,
): Promise<DecodedFrame> {
  const coded = readCodestream(frameBytes);
  check(coded, header);
  const { photometric } = header;
  // Decoders undo the transform; what the header calls it then says no more than that (DICOM PS3.5, section 8.2.4).
  const named =
    coded.isTransformed || photometric === 'YBR_ICT' || photometric === 'YBR_RCT' ? 'RGB' : photometric;
  return decodedFrame(
    shared,
    asUnsigned(coded),
    header,
    header.samplesPerPixel === 3 ? named : photometric,
    run,
  );
}

function run(decoder: WasmDecoder): void {
  try {
    decoder.decode();
  } catch {
    // What it throws is a number or a text of its own, and may quote the frame.
    throw new PixelError('PIXELS_SHORT', 'the JPEG 2000 codestream cannot be decoded');
  }
}

/** JPEG 2000, part 1, lossless and not (DICOM PS3.5, section A.4.4). */
export const jpeg2000Codec = {
  transferSyntaxes: ['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.4.91'],
  refuses,
  inspect,
  endsWithMarker: true,
  decode: (frameBytes, header) => decode(openjpeg, frameBytes, header),
} satisfies Codec;

/** High-throughput JPEG 2000 (DICOM PS3.5, section A.4.4.1). */
export const htj2kCodec = {
  transferSyntaxes: ['1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.202', '1.2.840.10008.1.2.4.203'],
  refuses,
  inspect,
  endsWithMarker: true,
  decode: (frameBytes, header) => decode(openjph, frameBytes, header),
} satisfies Codec;
