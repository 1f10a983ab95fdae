import { differenceAcross, radiusOf, type Sides, sidesOf } from './edge-sides.js';
import type { Size } from './fit.js';

/** The ways in which contours come to lie the wrong way round in their image; those with a quarter turn for square images alone. */
const TURNS = {
  'left to right': ({ columns }: Size, x: number, y: number) => [columns - 1 - x, y],
  'top to bottom': ({ rows }: Size, x: number, y: number) => [x, rows - 1 - y],
  'by half a turn': ({ rows, columns }: Size, x: number, y: number) => [columns - 1 - x, rows - 1 - y],
  'with rows and columns exchanged': (_: Size, x: number, y: number) => [y, x],
  'about the other diagonal': ({ rows, columns }: Size, x: number, y: number) => [
    rows - 1 - y,
    columns - 1 - x,
  ],
  'by a quarter turn to the right': ({ rows }: Size, x: number, y: number) => [rows - 1 - y, x],
  'by a quarter turn to the left': ({ columns }: Size, x: number, y: number) => [y, columns - 1 - x],
} as const satisfies Record<
  string,
  (size: Size, x: number, y: number) => readonly [number, number] | number[]
>;

type Turn = keyof typeof TURNS;
const HALF_TURNS: readonly Turn[] = ['left to right', 'top to bottom', 'by half a turn'];

/** The share of the contrast of a turned mask's edge that its own edge lacks, also where it is moved by a pixel: under 0 where its own has more, over 1 where that is of the other sign. */
export interface TurnedLack {
  readonly turn: Turn;
  readonly lack: number;
}

/** Of edges whose inside is the brighter side, and of those where it is the darker one; null where no turned mask has such an edge. */
export interface TurnedFit {
  readonly brighter: TurnedLack | null;
  readonly darker: TurnedLack | null;
}

/** The width of either side as a share of the radius, and its least and most in pixels: narrow, to tell small displacements. */
const BAND = 0.08;
const [NARROWEST, WIDEST] = [2, 32];
/** Where the sides of a turned edge differ by less of the range of their brightness, there is no edge: noise alone has a tenth of it. */
const LEAST_CONTRAST = 0.15;
/** In a smaller structure a pixel is too large a share of the radius. */
const SMALLEST_RADIUS = 4;

/** Compares a mask's edge with the edge that it would have mirrored or turned in its image; null where it is too small for that or has no two sides. */
export function measureTurnedFit(mask: Uint8Array, values: Float64Array, size: Size): TurnedFit | null {
  const radius = radiusOf(mask);
  if (radius < SMALLEST_RADIUS) return null;
  const sides = sidesOf(mask, size, Math.min(WIDEST, Math.max(NARROWEST, Math.round(BAND * radius))));
  const own = sides && differencesNear(sides, values, size);
  if (!sides || !own) return null;
  const turns = size.rows === size.columns ? (Object.keys(TURNS) as Turn[]) : HALF_TURNS;
  let [brighter, darker]: [TurnedLack | null, TurnedLack | null] = [null, null];
  let [most, least] = [0, 0];
  for (const turn of turns) {
    const there = turned(sides, size, turn);
    const difference = differenceAcross(there, values, size) ?? 0;
    if (Math.abs(difference) < LEAST_CONTRAST * rangeOf(there, values, size)) continue;
    if (difference > most) brighter = { turn, lack: 1 - own.most / difference };
    if (difference < least) darker = { turn, lack: 1 - own.least / difference };
    most = Math.max(most, difference);
    least = Math.min(least, difference);
  }
  return { brighter, darker };
}

/** The largest and the least difference of a mask where it lies or moved by a pixel: to be drawn a pixel aside is not to be mirrored. */
function differencesNear(
  sides: Sides,
  values: Float64Array,
  size: Size,
): { readonly most: number; readonly least: number } | null {
  const here = differenceAcross(sides, values, size);
  if (here === null) return null;
  let [most, least] = [here, here];
  for (const [right, down] of [
    [-1, 0],
    [1, 0],
    [0, -1],
    [0, 1],
  ] as const) {
    const difference = differenceAcross(sides, values, size, right, down) ?? here;
    most = Math.max(most, difference);
    least = Math.min(least, difference);
  }
  return { most, least };
}

/** From the 5th to the 95th percentile of both sides. */
function rangeOf({ inside, outside }: Sides, values: Float64Array, { columns }: Size): number {
  const seen = Float64Array.from([...inside, ...outside], ([x, y]) => values[y * columns + x]!)
    .filter(Number.isFinite)
    .sort();
  const at = (share: number) => seen[Math.round(share * (seen.length - 1))] ?? 0;
  return at(0.95) - at(0.05);
}

function turned({ inside, outside }: Sides, size: Size, turn: Turn): Sides {
  const side = (pixels: Sides['inside']) =>
    pixels.map(([x, y]) => TURNS[turn](size, x, y) as [number, number]);
  return { inside: side(inside), outside: side(outside) };
}
