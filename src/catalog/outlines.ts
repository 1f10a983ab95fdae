import type { SliceId } from '../core/ids.js';
import type { StructurePart } from '../core/outlining.js';
import { nestedRois } from '../core/part.js';
import { placeStructureSet } from '../core/place-contours.js';
import { placeSegmentation } from '../core/place-frames.js';
import type { PlacedPart, Placement } from '../core/placement.js';
import { ImageFinder, type PlacedImage } from '../core/placing.js';
import type { ProblemCode } from '../core/problem.js';
import type { Segmentation } from '../core/segment-rasters.js';
import type { StructureSet } from '../core/structure-set.js';
import { emplace } from '../core/study-files.js';
import { othersTurn } from './turns.js';

/** Where the structures of a study come from; `parts`: contours and rasters that are used. */
export interface ContourSource {
  readonly kind: 'text' | 'rtstruct' | 'seg';
  /** Relative to the source's root; of text contours the folder that they are below. */
  readonly file: string;
  readonly structures: string[];
  readonly parts: number;
}

/** An RT structure set or a segmentation of a study. */
export type OutlineObject =
  | { readonly kind: 'rtstruct'; readonly path: string; readonly content: StructureSet }
  | { readonly kind: 'seg'; readonly path: string; readonly content: Segmentation };

/** Where a source's structures are: the parts of each slice. */
export type Drawn = ReadonlyMap<SliceId, readonly StructurePart[]>;
/** A slice on which a structure is drawn that a file has there and that cannot be used; `isBeside` as in `UnusedPart`. */
export interface LostPart {
  readonly slice: SliceId;
  readonly structure: string;
  readonly file: string;
  readonly isBeside: boolean;
}
type Report = (code: ProblemCode, file: string, detail: string) => void;

/** Parts that are placed before others get their turn. */
const PARTS_PER_TURN = 200;

/**
 * The structures of a study, source by source. Where two sources outline a structure of one name on one slice, the first of them has it
 * there: text contours before structure sets before segmentations, those of a kind in order of their SOPInstanceUIDs.
 */
export class Outlines {
  readonly #slices: readonly (PlacedImage & { readonly slice: SliceId })[];
  readonly #finder: ImageFinder;
  readonly #toleranceMm: number;
  readonly #report: Report;
  readonly #drawn = new Map<SliceId, StructurePart[]>();
  /** Slice and structure to the file that has it. */
  readonly #owners = new Map<string, string>();
  readonly #sources: ContourSource[] = [];
  readonly #lost: LostPart[] = [];

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
    return this.#drawn;
  }

  get sources(): readonly ContourSource[] {
    return this.#sources;
  }

  /**
   * For each slice the structures that are drawn on it and cannot be used there in full; to be asked for when all sources were taken. They
   * are taken out of `drawn`, because a mask of the rest would be too small.
   */
  takeUnusable(): ReadonlyMap<SliceId, ReadonlySet<string>> {
    const unusable = new Map<SliceId, Set<string>>();
    const slicesOf = new Map<
      string,
      { readonly file: string; readonly structure: string; readonly slices: Set<SliceId> }
    >();
    for (const { slice, structure, file, isBeside } of this.#lost) {
      const owner = this.#owners.get(`${slice} ${structure}`);
      // Where another source has the structure, it has all of it; what lies beside takes nothing away from what is there.
      if (owner !== undefined && (owner !== file || isBeside)) continue;
      emplace(unusable, slice, () => new Set()).add(structure);
      emplace(slicesOf, JSON.stringify([file, structure]), () => ({
        file,
        structure,
        slices: new Set(),
      })).slices.add(slice);
    }
    this.#drop(unusable);
    for (const { file, structure, slices } of slicesOf.values()) {
      // A text contour's own problem says as much.
      if (!this.#sources.some((source) => source.kind !== 'text' && source.file === file)) continue;
      this.#report(
        'STRUCTURE_UNUSABLE',
        file,
        `${structure}: on ${slices.size} slice(s) what it has of it cannot be used in full; sessions that ask for ${structure} leave these out, GET /v1/studies/{study}/pairs?all=1 lists them`,
      );
    }
    return unusable;
  }

  /** Takes parts back, and out of what their sources say that is used of them. */
  #drop(unusable: ReadonlyMap<SliceId, ReadonlySet<string>>): void {
    const dropped = new Map<string, number>();
    for (const [slice, structures] of unusable)
      for (const structure of structures) {
        const key = `${slice} ${structure}`;
        const owner = this.#owners.get(key);
        if (owner === undefined) continue;
        const parts = this.#drawn.get(slice)!;
        const kept = parts.filter((part) => part.structure !== structure);
        dropped.set(owner, (dropped.get(owner) ?? 0) + parts.length - kept.length);
        this.#drawn.set(slice, kept);
        this.#owners.delete(key);
      }
    for (const [at, source] of this.#sources.entries()) {
      const parts = dropped.get(source.file);
      if (parts === undefined) continue;
      // Ids of slices have no spaces.
      const structures = [...this.#owners].flatMap(([key, file]) =>
        file === source.file ? key.slice(key.indexOf(' ') + 1) : [],
      );
      this.#sources[at] = {
        ...source,
        structures: [...new Set(structures)].sort(),
        parts: source.parts - parts,
      };
    }
  }

  /** Takes the text contours of a study, which know their slices, and those of them that cannot be used. */
  addTexts(
    drawn: ReadonlyMap<SliceId, readonly (StructurePart & { readonly file: string })[]>,
    lost: readonly LostPart[] = [],
  ): void {
    for (const part of lost) this.#lost.push(part);
    const files: string[] = [];
    const structures = new Set<string>();
    for (const [slice, parts] of drawn)
      for (const { file, structure, part } of parts) {
        files.push(file);
        structures.add(structure);
        this.#owners.set(`${slice} ${structure}`, file);
        append(this.#drawn, slice, { structure, part });
      }
    if (files.length === 0) return;
    const file = commonFolder(files);
    this.#sources.push({ kind: 'text', file, structures: [...structures].sort(), parts: files.length });
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

  async #add(object: OutlineObject, placement: Placement): Promise<void> {
    const { kind, path } = object;
    const own = new Map<SliceId, StructurePart[]>();
    const structures = new Set<string>();
    const lost = new Map<string, Set<SliceId>>();
    let parts = 0;
    let seen = 0;
    for (const { place, structure, part } of placement.parts as Iterable<PlacedPart>) {
      if (++seen % PARTS_PER_TURN === 0) await othersTurn();
      const { slice } = this.#slices[place]!;
      const key = `${slice} ${structure}`;
      const owner = this.#owners.get(key) ?? path;
      if (owner !== path) {
        const slices = lost.get(owner) ?? new Set();
        lost.set(owner, slices.add(slice));
        continue;
      }
      this.#owners.set(key, path);
      structures.add(structure);
      parts++;
      append(own, slice, { structure, part });
      append(this.#drawn, slice, { structure, part });
    }
    for (const { place, structure, isBeside } of placement.unused())
      this.#lost.push({ slice: this.#slices[place]!.slice, structure, file: path, isBeside });
    if (seen === 0) this.#report('NO_CONTOURS', object.path, nothingUsed(object));
    this.#sources.push({ kind, file: path, structures: [...structures].sort(), parts });
    for (const [owner, slices] of lost)
      this.#report(
        'CONTOUR_TWICE',
        path,
        `on ${slices.size} slice(s) ${owner} outlines a structure of the same name, which is used there`,
      );
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
