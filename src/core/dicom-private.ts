import type { DicomValues } from './dicom-values.js';

/** A private element of a creator, which reserves a block (gggg,bbee) for it by (gggg,00bb) (DICOM PS3.5, section 7.8.1). */
export interface PrivateElement {
  readonly group: number;
  readonly creator: string;
  /** ee. */
  readonly element: number;
  /** Whether block 10 is taken for its own where nobody reserves it, or another name of its maker does. */
  readonly maker: string | null;
}

const PHILIPS_MR = { group: 0x2005, creator: 'Philips MR Imaging DD 001', maker: 'Philips' } as const;
const PHILIPS_PET = { group: 0x7053, creator: 'Philips PET Private Group', maker: 'Philips' } as const;

/** The number of slices that are tiles of one image. */
export const MOSAIC_IMAGES: PrivateElement = {
  group: 0x0019,
  creator: 'SIEMENS MR HEADER',
  element: 0x0a,
  maker: null,
};
export const PHILIPS_MR_SLOPE: PrivateElement = { ...PHILIPS_MR, element: 0x0e };
export const PHILIPS_SUV: PrivateElement = { ...PHILIPS_PET, element: 0x00 };
export const PHILIPS_ACTIVITY: PrivateElement = { ...PHILIPS_PET, element: 0x09 };

const READ: readonly PrivateElement[] = [MOSAIC_IMAGES, PHILIPS_MR_SLOPE, PHILIPS_SUV, PHILIPS_ACTIVITY];
const FIRST_BLOCK = 0x10;

/** Whether a tag may be that of an element above, in whichever block, or of a creator that reserves one. */
export function isPrivateRead(tag: number): boolean {
  return READ.some(
    ({ group, element }) => tag >>> 16 === group && (blockOf(tag) === 0 || (tag & 0xff) === element),
  );
}

/** The tags at which an image has the element with a value. */
export function privateTags(
  values: DicomValues,
  { group, creator, element, maker }: PrivateElement,
): number[] {
  return values.tags.filter((tag) => {
    const block = blockOf(tag);
    if (tag >>> 16 !== group || (tag & 0xff) !== element || block < FIRST_BLOCK || !values.has(tag))
      return false;
    const owner = values.text(group * 0x10000 + block);
    if (owner === creator) return true;
    return block === FIRST_BLOCK && maker !== null && (owner?.startsWith(maker) ?? true);
  });
}

/** bb of (gggg,bbee). */
function blockOf(tag: number): number {
  return (tag >>> 8) & 0xff;
}
