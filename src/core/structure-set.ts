import type { HeaderProblem, Limits } from './dicom.js';
import { DicomCursor, HeaderStop } from './dicom-cursor.js';
import { MADE_TAGS, madeAt } from './dicom-made.js';
import { Notes } from './dicom-notes.js';
import { startDataSet } from './dicom-start.js';
import { DicomValues, shortIdentifier } from './dicom-values.js';
import type { ProblemCode } from './problem.js';
import { StructureSetVisitor } from './structure-set-visitor.js';

/** An image that a contour or a frame names: a place in a table of SOPInstanceUIDs, and a frame counted from 1 where it says one. */
export interface ImageReference {
  readonly image: number;
  readonly frame: number | null;
}

/** A closed contour of an ROI: points [first, first + count) of its structure set. */
export interface RoiContour {
  /** How it joins the ROI's other contours of its plane: CLOSED_PLANAR, or CLOSEDPLANAR_XOR. */
  readonly type: 'closed' | 'xor';
  /** Its item in the ROI's ContourSequence, counted from 1. */
  readonly item: number;
  readonly first: number;
  readonly count: number;
  readonly references: readonly ImageReference[];
}

/** A contour that cannot be drawn; its place is kept as far as it is known. */
export interface LostContour {
  /** The item of the contour's ROI, as in `Roi`. */
  readonly roi: number;
  readonly structure: string;
  readonly frameOfReferenceUid: string | null;
  readonly code: ProblemCode;
  /**
   * Whether the contour encloses nothing: an open contour, or two points. A single point is no lost contour.
   */
  readonly isEmpty: boolean;
  /** A few of its points, [first, first + count) of the structure set; empty if they cannot be read. */
  readonly first: number;
  readonly count: number;
  readonly references: readonly ImageReference[];
}

/** One ROI; `item`: its place in ROIContourSequence, counted from 1. */
export interface Roi {
  readonly item: number;
  readonly structure: string;
  readonly frameOfReferenceUid: string | null;
  readonly contours: readonly RoiContour[];
}

/** What is read of an RT structure set (DICOM PS3.3, section A.19): plain data, but for the points. */
export interface StructureSet {
  readonly sopInstanceUid: string;
  readonly studyUid: string;
  /** The series of the structure set itself. */
  readonly seriesUid: string;
  /** The result of `madeAt`. */
  readonly made: string | null;
  /** The patient's id as it was read; outside the loader, its SHA-256. Null if there is none. */
  readonly patient: string | null;
  readonly rois: readonly Roi[];
  readonly lost: readonly LostContour[];
  /** SOPInstanceUIDs of the images that its contours name. */
  readonly images: readonly string[];
  /** SeriesInstanceUIDs of the series that it says it was drawn on. */
  readonly series: readonly string[];
  /** x, y, z, x, y, z … of all contours, in mm in the patient coordinate system. */
  readonly points: Float64Array;
  readonly problems: readonly HeaderProblem[];
}

export type StructureSetRead =
  | { readonly kind: 'structures'; readonly structures: StructureSet }
  /** Where a deflated data set starts: to be called again with `isInflated`, the meta group, and the inflated data set behind it. */
  | { readonly kind: 'deflated'; readonly offset: number }
  | { readonly kind: 'refused'; readonly problem: HeaderProblem };

/** Elements of a structure set; one of 400,000 contours has so many. */
const MAX_ELEMENTS = 4_000_000;

const SOP_INSTANCE = 0x00080018;
const STUDY = 0x0020000d;
const SERIES = 0x0020000e;
const PATIENT = 0x00100020;
const CHARACTER_SET = 0x00080005;
const FRAME_OF_REFERENCE = 0x00200052;
const KEPT = new Set([SOP_INSTANCE, STUDY, SERIES, PATIENT, CHARACTER_SET, FRAME_OF_REFERENCE, ...MADE_TAGS]);

/**
 * Reads a whole RT structure set. Never throws, whatever the bytes. What can't be drawn (points, open contours, too few or too many points,
 * coordinates that are no numbers) is left out and told in `problems`, which hold no text of the file.
 */
export function readStructureSet(
  bytes: Uint8Array,
  limits: Limits & { readonly contourPoints: number },
  isInflated = false,
): StructureSetRead {
  try {
    const cursor = new DicomCursor(bytes, bytes.length, limits, MAX_ELEMENTS);
    const values = new DicomValues(cursor);
    const notes = new Notes();
    startDataSet(cursor, values, notes, isInflated);
    const visitor = new StructureSetVisitor(cursor, limits.contourPoints);
    while (cursor.position < cursor.fileSizeBytes) {
      const element = cursor.next();
      if (visitor.enters(element.tag)) cursor.walk(element, visitor);
      else {
        if (KEPT.has(element.tag)) values.keep(element);
        cursor.skip(element);
      }
    }
    const identifier = (tag: number): string => shortIdentifier(values.text(tag) ?? '');
    const found = visitor.finish(values.text(CHARACTER_SET), values.text(FRAME_OF_REFERENCE));
    const structures = {
      sopInstanceUid: identifier(SOP_INSTANCE),
      studyUid: identifier(STUDY),
      seriesUid: identifier(SERIES),
      made: madeAt((tag) => values.text(tag)),
      patient: values.text(PATIENT),
      ...found,
      problems: [...notes.list, ...found.problems],
    };
    return { kind: 'structures', structures };
  } catch (error) {
    const outcome = error instanceof HeaderStop ? error.outcome : null;
    if (outcome?.kind === 'deflated') return outcome;
    if (outcome?.kind === 'refused') return { kind: 'refused', problem: outcome.problem };
    return { kind: 'refused', problem: { code: 'HEADER_BROKEN', detail: 'an element cannot be read' } };
  }
}
