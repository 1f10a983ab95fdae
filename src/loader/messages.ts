import type { ContourParse } from '../core/contour.js';
import type { HeaderProblem, ImageHeader, ObjectIdentity } from '../core/dicom.js';
import type { FrameDescription } from '../core/dicom-frames.js';
import type { Timing } from '../core/dicom-timing.js';
import type { DrawnObject } from '../core/drawn-object.js';
import type { Containment } from '../core/finding-codes.js';
import type { Fit } from '../core/fit.js';
import type { BatchShape } from '../core/layout.js';
import type { LinkTable } from '../core/link-table.js';
import type { Normalize } from '../core/normalize.js';
import type { PackedImages } from '../core/packed-images.js';
import type { PictureRange } from '../core/picture-range.js';
import type { ImageDType } from '../core/pixels.js';
import type { ProblemCode } from '../core/problem.js';
import type { MaskRule } from '../core/rasterize.js';
import type { MeasuredStructure, StructureMeasures } from '../core/structure-measures.js';
import type { Values } from '../core/values.js';
import type { BytesPiece } from './long-bytes.js';
import type { SealedSource } from './sealed.js';

/** What a file of a source is read as; `image` is any DICOM file; `any`: its first bytes tell. */
type FileKind = 'image' | 'contour' | 'table' | 'any';

/** One file of a scan. */
export interface ScanUnit {
  readonly path: string;
  readonly kind: FileKind;
  readonly sizeBytes: number;
  /** Whether the pixels of each frame are read too, for a checksum. */
  readonly withChecksums: boolean;
}

/** What a scan read of a file; `headerDigest` is the SHA-256 of all before the pixel data. */
export type ScanFinding =
  | {
      readonly kind: 'image';
      readonly header: ImageHeader;
      readonly timing: Timing;
      /** What frames say for themselves; null where they agree on everything. */
      readonly frames: readonly FrameDescription[] | null;
      readonly headerDigest: string;
      /** SHA-256 of the patient's id; null where the file names none. The id itself stays in the loader. */
      readonly patient: string | null;
      /** CRC-32 of each frame's pixel bytes, where asked for. */
      readonly checksums: readonly number[] | null;
      /** The file's guard when it was read. */
      readonly guard: string;
    }
  /** A DICOM object that is no image and has no contours: a report, a plan. */
  | {
      readonly kind: 'object';
      readonly object: ObjectIdentity;
      readonly code: ProblemCode;
      readonly detail: string;
    }
  /** A structure set or a segmentation. */
  | { readonly kind: 'drawn'; readonly drawn: DrawnObject }
  | { readonly kind: 'contour'; readonly contour: ContourParse }
  | { readonly kind: 'table'; readonly table: LinkTable }
  /** A zip, which is not opened by reading it. */
  | { readonly kind: 'zip' }
  | {
      readonly kind: 'refused';
      readonly code: ProblemCode;
      readonly detail: string;
      /** Which object it is, where that much was read. */
      readonly object: ObjectIdentity | null;
    };

/** How the values and masks of a batch are made: decode, values, normalize, fit, dtype. */
export interface Recipe {
  readonly values: Values;
  readonly normalize: Normalize;
  readonly fit: Fit;
  /** In the padding of images, after `normalize`. */
  readonly fill: number;
  readonly dtype: ImageDType;
  readonly rule: MaskRule;
}

/** The file and frame that a slot is loaded from, with what the catalogue knows of it. */
export interface PairSource {
  readonly root: string;
  readonly path: string;
  readonly guard: string;
  readonly header: ImageHeader;
  readonly headerDigest: string;
  readonly checksum: number | null;
  readonly frame: number;
  /** Nothing of the file is kept beyond the batch. */
  readonly isPassing?: true;
}

/** One slot of a batch; `place` is the pair's place in the snapshot. Without a source it stays empty. */
export interface LoadUnit {
  readonly slot: number;
  readonly place: number;
  readonly source: SealedSource | null;
}

/** What came of a slot. `checksum` and `guard` are set where the catalogue did not know them. */
export type LoadOutcome =
  | { readonly kind: 'loaded'; readonly checksum: number | null; readonly guard: string | null }
  | { readonly kind: 'empty' }
  | { readonly kind: 'changed' }
  /** The system does not let the file be read; `errno`: its name of the error. */
  | { readonly kind: 'unreadable'; readonly errno: string }
  | { readonly kind: 'range'; readonly detail: string }
  | { readonly kind: 'broken'; readonly code: ProblemCode; readonly detail: string };

/** A picture of a finished batch; `scale` for one pair, a contact sheet without it. */
export interface DrawUnit {
  readonly segment: string;
  readonly shape: BatchShape;
  readonly structures: readonly string[];
  readonly titles: readonly (string | null)[];
  readonly title: string;
  /** Null: a contact sheet. */
  readonly scale: number | null;
  /** Whether the picture of one pair has its name and the names of its structures below. */
  readonly caption: boolean;
  /** For each slot; those that are left over are shown by their values. */
  readonly ranges: readonly PictureRange[];
}

/** One frame of one file, for a person. */
export interface DecodeUnit {
  readonly root: string;
  readonly path: string;
  readonly frame: number;
  readonly values: Values;
  /** Whether the values come back too, and not their digest alone. */
  readonly withValues: boolean;
}

/** What a frame was decoded to; `values` by pixel in little-endian order, H × W or H × W × 3. */
export type DecodeFinding =
  | {
      readonly kind: 'decoded';
      readonly shape: readonly number[];
      readonly dtype: string;
      readonly min: number;
      readonly max: number;
      readonly sha256: string;
      readonly frames: number;
      readonly transferSyntax: string;
      readonly problems: readonly HeaderProblem[];
      readonly values: Uint8Array | null;
    }
  | { readonly kind: 'refused'; readonly code: ProblemCode; readonly detail: string };

/** A part of a zip to be expanded: `zip` is its number in `folder`, `from` an entry, `number` that of the first file to write. */
export interface UnpackUnit {
  readonly folder: string;
  readonly zip: number;
  readonly from: number;
  readonly number: number;
  readonly filesLeft: number;
  readonly bytesLeft: number;
  /** What is said of a zip that expands to more. */
  readonly limitDetail: string;
  /** Whether files are to reach the disk before they count. */
  readonly durable: boolean;
}

/** A file of a zip as it was written. */
export interface UnpackedFile {
  readonly number: number;
  readonly name: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** What came of a part of a zip; `next` is the entry to go on with, null at the end. */
export type Unpacked =
  | { readonly kind: 'unpacked'; readonly files: readonly UnpackedFile[]; readonly next: number | null }
  | { readonly kind: 'refused'; readonly isLimit: boolean; readonly detail: string };

/** A slice whose structures are measured against its image. */
export interface MeasureUnit {
  readonly source: PairSource;
  readonly structures: readonly MeasuredStructure[];
}

/** What was measured of a slice; `unread` says why its image could not be read, where it could not. */
export type MeasureOutcome =
  | {
      readonly kind: 'measured';
      readonly structures: readonly StructureMeasures[];
      readonly unread: string | null;
    }
  | { readonly kind: 'changed' };

/** A structure set or segmentation whose contours are looked for on images. */
export interface PlaceUnit {
  readonly path: string;
  readonly type: DrawnObject['type'];
  readonly sizeBytes: number;
  /** The file's guard when it was scanned; null where nobody else can change it. */
  readonly guard: string | null;
  /**
   * `contours`: where each of them is. `touched`: the images in whose planes some of them lie, whatever they name. Over
   * `limitBytes`, as they come back, the object is refused as a whole.
   */
  readonly wanted: { readonly kind: 'contours'; readonly limitBytes: number } | { readonly kind: 'touched' };
}

/** `UnusedPart`s in columns. */
export interface PackedUnused {
  readonly places: Uint32Array;
  readonly structures: readonly string[];
  /** For each the place of its structure among `structures`. */
  readonly structureOf: Uint32Array;
  /** 1 for those that are beside. */
  readonly beside: Uint8Array;
}

/** The result of placing an object; `changed`: the file is another one than when it was scanned. */
export type PlaceOutcome =
  | {
      readonly kind: 'placed';
      /** As `readContours` reads it, with `structures`. */
      readonly contours: Uint8Array;
      readonly structures: readonly string[];
      readonly unused: PackedUnused;
      readonly problems: readonly HeaderProblem[];
      /** Why there is no contour; null where there is one. */
      readonly nothing: string | null;
    }
  | { readonly kind: 'touched'; readonly places: Uint32Array }
  | { readonly kind: 'changed' }
  | { readonly kind: 'refused'; readonly code: ProblemCode; readonly detail: string };

/** Each kind of task, its units and what comes back for each unit, in order. */
export interface TaskKinds {
  scan: { task: { readonly root: string }; unit: ScanUnit; outcome: ScanFinding };
  load: {
    task: { readonly segment: string; readonly shape: BatchShape; readonly recipe: Recipe };
    unit: LoadUnit;
    outcome: LoadOutcome;
  };
  decode: { task: object; unit: DecodeUnit; outcome: DecodeFinding };
  draw: { task: object; unit: DrawUnit; outcome: Uint8Array };
  measure: {
    task: { readonly containments: readonly Containment[] };
    unit: MeasureUnit;
    outcome: MeasureOutcome;
  };
  place: {
    task: { readonly root: string; readonly images: PackedImages; readonly toleranceMm: number };
    unit: PlaceUnit;
    outcome: PlaceOutcome;
  };
  unpack: { task: object; unit: UnpackUnit; outcome: Unpacked };
}

export type TaskKind = keyof TaskKinds;

export type Task<K extends TaskKind = TaskKind> = {
  [P in K]: { readonly kind: P; readonly units: readonly TaskKinds[P]['unit'][] } & TaskKinds[P]['task'];
}[K];

/** Limits that a loader holds to, handed over with its first message. */
export interface LoaderLimits {
  readonly headerBytes: number;
  readonly frameBytes: number;
  readonly maxSide: number;
  readonly maxFrames: number;
  readonly nesting: number;
  readonly fileBytes: number;
  readonly contourPoints: number;
  /** Sealed bytes of sources that a loader keeps for later tasks. */
  readonly keptBytes: number;
  /** Share of the whole from which a pixel of a fractional segmentation is inside. */
  readonly segmentFraction: number;
}

/** What a loader's cache of decoded frames did. */
export interface DecodeTally {
  readonly hits: number;
  readonly misses: number;
  readonly writtenBytes: number;
}

/** Parent to child. `decodedFolder`: where decoded frames are kept, null for nowhere; `sharesSegments`: whether segments can be mapped. */
export type ToLoader =
  | {
      readonly type: 'limits';
      readonly limits: LoaderLimits;
      readonly decodedFolder: string | null;
      readonly sharesSegments: boolean;
    }
  /** `forgets`: sources that came before are sent again, because a task failed and may not have kept them. */
  | { readonly type: 'task'; readonly id: number; readonly task: Task; readonly forgets: boolean };

/**
 * Child to parent. `room`: the task could not be done for want of disk space, descriptors or memory, which says
 * nothing of its files.
 */
export type FromLoader =
  | { readonly type: 'ready' }
  /** Comes before the answer that it belongs to. */
  | { readonly type: 'bytes'; readonly id: number; readonly piece: BytesPiece }
  | {
      readonly type: 'done';
      readonly id: number;
      readonly outcomes: readonly unknown[];
      /** Where the task had to do with frames that are worth keeping decoded. */
      readonly decodes?: DecodeTally;
    }
  | { readonly type: 'room'; readonly id: number; readonly reason: string }
  | { readonly type: 'failed'; readonly id: number; readonly reason: string };
