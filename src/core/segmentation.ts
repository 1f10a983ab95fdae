import type { HeaderProblem, ImageHeader, Limits } from './dicom.js';
import { DicomCursor, HeaderStop } from './dicom-cursor.js';
import { PIXEL_KINDS } from './dicom-description.js';
import { Notes } from './dicom-notes.js';
import { startDataSet } from './dicom-start.js';
import { DicomValues } from './dicom-values.js';
import type { Plane } from './plane.js';
import { SegmentationVisitor } from './segmentation-visitor.js';
import type { ImageReference } from './structure-set.js';

/** A segment that becomes a structure; `item`: its place in SegmentSequence, counted from 1. */
export interface Segment {
  readonly item: number;
  readonly number: number;
  readonly structure: string;
}

/** The structures that pixels may be of, and why that is uncertain. */
export interface Doubt {
  readonly structures: readonly string[];
  /** `SEGMENT_NUMBER_TWICE`: several segments have their number; `SEGMENT_UNKNOWN`: they have none, or segments have none. */
  readonly code: 'SEGMENT_NUMBER_TWICE' | 'SEGMENT_UNKNOWN';
}

/** A frame as its functional groups describe it. */
export interface SegmentFrame {
  /** The place among `segments` of the one that it shows; null in a label map, whose values are the segments' numbers. */
  readonly segment: number | null;
  /** Those that the frame may show, where that is uncertain. */
  readonly doubtful?: Doubt;
  readonly plane: Plane | null;
  /** The images that it was made from. */
  readonly references: readonly ImageReference[];
}

/** What a segmentation says of its frames (DICOM PS3.3, sections A.51 and C.8.20.2), without their pixels. */
export interface SegmentationHeader {
  readonly type: 'binary' | 'fractional' | 'labelmap';
  /** MaximumFractionalValue: what stands for the whole pixel. */
  readonly whole: number;
  /** The value of a label map's pixels that belong to no segment, beside 0; null where none is named. */
  readonly padding: number | null;
  readonly segments: readonly Segment[];
  /** The structures of each number that several segments share; no such number is in `segments`. */
  readonly doubtful: readonly { readonly number: number; readonly structures: readonly string[] }[];
  /** The structures of segments without a number: one that is not defined may mean each of them. */
  readonly unnumbered: readonly string[];
  readonly frames: readonly SegmentFrame[];
  /** SOPInstanceUIDs of the images that its frames name. */
  readonly images: readonly string[];
  /** SeriesInstanceUIDs of the series that it says it was made from. */
  readonly series: readonly string[];
  /** The result of `madeAt`. */
  readonly made: string | null;
  readonly problems: readonly HeaderProblem[];
}

export type SegmentationRead =
  | { readonly kind: 'segmentation'; readonly segmentation: SegmentationHeader }
  | { readonly kind: 'refused'; readonly problem: HeaderProblem };

/** Elements of a segmentation's header: about 30 a frame. */
const MAX_ELEMENTS = 2_000_000;

/** Reads what is not in the image header from all bytes before the pixels. Never throws, whatever the bytes. */
export function readSegmentation(
  head: Uint8Array,
  header: ImageHeader,
  limits: Limits,
  isInflated = false,
): SegmentationRead {
  try {
    // The head is all there is of the file here, but for the pixels' own element.
    const cursor = new DicomCursor(head, head.length, limits, MAX_ELEMENTS);
    const values = new DicomValues(cursor);
    startDataSet(cursor, values, new Notes(), isInflated);
    const visitor = new SegmentationVisitor(cursor);
    while (cursor.position < head.length) {
      const element = cursor.next();
      if (PIXEL_KINDS.has(element.tag)) break;
      if (visitor.enters(element.tag)) cursor.walk(element, visitor);
      else {
        visitor.found('', element);
        cursor.skip(element);
      }
    }
    return visitor.finish(header);
  } catch (error) {
    if (error instanceof HeaderStop && error.outcome.kind === 'refused')
      return { kind: 'refused', problem: error.outcome.problem };
    return { kind: 'refused', problem: { code: 'HEADER_BROKEN', detail: 'an element cannot be read' } };
  }
}
