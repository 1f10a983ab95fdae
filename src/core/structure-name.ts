import { shortIdentifier } from './dicom-values.js';

/** The most characters that the contract lets a structure be asked for with. */
const LONGEST = 64;

/**
 * An ROI's name or a segment's label as a structure's name: control characters and runs of spaces become one space, spaces
 * around it go, and of a longer one the end becomes a hash. All else stays as it is, letters of any script and punctuation
 * too. `fallback` stands for one without a name.
 */
export function structureName(text: string, fallback: string): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cs}\u2028\u2029\s]+/gu, ' ').trim();
  if (plain === '') return fallback;
  // A cut may fall between the two halves of a character.
  return plain.length > LONGEST ? shortIdentifier(plain).replaceAll(/\p{Cs}/gu, '?') : plain;
}
