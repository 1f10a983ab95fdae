/** What the name of a contour file says. */
export interface ContourName {
  /** The series of the image, as the program that exported it counted. */
  readonly series: number;
  /** The number of the image in its series. */
  readonly number: number;
  readonly structure: string;
}

const CONTOUR_NAME = /^IM-0*(\d{1,15})-0*(\d{1,15})-([A-Za-z0-9]{1,16})contour-manual\.txt$/i;
const IMAGE_NAME = /^(?:IM-0*(\d{1,15})-)?0*(\d{1,15})(?:\.dcm)?$/i;

/**
 * Reads `IM-0001-0048-icontour-manual.txt`: the contour `i` of image 48; null for any other name. The name
 * may be in capitals, as disks of Windows give it.
 */
export function contourName(path: string): ContourName | null {
  const name = nameOf(path);
  const [, series, number, written] = CONTOUR_NAME.exec(name) ?? [];
  if (written === undefined) return null;
  const structure = name === name.toUpperCase() ? written.toLowerCase() : written;
  return { series: Number(series), number: Number(number), structure };
}

/** Reads `IM-0001-0048.dcm`, `0048.dcm` or either without its ending; null for any other name. */
export function imageName(path: string): { readonly series: number | null; readonly number: number } | null {
  const [, series, number] = IMAGE_NAME.exec(nameOf(path)) ?? [];
  if (number === undefined) return null;
  return { series: series === undefined ? null : Number(series), number: Number(number) };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
