import { decodeText } from './character-set.js';
import type { HeaderProblem, ImageHeader } from './dicom.js';
import type { DicomCursor, DicomElement } from './dicom-cursor.js';
import { MADE_TAGS, madeAt } from './dicom-made.js';
import { decimal, shortIdentifier, textOf, uint16Of, wholeNumber } from './dicom-values.js';
import { ItemVisitor, itemPath } from './item-path.js';
import { type Plane, planeOf } from './plane.js';
import { ProblemList } from './problem-list.js';
import type { Doubt, Segment, SegmentationRead, SegmentFrame } from './segmentation.js';
import { structureName } from './structure-name.js';
import type { ImageReference } from './structure-set.js';
import { emplace } from './study-files.js';

const SHARED = 0x52009229;
const PER_FRAME = 0x52009230;
const SEGMENTS = 0x00620002;
const PROPERTY_TYPE = 0x0062000f;
const IDENTIFICATION = 0x0062000a;
const PLANE_POSITION = 0x00209113;
const PLANE_ORIENTATION = 0x00209116;
const PIXEL_MEASURES = 0x00289110;
const DERIVATION = 0x00089124;
const SOURCE_IMAGES = 0x00082112;
const SERIES = 0x00081115;
const ENTERED = new Set([
  SHARED,
  PER_FRAME,
  SEGMENTS,
  PROPERTY_TYPE,
  IDENTIFICATION,
  PLANE_POSITION,
  PLANE_ORIENTATION,
  PIXEL_MEASURES,
  DERIVATION,
  SOURCE_IMAGES,
  SERIES,
]);

const AT_SEGMENT = itemPath(SEGMENTS);
const AT_PROPERTY = itemPath(SEGMENTS, PROPERTY_TYPE);
const AT_SERIES = itemPath(SERIES);
const AT_FRAME = itemPath(PER_FRAME);

const SOP_INSTANCE = 0x00081155;
const FRAME_NUMBER = 0x00081160;
const CHARACTER_SET = 0x00080005;
const SERIES_UID = 0x0020000e;
const POSITION = 0x00200032;
const ORIENTATION = 0x00200037;
const PIXEL_SPACING = 0x00280030;
const PADDING = 0x00280120;
const SEGMENTATION_TYPE = 0x00620001;
const SEGMENT_NUMBER = 0x00620004;
const SEGMENT_LABEL = 0x00620005;
const REFERENCED_SEGMENT = 0x0062000b;
const MAXIMUM = 0x0062000e;
const CODE = 0x00080100;
const CODING_SCHEME = 0x00080102;

const TYPES: ReadonlyMap<string, 'binary' | 'fractional' | 'labelmap'> = new Map([
  ['BINARY', 'binary'],
  ['FRACTIONAL', 'fractional'],
  ['LABELMAP', 'labelmap'],
]);
const MAX_SEGMENTS = 65_536;
const MAX_REFERENCES = 65_536;

/** What one item of the functional groups says; of the shared ones, what holds where a frame says nothing. */
interface Group {
  segment: number | null;
  position: number[] | null;
  orientation: number[] | null;
  spacingMm: number[] | null;
  references: ImageReference[];
}

interface SegmentHead {
  number: number | null;
  label: Uint8Array | null;
  code: string;
}

const emptyGroup = (): Group => ({
  segment: null,
  position: null,
  orientation: null,
  spacingMm: null,
  references: [],
});

/** Takes a segmentation's segments and functional groups in as its sequences are walked through. */
export class SegmentationVisitor extends ItemVisitor {
  readonly #segments: SegmentHead[] = [];
  readonly #shared = emptyGroup();
  readonly #frames: Group[] = [];
  readonly #images = new Map<string, number>();
  readonly #series = new Set<string>();
  readonly #problems = new ProblemList();
  #image: { uid: string | null; frames: readonly (number | null)[] } = { uid: null, frames: [null] };
  readonly #made = new Map<number, string | null>();
  #characterSet: string | null = null;
  #type: string | null = null;
  #whole: number | null = null;
  #padding: number | null = null;

  constructor(readonly cursor: DicomCursor) {
    super();
  }

  override enters(tag: number): boolean {
    return ENTERED.has(tag);
  }

  protected override begun(path: string): void {
    if (path === AT_SEGMENT) this.#segments.push({ number: null, label: null, code: '' });
    else if (path === AT_FRAME) this.#frames.push(emptyGroup());
    else if (path.endsWith(IN_SOURCE)) this.#image = { uid: null, frames: [null] };
  }

  override found(path: string, element: DicomElement): void {
    const { tag } = element;
    if (path === '') this.#top(tag, element);
    else if (path === AT_SEGMENT) {
      const segment = this.#segments.at(-1)!;
      if (tag === SEGMENT_NUMBER) segment.number = this.#uint16(element);
      else if (tag === SEGMENT_LABEL) segment.label = this.#bytes(element, 1024);
    } else if (path === AT_PROPERTY) {
      if (tag === CODE || tag === CODING_SCHEME)
        this.#segments.at(-1)!.code += `|${this.#text(element) ?? ''}`;
    } else if (path === AT_SERIES) {
      if (tag === SERIES_UID) this.#series.add(this.#identifier(element));
    } else if (path.startsWith(AT_FRAME))
      this.#grouped(path.slice(AT_FRAME.length), element, this.#frames.at(-1)!);
    else if (path.startsWith(AT_SHARED)) this.#grouped(path.slice(AT_SHARED.length), element, this.#shared);
  }

  protected override ended(path: string): void {
    if (!path.endsWith(IN_SOURCE) || !this.#image.uid) return;
    const group = path.startsWith(AT_FRAME) ? this.#frames.at(-1) : this.#shared;
    const { uid, frames } = this.#image;
    const image = this.#images.get(uid) ?? this.#images.size;
    this.#images.set(uid, image);
    const references = group?.references ?? [];
    for (const frame of frames) if (references.length < MAX_REFERENCES) references.push({ image, frame });
  }

  /** All that was found, checked against the image that it describes. */
  finish({ frames: count, bitsAllocated, samplesPerPixel, paddingValue }: ImageHeader): SegmentationRead {
    const refused = (detail: string): SegmentationRead => ({
      kind: 'refused',
      problem: { code: 'HEADER_BROKEN', detail },
    });
    const type = TYPES.get(this.#type ?? '');
    if (type === undefined)
      return refused('SegmentationType is missing or none of BINARY, FRACTIONAL and LABELMAP');
    if (samplesPerPixel !== 1) return refused('a segmentation has one sample a pixel');
    if (type !== 'binary' && bitsAllocated < 8)
      return refused(`a ${type} segmentation has 8 bits or more a pixel`);
    if (this.#frames.length !== count)
      return refused(`there are ${count} frames and functional groups of ${this.#frames.length}`);
    if (this.#segments.length > MAX_SEGMENTS) return refused(`there are more than ${MAX_SEGMENTS} segments`);
    const doubtful = this.#doubtful();
    const segments = this.#namedSegments(type === 'labelmap', doubtful);
    const places = new Map(segments.map(({ number }, place) => [number, place]));
    const unnumbered = this.#structuresOf((number) => number === null);
    const all = this.#structuresOf(() => true);
    const doubtOf = (number: number | null): Doubt | null => {
      const shared = number === null ? undefined : doubtful.get(number);
      if (shared) return { structures: shared, code: 'SEGMENT_NUMBER_TWICE' };
      const structures = number === null ? all : unnumbered;
      return structures.length > 0 ? { structures, code: 'SEGMENT_UNKNOWN' } : null;
    };
    const frames = this.#frames.map((group, at): SegmentFrame => {
      const number = group.segment ?? this.#shared.segment;
      const segment = type === 'labelmap' || number === null ? null : (places.get(number) ?? null);
      const doubt = type !== 'labelmap' && segment === null ? doubtOf(number) : null;
      if (type !== 'labelmap' && segment === null)
        this.#problems.add(
          'SEGMENT_UNKNOWN',
          'frame',
          at + 1,
          number === null
            ? 'it does not say which segment it shows; left out'
            : 'SegmentSequence does not have its segment, or has several of its number; left out',
        );
      return {
        segment,
        ...(doubt ? { doubtful: doubt } : {}),
        plane: this.#planeOf(group),
        references: group.references.length > 0 ? group.references : this.#shared.references,
      };
    });
    return {
      kind: 'segmentation',
      segmentation: {
        type,
        whole: this.#whole || 255,
        padding: this.#padding ?? paddingValue,
        segments,
        doubtful: [...doubtful].map(([number, structures]) => ({ number, structures })),
        unnumbered,
        frames,
        images: [...this.#images.keys()],
        series: [...this.#series],
        made: madeAt((tag) => this.#made.get(tag) ?? null),
        problems: this.#problems.list satisfies HeaderProblem[],
      },
    };
  }

  get #structures(): string[] {
    return this.#segments.map(({ number, label }) =>
      structureName(label === null ? '' : decodeText(label, this.#characterSet), `segment-${number}`),
    );
  }

  #structuresOf(isMeant: (number: number | null) => boolean): string[] {
    const named = this.#structures.filter((_, at) => isMeant(this.#segments[at]!.number));
    return [...new Set(named)].sort();
  }

  /** The structures of each number that segments with different names share. */
  #doubtful(): Map<number, readonly string[]> {
    const named = this.#structures;
    const structuresOf = new Map<number, Set<string>>();
    this.#segments.forEach(({ number }, at) => {
      if (number !== null) emplace(structuresOf, number, () => new Set()).add(named[at]!);
    });
    return new Map(
      [...structuresOf]
        .filter(([, structures]) => structures.size > 1)
        .map(([number, structures]) => [number, [...structures].sort()]),
    );
  }

  /** Background is what no segment covers, and no structure (code 125040 of DICOM's own scheme in a label map). */
  #namedSegments(isLabelMap: boolean, doubtful: ReadonlyMap<number, unknown>): Segment[] {
    const names = new Set<string>();
    const named = this.#structures;
    const numbers = new Set<number>();
    return this.#segments.flatMap(({ number, label, code }, at): Segment[] => {
      const item = at + 1;
      if (number === null) {
        this.#problems.add('SEGMENT_UNKNOWN', 'segment', item, 'it has no number; left out');
        return [];
      }
      if (doubtful.has(number)) {
        this.#problems.add(
          'SEGMENT_NUMBER_TWICE',
          'SegmentNumber',
          number,
          'several segments have this number: left out; give each a number of its own',
        );
        return [];
      }
      // A repeated segment with the same label is the same segment.
      if (numbers.has(number)) return [];
      numbers.add(number);
      if (isLabelMap && (number === 0 || number === this.#padding || BACKGROUND.has(code))) return [];
      const structure = named[at]!;
      if (label === null || decodeText(label, this.#characterSet).trim() === '')
        this.#problems.add(
          'STRUCTURE_NAME',
          'segment',
          item,
          'it has no label; its structure is named by its number',
        );
      if (names.has(structure))
        this.#problems.add(
          'STRUCTURE_NAME',
          'segment',
          item,
          'an earlier one has its label; they are one structure',
        );
      names.add(structure);
      return [{ item, number, structure }];
    });
  }

  #planeOf({ position, orientation, spacingMm }: Group): Plane | null {
    const { position: p, orientation: o, spacingMm: s } = this.#shared;
    return planeOf(position ?? p, orientation ?? o, spacingMm ?? s);
  }

  #top(tag: number, element: DicomElement): void {
    if (tag === CHARACTER_SET) this.#characterSet = this.#text(element);
    else if (tag === SEGMENTATION_TYPE) this.#type = this.#text(element);
    else if (tag === MAXIMUM) this.#whole = this.#uint16(element);
    else if (MADE_TAGS.includes(tag)) this.#made.set(tag, this.#text(element));
    else if (tag === PADDING) this.#padding = this.#uint16(element);
  }

  #grouped(path: string, element: DicomElement, group: Group): void {
    const { tag } = element;
    if (path === IN_IDENTIFICATION && tag === REFERENCED_SEGMENT) group.segment = this.#uint16(element);
    else if (path === IN_POSITION && tag === POSITION) group.position = this.#decimals(element);
    else if (path === IN_ORIENTATION && tag === ORIENTATION) group.orientation = this.#decimals(element);
    else if (path === IN_MEASURES && tag === PIXEL_SPACING) group.spacingMm = this.#decimals(element);
    else if (path === IN_SOURCE) {
      if (tag === SOP_INSTANCE) this.#image.uid = this.#identifier(element);
      else if (tag === FRAME_NUMBER)
        this.#image.frames = (this.#text(element) ?? '').split('\\').map(wholeNumber);
    }
  }

  #bytes(element: DicomElement, limit: number): Uint8Array {
    const length = element.undefinedLength ? 0 : Math.min(limit, element.length);
    this.cursor.need(element.offset + length);
    return this.cursor.prefix.slice(element.offset, element.offset + length);
  }

  #uint16(element: DicomElement): number | null {
    return uint16Of(this.cursor, element);
  }

  #text(element: DicomElement): string | null {
    return textOf(this.cursor, element);
  }

  #identifier(element: DicomElement): string {
    return shortIdentifier(this.#text(element) ?? '');
  }

  #decimals(element: DicomElement): number[] | null {
    return this.#text(element)?.split('\\').map(decimal) ?? null;
  }
}

const AT_SHARED = itemPath(SHARED);
const IN_IDENTIFICATION = itemPath(IDENTIFICATION);
const IN_POSITION = itemPath(PLANE_POSITION);
const IN_ORIENTATION = itemPath(PLANE_ORIENTATION);
const IN_MEASURES = itemPath(PIXEL_MEASURES);
const IN_SOURCE = itemPath(DERIVATION, SOURCE_IMAGES);
/** Background (125040, DCM) as it is gathered here. */
const BACKGROUND = new Set(['|125040|DCM', '|DCM|125040']);
