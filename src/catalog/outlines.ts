import type { SliceId } from '../core/ids.js';
import type { StructurePart } from '../core/outlining.js';
import { nestedRois, type Part } from '../core/part.js';
import { placeStructureSet } from '../core/place-contours.js';
import { placeSegmentation } from '../core/place-frames.js';
import type { PlacedPart, Placement } from '../core/placement.js';
import { ImageFinder, type PlacedImage } from '../core/placing.js';
import type { Segmentation } from '../core/segment-rasters.js';
import type { SourceKind } from '../core/source-choice.js';
import type { StructureSet } from '../core/structure-set.js';
import { MOST_UNUSED } from '../core/unused-parts.js';
import type { Report } from './problems.js';
import { type Drawn, type LostPart, type Settled, settleSources, type Unusable } from './settled-sources.js';
import { othersTurn } from './turns.js';

/** Where the structures of a study come from; `parts`: contours and rasters that are used. */
export interface ContourSource {
  readonly kind: SourceKind;
  /** Relative to the source's root; of text contours the folder that they are below. */
  readonly file: string;
  /** Structures that an earlier source has just so, and the place of that one, which is used. */
  readonly copies: readonly (readonly [structure: string, source: number])[];
  /** SeriesInstanceUID of the object; null for text contours, as is `made`. */
  readonly series: string | null;
  /** As `madeAt` has it; null where it does not say. */
  readonly made: string | null;
  readonly structures: string[];
  readonly parts: number;
}

/** An RT structure set or a segmentation of a study. */
export type OutlineObject =
  | { readonly kind: 'rtstruct'; readonly path: string; readonly content: StructureSet }
  | { readonly kind: 'seg'; readonly path: string; readonly content: Segmentation };

/** ROIs of a source are counted from here times its place: those of two sources never share a number. */
const ROIS_PER_SOURCE = 2 ** 22;

/** Parts that are placed before others get their turn. */
const PARTS_PER_TURN = 200;

/**
 * The structures of a study, source by source: text contours before structure sets before segmentations, those of a kind in order of their
 * SOPInstanceUIDs. Each part knows its source.
 */
export class Outlines {
  readonly #slices: readonly (PlacedImage & { readonly slice: SliceId })[];
  readonly #finder: ImageFinder;
  readonly #toleranceMm: number;
  readonly #report: Report;
  readonly #drawn = new Map<SliceId, StructurePart[]>();
  readonly #lost: LostPart[] = [];
  #isUnread = false;
  #settled: Settled | null = null;
  readonly #sources: Omit<ContourSource, 'structures' | 'parts' | 'copies'>[] = [];

  constructor(
    slices: readonly (PlacedImage & { readonly slice: SliceId })[],
    toleranceMm: number,
    report: Report,
  ) {
    this.#slices = slices;
    this.#finder = new ImageFinder(slices, toleranceMm);
    this.#toleranceMm = toleranceMm;
    this.#report = report;
  }

  get drawn(): Drawn {
    return this.#settled?.drawn ?? this.#drawn;
  }

  get sources(): readonly ContourSource[] {
    const used = this.#sources.map(() => ({ structures: new Set<string>(), parts: 0 }));
    for (const parts of this.drawn.values())
      for (const { structure, source = 0 } of parts) {
        used[source]!.structures.add(structure);
        used[source]!.parts++;
      }
    return this.#sources.map((source, at) => {
      const { structures, parts } = used[at]!;
      const copies = (this.#settled?.copies ?? []).flatMap(([structure, copy, first]) =>
        copy === at ? [[structure, first] as const] : [],
      );
      return { ...source, structures: [...structures].sort(), parts, copies };
    });
  }

  /** Whether more is lost than is kept of it. */
  get isUnread(): boolean {
    return this.#isUnread;
  }

  /** For each slice what is drawn on it and cannot be used there in full. */
  get unusable(): ReadonlyMap<SliceId, Unusable> {
    return this.#settled?.unusable ?? new Map();
  }

  /** Takes the text contours of a study, which know their slices, and those of them that cannot be used. */
  addTexts(
    drawn: ReadonlyMap<SliceId, readonly (StructurePart & { readonly file: string })[]>,
    lost: readonly Omit<LostPart, 'source'>[] = [],
  ): void {
    const source = drawn.size > 0 ? this.#sources.length : -1;
    for (const part of lost) this.#lost.push({ ...part, source });
    const files = [...drawn.values()].flatMap((parts) => parts.map(({ file }) => file));
    if (files.length === 0) return;
    this.#sources.push({ kind: 'text', file: commonFolder(files), series: null, made: null });
    for (const [slice, parts] of drawn)
      for (const { structure, part } of parts) append(this.#drawn, slice, { structure, part, source });
  }

  /** Takes the objects of a study; what cannot be used of them is reported. */
  async addObjects(objects: readonly OutlineObject[]): Promise<void> {
    const ordered = [...objects].sort(
      (a, b) =>
        byCodeUnit(a.kind, b.kind) ||
        byCodeUnit(a.content.sopInstanceUid, b.content.sopInstanceUid) ||
        byCodeUnit(a.path, b.path),
    );
    for (const object of ordered) {
      for (const { code, detail } of object.content.problems) this.#report(code, object.path, detail);
      const placement =
        object.kind === 'rtstruct'
          ? placeStructureSet(object.content, this.#finder, this.#toleranceMm)
          : placeSegmentation(object.content, this.#finder, this.#toleranceMm);
      await this.#add(object, placement);
      for (const { code, detail } of placement.problems()) this.#report(code, object.path, detail);
    }
  }

  /** Works out what is used of all sources, to be called once, when all were taken. */
  async settle(): Promise<void> {
    this.#settled = await settleSources(this.#drawn, this.#lost, this.#slices, this.#sources, this.#report);
  }

  async #add(object: OutlineObject, placement: Placement): Promise<void> {
    const { kind, path, content } = object;
    const { seriesUid: series, made } = content;
    const source = this.#sources.push({ kind, file: path, series, made }) - 1;
    const own = new Map<SliceId, StructurePart[]>();
    let seen = 0;
    for (const { place, structure, part } of placement.parts as Iterable<PlacedPart>) {
      if (++seen % PARTS_PER_TURN === 0) await othersTurn();
      const { slice } = this.#slices[place]!;
      append(own, slice, { structure, part });
      append(this.#drawn, slice, { structure, part: ofSource(part, source), source });
    }
    const unused = placement.unused();
    const isWhole = unused.isWhole && this.#lost.length <= MOST_UNUSED;
    if (!isWhole) this.#forgo(path, source, own);
    for (const { place, structure, isBeside } of isWhole ? unused.list : [])
      this.#lost.push({ slice: this.#slices[place]!.slice, structure, source, isBeside });
    if (seen === 0) this.#report('NO_CONTOURS', path, nothingUsed(object));
    const nested = new Map<number, number>();
    for (const all of own.values())
      for (const roi of nestedRois(all.map(({ part }) => part))) nested.set(roi, (nested.get(roi) ?? 0) + 1);
    for (const [roi, slices] of nested)
      this.#report(
        'CONTOUR_NESTED',
        path,
        `ROI ${roi}: on ${slices} slice(s) a CLOSED_PLANAR contour lies inside another: filled, or a hole with mask.holes xor`,
      );
  }

  /** Uses nothing of a source of which it is not known where all of it lies. */
  #forgo(path: string, source: number, own: Drawn): void {
    this.#isUnread = true;
    for (const slice of own.keys())
      this.#drawn.set(
        slice,
        this.#drawn.get(slice)!.filter((part) => part.source !== source),
      );
    this.#report(
      'STRUCTURE_UNUSABLE',
      path,
      'too much of it cannot be used to say on which slices, so nothing of it is: sessions with missing "empty" leave out the slices of the study that lack a structure',
    );
  }
}

function ofSource(part: Part, source: number): Part {
  return 'roi' in part ? { ...part, roi: part.roi + source * ROIS_PER_SOURCE } : part;
}

/** Why nothing of an object is used. */
function nothingUsed({ kind, content }: OutlineObject): string {
  if (kind === 'rtstruct')
    return content.rois.some(({ contours }) => contours.length > 0)
      ? 'no contour that it holds lies on an image of the study'
      : 'it holds no contour that can be drawn';
  if (content.rasters.length > 0) return 'no frame that it holds lies on an image of the study';
  return content.threshold === null
    ? 'no pixel of its frames is inside a segment'
    : 'no pixel of its frames reaches the threshold, which is SLICEFEED_SEGMENT_THRESHOLD of MaximumFractionalValue';
}

function append<T>(lists: Map<SliceId, T[]>, slice: SliceId, value: T): void {
  const list = lists.get(slice);
  if (list) list.push(value);
  else lists.set(slice, [value]);
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The folder that all files are below, `.` for that of the source. */
function commonFolder(files: readonly string[]): string {
  let common = files[0]!.split('/').slice(0, -1);
  for (const file of files) {
    const folders = file.split('/').slice(0, -1);
    const differs = common.findIndex((folder, at) => folders[at] !== folder);
    if (differs >= 0) common = common.slice(0, differs);
  }
  return common.join('/') || '.';
}
