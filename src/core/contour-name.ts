import type { Problem } from './problem.js';

/** What the name of a contour file says. */
export interface ContourName {
  /** The series of the image, as the program that exported it counted. */
  readonly series: number;
  /** The number of the image in its series. */
  readonly number: number;
  readonly structure: string;
  /** Whether it is named as systems name a copy beside its original: `… (1).txt`, `… - Copy.txt`. */
  readonly isCopy?: true;
}

const CONTOUR_NAME =
  /^IM-0*(\d{1,15})-0*(\d{1,15})-([A-Za-z0-9]{1,16})contour-manual( ?\(\d{1,4}\)| - Copy(?: \(\d{1,4}\))?)?\.txt$/i;
const IMAGE_NAME = /^(?:IM-0*(\d{1,15})-)?0*(\d{1,15})(?:\.dcm)?$/i;

/**
 * Reads `IM-0001-0048-icontour-manual.txt`: the contour `i` of image 48; null for any other name. The name
 * may be in capitals, as disks of Windows give it.
 */
export function contourName(path: string): ContourName | null {
  const name = nameOf(path);
  const [, series, number, written, copy] = CONTOUR_NAME.exec(name) ?? [];
  if (written === undefined) return null;
  const structure = name === name.toUpperCase() ? written.toLowerCase() : written;
  return {
    series: Number(series),
    number: Number(number),
    structure,
    ...(copy === undefined ? {} : { isCopy: true as const }),
  };
}

/** Reads `IM-0001-0048.dcm`, `0048.dcm` or either without its ending; null for any other name. */
export function imageName(path: string): { readonly series: number | null; readonly number: number } | null {
  const [, series, number] = IMAGE_NAME.exec(nameOf(path)) ?? [];
  if (number === undefined) return null;
  return { series: series === undefined ? null : Number(series), number: Number(number) };
}

/**
 * Compares contours so that those named as copies come last, for a stable sort: of two files of one contour
 * the first is used.
 */
export function copiesLast(a: { readonly path: string }, b: { readonly path: string }): number {
  const rank = ({ path }: { readonly path: string }) => (contourName(path)?.isCopy ? 1 : 0);
  return rank(a) - rank(b);
}

/** The problem of a contour that is used although it is named as a copy; none for another. */
export function copyProblem(path: string): Problem[] {
  const detail =
    'it is named as a copy, and is read as the contour, because there is no file of the name without that: rename it';
  return contourName(path)?.isCopy ? [{ code: 'CONTOUR_NAME', file: path, detail }] : [];
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
