import type { HeaderProblem, ImageHeader, Limits, PixelKind } from './dicom.js';
import { type DicomElement, refusal, tagName } from './dicom-cursor.js';
import type { Notes } from './dicom-notes.js';
import { isNative, transferSyntaxName } from './dicom-uids.js';
import type { DicomValues } from './dicom-values.js';

/** Pixel Data, Float Pixel Data and Double Float Pixel Data (DICOM PS3.3, sections C.7.6.3 and C.7.6.24 ff.). */
export const PIXEL_KINDS: ReadonlyMap<number, PixelKind> = new Map([
  [0x7fe00010, 'integer'],
  [0x7fe00008, 'float'],
  [0x7fe00009, 'double'],
]);

export type PixelDescription = Pick<
  ImageHeader,
  | 'rows'
  | 'columns'
  | 'frames'
  | 'samplesPerPixel'
  | 'photometric'
  | 'planar'
  | 'bitsAllocated'
  | 'bitsStored'
  | 'highBit'
  | 'signed'
  | 'pixelKind'
  | 'pixelData'
>;

/** Bytes of one native frame; a fraction where a frame of single bits does not end on a byte. */
export function frameSizeBytes(
  image: Pick<ImageHeader, 'rows' | 'columns' | 'samplesPerPixel' | 'bitsAllocated' | 'photometric'>,
): number {
  // Native 4:2:2 and 4:2:0 frames share chroma between pixels (DICOM PS3.3, section C.7.6.3.1.2).
  const samples = image.photometric.endsWith('_422')
    ? 2
    : image.photometric.endsWith('_420')
      ? 1.5
      : image.samplesPerPixel;
  return (image.rows * image.columns * samples * image.bitsAllocated) / 8;
}

type Framed = Pick<
  ImageHeader,
  'rows' | 'columns' | 'samplesPerPixel' | 'bitsAllocated' | 'photometric' | 'frames' | 'pixelData'
>;

/**
 * Bytes from one native frame to the next, by each way of packing that the length of the pixel data fits: the frame's own bytes, a
 * fraction if single bits follow each other without a gap (DICOM PS3.5, section 8.1.1); then filled up to a whole or an even number
 * of bytes, as some writers do. None if it fits no way.
 */
export function frameStrides(image: Framed): number[] {
  const size = frameSizeBytes(image);
  const { length } = image.pixelData;
  if (length === null) return [size];
  const whole = Math.ceil(size);
  const fits = (stride: number): boolean => {
    const bytes = Math.ceil(stride * image.frames);
    return length === bytes || length === bytes + 1;
  };
  return [...new Set([size, whole, even(whole)])].filter(fits);
}

/** Bytes from one native frame to the next: what was settled by the bits, else by the length; the standard's way where both fit. */
export function frameStrideBytes(image: Framed): number {
  return image.pixelData.strideBytes ?? frameStrides(image)[0] ?? frameSizeBytes(image);
}

export function filledNote(strideBytes: number): HeaderProblem {
  return {
    code: 'HEADER_REPAIRED',
    detail: `the pixel data is as long as that of frames filled up to ${strideBytes} bytes each, and is read so`,
  };
}

function even(count: number): number {
  return count + (count % 2);
}

/**
 * The image pixel description with every check that needs no pixel: against itself, against the limits, against
 * the declared length of native pixel data and the file's size. Throws `HeaderStop`.
 */
export function describePixels(
  values: DicomValues,
  element: DicomElement,
  transferSyntax: string,
  notes: Notes,
): PixelDescription {
  const { limits, fileSizeBytes } = values.cursor;
  const rows = side(values, 0x00280010, 'Rows', limits);
  const columns = side(values, 0x00280011, 'Columns', limits);
  const frames = frameCount(values, limits, notes);
  const told = (values.text(0x00280004) ?? '').slice(0, 16);
  const samplesPerPixel = samples(values, told, notes);
  const photometric = interpretation(told, samplesPerPixel, notes);
  const description = {
    rows,
    columns,
    frames,
    samplesPerPixel,
    photometric,
    planar: planar(values, samplesPerPixel, notes),
    ...bits(values, PIXEL_KINDS.get(element.tag)!, notes),
    pixelData: {
      tag: tagName(element.tag),
      vr: element.vr,
      offset: element.offset,
      length: element.undefinedLength ? null : element.length,
      frames: null,
    },
  };
  const sampleBytes = Math.ceil(description.bitsAllocated / 8);
  const frameBytes = rows * columns * samplesPerPixel * (sampleBytes === 3 ? 4 : sampleBytes);
  if (frameBytes > limits.frameBytes) {
    throw refusal('LIMIT_EXCEEDED', `a frame has ${frameBytes} bytes; the limit is ${limits.frameBytes}`);
  }
  if (isNative(transferSyntax)) return checkLength(description, fileSizeBytes, notes);
  if (!element.undefinedLength) {
    if (!values.cursor.isItem(element.offset))
      throw refusal(
        'HEADER_BROKEN',
        `${transferSyntaxName(transferSyntax)} asks for fragments, the pixel data is one plain run`,
      );
    notes.add('HEADER_REPAIRED', 'the fragments of the pixel data are in a length of their own');
    return { ...description, pixelData: { ...description.pixelData, length: null } };
  }
  return description;
}

function checkLength(told: PixelDescription, fileSizeBytes: number, notes: Notes): PixelDescription {
  const { offset, length } = told.pixelData;
  if (length === null) {
    throw refusal('HEADER_BROKEN', 'the pixel data is in fragments, which its transfer syntax does not have');
  }
  // Some writers unfold the shared chroma and keep its name.
  const whole = { ...told, photometric: told.photometric.replace(/_42\d$/, '') };
  const isUnfolded = whole.photometric !== told.photometric && length >= frameSizeBytes(whole) * told.frames;
  if (isUnfolded)
    notes.add('HEADER_REPAIRED', `the pixel data is as long as that of ${whole.photometric}, which is used`);
  const image = isUnfolded ? whole : told;
  const stride = frameStrideBytes(image);
  const { bitsAllocated, columns, rows, frames } = image;
  const rowsFilled = Math.ceil(columns / 8) * rows * frames;
  if (bitsAllocated === 1 && stride === frameSizeBytes(image) && length > even(Math.ceil(stride * frames)))
    if (length === rowsFilled || length === even(rowsFilled))
      throw refusal(
        'PIXELS_LONG',
        'the pixel data is as long as that of rows filled up to whole bytes, which is not read: DICOM has single bits without a gap',
      );
  if (stride !== frameSizeBytes(image)) {
    const { code, detail } = filledNote(stride);
    notes.add(code, detail);
  }
  const wanted = Math.ceil(stride * image.frames);
  if (bitsAllocated === 1 && frames > 1 && length > wanted + 1)
    throw refusal('PIXELS_LONG', longer(wanted, length, 'where its frames begin is unknown'));
  const present = Math.min(length, Math.max(0, fileSizeBytes - offset));
  if (present < wanted) {
    const reason = present < length ? `the file ends after ${present} of them` : `the file has ${present}`;
    throw refusal('PIXELS_SHORT', `the image needs ${wanted} bytes of pixel data, ${reason}`);
  }
  if (length > wanted + 1) {
    notes.add('PIXELS_LONG', longer(wanted, length, 'the rest is not read'));
  }
  return image;
}

function longer(wanted: number, length: number, outcome: string): string {
  return `the image needs ${wanted} bytes of pixel data, the file has ${length}; ${outcome}`;
}

function side(values: DicomValues, tag: number, name: string, limits: Limits): number {
  const value = values.uint16(tag);
  if (value === null) throw refusal('HEADER_BROKEN', `${name} is missing`);
  if (value === 0) throw refusal('HEADER_BROKEN', `${name} is 0`);
  if (value > limits.maxSide) {
    throw refusal('LIMIT_EXCEEDED', `${name} is ${value}; the limit is ${limits.maxSide}`);
  }
  return value;
}

function frameCount(values: DicomValues, limits: Limits, notes: Notes): number {
  const value = values.integer(0x00280008);
  if (value === null) return 1;
  if (Number.isNaN(value) || value < 0) throw refusal('HEADER_BROKEN', 'NumberOfFrames is not a count');
  if (value === 0) {
    notes.add('HEADER_REPAIRED', 'NumberOfFrames is 0; 1 is used');
    return 1;
  }
  if (value > limits.maxFrames) {
    throw refusal('LIMIT_EXCEEDED', `NumberOfFrames is ${value}; the limit is ${limits.maxFrames}`);
  }
  return value;
}

function samples(values: DicomValues, photometric: string, notes: Notes): 1 | 3 {
  const value = values.uint16(0x00280002);
  if (value === 1 || value === 3) return value;
  if (value !== null) throw refusal('PIXELS_UNSUPPORTED', `SamplesPerPixel is ${value}; 1 and 3 are read`);
  const assumed = /^(RGB|YBR_)/.test(photometric) ? 3 : 1;
  notes.add('HEADER_REPAIRED', `SamplesPerPixel is missing; ${assumed} is used`);
  return assumed;
}

const GREY = new Set(['MONOCHROME1', 'MONOCHROME2', 'PALETTE COLOR']);
/** HSV, retired, is not among them: no reader converts it. */
const COLOUR = /^(RGB|YBR_.*)$/;

/** One that says another number of samples than there are, or nothing that is known, is read as the plainest there is. */
function interpretation(told: string, samplesPerPixel: 1 | 3, notes: Notes): string {
  if (samplesPerPixel === 1 ? GREY.has(told) : COLOUR.test(told)) return told;
  const used = samplesPerPixel === 1 ? 'MONOCHROME2' : 'RGB';
  notes.add(
    'HEADER_REPAIRED',
    `PhotometricInterpretation is missing, not read, or of another number of samples than ${samplesPerPixel}; ${used} is used`,
  );
  return used;
}

function planar(values: DicomValues, samplesPerPixel: number, notes: Notes): 0 | 1 {
  if (samplesPerPixel === 1) return 0;
  const value = values.uint16(0x00280006);
  if (value === 0 || value === 1) return value;
  if (value !== null) throw refusal('HEADER_BROKEN', `PlanarConfiguration is ${value}; it is 0 or 1`);
  notes.add('HEADER_REPAIRED', 'PlanarConfiguration is missing; 0 is used');
  return 0;
}

function bits(
  values: DicomValues,
  pixelKind: PixelKind,
  notes: Notes,
): Pick<ImageHeader, 'bitsAllocated' | 'bitsStored' | 'highBit' | 'signed' | 'pixelKind'> {
  const bitsAllocated = values.uint16(0x00280100);
  if (bitsAllocated === null) throw refusal('HEADER_BROKEN', 'BitsAllocated is missing');
  const allowed = pixelKind === 'integer' ? [1, 8, 12, 16, 32, 64] : pixelKind === 'float' ? [32] : [64];
  if (!allowed.includes(bitsAllocated)) {
    throw refusal('PIXELS_UNSUPPORTED', `BitsAllocated is ${bitsAllocated}; ${allowed.join(', ')} can be`);
  }
  if (pixelKind !== 'integer') {
    return { bitsAllocated, bitsStored: bitsAllocated, highBit: bitsAllocated - 1, signed: true, pixelKind };
  }
  const assume = (name: string, value: number): number => {
    notes.add('HEADER_REPAIRED', `${name} is missing; ${value} is used`);
    return value;
  };
  // What can't be is read as if it were not there, as other readers do.
  const usable = (name: string, tag: number, least: number, most: number, otherwise: number): number => {
    const value = values.uint16(tag);
    if (value === null) return assume(name, otherwise);
    if (value >= least && value <= most) return value;
    notes.add('HEADER_REPAIRED', `${name} is ${value}, which cannot be; ${otherwise} is used`);
    return otherwise;
  };
  const bitsStored = usable('BitsStored', 0x00280101, 1, bitsAllocated, bitsAllocated);
  const highBit = usable('HighBit', 0x00280102, bitsStored - 1, bitsAllocated - 1, bitsStored - 1);
  const sign = values.uint16(0x00280103) ?? assume('PixelRepresentation', 0);
  if (sign > 1) throw refusal('HEADER_BROKEN', `PixelRepresentation is ${sign}; it is 0 or 1`);
  return { bitsAllocated, bitsStored, highBit, signed: sign === 1, pixelKind };
}
