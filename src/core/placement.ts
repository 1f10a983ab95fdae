import { Claims, type Denied, isSameImages } from './claims.js';
import type { HeaderProblem } from './dicom.js';
import type { LocatedImage } from './located-image.js';
import type { Part } from './part.js';
import type { Placed, Sought } from './placed.js';
import type { ImageFinder } from './placing.js';
import type { ProblemCode } from './problem.js';
import { ProblemList } from './problem-list.js';
import type { ImageReference } from './structure-set.js';
import { emplace } from './study-files.js';
import { UnusedParts } from './unused-parts.js';

/** A part of a structure with the image that it lies on, by its place in the list of images. */
export interface PlacedPart {
  readonly place: number;
  readonly structure: string;
  readonly part: Part;
  /** How far it lies off the plane of the image that it names, in mm; 0 within the tolerance, and where it names none. */
  readonly offMm: number;
}

/** The placed parts of a source, one after the other, then the problems of them. */
export interface Placement {
  /** Bytes that all packed parts take at least if none lies beside its image; known before the first part is made. */
  readonly leastBytes: number;
  readonly parts: Iterable<PlacedPart>;
  /** To be asked for when all parts were taken. */
  readonly problems: () => readonly HeaderProblem[];
  /** Likewise; a structure may be on such an image all the same. */
  readonly unused: () => UnusedParts;
}

/** A contour or frame that was looked for; `where` and `item` name it in problems. */
export interface Looked {
  /** The ROI or segment that it is of, by its item. */
  readonly unit: number;
  readonly structure: string;
  readonly where: string;
  readonly item: number;
  readonly placed: Placed;
}

const BLIND: Denied = {
  why: 'several of its segment name one image, and do not say where they lie',
  isComplete: false,
};

const LOOSE =
  'it lies nearer to the plane of another image than it names, and within the tolerance of the named one; placed as named';

/** Finds the images of a source's contours or frames, first of all of them, then gathers what is to be said of each. */
export class Placer {
  readonly problems = new ProblemList();
  readonly unused = new UnusedParts();
  readonly #finder: ImageFinder;
  readonly #series: ReadonlySet<string>;
  readonly #images: readonly string[];
  readonly #toleranceMm: number;
  /** By structure and image. */
  readonly #claims = new Map<string, Map<number, Claims>>();
  /** By unit and image, how many would be put there. */
  readonly #ofUnit = new Map<number, Map<number, number>>();

  constructor(
    finder: ImageFinder,
    toleranceMm: number,
    { series, images }: { readonly series: readonly string[]; readonly images: readonly string[] },
  ) {
    this.#finder = finder;
    this.#toleranceMm = toleranceMm;
    this.#series = new Set(series);
    this.#images = images;
  }

  find(references: readonly ImageReference[], where: Omit<Sought, 'references'>): Placed {
    const named = references.map(({ image, frame }) => ({ uid: this.#images[image]!, frame }));
    return this.#finder.find({ ...where, references: named }, this.#series);
  }

  /**
   * Takes notice of all contours or frames of a source, before the images of any are asked for. Returns them with their
   * places: where the name and the nearest plane disagree within the tolerance, the nearest plane decides, unless it is open
   * or others of the structure that name other images claim it as well. Then the name decides, unless others of
   * several planes have that name too.
   */
  settle<One extends Looked>(looked: readonly One[]): readonly One[] {
    const byPlane = this.#byNearestPlane(looked);
    for (const one of byPlane) this.#claim(one);
    const isRefused = ({ structure, placed }: One) =>
      placed.nameless !== null &&
      placed.images.some(({ place }, at) =>
        this.#claimsOn(structure, place).refusesName(placed.heights![at]!),
      );
    const refused = new Set(byPlane.filter(isRefused));
    return byPlane.map((one) => {
      if (!refused.has(one)) return one;
      const settled = { ...one, placed: one.placed.nameless!() };
      this.#claim(settled);
      return settled;
    });
  }

  /** Puts those whose name decided into the nearest plane instead, where nobody else of the structure disputes it. */
  #byNearestPlane<One extends Looked>(looked: readonly One[]): readonly One[] {
    if (looked.every(({ placed }) => placed.nameless === null)) return looked;
    const nearest = looked.map(({ placed }) => placed.nameless?.() ?? placed);
    /** By structure and image: the images that those name which would lie there; null where they differ. */
    const namedAt = new Map<string, Map<number, readonly LocatedImage[] | null>>();
    looked.forEach(({ structure }, at) => {
      const { images, named } = nearest[at]!;
      const known = emplace(namedAt, structure, () => new Map<number, readonly LocatedImage[] | null>());
      for (const { place } of images) {
        const others = known.get(place);
        if (others === undefined) known.set(place, named);
        else if (others !== null && !isSameImages(others, named)) known.set(place, null);
      }
    });
    return looked.map((one, at) => {
      if (one.placed.nameless === null) return one;
      const placed = nearest[at]!;
      const isDisputed = placed.images.some(({ place }) => namedAt.get(one.structure)!.get(place) === null);
      return placed.images.length === 0 || isDisputed ? one : { ...one, placed };
    });
  }

  /** The images that one is put on; whatever is odd about it is told. */
  imagesOf(one: Looked): readonly LocatedImage[] {
    const { structure, placed, where, item } = one;
    const { by, reason, namesMissing, namesNoFrame } = placed;
    const images: LocatedImage[] = [];
    const denied = new Map<Denied, LocatedImage[]>();
    placed.images.forEach((image, at) => {
      const why = this.#denied(one, at);
      if (why === null) images.push(image);
      else emplace(denied, why, () => []).push(image);
    });
    const isUsed = images.length > 0;
    const isOff = by === 'nearest' || by === 'elsewhere';
    const code = isOff ? 'CONTOUR_OFF_PLANE' : 'CONTOUR_WITHOUT_PLACE';
    const tell = (told: ProblemCode, detail: string) => this.problems.add(told, where, item, detail);
    if (namesMissing)
      tell(
        'CONTOUR_WITHOUT_IMAGE',
        `it names an image that is not there; ${!isUsed ? 'left out' : by === 'plane' ? 'placed by its plane' : 'placed on the others'}`,
      );
    if (namesNoFrame)
      tell(
        'FRAME_NOT_NAMED',
        `it names an image of several frames and not which of them; ${isUsed ? 'placed by its plane' : 'left out'}`,
      );
    for (const { why } of denied.keys()) tell(code, `${why}; left out`);
    if (denied.size > 0) {
      // Its images that are left need no word.
    } else if (by === 'nearest')
      tell(code, 'it lies off the plane of the image that it names, which is the nearest; dropped upon it');
    else if (by === 'elsewhere')
      tell(
        code,
        isUsed
          ? 'it lies in the plane of another image than it names; placed there'
          : `it lies off the plane of the image that it names: ${reason}; left out`,
      );
    else if (placed.nameless !== null) tell('CONTOUR_OFF_PLANE', LOOSE);
    else if (reason !== null && !namesMissing) tell(code, `${reason}; left out`);
    this.#addUnused(placed.others, structure, code, false);
    // Without the image that it lies in, it may be a part of those that it names.
    const isOfNamed = by === 'elsewhere' && denied.size > 0;
    this.#addUnused(placed.beside, structure, code, !isOfNamed);
    for (const [{ isComplete }, left] of denied) this.unused.addImages(left, structure, code, isComplete);
    return images;
  }

  /**
   * Takes notice of one that cannot be drawn. `isEmpty`: it would enclose nothing; `isAnywhere`: nothing of it
   * says where it lies.
   */
  lose(
    { structure, code, isEmpty }: { structure: string; code: ProblemCode; isEmpty: boolean },
    { images, others, beside }: Placed,
    isAnywhere: boolean,
  ): void {
    this.unused.addImages(images, structure, code, isEmpty);
    this.#addUnused(others, structure, code, isEmpty);
    if (!isAnywhere || !isEmpty) this.#addUnused(beside, structure, code, true);
  }

  #addUnused(lists: Placed['others'], structure: string, code: ProblemCode, isBeside: boolean): void {
    for (const images of lists) this.unused.addImages(images, structure, code, isBeside);
  }

  #claim({ unit, structure, placed }: Looked): void {
    placed.images.forEach(({ place }, at) => {
      const ofUnit = emplace(this.#ofUnit, unit, () => new Map<number, number>());
      ofUnit.set(place, (ofUnit.get(place) ?? 0) + 1);
      if (placed.offMm !== null) this.#claimsOn(structure, place).add(placed, placed.heights?.[at] ?? 0);
    });
  }

  #denied({ unit, structure, placed }: Looked, at: number): Denied | null {
    const { place } = placed.images[at]!;
    if (placed.offMm === null) return this.#ofUnit.get(unit)!.get(place)! > 1 ? BLIND : null;
    return this.#claimsOn(structure, place).denied(placed, placed.heights?.[at] ?? 0);
  }

  #claimsOn(structure: string, place: number): Claims {
    const onImages = emplace(this.#claims, structure, () => new Map<number, Claims>());
    return emplace(onImages, place, () => new Claims(this.#toleranceMm));
  }
}
