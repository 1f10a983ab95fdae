import type { HeaderProblem } from './dicom.js';
import type { Part } from './part.js';
import type { ImageFinder, LocatedImage, Placed, Sought } from './placing.js';
import type { ProblemCode } from './problem.js';
import { ProblemList } from './problem-list.js';
import type { ImageReference } from './structure-set.js';
import { UnusedParts } from './unused-parts.js';

/** A part of a structure with the image that it lies on, by its place in the list of images. */
export interface PlacedPart {
  readonly place: number;
  readonly structure: string;
  readonly part: Part;
  /** How far it lies off the plane of the image that it names, in mm; 0 within the tolerance, and where it names none. */
  readonly offMm: number;
}

/** What was made of a source: parts as they come, then what is to be said of them. */
export interface Placement {
  /** What all parts take packed at the least, where none lies beside its image: known before the first of them is made. */
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

const PILED =
  'it lies off the plane of the image that it names, where another one of its ROI or segment lies nearer; left out';
const BLIND = 'several of its segment name one image, and do not say where they lie; left out';

/** Finds the images of a source's contours or frames, first of all of them, then gathers what is to be said of each. */
export class Placer {
  readonly problems = new ProblemList();
  readonly unused = new UnusedParts();
  readonly #finder: ImageFinder;
  readonly #series: ReadonlySet<string>;
  readonly #images: readonly string[];
  readonly #toleranceMm: number;
  #everywhere: readonly LocatedImage[] | null = null;
  /** By image and unit, how far off the image's plane the nearest of those is that are put there. */
  readonly #nearest = new Map<string, number>();
  /** Likewise, how many are put there that do not say where they lie. */
  readonly #blind = new Map<string, number>();

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

  /** Takes notice of all that are looked for; to be called for each before the images of any are asked for. */
  note({ unit, placed: { images, by, offMm } }: Looked): void {
    for (const { place } of images) {
      const key = `${place} ${unit}`;
      if (offMm === null) this.#blind.set(key, (this.#blind.get(key) ?? 0) + 1);
      else {
        const mm = by === 'nearest' ? offMm : 0;
        this.#nearest.set(key, Math.min(this.#nearest.get(key) ?? mm, mm));
      }
    }
  }

  /** The images that one is put on; whatever is odd about it is told. */
  imagesOf({ unit, structure, placed, where, item }: Looked): readonly LocatedImage[] {
    const { by, offMm, reason, namesMissing, namesNoFrame } = placed;
    const images = placed.images.filter(({ place }) => !this.#isPiled(`${place} ${unit}`, placed));
    const isPiled = images.length < placed.images.length;
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
    if (isPiled) tell(code, offMm === null ? BLIND : PILED);
    else if (by === 'nearest')
      tell(code, 'it lies off the plane of the image that it names, which is the nearest; dropped upon it');
    else if (by === 'elsewhere')
      tell(
        code,
        isUsed
          ? 'it lies in the plane of another image than it names; placed there'
          : `it lies off the plane of the image that it names: ${reason}; left out`,
      );
    else if (reason !== null && !namesMissing) tell(code, `${reason}; left out`);
    const piled = isPiled ? placed.images.filter((image) => !images.includes(image)) : [];
    this.unused.addImages(placed.others, structure, code, false);
    this.unused.addImages(placed.beside, structure, code, true);
    this.unused.addImages(piled, structure, code, offMm !== null);
    return images;
  }

  /**
   * Takes notice of one that cannot be drawn. `isEmpty`: it would enclose nothing; `isAnywhere`: nothing of it says where it lies, so that
   * it may be on each image.
   */
  lose(
    { structure, code, isEmpty }: { structure: string; code: ProblemCode; isEmpty: boolean },
    { images, others, beside }: Placed,
    isAnywhere: boolean,
  ): void {
    this.unused.addImages(images, structure, code, isEmpty);
    this.unused.addImages(others, structure, code, isEmpty);
    this.unused.addImages(beside, structure, code, true);
    const isNowhere = images.length + others.length + beside.length === 0;
    if (!isNowhere || !isAnywhere || isEmpty) return;
    this.#everywhere ??= this.#finder.ofSeries(this.#series);
    this.unused.addImages(this.#everywhere, structure, code, true);
  }

  /** Things that lie in several planes are never put on one image: of those that are dropped upon it the nearest are. */
  #isPiled(key: string, { by, offMm }: Placed): boolean {
    if (offMm === null) return this.#blind.get(key)! > 1 || this.#nearest.has(key);
    return by === 'nearest' && offMm > this.#nearest.get(key)! + this.#toleranceMm;
  }
}
