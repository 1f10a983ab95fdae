/**
 * Dates and times when an object was made, the most telling first: StructureSet, Content, and
 * InstanceCreation Date and Time.
 */
const MADE = [
  [0x30060008, 0x30060009],
  [0x00080023, 0x00080033],
  [0x00080012, 0x00080013],
] as const;

/** Tags of the elements that `madeAt` reads. */
export const MADE_TAGS: readonly number[] = MADE.flat();

/**
 * Returns when an object was made, by its own clock: `YYYYMMDD`, followed by `HHMMSS.ffffff` if the object
 * has the time (DICOM PS3.5, section 6.2, DA and TM, with the dots and colons of earlier editions). Null if
 * it has no date. `text` returns the text of a tag.
 */
export function madeAt(text: (tag: number) => string | null): string | null {
  for (const [dateTag, timeTag] of MADE) {
    const date = text(dateTag)?.trim().replaceAll('.', '') ?? '';
    if (/^\d{8}$/.test(date)) return date + timeOf(text(timeTag));
  }
  return null;
}

function timeOf(text: string | null): string {
  const [, hours, minutes = '00', seconds = '00', fraction = ''] =
    /^(\d{2})(\d{2})?(\d{2})?(?:\.(\d{1,6}))?$/.exec(text?.trim().replaceAll(':', '') ?? '') ?? [];
  return hours === undefined ? '' : `${hours}${minutes}${seconds}.${fraction.padEnd(6, '0')}`;
}

const DATE_LENGTH = 8;

/**
 * Returns the place of the object that was made last; null if one has no date, if two were made at once, or
 * if several were made on the last day and one of these has no time.
 */
export function newestOf(made: readonly (string | null)[]): number | null {
  const all = made.flatMap((text) => (text === null ? [] : [text]));
  if (all.length < made.length || all.length === 0) return null;
  const day = all.map((text) => text.slice(0, DATE_LENGTH)).reduce((a, b) => (a > b ? a : b));
  const last = all.filter((text) => text.startsWith(day));
  if (last.length > 1 && last.some((text) => text.length === DATE_LENGTH)) return null;
  const newest = last.reduce((a, b) => (a > b ? a : b));
  return last.filter((text) => text === newest).length === 1 ? made.indexOf(newest) : null;
}
