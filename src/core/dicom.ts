import type { TablePlace } from './colour.js';
import { identity, objectIdentity } from './dicom-attributes.js';
import { DicomCursor, HeaderStop } from './dicom-cursor.js';
import { describePixels } from './dicom-description.js';
import { describeFrames, type FrameDescription } from './dicom-frames.js';
import { FunctionalGroups } from './dicom-groups.js';
import { Notes } from './dicom-notes.js';
import { findPixels } from './dicom-pixels.js';
import { padding } from './dicom-scaling.js';
import { startDataSet } from './dicom-start.js';
import { LookupTables } from './dicom-tables.js';
import type { Timing } from './dicom-timing.js';
import { DicomValues } from './dicom-values.js';
import type { ProblemCode } from './problem.js';

/** What a header may ask for before a byte is allocated for it. */
export interface Limits {
  /** Largest Rows or Columns. */
  readonly maxSide: number;
  readonly maxFrames: number;
  /** Bytes that are read of a header. */
  readonly headerBytes: number;
  /** Bytes of one decoded frame. */
  readonly frameBytes: number;
  /** Sequences within sequences. */
  readonly nesting: number;
}

/** The limits that go with a loader of 1 GiB. */
export const DEFAULT_LIMITS: Limits = {
  maxSide: 16_384,
  maxFrames: 4_096,
  headerBytes: 256 * 1024 * 1024,
  frameBytes: 256 * 1024 * 1024,
  nesting: 64,
};

export type PixelKind = 'integer' | 'float' | 'double';

/** Why a header is refused, or what was odd about it; one line that holds no text of the file. */
export interface HeaderProblem {
  readonly code: ProblemCode;
  readonly detail: string;
}

/** What is known of an image without its pixels: plain data, the same after a round trip through JSON. */
export interface ImageHeader {
  /** Identifiers are taken as they are, without a check of their form; '' where the file has none; at most 64 characters. */
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly frameOfReferenceUid: string | null;
  readonly modality: string | null;
  /** Names a person: to be hashed at once, never logged, sent or kept. */
  readonly patientId: string | null;
  readonly seriesNumber: number | null;
  readonly instanceNumber: number | null;
  readonly transferSyntax: string;
  readonly rows: number;
  readonly columns: number;
  readonly frames: number;
  readonly samplesPerPixel: 1 | 3;
  /** At most 16 characters; '' where the file has none. */
  readonly photometric: string;
  /** 0: the samples of a pixel lie together; 1: each sample has its plane. */
  readonly planar: 0 | 1;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly highBit: number;
  readonly signed: boolean;
  readonly pixelKind: PixelKind;
  /** Modality value = slope · stored value + intercept (DICOM PS3.3, section C.11.1.1.2). */
  readonly rescale: { readonly slope: number; readonly intercept: number };
  readonly window: readonly { readonly center: number; readonly width: number }[];
  /** How a window is applied (DICOM PS3.3, section C.11.2.1.3). */
  readonly voiFunction: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';
  /** Of stored values to modality values, instead of `rescale`. */
  readonly modalityTable: TablePlace | null;
  /** Of modality values to shades, the first of them. */
  readonly voiTable: TablePlace | null;
  /** Red, green and blue of PALETTE COLOR. */
  readonly palette: readonly TablePlace[] | null;
  /** In stored values (DICOM PS3.3, section C.7.5.1.1.2). */
  readonly paddingValue: number | null;
  /** The other end of the range of padding; null if padding is one value. */
  readonly paddingLimit: number | null;
  /**
   * Between rows, between columns: PixelSpacing, else ImagerPixelSpacing (then with a note: distances at the
   * detector are those in the body times an unknown magnification).
   */
  readonly spacingMm: readonly [number, number] | null;
  /** Centre of the first pixel in mm; null where frames differ. */
  readonly position: readonly [number, number, number] | null;
  /** Direction cosines of a row, then of a column; null where frames differ. */
  readonly orientation: readonly number[] | null;
  /** Milliseconds after the R wave; null where the file doesn't say. */
  readonly triggerMs: number | null;
  /**
   * `offset` and `length` in bytes, `offset` from the file's start (of a deflated file: as if it were inflated); `length`
   * null for encapsulated frames. `frames`: for each encapsulated frame the places of its fragments, offset and length in
   * turn; null where the frames are not encapsulated, not looked for yet, or so many that they are found again when needed.
   * `strideBytes`: bytes from one native frame to the next, where their length does not tell and the bits did.
   */
  readonly pixelData: {
    readonly tag: string;
    readonly vr: string | null;
    readonly offset: number;
    readonly length: number | null;
    readonly frames: readonly (readonly number[])[] | null;
    readonly strideBytes?: number;
  };
  /** Bytes up to the pixels' value, or, where the image is described behind it, up to the end of what was read. */
  readonly headerBytes: number;
  readonly notes: readonly HeaderProblem[];
}

/** Which object a file is; identifiers as in `ImageHeader`, '' where they could not be read. */
export interface ObjectIdentity {
  /** What it is where its SOP class is none of an image (`RTSTRUCT`, `SEG`, `presentation state` …), else null. */
  readonly kind: string | null;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyUid: string;
  readonly seriesUid: string;
}

const NOTHING: ObjectIdentity = {
  kind: null,
  sopClassUid: '',
  sopInstanceUid: '',
  studyUid: '',
  seriesUid: '',
};

export type HeaderRead =
  | {
      readonly kind: 'header';
      readonly header: ImageHeader;
      readonly timing: Timing;
      /** What frames say for themselves; null where they agree on everything. */
      readonly frames: readonly FrameDescription[] | null;
    }
  | { readonly kind: 'more'; readonly atLeastBytes: number }
  | { readonly kind: 'deflated'; readonly offset: number }
  | { readonly kind: 'refused'; readonly problem: HeaderProblem; readonly object: ObjectIdentity };

/**
 * Reads an image's header from the first bytes of its file, up to the pixels' value and no further, except where that comes
 * before the description of the image. `more` asks to
 * be called again with at least so many bytes (always more than before, at most the whole file or
 * `limits.headerBytes`). Never throws, whatever the bytes; a transfer syntax or a pixel description that no codec
 * reads is not refused here but by `chooseCodec`, except where not even the header can be read. `deflated` tells where
 * a deflated data set starts: to be called again with `isInflated`, the meta group, and the inflated data set behind it.
 */
export function readHeader(
  prefix: Uint8Array,
  fileSizeBytes: number,
  limits: Limits,
  isInflated = false,
): HeaderRead {
  if (fileSizeBytes === 0)
    return { kind: 'refused', problem: { code: 'NOT_DICOM', detail: 'the file is empty' }, object: NOTHING };
  if (prefix.length === 0) return { kind: 'more', atLeastBytes: Math.min(fileSizeBytes, 65_536) };
  const cursor = new DicomCursor(prefix, fileSizeBytes, limits);
  const values = new DicomValues(cursor);
  const refused = (problem: HeaderProblem): HeaderRead => ({
    kind: 'refused',
    problem,
    object: objectIdentity(values),
  });
  try {
    return { kind: 'header', ...parse(cursor, values, isInflated) };
  } catch (error) {
    if (error instanceof HeaderStop)
      return error.outcome.kind === 'refused' ? refused(error.outcome.problem) : error.outcome;
    // From the parsing library: a text, an object or an error, with positions and perhaps values in it.
    return refused({ code: 'HEADER_BROKEN', detail: 'an element cannot be read' });
  }
}

function parse(
  cursor: DicomCursor,
  values: DicomValues,
  isInflated: boolean,
): Omit<Extract<HeaderRead, { kind: 'header' }>, 'kind'> {
  const notes = new Notes();
  const groups = new FunctionalGroups(cursor);
  const transferSyntax = startDataSet(cursor, values, notes, isInflated);
  const tables = new LookupTables(cursor);
  const { pixels, end } = findPixels(cursor, values, groups, tables, notes);
  const who = identity(values, notes);
  const described = describePixels(values, pixels, transferSyntax, notes);
  const padded = padding(values, described, notes);
  const places = tables.places(values, values.uint16(0x00280103) === 1, notes);
  const {
    header: told,
    timing,
    frames,
  } = describeFrames(values, groups, described.frames, places.voiTable, notes);
  const isWithoutPalette = described.photometric === 'PALETTE COLOR' && places.palette === null;
  if (isWithoutPalette)
    notes.add(
      'HEADER_REPAIRED',
      'the image has no palette that can be read; its colour numbers are taken as grey',
    );
  // One literal, and no spreads: an object of so many parts is otherwise half of what reading a header costs.
  const header: ImageHeader = {
    sopInstanceUid: who.sopInstanceUid,
    sopClassUid: who.sopClassUid,
    studyUid: who.studyUid,
    seriesUid: who.seriesUid,
    frameOfReferenceUid: who.frameOfReferenceUid,
    modality: who.modality,
    patientId: who.patientId,
    seriesNumber: who.seriesNumber,
    instanceNumber: who.instanceNumber,
    transferSyntax,
    rows: described.rows,
    columns: described.columns,
    frames: described.frames,
    samplesPerPixel: described.samplesPerPixel,
    photometric: isWithoutPalette ? 'MONOCHROME2' : described.photometric,
    planar: described.planar,
    bitsAllocated: described.bitsAllocated,
    bitsStored: described.bitsStored,
    highBit: described.highBit,
    signed: described.signed,
    pixelKind: described.pixelKind,
    rescale: told.rescale,
    window: told.window,
    voiFunction: told.voiFunction,
    modalityTable: places.modalityTable,
    voiTable: told.voiTable,
    palette: places.palette,
    paddingValue: padded.paddingValue,
    paddingLimit: padded.paddingLimit,
    spacingMm: told.spacingMm,
    position: told.position,
    orientation: told.orientation,
    triggerMs: told.triggerMs,
    pixelData: described.pixelData,
    headerBytes: end,
    notes: notes.list,
  };
  return { header, timing, frames };
}
