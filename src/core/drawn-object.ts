import type { HeaderProblem } from './dicom.js';
import type { Segmentation } from './segment-rasters.js';
import type { StructureSet } from './structure-set.js';

/** The images that an object with contours was drawn on, found by what it holds. */
export interface DrawnOn {
  /** `name`: it names their SOPInstanceUIDs; `plane`: something of it lies in their planes, in their frame of reference. */
  readonly by: 'name' | 'plane';
  /** Paths of image files. */
  readonly images: readonly string[];
}

/**
 * The data of a structure set or segmentation that the catalogue keeps. Its contours stay in the file, which
 * is read again to place them.
 */
export interface DrawnObject {
  readonly type: 'rtstruct' | 'seg';
  readonly sopInstanceUid: string;
  readonly studyUid: string;
  /** The series of the object itself. */
  readonly seriesUid: string;
  /** The result of `madeAt`. */
  readonly made: string | null;
  /** SHA-256 of the patient's id; null where there is none. */
  readonly patient: string | null;
  /** SeriesInstanceUIDs of the series that it names as those it was drawn on. */
  readonly series: readonly string[];
  /** SOPInstanceUIDs of the images that it names. */
  readonly images: readonly string[];
  /** FrameOfReferenceUIDs of its contours or frames. */
  readonly spaces: readonly string[];
  /** Share of the whole from which a fractional segmentation's pixel is inside; null for other objects. */
  readonly threshold: number | null;
  readonly problems: readonly HeaderProblem[];
}

/**
 * The most names of an object that are kept, of each kind: an object that names more still finds its images
 * by these.
 */
const MOST_NAMES = 65_536;
/** The most problems of an object that are kept, each about many contours. */
const MOST_PROBLEMS = 1_000;

export function drawnStructureSet(set: StructureSet): DrawnObject {
  const { rois, images, series, problems, sopInstanceUid, studyUid, seriesUid, made, patient } = set;
  const spaces = new Set(rois.flatMap(({ frameOfReferenceUid }) => frameOfReferenceUid ?? []));
  return kept({
    type: 'rtstruct',
    ...{ sopInstanceUid, studyUid, seriesUid, made, patient, images, series, problems },
    spaces: [...spaces],
    threshold: null,
  });
}

export function drawnSegmentation(segmentation: Segmentation): DrawnObject {
  const { images, series, problems, sopInstanceUid, studyUid, seriesUid, made, patient } = segmentation;
  const { frameOfReferenceUid, threshold } = segmentation;
  return kept({
    type: 'seg',
    ...{ sopInstanceUid, studyUid, seriesUid, made, patient, images, series, problems },
    spaces: frameOfReferenceUid === null ? [] : [frameOfReferenceUid],
    threshold,
  });
}

function kept(object: DrawnObject): DrawnObject {
  const { series, images, spaces, problems } = object;
  const isCut = [series, images, spaces].some(({ length }) => length > MOST_NAMES);
  const told: HeaderProblem[] = isCut
    ? [{ code: 'LIMIT_EXCEEDED', detail: `it names more than ${MOST_NAMES} series, images or spaces` }]
    : [];
  return {
    ...object,
    series: series.slice(0, MOST_NAMES),
    images: images.slice(0, MOST_NAMES),
    spaces: spaces.slice(0, MOST_NAMES),
    problems: firstProblems([...told, ...problems]),
  };
}

/** Returns the first problems of an object, as many as a person may read, and the number of the others. */
export function firstProblems(problems: readonly HeaderProblem[]): readonly HeaderProblem[] {
  const beyond = problems.length - MOST_PROBLEMS;
  if (beyond <= 0) return problems;
  const first = problems.slice(0, MOST_PROBLEMS);
  return [
    ...first,
    { code: 'LIMIT_EXCEEDED', detail: `${beyond} more problems of this file are not listed` },
  ];
}
