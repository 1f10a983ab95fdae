export const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
export const DEFLATED_LITTLE_ENDIAN = '1.2.840.10008.1.2.1.99';
export const EXPLICIT_BIG_ENDIAN = '1.2.840.10008.1.2.2';
export const ENCAPSULATED_UNCOMPRESSED = '1.2.840.10008.1.2.1.98';
export const DEFLATED_FRAMES = '1.2.840.10008.1.2.8.1';
export const RLE_LOSSLESS = '1.2.840.10008.1.2.5';

export const RT_DOSE = '1.2.840.10008.5.1.4.1.1.481.2';

const NATIVE = new Set([
  IMPLICIT_LITTLE_ENDIAN,
  EXPLICIT_LITTLE_ENDIAN,
  EXPLICIT_BIG_ENDIAN,
  DEFLATED_LITTLE_ENDIAN,
]);

/** The transfer syntaxes of DICOM PS3.6, table A-1, that an image file may have; names are for details. */
const TRANSFER_SYNTAXES: ReadonlyMap<string, string> = new Map([
  [IMPLICIT_LITTLE_ENDIAN, 'implicit VR little endian'],
  [EXPLICIT_LITTLE_ENDIAN, 'explicit VR little endian'],
  [DEFLATED_LITTLE_ENDIAN, 'deflated explicit VR little endian'],
  [EXPLICIT_BIG_ENDIAN, 'explicit VR big endian'],
  [ENCAPSULATED_UNCOMPRESSED, 'encapsulated uncompressed explicit VR little endian'],
  [DEFLATED_FRAMES, 'deflated image frame'],
  ['1.2.840.10008.1.2.4.50', 'JPEG baseline'],
  ['1.2.840.10008.1.2.4.51', 'JPEG extended'],
  ['1.2.840.10008.1.2.4.53', 'JPEG spectral selection'],
  ['1.2.840.10008.1.2.4.55', 'JPEG full progression'],
  ['1.2.840.10008.1.2.4.57', 'JPEG lossless'],
  ['1.2.840.10008.1.2.4.70', 'JPEG lossless, first-order prediction'],
  ['1.2.840.10008.1.2.4.80', 'JPEG-LS lossless'],
  ['1.2.840.10008.1.2.4.81', 'JPEG-LS near-lossless'],
  ['1.2.840.10008.1.2.4.90', 'JPEG 2000 lossless'],
  ['1.2.840.10008.1.2.4.91', 'JPEG 2000'],
  ['1.2.840.10008.1.2.4.92', 'JPEG 2000 multi-component lossless'],
  ['1.2.840.10008.1.2.4.93', 'JPEG 2000 multi-component'],
  ['1.2.840.10008.1.2.4.100', 'MPEG-2 main profile'],
  ['1.2.840.10008.1.2.4.101', 'MPEG-2 high level'],
  ['1.2.840.10008.1.2.4.102', 'MPEG-4 AVC'],
  ['1.2.840.10008.1.2.4.103', 'MPEG-4 AVC, BD-compatible'],
  ['1.2.840.10008.1.2.4.107', 'HEVC main profile'],
  ['1.2.840.10008.1.2.4.108', 'HEVC main 10 profile'],
  ['1.2.840.10008.1.2.4.110', 'JPEG XL lossless'],
  ['1.2.840.10008.1.2.4.111', 'JPEG XL, recompressed JPEG'],
  ['1.2.840.10008.1.2.4.112', 'JPEG XL'],
  ['1.2.840.10008.1.2.4.201', 'HTJ2K lossless'],
  ['1.2.840.10008.1.2.4.202', 'HTJ2K lossless, RPCL'],
  ['1.2.840.10008.1.2.4.203', 'HTJ2K'],
  [RLE_LOSSLESS, 'RLE lossless'],
]);

/** `NAME (UID)` of a known transfer syntax, null for any other: its text is a value of the file and is not shown. */
export function transferSyntaxName(uid: string): string | null {
  const name = TRANSFER_SYNTAXES.get(uid);
  return name === undefined ? null : `${name} (${uid})`;
}

/** Whether frames lie in one run of plain samples, as opposed to encapsulated fragments. */
export function isNative(transferSyntax: string): boolean {
  return NATIVE.has(transferSyntax);
}

/** SOP classes without pixel data by definition (DICOM PS3.4, table B.5-1); a trailing dot stands for the whole family. */
const WITHOUT_PIXELS: readonly (readonly [string, string])[] = [
  ['1.2.840.10008.1.3.10', 'DICOMDIR'],
  ['1.2.840.10008.5.1.4.1.1.481.3', 'RTSTRUCT'],
  ['1.2.840.10008.5.1.4.1.1.481.4', 'RTRECORD'],
  ['1.2.840.10008.5.1.4.1.1.481.5', 'RTPLAN'],
  ['1.2.840.10008.5.1.4.1.1.481.6', 'RTRECORD'],
  ['1.2.840.10008.5.1.4.1.1.481.7', 'RTRECORD'],
  ['1.2.840.10008.5.1.4.1.1.481.8', 'RTPLAN'],
  ['1.2.840.10008.5.1.4.1.1.481.9', 'RTRECORD'],
  ['1.2.840.10008.5.1.4.1.1.9.', 'waveform'],
  ['1.2.840.10008.5.1.4.1.1.11.', 'presentation state'],
  ['1.2.840.10008.5.1.4.1.1.66', 'raw data'],
  ['1.2.840.10008.5.1.4.1.1.66.1', 'spatial registration'],
  ['1.2.840.10008.5.1.4.1.1.66.2', 'spatial fiducials'],
  ['1.2.840.10008.5.1.4.1.1.66.3', 'deformable registration'],
  ['1.2.840.10008.5.1.4.1.1.66.5', 'surface segmentation'],
  ['1.2.840.10008.5.1.4.1.1.67', 'real world value mapping'],
  ['1.2.840.10008.5.1.4.1.1.88.', 'structured report'],
  ['1.2.840.10008.5.1.4.1.1.104.', 'encapsulated document'],
  ['1.2.840.10008.5.1.4.1.1.4.2', 'MR spectroscopy'],
];

/** What kind of object a SOP class is when it never has pixel data, else null. */
export function kindWithoutPixels(sopClassUid: string): string | null {
  const row = WITHOUT_PIXELS.find(([uid]) =>
    uid.endsWith('.') ? sopClassUid.startsWith(uid) : sopClassUid === uid,
  );
  return row ? row[1] : null;
}

/** Segmentation Storage and Label Map Segmentation Storage: their pixel data says what is where, not what it looks like. */
const SEGMENTATIONS = new Set(['1.2.840.10008.5.1.4.1.1.66.4', '1.2.840.10008.5.1.4.1.1.66.7']);

/** What kind of object a SOP class is when it is no image, with or without pixel data; null for images and for what is not known. */
export function kindOtherThanImage(sopClassUid: string): string | null {
  return SEGMENTATIONS.has(sopClassUid) ? 'SEG' : kindWithoutPixels(sopClassUid);
}

/** Objects that may have pixels and whose name helps where they don't. */
export function kindName(sopClassUid: string): string | null {
  if (sopClassUid === RT_DOSE) return 'RTDOSE';
  return kindOtherThanImage(sopClassUid);
}
