import {
  type Element,
  type Fragments,
  isFragments,
  merge,
  present,
  type Samples,
  seededUid,
  type Value,
} from './part10.js';

type Pixel = 'bitsAllocated' | 'bitsStored' | 'samplesPerPixel' | 'planar' | 'frames';
type Scale = 'rescaleSlope' | 'rescaleIntercept' | 'windowCenter' | 'windowWidth';
type Numbers = Pixel | Scale | 'instanceNumber';
type Uids = 'sopInstanceUid' | 'studyUid' | 'seriesUid';
type Texts = Uids | 'seed' | 'patientId' | 'patientName' | 'modality';

/**
 * What an image says of itself; lengths in mm, every text and UID as it is to be written. By default `bitsAllocated` is
 * the size of a sample (16 for fragments), `bitsStored` the same, `signed` by the type of array, `samplesPerPixel` 1,
 * `planar` 0 (colour by pixel) where there are several samples, and the UIDs are made of `seed`.
 */
export interface ImageOptions extends Partial<Record<Numbers, number>>, Partial<Record<Texts, string>> {
  readonly rows: number;
  readonly columns: number;
  /** Native samples (floats become Float or Double Float Pixel Data) or compressed frames; the length isn't checked. */
  readonly pixels: Samples | Fragments;
  readonly signed?: boolean;
  /** Default: `MONOCHROME2`, or `RGB` with three samples per pixel. */
  readonly photometric?: string;
  /** Between rows, between columns. */
  readonly spacingMm?: readonly [number, number];
  readonly position?: readonly [number, number, number];
  /** The direction cosines of a row, then of a column. */
  readonly orientation?: readonly [number, number, number, number, number, number];
  /** Default: MR or CT image storage for those modalities, else secondary capture. */
  readonly sopClassUid?: string;
  /** Added; each replaces the one made here that has its tag. */
  readonly extra?: readonly Element[];
}

const SOP_CLASSES: Record<string, string> = {
  MR: '1.2.840.10008.5.1.4.1.1.4',
  CT: '1.2.840.10008.5.1.4.1.1.2',
};

/** The usual elements of a single- or multi-frame image, unsorted; an attribute that isn't given and has no default is left out. */
export function imageElements(image: ImageOptions): Element[] {
  const { pixels, modality = 'OT', samplesPerPixel = 1, seed = 'image' } = image;
  const float = pixels instanceof Float32Array || pixels instanceof Float64Array;
  const bitsAllocated = image.bitsAllocated ?? (isFragments(pixels) ? 16 : 8 * pixels.BYTES_PER_ELEMENT);
  const bitsStored = image.bitsStored ?? bitsAllocated;
  const signed = image.signed ?? /^(Big)?Int/.test(pixels.constructor.name);
  const rescaled = image.rescaleSlope !== undefined || image.rescaleIntercept !== undefined;
  const made = present([
    ['00080016', 'UI', image.sopClassUid ?? SOP_CLASSES[modality] ?? '1.2.840.10008.5.1.4.1.1.7'],
    ['00080018', 'UI', image.sopInstanceUid ?? seededUid(`${seed} instance`)],
    ['00080060', 'CS', modality],
    ['00100010', 'PN', image.patientName],
    ['00100020', 'LO', image.patientId],
    ['0020000d', 'UI', image.studyUid ?? seededUid(`${seed} study`)],
    ['0020000e', 'UI', image.seriesUid ?? seededUid(`${seed} series`)],
    ['00200013', 'IS', image.instanceNumber],
    ['00200032', 'DS', image.position],
    ['00200037', 'DS', image.orientation],
    ['00280002', 'US', samplesPerPixel],
    ['00280004', 'CS', image.photometric ?? (samplesPerPixel === 3 ? 'RGB' : 'MONOCHROME2')],
    ['00280006', 'US', image.planar ?? (samplesPerPixel > 1 ? 0 : undefined)],
    ['00280008', 'IS', image.frames],
    ['00280010', 'US', image.rows],
    ['00280011', 'US', image.columns],
    ['00280030', 'DS', image.spacingMm],
    ['00280100', 'US', bitsAllocated],
    // Float pixel data has no stored bits and no sign: PS3.3 C.7.6.24 and C.7.6.25.
    ['00280101', 'US', float ? undefined : bitsStored],
    ['00280102', 'US', float ? undefined : bitsStored - 1],
    ['00280103', 'US', float ? undefined : Number(signed)],
    ['00281050', 'DS', image.windowCenter],
    ['00281051', 'DS', image.windowWidth],
    ['00281052', 'DS', rescaled ? (image.rescaleIntercept ?? 0) : undefined],
    ['00281053', 'DS', rescaled ? (image.rescaleSlope ?? 1) : undefined],
    pixelData(pixels, bitsAllocated),
  ]);
  return merge(made, image.extra ?? []);
}

function pixelData(pixels: Samples | Fragments, bitsAllocated: number): [string, string, Value] {
  if (pixels instanceof Float32Array) return ['7fe00008', 'OF', pixels];
  if (pixels instanceof Float64Array) return ['7fe00009', 'OD', pixels];
  return ['7fe00010', isFragments(pixels) || bitsAllocated <= 8 ? 'OB' : 'OW', pixels];
}
