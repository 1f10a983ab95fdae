/** Red, green, blue, 0 … 255 each. */
export type Colour = readonly [number, number, number];

/** What a sheet is written on and with. */
export const BACKGROUND: Colour = [18, 20, 24];
export const TEXT: Colour = [214, 217, 222];
export const BRIGHT: Colour = [255, 255, 255];
export const DIM: Colour = [140, 146, 156];

/**
 * Colours for structures in the order in which they are given out. For normal sight and for protanopia, deuteranopia
 * and tritanopia (after Machado, Oliveira and Fernandes, 2009) any two are at least 23 apart in CIELAB,
 * and each has a chroma of at least 21 and a lightness of 45 to 80, so that none sinks into a grey, black or white image.
 */
export const STRUCTURE_COLOURS: readonly Colour[] = [
  [230, 159, 0],
  [86, 180, 233],
  [161, 64, 255],
  [145, 206, 108],
  [104, 113, 211],
  [6, 143, 48],
];

/** The colour of a batch's structure by its place in the batch; after the last colour they begin again. */
export function structureColour(index: number): Colour {
  return STRUCTURE_COLOURS[index % STRUCTURE_COLOURS.length]!;
}
