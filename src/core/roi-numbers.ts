/** An ROINumber: the number that an integer string means (`01` is 1), or the text if it is no number. */
export type RoiNumber = number | string;

/** An ROI that StructureSetROISequence defines. */
export interface RoiHead {
  readonly number: RoiNumber | null;
  readonly structure: string;
  readonly frameOfReferenceUid: string | null;
}

/**
 * The ROI of an item of ROIContourSequence. `unknown`: no ROI has its number. `order`: several ROIs have the
 * number and as many items name it, so the ROI is taken by the item's place among those items. `ambiguous`:
 * several ROIs have it, and the number of items differs.
 */
export type RoiMatch<Head> =
  | { readonly kind: 'one' | 'order'; readonly head: Head }
  | { readonly kind: 'unknown' | 'ambiguous'; readonly head: null };

/**
 * Finds the ROI of each item of ROIContourSequence by the number that the item refers to. Some writers give
 * one number to two ROIs, although DICOM PS3.3, section C.8.8.5, requires different ones. ROIs with the same
 * name and frame of reference are one.
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
