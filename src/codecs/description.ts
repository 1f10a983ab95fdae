import type { HeaderProblem, ImageHeader } from '../core/dicom.js';

/** The samples that a photometric interpretation has, of those that are read (DICOM PS3.3, section C.7.6.3.1.2). */
const SAMPLES: ReadonlyMap<string, number> = new Map([
  ['MONOCHROME1', 1],
  ['MONOCHROME2', 1],
  ['PALETTE COLOR', 1],
  ['RGB', 3],
  ['YBR_FULL', 3],
  ['YBR_FULL_422', 3],
  // No name of the standard: YBR_PARTIAL_422 and _420 whose chroma is not shared after all.
  ['YBR_PARTIAL', 3],
  ['YBR_PARTIAL_422', 3],
  ['YBR_PARTIAL_420', 3],
  ['YBR_ICT', 3],
  ['YBR_RCT', 3],
]);
/** Of the others, those whose name may stand in a detail. */
const KNOWN = new Set(['HSV', 'ARGB', 'CMYK']);

/** Why an image's pixel description is not read whatever its encoding, null where it is; `bits`: the BitsAllocated that are. */
export function refuseDescription(header: ImageHeader, bits: readonly number[]): HeaderProblem | null {
  const { photometric, samplesPerPixel, bitsAllocated, pixelKind } = header;
  const refused = (detail: string): HeaderProblem => ({ code: 'PIXELS_UNSUPPORTED', detail });
  const samples = SAMPLES.get(photometric);
  if (samples === undefined) {
    const name = photometric === '' ? 'no' : KNOWN.has(photometric) ? photometric : 'an unknown';
    return refused(`${name} photometric interpretation; grey, palette, RGB and YBR are read`);
  }
  if (samples !== samplesPerPixel)
    return refused(`${photometric} has ${samples} samples, SamplesPerPixel says ${samplesPerPixel}`);
  if (photometric === 'PALETTE COLOR' && header.palette === null)
    return refused('the image has colour numbers and no palette that can be read');
  if (pixelKind === 'integer' && !bits.includes(bitsAllocated))
    return refused(`${bitsAllocated} bits allocated; ${bits.join(', ')} are read`);
  return null;
}
