import type { StudyId } from './ids.js';
import type { Problem } from './problem.js';

/** What pairing knows of a file: where it lies, and what a loader said that it is. */
export interface FoundFile {
  readonly path: string;
  /** `object`: a DICOM object that is no image; `refused`: a file that cannot be used; `foreign`: no DICOM at all. */
  readonly kind: 'image' | 'object' | 'contour' | 'table' | 'refused' | 'foreign';
  /** Names the study that the file says it belongs to, by `studyKey`; null where it says nothing. */
  readonly study: string | null;
  /** SeriesInstanceUIDs: an image's own, or those that contours were drawn on. */
  readonly series: readonly string[];
  /** SHA-256 of the patient's id, null where the file has none. */
  readonly patient: string | null;
}

/** An image file; `number` is its place in the study where the folder's rule numbers images, else null. */
export interface ImageFile {
  readonly path: string;
  readonly number: number | null;
}

/** A contour file, what it outlines, and the number of the image that it was drawn on. */
export interface ContourFile {
  readonly path: string;
  readonly number: number;
  readonly structure: string;
}

/** The files of one study before their content is put together, each list in order of paths. */
export interface StudyFiles {
  readonly id: StudyId;
  /** What orders slices and names them: the numbers of the challenge's folders, or geometry and identifiers. */
  readonly rule: 'numbers' | 'geometry';
  /** Files that cannot be used are among them: the study's problems say why. */
  readonly images: readonly ImageFile[];
  readonly contours: readonly ContourFile[];
  /**
   * Contour files of an uncertain structure, once for each structure that they may be of. They are not used;
   * problems report them.
   */
  readonly doubtful?: readonly ContourFile[];
  /** DICOM objects of the study that are no images: contours may be in them. */
  readonly objects: readonly string[];
  /** Files and folders that are in no study and may hold contours of this one: nobody could tell. */
  readonly unread?: readonly string[];
  readonly problems: readonly Problem[];
}

/** A study that a folder's rule made, still without its id. */
export interface Draft extends Omit<StudyFiles, 'id' | 'objects'> {
  /** The id that it would like; null where none but its files' own will do. */
  readonly name: string | null;
  /**
   * Tells this study from the others with its StudyInstanceUID, like `StudyGroup.apart`; null if it is the
   * only one.
   */
  readonly apart: string | null;
  readonly objects: string[];
  readonly problems: Problem[];
}

/** What a folder's rule made of the files that are its own. */
export interface Drafts {
  readonly studies: readonly Draft[];
  readonly claimed: ReadonlySet<string>;
  readonly problems: readonly Problem[];
}

export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The value of a key, made where there is none yet. */
export function emplace<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const present = map.get(key);
  if (present !== undefined) return present;
  const made = make();
  map.set(key, made);
  return made;
}
