import type { DrawnObject } from '../core/drawn-object.js';
import { type FoundContour, readContours } from '../core/found-contours.js';
import type { SliceId } from '../core/ids.js';
import type { PlacedImage } from '../core/located-image.js';
import { ImagePacker, type PackedImages } from '../core/packed-images.js';
import type { SourceKind } from '../core/source-choice.js';
import { byCodeUnit, emplace } from '../core/study-files.js';
import { MOST_UNUSED, TOO_MUCH_UNUSED } from '../core/unused-parts.js';
import type { PackedUnused, PlaceOutcome } from '../loader/messages.js';
import type { Report } from './problems.js';
import type { PlaceFile } from './scan-loaders.js';
import { type Drawn, type LostPart, type Settled, settleSources, type Unusable } from './settled-sources.js';
import { othersTurn, Turns } from './turns.js';

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
export interface OutlineObject {
  readonly path: string;
  readonly drawn: DrawnObject;
}

/** A text contour and its file. */
export interface TextContour {
  readonly file: string;
  readonly contour: FoundContour;
}

type Placed = Extract<PlaceOutcome, { kind: 'placed' }>;
type Refused = Extract<PlaceOutcome, { kind: 'refused' }>;

/** Contours of all sources on one slice: what reads a slice takes them in together. */
const MOST_ON_SLICE = 4_096;
/** Bytes that all contours of a study may take, as they are kept. */
const STUDY_BYTES = 512 * 1024 * 1024;

/** ROIs of a source are counted from here times its place: those of two sources never share a number. */
const ROIS_PER_SOURCE = 2 ** 22;

/**
 * The structures of a study, source by source: text contours before structure sets before segmentations, those of a kind in order of their
 * SOPInstanceUIDs. Each contour knows its source.
 */
export class Outlines {
  readonly #slices: readonly (PlacedImage & { readonly slice: SliceId })[];
  readonly #place: PlaceFile;
  readonly #report: Report;
  readonly #drawn = new Map<SliceId, FoundContour[]>();
  readonly #lost: LostPart[] = [];
  readonly #sources: Omit<ContourSource, 'structures' | 'parts' | 'copies'>[] = [];
  #settled: Settled | null = null;
  #bytes = 0;
  #isUnread = false;

  constructor(
    slices: readonly (PlacedImage & { readonly slice: SliceId })[],
    place: PlaceFile,
    report: Report,
  ) {
    this.#slices = slices;
    this.#place = place;
    this.#report = report;
  }

  /** Where structures are: the contours of each slice. */
  get drawn(): Drawn {
    return this.#settled?.drawn ?? this.#drawn;
  }

  /** For each slice what is drawn on it and cannot be used there in full. */
  get unusable(): ReadonlyMap<SliceId, Unusable> {
    return this.#settled?.unusable ?? new Map();
  }

  /** Whether an object was left out whose contours may be on any slice. */
  get isUnread(): boolean {
    return this.#isUnread;
  }

  async sources(): Promise<readonly ContourSource[]> {
    const used = this.#sources.map(() => ({ structures: new Set<string>(), parts: 0 }));
    const turns = new Turns();
    for (const contours of this.drawn.values())
      for (const { structure, source = 0 } of contours) {
        if (turns.isOver(0)) await othersTurn();
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

  /** Takes the text contours of a study, which know their slices, and those of them that cannot be used. */
  addTexts(
    drawn: ReadonlyMap<SliceId, readonly TextContour[]>,
    lost: readonly Omit<LostPart, 'source'>[] = [],
  ): void {
    const source = drawn.size > 0 ? this.#sources.length : -1;
    for (const part of lost) this.#lost.push({ ...part, source });
    const files: string[] = [];
    for (const [slice, texts] of drawn)
      for (const [at, { file, contour }] of texts.entries()) {
        if (at >= MOST_ON_SLICE) {
          this.#report('LIMIT_EXCEEDED', file, `${ON_SLICE}; it is left out`);
          this.#lost.push({ slice, structure: contour.structure, source, isBeside: false });
          continue;
        }
        files.push(file);
        emplace(this.#drawn, slice, () => []).push({ ...contour, source });
      }
    if (files.length > 0)
      this.#sources.push({ kind: 'text', file: commonFolder(files), series: null, made: null });
  }

  /** Takes the objects of a study; what cannot be used of them is reported. */
  async addObjects(objects: readonly OutlineObject[]): Promise<void> {
    if (objects.length === 0) return;
    const ordered = [...objects].sort(
      (a, b) =>
        byCodeUnit(a.drawn.type, b.drawn.type) ||
        byCodeUnit(a.drawn.sopInstanceUid, b.drawn.sopInstanceUid) ||
        byCodeUnit(a.path, b.path),
    );
    const images = await this.#packed();
    for (const { path, drawn } of ordered) {
      const { type, seriesUid, made, problems } = drawn;
      for (const { code, detail } of problems) this.#report(code, path, detail);
      const source = this.#sources.push({ kind: type, file: path, series: seriesUid, made }) - 1;
      const wanted = { kind: 'contours', limitBytes: STUDY_BYTES - this.#bytes } as const;
      const outcome = await this.#place(path, type, wanted, images);
      const why = outcome.kind === 'placed' ? await this.#refusal(outcome) : outcome;
      if (why !== null) this.#leaveOut(path, why);
      else if (outcome.kind === 'placed') await this.#add(path, source, outcome);
    }
  }

  /** Works out what is used of all sources, to be called once, when all were taken. */
  async settle(): Promise<void> {
    this.#settled = await settleSources(this.#drawn, this.#lost, this.#slices, this.#sources, this.#report);
  }

  async #packed(): Promise<PackedImages> {
    const packer = new ImagePacker();
    const turns = new Turns();
    for (const image of this.#slices) {
      packer.add(image);
      if (turns.isOver(0)) await othersTurn();
    }
    return packer.finish();
  }

  /** Why an object is too much beside those before it; null where it is not. */
  async #refusal({ contours, structures, unused }: Placed): Promise<Refused | null> {
    if (this.#lost.length + unused.places.length > MOST_UNUSED)
      return { kind: 'refused', code: 'STRUCTURE_UNUSABLE', detail: TOO_MUCH_UNUSED };
    const turns = new Turns();
    const counts = new Map<SliceId, number>();
    for (const { place } of readContours(contours, structures)) {
      if (turns.isOver(0)) await othersTurn();
      const { slice } = this.#slices[place]!;
      const count = (counts.get(slice) ?? this.#drawn.get(slice)?.length ?? 0) + 1;
      if (count > MOST_ON_SLICE)
        return { kind: 'refused', code: 'LIMIT_EXCEEDED', detail: `${ON_SLICE}; it is left out` };
      counts.set(slice, count);
    }
    return null;
  }

  #leaveOut(path: string, why: Refused | { readonly kind: 'changed' | 'touched' }): void {
    this.#isUnread = true;
    if (why.kind === 'refused') this.#report(why.code, path, why.detail);
    else this.#report('FILE_UNREADABLE', path, 'it changed while it was scanned: scan again');
  }

  async #add(path: string, source: number, outcome: Placed): Promise<void> {
    const turns = new Turns();
    this.#bytes += outcome.contours.length;
    for (const { place, contour } of readContours(outcome.contours, outcome.structures)) {
      if (turns.isOver(0)) await othersTurn();
      const roi = contour.roi === 0 ? 0 : contour.roi + source * ROIS_PER_SOURCE;
      emplace(this.#drawn, this.#slices[place]!.slice, () => []).push({ ...contour, roi, source });
    }
    for (const { place, structure, isBeside } of unusedOf(outcome.unused)) {
      if (turns.isOver(0)) await othersTurn();
      this.#lost.push({ slice: this.#slices[place]!.slice, structure, source, isBeside });
    }
    if (outcome.nothing !== null) this.#report('NO_CONTOURS', path, outcome.nothing);
    for (const { code, detail } of outcome.problems) this.#report(code, path, detail);
  }
}

const ON_SLICE = `a slice would have more than ${MOST_ON_SLICE} contours`;

function* unusedOf({
  places,
  structures,
  structureOf,
  beside,
}: PackedUnused): Generator<{ place: number; structure: string; isBeside: boolean }> {
  for (const [at, place] of places.entries())
    yield { place, structure: structures[structureOf[at]!]!, isBeside: beside[at] === 1 };
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
