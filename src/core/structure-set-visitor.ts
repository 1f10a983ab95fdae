import { decodeText } from './character-set.js';
import { countDecimals, readDecimals } from './decimal-list.js';
import type { HeaderProblem } from './dicom.js';
import { type DicomCursor, type DicomElement, refusal } from './dicom-cursor.js';
import { integerOf, shortIdentifier, textOf, wholeNumber } from './dicom-values.js';
import { ItemVisitor, itemPath } from './item-path.js';
import { ProblemList } from './problem-list.js';
import { matchRois, type RoiMatch, type RoiNumber } from './roi-numbers.js';
import { structureName } from './structure-name.js';
import type { ImageReference, LostContour, Roi, RoiContour } from './structure-set.js';

const FRAMES_OF_REFERENCE = 0x30060010;
const STUDIES = 0x30060012;
const SERIES = 0x30060014;
const ROIS = 0x30060020;
const ROI_CONTOURS = 0x30060039;
const CONTOURS = 0x30060040;
const CONTOUR_IMAGES = 0x30060016;

const AT_FRAME_OF_REFERENCE = itemPath(FRAMES_OF_REFERENCE);
const AT_SERIES = itemPath(FRAMES_OF_REFERENCE, STUDIES, SERIES);
const AT_ROI = itemPath(ROIS);
const AT_ROI_CONTOUR = itemPath(ROI_CONTOURS);
const AT_CONTOUR = itemPath(ROI_CONTOURS, CONTOURS);
const AT_IMAGE = itemPath(ROI_CONTOURS, CONTOURS, CONTOUR_IMAGES);
const ENTERED = new Set([FRAMES_OF_REFERENCE, STUDIES, SERIES, ROIS, ROI_CONTOURS, CONTOURS, CONTOUR_IMAGES]);

const SOP_INSTANCE = 0x00081155;
const FRAME_NUMBER = 0x00081160;
const SERIES_UID = 0x0020000e;
const FRAME_OF_REFERENCE = 0x00200052;
const ROI_NUMBER = 0x30060022;
const ROI_FRAME_OF_REFERENCE = 0x30060024;
const ROI_NAME = 0x30060026;
const GEOMETRIC_TYPE = 0x30060042;
const POINT_COUNT = 0x30060046;
const DATA = 0x30060050;
const REFERENCED_ROI = 0x30060084;

/** The third is a slip of the pen that is seen in files. */
const CLOSED: ReadonlyMap<string, RoiContour['type']> = new Map([
  ['CLOSED_PLANAR', 'closed'],
  ['CLOSEDPLANAR_XOR', 'xor'],
  ['CLOSED_PLANAR_XOR', 'xor'],
]);
const OPEN = new Set(['POINT', 'OPEN_PLANAR', 'OPEN_NONPLANAR']);
/** Each frame of a file may be named once by a contour; more is an attack on memory. */
const MAX_REFERENCES = 65_536;

/** The most contours that are kept for each of several ROIs that they may be of. */
const MOST_SHARED = 200_000;

interface RoiElements {
  number: RoiNumber | null;
  name: DicomElement | null;
  frameOfReferenceUid: string | null;
}

interface OpenContour {
  type: string | null;
  said: number | null;
  data: DicomElement | null;
  references: ImageReference[];
}

/** The part that is kept of a contour that is left out. */
type Lost = Pick<LostContour, 'code' | 'isEmpty' | 'first' | 'count' | 'references'>;

/** The bytes and points that are read of such a contour: enough to tell its plane. */
const LOST_BYTES = 1024;
const LOST_POINTS = 3;
const TOO_FEW_POINTS = 'it has fewer than 3 points, a polygon needs 3';

/** Takes an RT structure set in as its sequences are walked through (DICOM PS3.3, sections C.8.8.5 and C.8.8.6). */
export class StructureSetVisitor extends ItemVisitor {
  readonly #problems = new ProblemList();
  readonly #heads: RoiElements[] = [];
  readonly #rois: { roi: RoiNumber | null; contours: RoiContour[]; lost: Lost[] }[] = [];
  readonly #images = new Map<string, number>();
  readonly #series = new Set<string>();
  readonly #framesOfReference = new Set<string>();
  #contour: OpenContour | null = null;
  #contourItem = 0;
  #image: { uid: string | null; frames: readonly (number | null)[] } | null = null;
  #points = new Float64Array(3 * 1024);
  #count = 0;

  constructor(
    readonly cursor: DicomCursor,
    readonly maxPoints: number,
  ) {
    super();
  }

  override enters(tag: number): boolean {
    return ENTERED.has(tag);
  }

  protected override begun(path: string): void {
    if (path === AT_ROI) this.#heads.push({ number: null, name: null, frameOfReferenceUid: null });
    else if (path === AT_ROI_CONTOUR) {
      this.#rois.push({ roi: null, contours: [], lost: [] });
      this.#contourItem = 0;
    } else if (path === AT_CONTOUR) {
      this.#contourItem++;
      this.#contour = { type: null, said: null, data: null, references: [] };
    } else if (path === AT_IMAGE) this.#image = { uid: null, frames: [null] };
  }

  override found(path: string, element: DicomElement): void {
    const { tag } = element;
    if (path === AT_CONTOUR) {
      if (tag === DATA) this.#contour!.data = element;
      else if (tag === GEOMETRIC_TYPE) this.#contour!.type = this.#text(element);
      else if (tag === POINT_COUNT) this.#contour!.said = wholeNumber(this.#text(element));
    } else if (path === AT_IMAGE) {
      if (tag === SOP_INSTANCE) this.#image!.uid = this.#identifier(element);
      else if (tag === FRAME_NUMBER)
        this.#image!.frames = (this.#text(element) ?? '').split('\\').map(wholeNumber);
    } else if (path === AT_ROI) {
      const head = this.#heads.at(-1)!;
      if (tag === ROI_NUMBER) head.number = this.#roiNumber(element);
      else if (tag === ROI_NAME) head.name = element;
      else if (tag === ROI_FRAME_OF_REFERENCE) head.frameOfReferenceUid = this.#identifier(element);
    } else if (path === AT_ROI_CONTOUR && tag === REFERENCED_ROI)
      this.#rois.at(-1)!.roi = this.#roiNumber(element);
    else if (path === AT_SERIES && tag === SERIES_UID) this.#series.add(this.#identifier(element) ?? '');
    else if (path === AT_FRAME_OF_REFERENCE && tag === FRAME_OF_REFERENCE)
      this.#framesOfReference.add(this.#identifier(element) ?? '');
  }

  protected override ended(path: string): void {
    if (path === AT_IMAGE && this.#image?.uid) {
      const { uid, frames } = this.#image;
      const image = this.#images.get(uid) ?? this.#images.size;
      this.#images.set(uid, image);
      const { references } = this.#contour!;
      for (const frame of frames) if (references.length < MAX_REFERENCES) references.push({ image, frame });
    } else if (path === AT_CONTOUR) this.#finishContour();
  }

  /** All that was found; `frameOfReferenceUid` is that of the data set's top level. */
  finish(characterSet: string | null, frameOfReferenceUid: string | null) {
    // A set that knows one frame of reference alone means it where an ROI names none.
    const [only, other] = [...this.#framesOfReference];
    const otherwise = (other === undefined ? only : null) ?? frameOfReferenceUid;
    const heads = this.#heads.map(({ number, name, frameOfReferenceUid: own }, at) => ({
      number,
      isNamed: name !== null && name.length > 0,
      structure: structureName(this.#roiName(name, characterSet), `roi-${at + 1}`),
      frameOfReferenceUid: own || otherwise || null,
    }));
    const matches = matchRois(
      heads,
      this.#rois.map(({ roi }) => roi),
    );
    const names = new Set<string>();
    const lostContours: LostContour[] = [];
    let shared = 0;
    const rois = this.#rois.flatMap(({ roi, contours, lost }, at): Roi[] => {
      const item = at + 1;
      const { kind, head } = matches[at]!;
      if (head === null || kind === 'order') this.#tellMatch(kind, roi, item);
      // The contour may be of each ROI with the ambiguous number; with none of its own, or of its ROI, of each that may be meant.
      const meant = kind === 'ambiguous' ? roi : null;
      const isAny = kind === 'unknown' && roi === null;
      const owners = head ? [head] : isAny ? heads : heads.filter(({ number }) => number === meant);
      const code = kind === 'ambiguous' ? 'ROI_NUMBER_TWICE' : 'ROI_UNKNOWN';
      const left = head ? lost : [...lost, ...contours.map((contour) => lostForItsNumber(contour, code))];
      if (owners.length > 1) shared += owners.length * left.length;
      if (shared > MOST_SHARED)
        throw refusal('LIMIT_EXCEEDED', `more than ${MOST_SHARED} contours may be of several ROIs`);
      for (const { structure, frameOfReferenceUid: space } of owners)
        for (const one of left)
          lostContours.push({ roi: item, structure, frameOfReferenceUid: space, ...one });
      if (head === null) return [];
      const { structure } = head;
      if (!head.isNamed)
        this.#problems.add(
          'STRUCTURE_NAME',
          'ROI',
          item,
          'it has no name; its structure is named by its place',
        );
      if (names.has(structure))
        this.#problems.add(
          'STRUCTURE_NAME',
          'ROI',
          item,
          'an earlier ROI has its name; they are one structure',
        );
      names.add(structure);
      return [{ item, structure, frameOfReferenceUid: head.frameOfReferenceUid, contours }];
    });
    return {
      rois,
      lost: lostContours,
      images: [...this.#images.keys()],
      series: [...this.#series],
      points: this.#points.slice(0, 3 * this.#count),
      problems: this.#problems.list satisfies HeaderProblem[],
    };
  }

  #tellMatch(kind: RoiMatch<unknown>['kind'], roi: RoiNumber | null, item: number): void {
    if (kind === 'unknown') {
      this.#problems.add('ROI_UNKNOWN', 'ROI', item, 'StructureSetROISequence does not have its number');
      return;
    }
    const what =
      kind === 'order'
        ? 'several ROIs have this number, and as many contour items name it: they are matched by their order'
        : 'several ROIs have this number, and a different number of contour items name it: left out; give each ROI a number of its own';
    if (typeof roi === 'number') this.#problems.add('ROI_NUMBER_TWICE', 'ROINumber', roi, what);
    else this.#problems.add('ROI_NUMBER_TWICE', 'the ROINumber of ROI', item, what);
  }

  #finishContour(): void {
    const { type, said, data, references } = this.#contour!;
    const bytes = data ? this.#bytes(data) : new Uint8Array(0);
    const lose = (code: HeaderProblem['code'], what: string, isEmpty: boolean, points = LOST_POINTS) => {
      this.#tell(code, `${what}; left out`);
      this.#rois.at(-1)!.lost.push({ code, isEmpty, references, ...this.#firstPoints(bytes, points) });
    };
    const closed = CLOSED.get(type ?? '');
    if (closed === undefined) {
      if (type === 'POINT')
        this.#tell('CONTOUR_OPEN', 'a point or an open contour encloses nothing; left out');
      else if (OPEN.has(type ?? ''))
        lose('CONTOUR_OPEN', 'a point or an open contour encloses nothing', true);
      else lose('CONTOUR_TYPE', 'its ContourGeometricType is missing or none that is known', false);
      return;
    }
    const numbers = countDecimals(bytes);
    // After a missing number, the numbers that follow are no points.
    if (numbers % 3 !== 0) {
      lose('CONTOUR_NOT_A_NUMBER', 'its coordinates are no whole number of points', false, 1);
      return;
    }
    const tooMany = () => lose('CONTOUR_TOO_MANY_POINTS', `it has more than ${this.maxPoints} points`, false);
    // One point more than the limit may be the first one again.
    if (numbers / 3 > this.maxPoints + 1) {
      tooMany();
      return;
    }
    if (numbers === 0) {
      // One that counts points was drawn.
      lose('CONTOUR_TOO_FEW_POINTS', TOO_FEW_POINTS, !said);
      return;
    }
    const first = this.#count;
    this.#reserve(first + numbers / 3);
    const points = this.#points;
    readDecimals(bytes, points, 3 * first);
    const end = 3 * first + numbers;
    for (let at = 3 * first; at < end; at++)
      if (Number.isNaN(points[at]!)) {
        lose('CONTOUR_NOT_A_NUMBER', 'a coordinate is no finite number', false);
        return;
      }
    let count = numbers / 3;
    if (said !== count)
      this.#tell(
        'CONTOUR_POINT_COUNT',
        'NumberOfContourPoints says another number than there are; they are used',
      );
    const isRepeated = [0, 1, 2].every((axis) => points[3 * first + axis] === points[end - 3 + axis]);
    if (count > 1 && isRepeated) count--;
    if (count < 3) {
      // A single point marks a place, as the type POINT does.
      if (count < 2) this.#tell('CONTOUR_TOO_FEW_POINTS', `${TOO_FEW_POINTS}; left out`);
      else lose('CONTOUR_TOO_FEW_POINTS', TOO_FEW_POINTS, true);
      return;
    }
    if (count > this.maxPoints) {
      tooMany();
      return;
    }
    this.#count += count;
    this.#rois.at(-1)!.contours.push({ type: closed, item: this.#contourItem, first, count, references });
  }

  /** Keeps the first points of a contour, as far as they are numbers. */
  #firstPoints(bytes: Uint8Array, most: number): Pick<Lost, 'first' | 'count'> {
    const first = this.#count;
    const start = bytes.subarray(0, LOST_BYTES);
    const numbers = new Float64Array(countDecimals(start));
    if (numbers.length > 0) readDecimals(start, numbers, 0);
    // The last number may be cut off.
    const whole = bytes.length > LOST_BYTES ? numbers.length - 1 : numbers.length;
    for (let at = 0; at + 3 <= whole && this.#count < first + most; at += 3) {
      const point = numbers.subarray(at, at + 3);
      if (point.some(Number.isNaN)) continue;
      this.#reserve(this.#count + 1);
      this.#points.set(point, 3 * this.#count++);
    }
    return { first, count: this.#count - first };
  }

  #tell(code: HeaderProblem['code'], what: string): void {
    this.#problems.add(code, `ROI ${this.#rois.length}: contour`, this.#contourItem, what);
  }

  #reserve(count: number): void {
    if (3 * count <= this.#points.length) return;
    const grown = new Float64Array(Math.max(3 * count, 2 * this.#points.length));
    grown.set(this.#points);
    this.#points = grown;
  }

  #bytes(element: DicomElement): Uint8Array {
    const length = element.undefinedLength ? 0 : element.length;
    this.cursor.need(element.offset + length);
    return this.cursor.prefix.subarray(element.offset, element.offset + length);
  }

  #roiName(element: DicomElement | null, characterSet: string | null): string {
    return element ? decodeText(this.#bytes(element).subarray(0, 1024), characterSet) : '';
  }

  #roiNumber(element: DicomElement): RoiNumber | null {
    const number = integerOf(this.cursor, element);
    return number === null || Number.isSafeInteger(number) ? number : this.#text(element);
  }

  #text(element: DicomElement): string | null {
    return textOf(this.cursor, element);
  }

  #identifier(element: DicomElement): string | null {
    const text = this.#text(element);
    return text === null ? null : shortIdentifier(text);
  }
}

function lostForItsNumber({ first, count, references }: RoiContour, code: Lost['code']): Lost {
  return {
    code,
    isEmpty: false,
    first,
    count: Math.min(count, LOST_POINTS),
    references,
  };
}
