/** An ROINumber: the number that an integer string stands for (`01` is 1), or the text of one that is no number. */
export type RoiNumber = number | string;

/** An ROI that StructureSetROISequence defines. */
export interface RoiHead {
  readonly number: RoiNumber | null;
  readonly structure: string;
  readonly frameOfReferenceUid: string | null;
}

/**
 * Which ROI an item of ROIContourSequence belongs to. `unknown`: no ROI has its number. `order`: several have it, and as many items name
 * it, so that each ROI has the item at its place among those. `ambiguous`: several have it, and another count of items.
 */
export type RoiMatch<Head> =
  | { readonly kind: 'one' | 'order'; readonly head: Head }
  | { readonly kind: 'unknown' | 'ambiguous'; readonly head: null };

/**
 * Finds the ROI of each item of ROIContourSequence by the number that the item refers to. Some writers give a number to two ROIs (DICOM PS3.3,
 * section C.8.8.5, has each number once); ROIs that are the same in name and frame of reference are one.
 */
export function matchRois<Head extends RoiHead>(
  heads: readonly Head[],
  items: readonly (RoiNumber | null)[],
): RoiMatch<Head>[] {
  const headsOf = new Map<RoiNumber, Head[]>();
  for (const head of heads) {
    if (head.number === null) continue;
    const others = headsOf.get(head.number);
    if (others) others.push(head);
    else headsOf.set(head.number, [head]);
  }
  const counts = new Map<RoiNumber | null, number>();
  const places = items.map((number) => {
    const place = counts.get(number) ?? 0;
    counts.set(number, place + 1);
    return place;
  });
  const areSame = new Map([...headsOf].map(([number, meant]) => [number, meant.every(isLike(meant[0]!))]));
  return items.map((number, at): RoiMatch<Head> => {
    const meant = number === null ? undefined : headsOf.get(number);
    if (number === null || !meant) return { kind: 'unknown', head: null };
    if (areSame.get(number)) return { kind: 'one', head: meant[0]! };
    if (meant.length !== counts.get(number)) return { kind: 'ambiguous', head: null };
    return { kind: 'order', head: meant[places[at]!]! };
  });
}

function isLike(one: RoiHead): (other: RoiHead) => boolean {
  return (other) =>
    other.structure === one.structure && other.frameOfReferenceUid === one.frameOfReferenceUid;
}
