import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError, type StoredValues, storedValues } from '../core/pixels.js';

/** What a compressed image says of its own samples. */
export interface CodedSamples {
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  /** Bits of a sample, its sign's included. */
  readonly bits: number;
  readonly signed: boolean;
  /**
   * Whether samples may be a little off: then a sample over BitsStored is kept as it is, because it would
   * wrap if it were cut.
   */
  readonly isLossy?: boolean;
}

/** Compares a compressed image with the header before anything is allocated for it. Throws `PixelError`. */
export function checkCoded(coded: CodedSamples, header: ImageHeader): void {
  const { rows, columns, samplesPerPixel, bitsAllocated } = header;
  if (coded.rows !== rows || coded.columns !== columns)
    throw new PixelError(
      coded.rows * coded.columns < rows * columns ? 'PIXELS_SHORT' : 'PIXELS_LONG',
      `the compressed image has ${coded.rows} rows of ${coded.columns}, the header says ${rows} of ${columns}`,
    );
  if (coded.channels !== samplesPerPixel)
    throw new PixelError(
      'PIXELS_UNSUPPORTED',
      `the compressed image has ${coded.channels} components, SamplesPerPixel says ${samplesPerPixel}`,
    );
  if (coded.bits < 1 || coded.bits > bitsAllocated)
    throw new PixelError(
      'PIXELS_UNSUPPORTED',
      `the compressed image has samples of ${coded.bits} bits, BitsAllocated says ${bitsAllocated}`,
    );
}

/**
 * Returns where a compressed image describes its samples otherwise than the header and is read all the same.
 */
export function sampleNotes(
  coded: Pick<CodedSamples, 'bits' | 'signed'>,
  { bitsStored, signed }: Pick<ImageHeader, 'bitsStored' | 'signed'>,
): HeaderProblem[] {
  const details: string[] = [];
  if (coded.bits !== bitsStored)
    details.push(`the compressed image has samples of ${coded.bits} bits, BitsStored says ${bitsStored}`);
  if (coded.signed && !signed) details.push('the compressed image says signed, the header unsigned');
  return details.map((detail) => ({ code: 'HEADER_REPAIRED', detail }));
}

/**
 * Brings a decoder's samples to the form of the header: one element of BitsAllocated each, cut to BitsStored,
 * with the sign extended (DICOM PS3.5, section 8.1.1). Most compressed images do not tell whether they are
 * signed: then the sign is the highest bit of BitsStored, or of their own bits if those are fewer. An image
 * whose sign differs from the header's is read with the header's, with a note.
 */
export function fitSamples(
  values: StoredValues,
  coded: CodedSamples,
  header: ImageHeader,
): { values: StoredValues; notes: HeaderProblem[] } {
  const notes = sampleNotes(coded, header);
  const { bitsStored, signed } = header;
  // Decoded, a single bit has a byte.
  const bitsAllocated = Math.max(8, header.bitsAllocated);
  if (coded.signed && !signed && isAnyNegative(values))
    throw new PixelError(
      'PIXELS_UNSUPPORTED',
      'the compressed image has negative values, the header says unsigned',
    );
  const bytes = asWide(values, bitsAllocated / 8);
  const isAsCoded = coded.isLossy === true && coded.signed === signed && coded.bits > bitsStored;
  const stored = isAsCoded ? bitsAllocated : Math.min(coded.bits, bitsStored);
  const described = {
    bitsAllocated,
    bitsStored: stored,
    highBit: stored - 1,
    signed,
    pixelKind: 'integer' as const,
  };
  return { values: storedValues(bytes, described), notes };
}

function isAnyNegative(values: StoredValues): boolean {
  let bits = 0;
  for (let i = 0; i < values.length; i++) bits |= values[i]!;
  return bits < 0;
}

/** The bytes of samples with `size` bytes each; a copy where they had another number. */
function asWide(values: StoredValues, size: number): Uint8Array {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT } = values;
  if (BYTES_PER_ELEMENT === size) return new Uint8Array(buffer, byteOffset, byteLength);
  const wide =
    size === 1 ? Uint8Array.from(values) : size === 2 ? Uint16Array.from(values) : Uint32Array.from(values);
  return new Uint8Array(wide.buffer);
}
