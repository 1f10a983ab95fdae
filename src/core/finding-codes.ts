/** What a code of the quality report measures of a structure on a slice, and when it is a finding. */
export interface FindingRule {
  readonly meaning: string;
  /** What the value counts. */
  readonly unit: string;
  /** A finding where the value is over it, or, with `isLeast`, under it. */
  readonly threshold: number;
  readonly isLeast?: true;
}

/** Every code of the quality report with the threshold it ships with. */
export const FINDING_RULES = {
  OUTSIDE_IMAGE: {
    meaning: 'A contour leaves the image',
    unit: 'pixels that its farthest point lies beyond the outer edge of the image',
    threshold: 0,
  },
  SELF_INTERSECTING: {
    meaning: 'A contour crosses itself',
    unit: 'pairs of its edges that cross, counted up to 100',
    threshold: 0,
  },
  TINY: { meaning: 'The mask is tiny', unit: 'pixels of the mask', threshold: 10, isLeast: true },
  FEW_POINTS: {
    meaning: 'A contour has too few points for a drawn outline',
    unit: 'points of the contour that has the fewest',
    threshold: 8,
    isLeast: true,
  },
  DUPLICATE_POINTS: {
    meaning: 'A contour has points twice',
    unit: 'points that repeat an earlier one; the first point again at the end and the channel of a keyhole do not count',
    threshold: 0,
  },
  IDENTICAL_CONTOUR: {
    meaning: 'The same contour is drawn elsewhere: on another slice, in another study, as another structure',
    unit: 'other places with the same points, to a thousandth of a pixel',
    threshold: 0,
  },
  NOT_CONTAINED: {
    meaning: 'A structure leaves the one that should contain it',
    unit: 'share of its pixels that lie outside of that one',
    threshold: 0.02,
  },
  OFF_CENTRE: {
    meaning: 'A structure does not lie in the middle of the one that should contain it',
    unit: 'distance of their centres, as a share of the difference of the radii of circles of their areas: at 1 the circles touch',
    threshold: 0.8,
  },
  AREA_JUMP: {
    meaning: 'The area is not between those of the neighbouring slices or phases',
    unit: 'times that it is larger than the largest or smaller than the smallest of them',
    threshold: 1.6,
  },
  CENTRE_JUMP: {
    meaning: 'The centre is not where the neighbouring slices or phases have it',
    unit: 'distance, in radii of a circle of its area, or of the smallest neighbour’s where that is larger',
    threshold: 0.45,
  },
  UNEVEN: {
    meaning: 'The inside is not of even brightness',
    unit: 'interquartile range of the inside, as a share of the range from the 5th to the 95th percentile of inside and surroundings',
    threshold: 0.6,
  },
  LIKE_SURROUNDINGS: {
    meaning: 'The inside does not differ from its surroundings, or the mask leaves a part of it out',
    unit: 'overlap of the brightness of the inside and of a ring around it: 0 none, 1 all',
    threshold: 0.4,
  },
  OFF_EDGE: {
    meaning: 'The mask lies beside an edge in the image that it would fit better',
    unit: 'share of the contrast of the strongest edge within half a radius that its own edge lacks: 0 none, 1 all, over 1: the contrast is the other way round',
    threshold: 0.6,
  },
  MIRRORED: {
    meaning: 'The mask would fit the image better mirrored or turned in it',
    unit: 'share of the contrast of the edge of the mirrored or turned mask that its own edge lacks, also where it is moved by a pixel: 0 or less none, 1 all, over 1: the contrast is the other way round',
    threshold: 0.08,
  },
  SLICES_SHIFTED: {
    meaning: 'The structure’s contours would fit the study better two or four planes further on',
    unit: 'the median of what a slice’s overlap of brightness with its surroundings falls by then, as a share of the median overlap; under 0: it grows',
    threshold: 0.1,
  },
  LIKE_INNER: {
    meaning: 'A structure that contains another does not differ from it, or one of both is misplaced',
    unit: 'overlap of the brightness of the inner structure and of the rest of the outer one: 0 none, 1 all',
    threshold: 0.36,
  },
  OFF_PLANE: {
    meaning: 'A contour or frame was drawn in another plane than that of the image that it names',
    unit: 'mm from where it was drawn to the plane of the nearest image that it names',
    threshold: 0,
  },
  NOT_MEASURED: {
    meaning: 'The image cannot be read, so that brightness was not measured',
    unit: 'null',
    threshold: 0,
  },
} as const satisfies Record<string, FindingRule>;

export type FindingCode = keyof typeof FINDING_RULES;

export const FINDING_CODES = Object.keys(FINDING_RULES) as readonly FindingCode[];

function isFindingCode(text: string): text is FindingCode {
  return Object.hasOwn(FINDING_RULES, text);
}

/** The threshold of each code; null: that code is never found. */
export type FindingLimits = Readonly<Record<FindingCode, number | null>>;

/** One structure should contain another. */
export interface Containment {
  readonly inner: string;
  readonly outer: string;
}

const SHIPPED = Object.fromEntries(
  FINDING_CODES.map((code) => [code, FINDING_RULES[code].threshold]),
) as Record<FindingCode, number>;

/** Reads `TINY=20,AREA_JUMP=off`: codes that are not named keep the shipped thresholds. Throws an Error for people. */
export function parseFindingLimits(text: string): FindingLimits {
  const limits: Record<FindingCode, number | null> = { ...SHIPPED };
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const [code = '', value = '', ...rest] = part.split('=').map((word) => word.trim());
    if (!isFindingCode(code))
      throw new Error(`has a code "${code}" that is not one of ${FINDING_CODES.join(', ')}`);
    const limit = value === 'off' ? null : Number(value);
    if (value === '' || rest.length > 0 || (limit !== null && !(limit >= 0 && Number.isFinite(limit))))
      throw new Error(`takes CODE=NUMBER or CODE=off, not "${part.trim()}"`);
    limits[code] = limit;
  }
  return limits;
}

/** Reads `i:o,lumen:wall`, inner before outer. Throws an Error for people. */
export function parseContainments(text: string): Containment[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [inner = '', outer = '', ...rest] = part.split(':').map((word) => word.trim());
      if (inner === '' || outer === '' || inner === outer || rest.length > 0)
        throw new Error(`takes INNER:OUTER, not "${part.trim()}"`);
      return { inner, outer };
    });
}
