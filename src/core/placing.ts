import {
  isSamePlane,
  type NearestPlanes,
  ParallelPlanes,
  SAME_PLANE_MM,
  type SpanAlong,
} from './parallel-planes.js';
import { type Plane, type Projection, projectionOf } from './plane.js';
import { emplace } from './study-files.js';

/** An image of a study as far as contours find it. */
export interface PlacedImage {
  readonly sopInstanceUid: string;
  /** From 0. */
  readonly frame: number;
  readonly seriesUid: string;
  readonly frameOfReferenceUid: string | null;
  readonly plane: Plane | null;
  readonly rows: number;
  readonly columns: number;
}

/** An image with what pixel coordinates in it are found with; `place`: its place in the list of images. */
export interface LocatedImage extends PlacedImage {
  readonly place: number;
  readonly projection: Projection | null;
}

/** Where something lies: what it names, and what it covers of a normal. */
export interface Sought {
  readonly references: readonly { readonly uid: string; readonly frame: number | null }[];
  readonly frameOfReferenceUid: string | null;
  /** Null where it has no place in space. */
  readonly spanAlong: SpanAlong | null;
}

export interface Placed {
  /** The images that it lies on. */
  readonly images: readonly LocatedImage[];
  /**
   * How they were found. `name`: it names them, and lies in their plane where it has one; `nearest`: it names them and lies off their
   * plane, nearer to it than to any other; `elsewhere`: it lies in their plane and names other images, which are there; `plane`: it
   * names no image that is there.
   */
  readonly by: 'name' | 'nearest' | 'elsewhere' | 'plane';
  /** How far it lies off the plane of the nearest image that it names, in mm; null where that, or its own place, is not known. */
  readonly offMm: number | null;
  /** Images that it is not put on, and that it may well belong to: it lies in their plane, or nothing tells where it lies. */
  readonly others: readonly LocatedImage[];
  /** Images that it belongs to by its name or as the nearest, and lies off their planes. */
  readonly beside: readonly LocatedImage[];
  /** Whether some image that it names is not there. */
  readonly namesMissing: boolean;
  /** Whether it names an image of several frames and not which frame. */
  readonly namesNoFrame: boolean;
  /** Why there is no image; null where there is one. */
  readonly reason: string | null;
}

type Solid = LocatedImage & { readonly projection: Projection };

interface Series {
  readonly uid: string;
  readonly planes: ParallelPlanes<Solid>;
}

interface Space {
  readonly series: Map<string, Series>;
  readonly planes: ParallelPlanes<Solid>;
}

type Found = Omit<Placed, 'namesMissing' | 'namesNoFrame'>;

/** Half of the distance of slices where nothing tells it: coordinates that are rounded to whole mm are off by so much. */
const LONE_HALF_GAP_MM = 0.5;
const OPEN = 'several images of a series lie in its plane, and nothing tells which is meant';

/** Finds the images that contours and frames of segmentations belong to. */
export class ImageFinder {
  readonly #named = new Map<string, LocatedImage[]>();
  readonly #series = new Map<string, Series>();
  /** By FrameOfReferenceUID. */
  readonly #spaces = new Map<string, Space>();
  readonly #all: LocatedImage[] = [];
  readonly #toleranceMm: number;

  constructor(images: readonly PlacedImage[], toleranceMm: number) {
    this.#toleranceMm = toleranceMm;
    images.forEach((image, place) => {
      const located: LocatedImage = { ...image, place, projection: image.plane && projectionOf(image.plane) };
      this.#all.push(located);
      if (image.sopInstanceUid !== '') emplace(this.#named, image.sopInstanceUid, () => []).push(located);
      if (isSolid(located)) this.#addPlane(located);
    });
  }

  #addPlane(image: Solid): void {
    const { frameOfReferenceUid, projection } = image;
    const key = seriesKey(image);
    const space = frameOfReferenceUid
      ? emplace(this.#spaces, frameOfReferenceUid, () => ({
          series: new Map(),
          planes: new ParallelPlanes(),
        }))
      : null;
    const series = emplace(this.#series, key, () => ({ uid: image.seriesUid, planes: new ParallelPlanes() }));
    series.planes.add(projection, image);
    space?.series.set(key, series);
    space?.planes.add(projection, image);
  }

  /** The images of these series; where none of them is there, all. */
  ofSeries(series: ReadonlySet<string>): readonly LocatedImage[] {
    const own = this.#all.filter(({ seriesUid }) => series.has(seriesUid));
    return own.length > 0 ? own : this.#all;
  }

  /** Whether an image of this SOPInstanceUID is there. */
  has(uid: string): boolean {
    return this.#named.has(uid);
  }

  /**
   * The images that something lies on: those whose plane is the nearest. The images that it names tell those of one plane apart, and
   * make up for an error of up to half the distance of slices. Where it lies farther off, and where it names none that is there, it goes
   * into the planes of its frame of reference: of the series of those that it names, else of `series`, where some are of those, and of
   * each series into the nearest. Two images of one series in that same plane, as phases of a heart are, leave it open: none.
   */
  find({ references, frameOfReferenceUid, spanAlong }: Sought, series: ReadonlySet<string>): Placed {
    const named = new Map<LocatedImage, { readonly isNumbered: boolean }>();
    let namesMissing = false;
    for (const { uid, frame } of references) {
      const images = this.#named.get(uid) ?? [];
      const meant = frame === null ? images : images.filter((image) => image.frame === frame - 1);
      if (meant.length === 0) namesMissing = true;
      for (const image of meant)
        if (!named.get(image)?.isNumbered) named.set(image, { isNumbered: meant.length === 1 });
    }
    const namesNoFrame = [...named.values()].some(({ isNumbered }) => !isNumbered);
    const base = { namesMissing, namesNoFrame };
    if (named.size === 0)
      return { ...base, by: 'plane', ...this.#inPlane(frameOfReferenceUid, spanAlong, series) };
    const solid = [...named.keys()].filter(isSolid);
    if (spanAlong === null || solid.length === 0) return { ...base, ...byName([...named.keys()]) };
    const isNumbered = (image: LocatedImage) => named.get(image)?.isNumbered === true;
    return { ...base, ...this.#nearNamed(solid, isNumbered, spanAlong) };
  }

  /** What names images that have planes. */
  #nearNamed(
    named: readonly Solid[],
    isNumbered: (image: LocatedImage) => boolean,
    spanAlong: SpanAlong,
  ): Found {
    const own: Solid[] = [];
    const elsewhere: Solid[] = [];
    const open: Solid[] = [];
    let offMm = 0;
    let isOpen = false;
    const bySeries = new Map<string, Solid[]>();
    for (const image of named) emplace(bySeries, seriesKey(image), () => []).push(image);
    for (const [key, ofSeries] of bySeries) {
      const nearest = this.#series.get(key)!.planes.nearest(spanAlong, this.#reachMm(ofSeries));
      if (nearest === null) continue;
      const { mm, items } = nearest;
      const isIn = mm <= this.#toleranceMm;
      const meant = items.filter((item) => ofSeries.includes(item));
      // Of frames that are named by their file alone, several in one plane are as good as none.
      const isClear = meant.length === 1 || (meant.length > 1 && meant.every(isNumbered));
      if (isClear) {
        for (const image of meant) own.push(image);
        if (!isIn) offMm = Math.max(offMm, mm);
      } else if (meant.length === 0 && items.length === 1 && isIn) elsewhere.push(items[0]!);
      else if (meant.length > 0 || isIn) {
        isOpen = true;
        for (const image of items) open.push(image);
      }
    }
    if (own.length > 0) {
      const by = offMm > 0 ? 'nearest' : 'name';
      return { images: own, by, offMm, others: [], beside: [], reason: null };
    }
    const nearest = nearestOf(named, spanAlong);
    const isIn = nearest.mm <= this.#toleranceMm;
    const off = {
      by: 'elsewhere',
      offMm: nearest.mm,
      others: isIn ? nearest.items : [],
      beside: isIn ? [] : nearest.items,
    } as const;
    if (elsewhere.length > 0) return { ...off, images: elsewhere, reason: null };
    if (isOpen)
      return {
        ...off,
        by: isIn ? 'name' : 'elsewhere',
        images: [],
        others: [...off.others, ...open],
        reason: OPEN,
      };
    const seriesUids = new Set(named.map(({ seriesUid }) => seriesUid));
    const found = this.#inPlane(named[0]!.frameOfReferenceUid, spanAlong, seriesUids);
    return {
      ...found,
      ...off,
      others: [...found.others, ...off.others],
      beside: [...found.beside, ...off.beside],
    };
  }

  /** How far off the plane that it names something may lie, where no other plane is nearer. */
  #reachMm(named: readonly Solid[]): number {
    const [first] = named;
    // What names several planes, as all frames of a volume may, says nothing of the one that it lies in.
    if (!named.every((image) => isSamePlane(image.projection, first!.projection))) return this.#toleranceMm;
    return Math.max(this.#toleranceMm, this.#halfGapMm(first!));
  }

  #halfGapMm(image: Solid): number {
    const { projection, frameOfReferenceUid } = image;
    const inSeries = this.#series.get(seriesKey(image))!.planes.halfGapMm(projection);
    const inSpace = () => this.#spaces.get(frameOfReferenceUid ?? '')?.planes.halfGapMm(projection);
    return inSeries ?? inSpace() ?? LONE_HALF_GAP_MM;
  }

  #inPlane(
    frameOfReferenceUid: string | null,
    spanAlong: SpanAlong | null,
    seriesUids: ReadonlySet<string>,
  ): Pick<Placed, 'images' | 'offMm' | 'others' | 'beside' | 'reason'> {
    const none = (reason: string, beside: readonly LocatedImage[] = []) => ({
      images: [],
      offMm: 0,
      others: [],
      beside,
      reason,
    });
    if (spanAlong === null) return none('it names no image that is there, and does not say where it lies');
    const space = this.#spaces.get(frameOfReferenceUid ?? '');
    if (!space) return none('it names no image that is there, and no image is in its frame of reference');
    const all = [...space.series.values()];
    const nearest = (among: readonly Series[], reachMm: number) =>
      among.flatMap(({ planes }) => planes.nearest(spanAlong, reachMm) ?? []);
    const asked = nearest(
      all.filter(({ uid }) => seriesUids.has(uid)),
      this.#toleranceMm,
    );
    const near = asked.length > 0 ? asked : nearest(all, this.#toleranceMm);
    if (near.length === 0) {
      const beside = space.planes.nearest(spanAlong, Number.POSITIVE_INFINITY);
      const isBeside = beside !== null && beside.mm <= this.#halfGapMm(beside.items[0]!) + SAME_PLANE_MM;
      return none('it lies in the plane of no image', isBeside ? beside.items : []);
    }
    const images = near.flatMap(({ items }) => (items.length === 1 ? items : []));
    if (images.length > 0) return { images, offMm: 0, others: [], beside: [], reason: null };
    return { ...none(OPEN), others: near.flatMap(({ items }) => items) };
  }
}

function isSolid(image: LocatedImage): image is Solid {
  return image.projection !== null;
}

function seriesKey({ frameOfReferenceUid, seriesUid }: PlacedImage): string {
  return `${frameOfReferenceUid} ${seriesUid}`;
}

/** What names images, or lies, where nothing tells of a plane. */
function byName(named: readonly LocatedImage[]): Found {
  if (named.length === 1)
    return { images: named, by: 'name', offMm: null, others: [], beside: [], reason: null };
  return {
    images: [],
    by: 'name',
    offMm: null,
    others: named,
    beside: [],
    reason: 'it names several images, and nothing tells on which it lies',
  };
}

/** Those of some images whose planes something is nearest to, and how far it lies off those. */
function nearestOf(images: readonly Solid[], spanAlong: SpanAlong): NearestPlanes<Solid> {
  const planes = new ParallelPlanes<Solid>();
  for (const image of images) planes.add(image.projection, image);
  return (
    planes.nearest(spanAlong, Number.POSITIVE_INFINITY) ?? { mm: Number.POSITIVE_INFINITY, items: images }
  );
}
