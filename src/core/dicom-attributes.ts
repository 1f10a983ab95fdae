import type { ImageHeader, ObjectIdentity } from './dicom.js';
import { HeaderStop } from './dicom-cursor.js';
import type { Notes } from './dicom-notes.js';
import { MOSAIC_IMAGES, privateTags } from './dicom-private.js';
import { SCALING_TAGS } from './dicom-scaling.js';
import { TIMING_TAGS } from './dicom-timing.js';
import { kindOtherThanImage } from './dicom-uids.js';
import { type DicomValues, SOP_CLASS, shortIdentifier } from './dicom-values.js';
import { areCosines } from './directions.js';

const IMAGE_TYPE = 0x00080008;
const POSITION = 0x00200032;
const ORIENTATION = 0x00200037;
const PIXEL_SPACING = 0x00280030;
const IMAGER_SPACING = 0x00181164;

/** The elements whose values are read; everything else at the top level is skipped unread. */
// biome-ignore format: a table of tags
export const KEPT: ReadonlySet<number> = new Set([
  IMAGE_TYPE, SOP_CLASS, 0x00080018, 0x00080060, 0x00100020, IMAGER_SPACING,
  0x0020000d, 0x0020000e, 0x00200011, 0x00200013, POSITION, ORIENTATION, 0x00200052, 0x00280002,
  0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011, PIXEL_SPACING, 0x00280100, 0x00280101,
  0x00280102, 0x00280103, 0x00281101, 0x00281102, 0x00281103, 0x00281201, 0x00281202, 0x00281203,
  0x00281221, 0x00281222, 0x00281223, 0x3004000c, ...SCALING_TAGS, ...TIMING_TAGS,
]);

/** Who and what the image is; a missing identifier is '' with a note. */
export function identity(
  values: DicomValues,
  notes: Notes,
): Pick<
  ImageHeader,
  | 'sopInstanceUid'
  | 'sopClassUid'
  | 'studyUid'
  | 'seriesUid'
  | 'frameOfReferenceUid'
  | 'modality'
  | 'patientId'
  | 'seriesNumber'
  | 'instanceNumber'
> {
  const identifier = (tag: number, name: string): string | null => {
    const text = values.text(tag);
    if (text === null) return null;
    const short = shortIdentifier(text);
    if (short !== text)
      notes.add('IDENTIFIER_LONG', `${name} has ${text.length} characters; it was shortened`);
    return short;
  };
  const required = (tag: number, name: string, metaTag?: number): string => {
    const own = identifier(tag, name);
    if (own !== null) return own;
    const meta = metaTag === undefined ? null : identifier(metaTag, `the file's ${name}`);
    notes.add(
      'HEADER_REPAIRED',
      meta === null ? `${name} is missing` : `${name} is taken from the file's meta group`,
    );
    return meta ?? '';
  };
  const whole = (tag: number, name: string): number | null => {
    const value = values.integer(tag);
    if (value === null || Number.isSafeInteger(value)) return value;
    notes.add('HEADER_REPAIRED', `${name} is no whole number; it is taken as unknown`);
    return null;
  };
  return {
    sopInstanceUid: required(0x00080018, 'SOPInstanceUID', 0x00020003),
    sopClassUid: required(SOP_CLASS, 'SOPClassUID', 0x00020002),
    studyUid: required(0x0020000d, 'StudyInstanceUID'),
    seriesUid: required(0x0020000e, 'SeriesInstanceUID'),
    frameOfReferenceUid: identifier(0x00200052, 'FrameOfReferenceUID'),
    modality: values.text(0x00080060)?.slice(0, 16) ?? null,
    patientId: values.text(0x00100020),
    seriesNumber: whole(0x00200011, 'SeriesNumber'),
    instanceNumber: whole(0x00200013, 'InstanceNumber'),
  };
}

/** Which object an image is: nothing of its header but identifiers. */
export function identityOf({
  sopClassUid,
  sopInstanceUid,
  studyUid,
  seriesUid,
}: Pick<ImageHeader, 'sopClassUid' | 'sopInstanceUid' | 'studyUid' | 'seriesUid'>): ObjectIdentity {
  return { kind: kindOtherThanImage(sopClassUid), sopClassUid, sopInstanceUid, studyUid, seriesUid };
}

/** Which object a file is, as far as its header was read; never throws. */
export function objectIdentity(values: DicomValues): ObjectIdentity {
  const told = (...tags: number[]): string => {
    for (const tag of tags) {
      try {
        const text = values.text(tag);
        if (text !== null) return shortIdentifier(text);
      } catch (error) {
        // Behind the prefix, or behind the end of the file.
        if (!(error instanceof HeaderStop)) throw error;
      }
    }
    return '';
  };
  const sopClassUid = told(SOP_CLASS, 0x00020002);
  return {
    kind: kindOtherThanImage(sopClassUid),
    sopClassUid,
    sopInstanceUid: told(0x00080018, 0x00020003),
    studyUid: told(0x0020000d),
    seriesUid: told(0x0020000e),
  };
}

/** Where its pixels are in space; what can't be used is null. */
export function geometry(
  values: DicomValues,
  notes: Notes,
): Pick<ImageHeader, 'spacingMm' | 'position' | 'orientation'> {
  const vector = (tag: number, length: number): number[] | null => {
    const numbers = values.decimals(tag);
    return numbers?.length === length && !numbers.some(Number.isNaN) ? numbers : null;
  };
  const spacing = (tag: number): [number, number] | null => {
    if (!values.has(tag)) return null;
    const numbers = vector(tag, 2);
    if (numbers?.every((mm) => mm > 0)) return numbers as [number, number];
    notes.add('SPACING_INVALID', 'the pixel spacing is not two positive numbers');
    return null;
  };
  let spacingMm = spacing(PIXEL_SPACING);
  if (spacingMm === null) {
    spacingMm = spacing(IMAGER_SPACING);
    if (spacingMm)
      notes.add('SPACING_AT_DETECTOR', 'only ImagerPixelSpacing is there; it is taken for the spacing');
  }
  const position = vector(POSITION, 3) as [number, number, number] | null;
  const told = vector(ORIENTATION, 6);
  const orientation = told && areCosines(told) ? told : null;
  const invalid = (what: string) => {
    notes.add(
      'POSITION_INVALID',
      `${what}; where the image lies is unknown, and its order goes by time and number`,
    );
  };
  if (position === null && values.has(POSITION)) invalid('ImagePositionPatient is not three numbers');
  if (orientation === null && values.has(ORIENTATION))
    invalid('ImageOrientationPatient is not two directions of length 1 at right angles');
  if (!isMosaic(values)) return { spacingMm, position, orientation };
  notes.add(
    'MOSAIC',
    'its tiles are slices without places of their own; no contour is placed on it by coordinates',
  );
  return { spacingMm, position: null, orientation: null };
}

/** A Siemens mosaic: the slices of a volume as tiles of one image. */
function isMosaic(values: DicomValues): boolean {
  if (
    values
      .text(IMAGE_TYPE)
      ?.split('\\')
      .some((type) => type.trim() === 'MOSAIC')
  )
    return true;
  return privateTags(values, MOSAIC_IMAGES).some((tag) => (values.uint16(tag) ?? 0) > 1);
}
