import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { frameSizeBytes } from '../core/dicom-description.js';
import { EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN } from '../core/dicom-uids.js';
import { PixelError, storedValues, toPlanes } from '../core/pixels.js';
import type { Codec, DecodedFrame } from './codec.js';

/** The samples that a photometric interpretation has, of those that are read. */
const SAMPLES: ReadonlyMap<string, number> = new Map([
  ['MONOCHROME1', 1],
  ['MONOCHROME2', 1],
  ['RGB', 3],
]);
/** Of the others, those whose name may stand in a detail (DICOM PS3.3, section C.7.6.3.1.2). */
const KNOWN = new Set(
  'PALETTE COLOR,YBR_FULL,YBR_FULL_422,YBR_PARTIAL_422,YBR_PARTIAL_420,YBR_ICT,YBR_RCT,HSV,ARGB,CMYK'.split(
    ',',
  ),
);

function refuses(header: ImageHeader): HeaderProblem | null {
  const { photometric, samplesPerPixel, bitsAllocated, pixelKind } = header;
  const refused = (detail: string): HeaderProblem => ({ code: 'PIXELS_UNSUPPORTED', detail });
  const samples = SAMPLES.get(photometric);
  if (samples === undefined) {
    const name = photometric === '' ? 'no' : KNOWN.has(photometric) ? photometric : 'an unknown';
    return refused(`${name} photometric interpretation; MONOCHROME1, MONOCHROME2 and RGB are read`);
  }
  if (samples !== samplesPerPixel)
    return refused(`${photometric} has ${samples} samples, SamplesPerPixel says ${samplesPerPixel}`);
  if (pixelKind === 'integer' && ![8, 16, 32].includes(bitsAllocated)) {
    return refused(`${bitsAllocated} bits allocated; 8, 16 and 32 are read`);
  }
  return null;
}

function decode(frameBytes: Uint8Array, header: ImageHeader): DecodedFrame {
  const { rows, columns, samplesPerPixel: channels, planar } = header;
  const wanted = frameSizeBytes(header);
  if (frameBytes.length !== wanted) {
    const code = frameBytes.length < wanted ? 'PIXELS_SHORT' : 'PIXELS_LONG';
    throw new PixelError(code, `the frame has ${wanted} bytes, there are ${frameBytes.length}`);
  }
  const values = storedValues(frameBytes, header);
  return {
    values: planar === 0 && channels > 1 ? toPlanes(values, channels) : values,
    channels,
    rows,
    columns,
  };
}

/** Uncompressed little-endian pixel data, integer or float, one sample a pixel or RGB in either planar configuration. */
export const nativeCodec = {
  transferSyntaxes: [IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN],
  refuses,
  decode,
} satisfies Codec;

/**
 * Where a frame's bytes are in the file of an image that the native codec takes, frames counted from 0.
 * Throws `RangeError` for a frame that is not there.
 */
export function frameRange(header: ImageHeader, frame: number): { offset: number; length: number } {
  if (!Number.isInteger(frame) || frame < 0 || frame >= header.frames) {
    throw new RangeError(`frame ${frame} of ${header.frames}`);
  }
  const length = frameSizeBytes(header);
  return { offset: header.pixelData.offset + frame * length, length };
}
