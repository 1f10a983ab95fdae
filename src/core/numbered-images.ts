import { contourName, imageName } from './contour-name.js';
import type { ImageHeader } from './dicom.js';
import type { Problem } from './problem.js';
import { emplace } from './study-files.js';

/** An image that contours may name by its number. */
export interface NumberedImage {
  readonly path: string;
  readonly header: Pick<ImageHeader, 'seriesUid' | 'instanceNumber'>;
}

/** Which images contours with numbers were drawn on. */
export interface NumberedImages<Image> {
  /** The images of the series that the contours are of by number, each where it is the only one with it; none where there are no contours. */
  readonly images: ReadonlyMap<number, Image>;
  /**
   * For each number of a contour that is ambiguous and therefore finds no image: the images that it could
   * mean.
   */
  readonly candidates: ReadonlyMap<number, readonly Image[]>;
  readonly problems: readonly Problem[];
}

/** A way to number images: two of one number are both there, and what another way has under a number may contradict it. */
interface Numbering<Image> {
  readonly images: ReadonlyMap<number, ReadonlySet<Image>>;
  readonly others: ReadonlyMap<number, ReadonlySet<Image>>;
}

interface Contour {
  readonly path: string;
  readonly number: number;
}

/**
 * Finds the images of a case that its contours name by number. An image's number is its InstanceNumber, or that of its file's name where that
 * is `IM-SSSS-NNNN`; all contours are of one series, numbered one way: the one that has most of their numbers, then the one whose files have
 * most of their names. Where the other way has another image under a number, or two series have equally many, nothing is taken and
 * the contours are problems. Files of several series that were exported as one, `IM-SSSS-` in one folder, count as a series by their names.
 */
export function numberImages<Image extends NumberedImage>(
  images: readonly Image[],
  contours: readonly Contour[],
): NumberedImages<Image> {
  if (contours.length === 0) return { images: new Map(), candidates: new Map(), problems: [] };
  const best = bestOf(numberings(images), contours);
  const chosen = best[0];
  const isOne = best.every((other) =>
    contours.every(({ number }) => isSame(other.images, chosen!.images, number)),
  );
  const problems = contours.flatMap(({ path, number }): Problem[] => {
    const ambiguous = (detail: string): Problem[] => [{ code: 'CONTOUR_AMBIGUOUS', file: path, detail }];
    if (!best.some((numbering) => numbering.images.has(number)))
      return [
        { code: 'CONTOUR_WITHOUT_IMAGE', file: path, detail: `there is no image ${number} in the study` },
      ];
    if (!isOne) return ambiguous('more than one series has as many images with its numbers');
    const found = candidates(chosen!, number).size;
    return found === 1 ? [] : ambiguous(`${found} images of its series could be number ${number}`);
  });
  const unique = new Map<number, Image>();
  if (chosen && isOne)
    for (const number of chosen.images.keys()) {
      const [image, another] = candidates(chosen, number);
      if (image !== undefined && another === undefined) unique.set(number, image);
    }
  const open = new Map(
    contours
      .filter(({ number }) => !unique.has(number))
      .map(({ number }) => [number, [...new Set(best.flatMap((each) => [...candidates(each, number)]))]]),
  );
  return { images: unique, candidates: open, problems };
}

function candidates<Image>({ images, others }: Numbering<Image>, number: number): Set<Image> {
  return new Set([...(images.get(number) ?? []), ...(others.get(number) ?? [])]);
}

function isSame<Image>(
  a: Numbering<Image>['images'],
  b: Numbering<Image>['images'],
  number: number,
): boolean {
  const [one, other] = [a.get(number), b.get(number)];
  return one?.size === other?.size && [...(one ?? [])].every((image) => other?.has(image));
}

function numberings<Image extends NumberedImage>(images: readonly Image[]): Numbering<Image>[] {
  const series = new Map<string, Image[]>();
  const exports = new Map<string, Image[]>();
  for (const image of images) {
    emplace(series, image.header.seriesUid, () => []).push(image);
    const name = imageName(image.path)?.series ?? null;
    const folder = image.path.slice(0, image.path.lastIndexOf('/') + 1);
    if (name !== null) emplace(exports, `${name} ${folder}`, () => []).push(image);
  }
  const found = [...series.values()].flatMap((own): Numbering<Image>[] => {
    const byInstance = byNumber(own, ({ header }) => header.instanceNumber);
    const byName = byNumber(own, nameNumber);
    return [
      { images: byInstance, others: byName },
      { images: byName, others: byInstance },
    ];
  });
  for (const own of exports.values())
    if (new Set(own.map(({ header }) => header.seriesUid)).size > 1)
      found.push({ images: byNumber(own, nameNumber), others: new Map() });
  return found;
}

function byNumber<Image>(
  images: readonly Image[],
  numberOf: (image: Image) => number | null,
): Map<number, Set<Image>> {
  const numbers = new Map<number, Set<Image>>();
  for (const image of images) {
    const number = numberOf(image);
    if (number !== null) emplace(numbers, number, () => new Set()).add(image);
  }
  return numbers;
}

/** Those that have most of the contours' numbers, and of them those whose files have most of the contours' names. */
function bestOf<Image extends NumberedImage>(
  numberings: readonly Numbering<Image>[],
  contours: readonly Contour[],
): Numbering<Image>[] {
  let best: Numbering<Image>[] = [];
  let [found, namesakes] = [0, 0];
  for (const numbering of numberings) {
    const own = contours.filter(({ number }) => numbering.images.has(number));
    const named = own.filter(({ path, number }) =>
      [...numbering.images.get(number)!].some((image) => isNamesake(image.path, path)),
    );
    const order = own.length - found || named.length - namesakes;
    if (order > 0) {
      [best, found, namesakes] = [[numbering], own.length, named.length];
    } else if (order === 0 && own.length > 0) best.push(numbering);
  }
  return best;
}

/** Of a file's name. A plain number may count files of all series; it says something where nothing else does. */
function nameNumber({ path, header }: NumberedImage): number | null {
  const name = imageName(path);
  return name !== null && (name.series !== null || header.instanceNumber === null) ? name.number : null;
}

/** Whether a contour's name begins with that of the image's file. */
function isNamesake(image: string, contour: string): boolean {
  const [drawn, taken] = [contourName(contour), imageName(image)];
  return drawn !== null && taken !== null && drawn.series === taken.series && drawn.number === taken.number;
}
