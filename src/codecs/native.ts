import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { frameSizeBytes, frameStrideBytes } from '../core/dicom-description.js';
import {
  DEFLATED_LITTLE_ENDIAN,
  ENCAPSULATED_UNCOMPRESSED,
  EXPLICIT_BIG_ENDIAN,
  EXPLICIT_LITTLE_ENDIAN,
  IMPLICIT_LITTLE_ENDIAN,
  isNative,
} from '../core/dicom-uids.js';
import { PixelError, storedValues } from '../core/pixels.js';
import { toPlanes } from '../core/planes.js';
import { unpackBits, unpackSharedChroma, unpackTwelve } from '../core/unpack.js';
import type { Codec, DecodedFrame } from './codec.js';
import { refuseDescription } from './description.js';

function refuses(header: ImageHeader): HeaderProblem | null {
  const refused = refuseDescription(header, [1, 8, 12, 16, 32]);
  if (refused !== null) return refused;
  const { photometric, bitsAllocated, transferSyntax, columns, rows, frames } = header;
  const detail =
    photometric === 'YBR_PARTIAL_420'
      ? 'uncompressed YBR_PARTIAL_420 has no order that a standard gives'
      : photometric.endsWith('_422') && (columns % 2 !== 0 || (bitsAllocated !== 8 && bitsAllocated !== 16))
        ? `${photometric} shares chroma between two pixels of 8 or 16 bits; a row has ${columns} of ${bitsAllocated}`
        : bitsAllocated === 12 &&
            (transferSyntax === EXPLICIT_BIG_ENDIAN || (frames > 1 && (rows * columns) % 2 !== 0))
          ? 'samples of 12 bits are read in little endian, frames that end on a byte'
          : null;
  return detail === null ? null : { code: 'PIXELS_UNSUPPORTED', detail };
}

/**
 * Returns the bytes of a frame and the bit of its first byte at which it begins. Throws `PixelError` if the
 * frame has another number of bytes.
 */
function checkSize(
  frameBytes: Uint8Array,
  header: ImageHeader,
  frame: number,
): { readonly wanted: number; readonly firstBit: number } {
  const { bitsAllocated, transferSyntax } = header;
  const exact = frameSizeBytes(header);
  const firstBit =
    bitsAllocated === 1 && isNative(transferSyntax) ? (frame * frameStrideBytes(header) * 8) % 8 : 0;
  const wanted = Math.ceil(exact + firstBit / 8);
  // A fragment has an even number of bytes.
  const padding = transferSyntax === ENCAPSULATED_UNCOMPRESSED ? wanted % 2 : 0;
  if (frameBytes.length !== wanted && frameBytes.length !== wanted + padding) {
    const code = frameBytes.length < wanted ? 'PIXELS_SHORT' : 'PIXELS_LONG';
    throw new PixelError(
      code,
      `the frame needs ${wanted} bytes of pixel data, the file has ${frameBytes.length}`,
    );
  }
  return { wanted, firstBit };
}

function inspect(frame: Uint8Array, header: ImageHeader, isWhole: boolean): HeaderProblem[] {
  if (isWhole) checkSize(frame, header, 0);
  return [];
}

function decode(frameBytes: Uint8Array, header: ImageHeader, frame = 0): DecodedFrame {
  const { rows, columns, samplesPerPixel: channels, planar, photometric, bitsAllocated } = header;
  const { wanted, firstBit } = checkSize(frameBytes, header, frame);
  const bytes = toLittleEndian(frameBytes.subarray(0, wanted), header);
  const shape = { channels, rows, columns };
  const count = rows * columns * channels;
  if (bitsAllocated === 1) {
    const bits = unpackBits(bytes, firstBit, count);
    return { values: planar === 0 && channels > 1 ? toPlanes(bits, channels) : bits, ...shape };
  }
  if (bitsAllocated === 12) {
    const words = unpackTwelve(bytes, count);
    const values = storedValues(new Uint8Array(words.buffer), { ...header, bitsAllocated: 16 });
    return { values: planar === 0 && channels > 1 ? toPlanes(values, channels) : values, ...shape };
  }
  const values = storedValues(bytes, header);
  if (photometric.endsWith('_422'))
    return { values: unpackSharedChroma(values as Uint8Array | Uint16Array, rows * columns), ...shape };
  return { values: planar === 0 && channels > 1 ? toPlanes(values, channels) : values, ...shape };
}

/** The samples' bytes in little-endian order; a copy where they have to be turned (DICOM PS3.5, section 7.3 and annex D). */
function toLittleEndian(bytes: Uint8Array, header: ImageHeader): Uint8Array {
  if (header.transferSyntax !== EXPLICIT_BIG_ENDIAN) return bytes;
  const { bitsAllocated } = header;
  // Readers agree to leave single bits in words as they are.
  const size =
    bitsAllocated > 8 ? bitsAllocated / 8 : bitsAllocated === 8 && header.pixelData.vr === 'OW' ? 2 : 1;
  if (size === 1 || bytes.length % size !== 0) return bytes;
  const turned = Buffer.from(bytes);
  if (size === 2) return turned.swap16();
  return size === 4 ? turned.swap32() : turned.swap64();
}

/** Uncompressed pixel data, integer or float, whatever its samples: grey, colour numbers, RGB and YBR in either planar configuration. */
export const nativeCodec = {
  transferSyntaxes: [
    IMPLICIT_LITTLE_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    DEFLATED_LITTLE_ENDIAN,
    ENCAPSULATED_UNCOMPRESSED,
  ],
  refuses,
  inspect,
  decode,
} satisfies Codec;

/**
 * Where a frame's bytes are in the file of an image whose frames are not encapsulated, frames counted from 0; frames of
 * single bits share bytes. Throws `RangeError` for a frame that is not there.
 */
export function frameRange(header: ImageHeader, frame: number): { offset: number; length: number } {
  if (!Number.isInteger(frame) || frame < 0 || frame >= header.frames) {
    throw new RangeError(`frame ${frame} of ${header.frames}`);
  }
  const first = frame * frameStrideBytes(header);
  const start = Math.floor(first);
  return {
    offset: header.pixelData.offset + start,
    length: Math.ceil(first + frameSizeBytes(header)) - start,
  };
}
