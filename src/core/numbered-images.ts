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
  readonly problems: readonly Problem[];
}

/** Images by their numbers; two of one number are both there. */
type Numbered<Image> = Map<number, Set<Image>>;

/**
 * Finds the images of a case that its contours name by number: all of one series, the one that has most of the numbers. An image's number
 * is its InstanceNumber and that of its file's name where that is `IM-SSSS-NNNN`; where the two are of different images, or two
 * series have equally many, nothing is taken and the contours are problems. Where no series has all the numbers, files that were exported
 * as one, `IM-SSSS-` in one folder, count as a series by their names, if they have more of them.
 */
export function numberImages<Image extends NumberedImage>(
  images: readonly Image[],
  contours: readonly { readonly path: string; readonly number: number }[],
): NumberedImages<Image> {
  if (contours.length === 0) return { images: new Map(), problems: [] };
  const series = bestOf(
    group(images, ({ header }) => header.seriesUid, numbersOf),
    contours,
  );
  const exported =
    series.found < contours.length ? bestOf(group(images, exportOf, nameNumber), contours) : series;
  const { best } = exported.found > series.found ? exported : series;
  const problems = contours.flatMap(({ path, number }): Problem[] => {
    const found = best.reduce((sum, numbers) => sum + (numbers.get(number)?.size ?? 0), 0);
    if (found === 0)
      return [
        { code: 'CONTOUR_WITHOUT_IMAGE', file: path, detail: `there is no image ${number} in the study` },
      ];
    const ambiguous = (detail: string): Problem[] => [{ code: 'CONTOUR_AMBIGUOUS', file: path, detail }];
    if (best.length > 1) return ambiguous(`${best.length} series have as many images with its numbers`);
    return found === 1 ? [] : ambiguous(`${found} images of its series could be number ${number}`);
  });
  const unique = new Map<number, Image>();
  if (best.length === 1)
    for (const [number, [image, another]] of best[0]!)
      if (image !== undefined && another === undefined) unique.set(number, image);
  return { images: unique, problems };
}

function group<Image extends NumberedImage>(
  images: readonly Image[],
  seriesOf: (image: Image) => string | null,
  numbersOf: (image: Image) => Iterable<number>,
): Numbered<Image>[] {
  const groups = new Map<string, Numbered<Image>>();
  for (const image of images) {
    const key = seriesOf(image);
    if (key === null) continue;
    const numbers = emplace(groups, key, () => new Map<number, Set<Image>>());
    for (const number of numbersOf(image)) emplace(numbers, number, () => new Set()).add(image);
  }
  return [...groups.values()];
}

/** Those of the series that have most of the contours' numbers, and of them those whose files have most of the contours' names. */
function bestOf<Image extends NumberedImage>(
  groups: readonly Numbered<Image>[],
  contours: readonly { readonly path: string; readonly number: number }[],
): { readonly best: readonly Numbered<Image>[]; readonly found: number } {
  let best: readonly Numbered<Image>[] = [];
  let [found, namesakes] = [0, 0];
  for (const numbers of groups) {
    const own = contours.filter(({ number }) => numbers.has(number));
    const named = own.filter(({ path, number }) =>
      [...numbers.get(number)!].some((image) => isNamesake(image.path, path)),
    );
    const order = own.length - found || named.length - namesakes;
    if (order > 0) [best, found, namesakes] = [[numbers], own.length, named.length];
    else if (order === 0 && own.length > 0) best = [...best, numbers];
  }
  return { best, found };
}

/** The folder and the series of the name that an image was exported under; null for any other name. */
function exportOf({ path }: NumberedImage): string | null {
  const series = imageName(path)?.series ?? null;
  return series === null ? null : `${series} ${path.slice(0, path.lastIndexOf('/') + 1)}`;
}

function nameNumber({ path }: NumberedImage): number[] {
  const name = imageName(path);
  return name === null ? [] : [name.number];
}

function numbersOf({ path, header }: NumberedImage): Set<number> {
  const name = imageName(path);
  const numbers = new Set<number>();
  if (header.instanceNumber !== null) numbers.add(header.instanceNumber);
  // A plain number may count files of all series; it says something where nothing else does.
  if (name !== null && (name.series !== null || header.instanceNumber === null)) numbers.add(name.number);
  return numbers;
}

/** Whether a contour's name begins with that of the image's file. */
function isNamesake(image: string, contour: string): boolean {
  const [drawn, taken] = [contourName(contour), imageName(image)];
  return drawn !== null && taken !== null && drawn.series === taken.series && drawn.number === taken.number;
}
