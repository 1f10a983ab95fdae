import {
  heightOver,
  isSolid,
  type LocatedImage,
  newPlanes,
  type PlacedImage,
  planesOf,
  type Solid,
  seriesKey,
} from './located-image.js';
import { isSamePlane, type ParallelPlanes, SAME_PLANE_MM, type SpanAlong } from './parallel-planes.js';
import type { ImageLists, Placed, Sought } from './placed.js';
import { projectionOf } from './plane.js';
import { emplace } from './study-files.js';

interface NamedOfSeries {
  readonly images: ReadonlySet<Solid>;
  readonly planes: ParallelPlanes<Solid>;
  readonly reachMm: number;
}

/** The images that something names. */
interface Named {
  readonly images: readonly LocatedImage[];
  /** Those that have planes, by `seriesKey`; `reachMm`: how far off their plane something may lie, where no other plane is nearer. */
  readonly bySeries: ReadonlyMap<string, NamedOfSeries>;
  readonly planes: ParallelPlanes<Solid>;
  /** Of images that lie in one plane those that are named: thousands of contours may lie there. */
  readonly meantOf: Map<readonly Solid[], readonly Solid[]>;
  /** Those that are named by a file of several frames alone. */
  readonly unnumbered: ReadonlySet<LocatedImage>;
  /** Whether some image that is named is not there. */
  readonly isMissing: boolean;
}

type InPlane = Pick<Placed, 'images' | 'offMm' | 'others' | 'beside' | 'reason'>;

type Found = Omit<Placed, 'nameless' | 'named' | 'namesMissing' | 'namesNoFrame'>;

/** Half of the distance of slices where nothing tells it: coordinates that are rounded to whole mm are off by so much. */
const LONE_HALF_GAP_MM = 0.5;
const OPEN = 'several images of a series lie in its plane, and nothing tells which is meant';

/** Finds the images that contours and frames of segmentations belong to. */
export class ImageFinder {
  /** By SOPInstanceUID and frame. */
  readonly #files = new Map<string, Map<number, LocatedImage>>();
  readonly #series = new Map<string, ParallelPlanes<Solid>>();
  /** By FrameOfReferenceUID. */
  readonly #spaces = new Map<string, ParallelPlanes<Solid>>();
  /** Of the images without a FrameOfReferenceUID. */
  readonly #noSpace = newPlanes();
  readonly #withoutPlane: LocatedImage[] = [];
  readonly #ofSeries = new WeakMap<ReadonlySet<string>, readonly LocatedImage[]>();
  readonly #all: LocatedImage[] = [];
  readonly #toleranceMm: number;
  /** The images that a single reference names, kept: thousands of contours may name one file of many frames. */
  readonly #alone = new Map<string, Named>();
  /** Lists of images, by whether all of a list lie in one plane. */
  readonly #inOnePlane = new WeakMap<readonly Solid[], boolean>();

  constructor(images: readonly PlacedImage[], toleranceMm: number) {
    this.#toleranceMm = toleranceMm;
    images.forEach((image, place) => {
      const located: LocatedImage = { ...image, place, projection: image.plane && projectionOf(image.plane) };
      this.#all.push(located);
      if (image.sopInstanceUid !== '')
        emplace(this.#files, image.sopInstanceUid, () => new Map()).set(image.frame, located);
      if (!isSolid(located)) {
        this.#withoutPlane.push(located);
        return;
      }
      emplace(this.#series, seriesKey(located), newPlanes).add(located.projection, located);
      const { frameOfReferenceUid: space } = located;
      const planes = space ? emplace(this.#spaces, space, newPlanes) : this.#noSpace;
      planes.add(located.projection, located);
    });
  }

  /**
   * Finds the images that a contour or frame lies on: those whose plane is the nearest. The images that it names
   * tell those of one plane apart, and make up for an error of up to half the distance of slices. A name within
   * the tolerance of several planes comes first here, with the nearest plane as `nameless`: `Placer.settle`
   * chooses. Farther off, and where it names no image that is there, it goes into the planes of its frame of
   * reference: of the series of the named images, else of `series` if some are there, and of each series into the
   * nearest. Two images of one series in that same plane, as phases of a heart are, leave it open: none.
   */
  find({ references, frameOfReferenceUid, spanAlong }: Sought, series: ReadonlySet<string>): Placed {
    const [only, other] = references;
    const named =
      only && !other
        ? emplace(this.#alone, `${only.uid} ${only.frame}`, () => this.#named(references))
        : this.#named(references);
    const { images, bySeries, unnumbered, isMissing } = named;
    const base = {
      heights: null,
      nameless: null,
      named: images,
      namesMissing: isMissing,
      namesNoFrame: unnumbered.size > 0,
    };
    if (images.length === 0)
      return { ...base, by: 'plane', ...this.#namesNone(frameOfReferenceUid, spanAlong, series) };
    if (spanAlong === null || bySeries.size === 0) return { ...base, ...byName(images) };
    const found = this.#nearNamed(named, spanAlong, true);
    if (!found.isLoose) return { ...base, ...found };
    return { ...base, ...found, nameless: () => ({ ...base, ...this.#nearNamed(named, spanAlong, false) }) };
  }

  #named(references: Sought['references']): Named {
    const images = new Set<LocatedImage>();
    const numbered = new Set<LocatedImage>();
    const solid = new Map<string, Set<Solid>>();
    const planes = newPlanes();
    let isMissing = false;
    for (const { uid, frame } of references) {
      const ofFile = this.#files.get(uid) ?? new Map<number, LocatedImage>();
      const meant = frame === null ? [...ofFile.values()] : [ofFile.get(frame - 1) ?? []].flat();
      if (meant.length === 0) isMissing = true;
      if (meant.length === 1) numbered.add(meant[0]!);
      for (const image of meant) {
        if (!images.has(image) && isSolid(image)) {
          emplace(solid, seriesKey(image), () => new Set()).add(image);
          planes.add(image.projection, image);
        }
        images.add(image);
      }
    }
    const bySeries = new Map(
      [...solid].map(([key, own]) => [
        key,
        { images: own, planes: planesOf(own), reachMm: this.#reachMm(own) },
      ]),
    );
    const unnumbered = new Set([...images].filter((image) => !numbered.has(image)));
    return { images: [...images], bySeries, planes, meantOf: new Map(), unnumbered, isMissing };
  }

  /**
   * Finds the images of a contour or frame that names images with planes. `isNameFirst`: within the tolerance of several planes the name
   * decides, otherwise the nearest plane does. `isLoose`: whether the name decided against a nearer plane.
   */
  #nearNamed(
    { bySeries, planes, meantOf, unnumbered }: Named,
    spanAlong: SpanAlong,
    isNameFirst: boolean,
  ): Found & { readonly isLoose: boolean } {
    // Of frames that are named by their file alone, several in one plane are as good as none.
    const isClear = (meant: readonly Solid[]) =>
      meant.length === 1 ||
      (meant.length > 1 && this.#isOnePlane(meant) && meant.every((image) => !unnumbered.has(image)));
    let isLoose = false;
    const heights: number[] = [];
    const own: Solid[] = [];
    const elsewhere: Solid[] = [];
    const open: (readonly Solid[])[] = [];
    let offMm = 0;
    for (const [key, { images, planes: ofSeries, reachMm }] of bySeries) {
      const nearest = this.#series.get(key)!.nearest(spanAlong, reachMm);
      if (nearest === null) continue;
      const { mm, items } = nearest;
      const isIn = mm <= this.#toleranceMm;
      const meant = emplace(meantOf, items, () => items.filter((item) => images.has(item)));
      const within =
        meant.length === 0 && isIn && isNameFirst ? ofSeries.nearest(spanAlong, this.#toleranceMm) : null;
      const put = within !== null && isClear(within.items) ? within.items : meant;
      if (isClear(put)) {
        if (put !== meant) isLoose = true;
        const height = isIn && put === meant ? 0 : heightOver(put[0]!, spanAlong);
        for (const image of put) {
          own.push(image);
          heights.push(height);
        }
        if (!isIn) offMm = Math.max(offMm, mm);
      } else if (meant.length === 0 && items.length === 1 && isIn) elsewhere.push(items[0]!);
      else if (meant.length > 0 || isIn) open.push(items);
    }
    if (own.length > 0) {
      const by = offMm > 0 ? 'nearest' : 'name';
      return { images: own, by, offMm, heights, isLoose, others: [], beside: [], reason: null };
    }
    const nearest = planes.nearest(spanAlong, Number.POSITIVE_INFINITY);
    const isIn = nearest !== null && nearest.mm <= this.#toleranceMm;
    const near = [nearest?.items ?? [...bySeries.values()].flatMap(({ images }) => [...images])];
    const put = { by: 'elsewhere', offMm: nearest?.mm ?? null, heights: null, isLoose: false } as const;
    const asNamed = (isPut: boolean) =>
      isPut && !isIn ? { others: [], beside: near } : { others: near, beside: [] };
    if (elsewhere.length > 0) return { ...put, ...asNamed(true), images: elsewhere, reason: null };
    if (open.length > 0) {
      const others = isIn ? open : [...open, ...near];
      return { ...put, by: isIn ? 'name' : 'elsewhere', images: [], others, beside: [], reason: OPEN };
    }
    const named = [...bySeries.values()].map(({ images: [first] }) => first!);
    const seriesUids = new Set(named.map(({ seriesUid }) => seriesUid));
    const found = this.#inPlane(named[0]!.frameOfReferenceUid, spanAlong, seriesUids);
    const { others, beside } = asNamed(found.images.length > 0);
    return {
      ...found,
      ...put,
      others: [...found.others, ...others],
      beside: [...found.beside, ...beside],
    };
  }

  #isOnePlane(images: readonly Solid[]): boolean {
    const known = this.#inOnePlane.get(images);
    if (known !== undefined) return known;
    const isOne = images.every(({ projection }) => isSamePlane(projection, images[0]!.projection));
    this.#inOnePlane.set(images, isOne);
    return isOne;
  }

  /** How far off the plane that it names something may lie, where no other plane is nearer. */
  #reachMm(named: ReadonlySet<Solid>): number {
    const [first] = named;
    // A reference to several planes, such as all frames of a volume, does not tell in which one it lies.
    for (const image of named)
      if (!isSamePlane(image.projection, first!.projection)) return this.#toleranceMm;
    return Math.max(this.#toleranceMm, this.#halfGapMm(first!));
  }

  #halfGapMm(image: Solid): number {
    const inSeries = this.#series.get(seriesKey(image))!.halfGapMm(image.projection);
    const inSpace = () => this.#spaces.get(image.frameOfReferenceUid ?? '')?.halfGapMm(image.projection);
    return inSeries ?? inSpace() ?? LONE_HALF_GAP_MM;
  }

  /** Finds the images of one that names none that is there: in no plane, it may be on images of unknown place. */
  #namesNone(space: string | null, spanAlong: SpanAlong | null, series: ReadonlySet<string>): InPlane {
    if (spanAlong === null) {
      const reason = 'it names no image that is there, and does not say where it lies';
      return nowhere(reason, [], [this.#imagesOfSeries(series)]);
    }
    const found = this.#inPlane(space, spanAlong, series);
    if (found.images.length > 0 || found.reason === OPEN) return found;
    // Where no image is in its frame of reference, the heights in others are the best that is known.
    const known = this.#spaces.has(space ?? '') ? [] : this.#spaces.values();
    const atHeight = [this.#noSpace, ...known].flatMap((planes) => [
      ...planes.crossed(spanAlong, this.#toleranceMm),
      ...this.#besideIn(planes, spanAlong),
    ]);
    return { ...found, beside: [...found.beside, ...atHeight, this.#withoutPlane] };
  }

  /** The images of these series; where none of them is there, all. */
  #imagesOfSeries(series: ReadonlySet<string>): readonly LocatedImage[] {
    const known = this.#ofSeries.get(series);
    if (known) return known;
    const own = this.#all.filter(({ seriesUid }) => series.has(seriesUid));
    const images = own.length > 0 ? own : this.#all;
    this.#ofSeries.set(series, images);
    return images;
  }

  /** The nearest images, where something lies between them or just beyond the last. */
  #besideIn(planes: ParallelPlanes<Solid>, spanAlong: SpanAlong): ImageLists {
    const near = planes.nearest(spanAlong, Number.POSITIVE_INFINITY);
    return near !== null && near.mm <= this.#halfGapMm(near.items[0]!) + SAME_PLANE_MM ? [near.items] : [];
  }

  #inPlane(
    frameOfReferenceUid: string | null,
    spanAlong: SpanAlong,
    seriesUids: ReadonlySet<string>,
  ): InPlane {
    const space = this.#spaces.get(frameOfReferenceUid ?? '');
    if (!space) return nowhere('no image is in its frame of reference');
    const near = space.within(spanAlong, this.#toleranceMm);
    if (near.length === 0) {
      const crossed = space.crossed(spanAlong, this.#toleranceMm);
      return nowhere('it lies in the plane of no image', crossed, this.#besideIn(space, spanAlong));
    }
    const asked = near.filter(({ item }) => seriesUids.has(item.seriesUid));
    const bySeries = new Map<string, typeof near>();
    for (const one of asked.length > 0 ? asked : near)
      emplace(bySeries, seriesKey(one.item), () => []).push(one);
    const images: Solid[] = [];
    for (const candidates of bySeries.values()) {
      const least = candidates.reduce((mm, one) => Math.min(mm, one.mm), Number.POSITIVE_INFINITY);
      const nearest = candidates.filter(({ mm }) => mm < least + SAME_PLANE_MM);
      if (nearest.length === 1) images.push(nearest[0]!.item);
    }
    if (images.length > 0) return { images, offMm: 0, others: [], beside: [], reason: null };
    return nowhere(OPEN, [near.map(({ item }) => item)]);
  }
}

function nowhere(reason: string, others: ImageLists = [], beside: ImageLists = []): InPlane {
  return { images: [], offMm: 0, others, beside, reason };
}

/** Places one by the images that it names, if nothing tells its plane or theirs. */
function byName(named: readonly LocatedImage[]): Found {
  if (named.length === 1)
    return { images: named, by: 'name', offMm: null, heights: null, others: [], beside: [], reason: null };
  const reason = 'it names several images, and nothing tells on which it lies';
  return { images: [], by: 'name', offMm: null, heights: null, others: [named], beside: [], reason };
}
