import type { ImageHeader } from './dicom.js';
import type { DicomElement, SequenceVisitor } from './dicom-cursor.js';
import type { PixelDescription } from './dicom-description.js';
import type { Notes } from './dicom-notes.js';
import { PHILIPS_ACTIVITY, PHILIPS_MR_SLOPE, PHILIPS_SUV, privateTags } from './dicom-private.js';
import { RT_DOSE } from './dicom-uids.js';
import { type DicomValues, sopClass } from './dicom-values.js';
import { declaredRange } from './pixels.js';

const INTERCEPT = 0x00281052;
const SLOPE = 0x00281053;
const DOSE_GRID_SCALING = 0x3004000e;
const WINDOW_CENTER = 0x00281050;
const WINDOW_WIDTH = 0x00281051;
const VOI_FUNCTION = 0x00281056;
const PADDING = { value: [0x00280120, 0x00280122, 0x00280123], limit: [0x00280121, 0x00280124, 0x00280125] };
const [REAL_WORLD_TABLE, REAL_WORLD_INTERCEPT, REAL_WORLD_SLOPE] = [0x00409212, 0x00409224, 0x00409225];
const MOST_WINDOWS = 32;

/**
 * The sequence of real-world value mappings, and the elements that are read of its items (DICOM PS3.3,
 * section C.7.6.16.2.11).
 */
export const REAL_WORLD_VALUES = 0x00409096;
export const REAL_WORLD_TAGS: readonly number[] = [REAL_WORLD_TABLE, REAL_WORLD_INTERCEPT, REAL_WORLD_SLOPE];

/** The elements that are read here. */
// biome-ignore format: a table of tags
export const SCALING_TAGS: readonly number[] = [
  INTERCEPT, SLOPE, DOSE_GRID_SCALING, WINDOW_CENTER, WINDOW_WIDTH, VOI_FUNCTION, ...PADDING.value, ...PADDING.limit,
];

/** Keeps the mapping of a whole image. */
export class RealWorldValues implements SequenceVisitor {
  constructor(readonly values: DicomValues) {}

  enters(): boolean {
    return false;
  }

  value(parent: number, element: DicomElement): void {
    if (parent === REAL_WORLD_VALUES && REAL_WORLD_TAGS.includes(element.tag)) this.values.keep(element);
  }
}

/** How stored values become modality values and shades (DICOM PS3.3, sections C.11.1, C.11.2 and C.8.8.3). */
export function modalityValues(
  values: DicomValues,
  notes: Notes,
): Pick<ImageHeader, 'rescale' | 'window' | 'voiFunction'> {
  const rescale =
    (sopClass(values) === RT_DOSE ? doseScaling(values, notes) : null) ?? slopeOf(values, notes);
  noteOtherScalings(values, rescale, notes);
  return { rescale, window: windows(values, notes), voiFunction: voiFunction(values, notes) };
}

function slopeOf(values: DicomValues, notes: Notes): ImageHeader['rescale'] {
  const slope = values.decimals(SLOPE)?.[0] ?? 1;
  const intercept = values.decimals(INTERCEPT)?.[0] ?? 0;
  if (!Number.isNaN(slope) && !Number.isNaN(intercept) && slope !== 0) return { slope, intercept };
  notes.add('RESCALE_INVALID', 'the rescale slope or intercept is no usable number; 1 and 0 are used');
  return { slope: 1, intercept: 0 };
}

/** Returns the rescale of a dose grid, from DoseGridScaling; null if that is missing or invalid. */
function doseScaling(values: DicomValues, notes: Notes): ImageHeader['rescale'] | null {
  const slope = values.decimals(DOSE_GRID_SCALING)?.[0] ?? Number.NaN;
  if (Number.isNaN(slope) || slope === 0) {
    notes.add(
      'RESCALE_INVALID',
      'the dose grid has no usable DoseGridScaling; values are not in units of dose',
    );
    return null;
  }
  if (values.has(SLOPE) || values.has(INTERCEPT))
    notes.add('SCALING_NOT_USED', 'the dose grid has a rescale beside DoseGridScaling, which is used');
  return { slope, intercept: 0 };
}

/** Reports every other scaling of the file that gives other values: it is not used. */
function noteOtherScalings(values: DicomValues, rescale: ImageHeader['rescale'], notes: Notes): void {
  const slope = values.float64(REAL_WORLD_SLOPE) ?? rescale.slope;
  const intercept = values.float64(REAL_WORLD_INTERCEPT) ?? rescale.intercept;
  if (values.has(REAL_WORLD_TABLE) || slope !== rescale.slope || intercept !== rescale.intercept)
    notes.add(
      'SCALING_NOT_USED',
      'a real-world value mapping gives other values than the rescale, which is used',
    );
  if (privateTags(values, PHILIPS_MR_SLOPE).length > 0)
    notes.add(
      'SCALING_NOT_USED',
      'a private scaling of Philips MR (2005,xx0E) makes signal intensities of the rescaled values; it is not used',
    );
  if ([PHILIPS_SUV, PHILIPS_ACTIVITY].some((element) => privateTags(values, element).length > 0))
    notes.add(
      'SCALING_NOT_USED',
      'private factors of Philips PET (7053,xx00) and (7053,xx09) make SUV and activity of counts; they are not used',
    );
}

function windows(values: DicomValues, notes: Notes): ImageHeader['window'] {
  const centers = values.decimals(WINDOW_CENTER) ?? [];
  const widths = values.decimals(WINDOW_WIDTH) ?? [];
  if ([...centers, ...widths].some(Number.isNaN))
    notes.add('HEADER_REPAIRED', 'a window center or width is no number; that window is left out');
  return centers
    .map((center, i) => ({ center, width: widths[i] ?? Number.NaN }))
    .filter(({ center, width }) => !Number.isNaN(center) && width > 0)
    .slice(0, MOST_WINDOWS);
}

function voiFunction(values: DicomValues, notes: Notes): ImageHeader['voiFunction'] {
  const name = values.text(VOI_FUNCTION) ?? 'LINEAR';
  if (name === 'LINEAR' || name === 'LINEAR_EXACT' || name === 'SIGMOID') return name;
  notes.add('HEADER_REPAIRED', 'VOILUTFunction is none of the three there are; LINEAR is used');
  return 'LINEAR';
}

/**
 * Returns the stored values that stand for no image (DICOM PS3.3, section C.7.5.1.1.2), from `paddingValue`
 * to `paddingLimit`; null if there are none.
 */
export function padding(
  values: DicomValues,
  described: PixelDescription,
  notes: Notes,
): Pick<ImageHeader, 'paddingValue' | 'paddingLimit'> {
  if (described.samplesPerPixel !== 1) return { paddingValue: null, paddingLimit: null };
  const value = storedValue(values, PADDING.value, described, notes);
  const limit = value === null ? null : storedValue(values, PADDING.limit, described, notes);
  return { paddingValue: value, paddingLimit: limit };
}

/**
 * Writers give the number with or without a sign, of 16 bits or of BitsStored: the reading that a sample can
 * have is right.
 */
function storedValue(
  values: DicomValues,
  [integer, float, double]: readonly number[],
  described: PixelDescription,
  notes: Notes,
): number | null {
  if (described.pixelKind !== 'integer') return values.float32(float!) ?? values.float64(double!);
  const told = values.anyInteger(integer!);
  if (told === null) return null;
  const range = declaredRange({ ...described, rescale: { slope: 1, intercept: 0 } }, 'stored');
  const fits = (value: number): boolean => value >= range.min && value <= range.max;
  const widths = [described.bitsStored, 16, 32];
  const fitting = described.signed
    ? [told, ...widths.filter((bits) => told < 2 ** bits).map((bits) => told - 2 ** bits)].find(fits)
    : [told, told + 2 ** 16].find(fits);
  if (fitting === undefined)
    notes.add('HEADER_REPAIRED', 'the pixel padding is no value that a sample can have; it is not used');
  return fitting ?? null;
}
