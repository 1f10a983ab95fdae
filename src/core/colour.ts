import type { StoredValues } from './pixels.js';

/** What the values of a table element of the header mean, and where they are; `offset` and `length` in bytes. */
export interface TablePlace {
  readonly entries: number;
  /** The stored value that the first entry stands for; all below have it too. */
  readonly first: number;
  readonly bits: number;
  readonly offset: number;
  readonly length: number;
  /** Whether entries are words in big-endian order. */
  readonly big: boolean;
  /** Whether the entries are told in segments (DICOM PS3.3, section C.7.9.2). */
  readonly segmented: boolean;
}

/** The entries of a table, in the order of the file; `first` as in its place. */
export interface LookupTable {
  readonly first: number;
  readonly bits: number;
  readonly entries: Uint16Array;
}

/** Reads a table's entries; one of 8 bits has a byte for each where its length says so. Null where they are not all there. */
export function lookupTable(place: TablePlace, bytes: Uint8Array): LookupTable | null {
  const { entries: count, first, bits, big, segmented } = place;
  if (segmented) return fromSegments(place, bytes);
  const entries = new Uint16Array(count);
  const packed = bits <= 8 && bytes.length < 2 * count;
  if (bytes.length < (packed ? count : 2 * count)) return null;
  for (let i = 0; i < count; i++) {
    if (packed) entries[i] = bytes[i]!;
    else
      entries[i] = big ? (bytes[2 * i]! << 8) | bytes[2 * i + 1]! : bytes[2 * i]! | (bytes[2 * i + 1]! << 8);
  }
  // Some writers say 8 bits of entries that have 16.
  if (bits <= 8 && entries.some((entry) => entry > 0xff)) for (let i = 0; i < count; i++) entries[i]! >>= 8;
  return { first, bits, entries };
}

/** A table has at most 65,536 entries. More segments than this, with those that are repeated, are invalid. */
const MOST_SEGMENTS = 2 ** 18;

/**
 * Segments of 8-bit entries are written in bytes; some writers write them in words, like those of 16 bits.
 */
function fromSegments(place: TablePlace, bytes: Uint8Array): LookupTable | null {
  const { first, bits } = place;
  const words = wordsOf(bytes, place.big);
  // If the units are bytes, every second one is a length or an entry, and those are not all 0.
  const isInBytes = bits <= 8 && words.some((word) => word > 0xff);
  const entries = expandSegments(isInBytes ? bytes : words, place.entries);
  return entries && { first, bits, entries };
}

function wordsOf(bytes: Uint8Array, big: boolean): Uint16Array {
  const [high, low] = big ? [0, 1] : [1, 0];
  return Uint16Array.from(
    { length: Math.floor(bytes.length / 2) },
    (_, i) => (bytes[2 * i + high]! << 8) | bytes[2 * i + low]!,
  );
}

/**
 * Expands segments: runs of entries, straight lines between entries, and repeated earlier segments. Returns
 * null if entries are missing.
 */
function expandSegments(units: Uint8Array | Uint16Array, count: number): Uint16Array | null {
  const size = units.BYTES_PER_ELEMENT;
  /** An offset has 32 bits, the lowest unit first. */
  const offsetUnits = 4 / size;
  const out = new Uint16Array(count);
  let filled = 0;
  let left = MOST_SEGMENTS;
  const put = (value: number): void => {
    if (filled < count) out[filled++] = value;
  };
  const expand = (from: number, segments: number, isNested: boolean): void => {
    let at = from;
    for (let done = 0; done < segments && at + 1 < units.length && filled < count && left-- > 0; done++) {
      const [kind, length] = [units[at]!, units[at + 1]!];
      if (kind === 0) {
        for (const value of units.subarray(at + 2, at + 2 + length)) put(value);
        at += 2 + length;
      } else if (kind === 1 && at + 2 < units.length) {
        const [start, end] = [out[filled - 1] ?? 0, units[at + 2]!];
        for (let i = 1; i <= length; i++) put(Math.round(start + ((end - start) * i) / length));
        at += 3;
      } else if (kind === 2 && !isNested) {
        let offset = 0;
        for (let i = offsetUnits - 1; i >= 0; i--)
          offset = offset * 2 ** (8 * size) + (units[at + 2 + i] ?? 0);
        // The offset counts bytes from the start of the segments.
        expand(Math.floor(offset / size), length, true);
        at += 2 + offsetUnits;
      } else return;
    }
  };
  expand(0, units.length, false);
  return filled < count ? null : out;
}

/** Stored values through a table; what is outside gets its first or last entry (DICOM PS3.3, section C.11.1.1.1). */
export function throughTable(stored: StoredValues, table: LookupTable, out: Uint16Array, at = 0): void {
  const { first, entries } = table;
  const last = entries.length - 1;
  for (let i = 0; i < stored.length; i++) {
    const index = stored[i]! - first;
    out[at + i] = entries[index < 0 ? 0 : index > last ? last : index]!;
  }
}

/** Colour numbers as planes of red, green and blue (DICOM PS3.3, section C.7.9). */
export function fromPalette(stored: StoredValues, palette: readonly LookupTable[]): Uint8Array | Uint16Array {
  const planes = new Uint16Array(stored.length * 3);
  palette.forEach((table, channel) => {
    throughTable(stored, table, planes, channel * stored.length);
  });
  return palette.every(({ bits }) => bits <= 8) ? Uint8Array.from(planes) : planes;
}

/**
 * Planes of luminance and chroma as planes of red, green and blue, of the same type, rounded half up and cut to the
 * range of `bits` (DICOM PS3.3, section C.7.6.3.1.2: YBR_FULL, or YBR_PARTIAL with `partial`).
 */
export function fromLuminance(planes: StoredValues, bits: number, partial: boolean): StoredValues {
  const out = planes.slice();
  const pixels = planes.length / 3;
  const top = 2 ** bits - 1;
  const middle = 2 ** (bits - 1);
  const [black, scaleY, scaleC] = partial ? [2 ** (bits - 4), 255 / 219, 255 / 224] : [0, 1, 1];
  const clamp = (value: number): number => {
    const rounded = Math.floor(value + 0.5);
    return rounded < 0 ? 0 : rounded > top ? top : rounded;
  };
  for (let i = 0; i < pixels; i++) {
    const y = (planes[i]! - black) * scaleY;
    const cb = (planes[pixels + i]! - middle) * scaleC;
    const cr = (planes[2 * pixels + i]! - middle) * scaleC;
    out[i] = clamp(y + 1.402 * cr);
    out[pixels + i] = clamp(y - ((0.114 * 1.772) / 0.587) * cb - ((0.299 * 1.402) / 0.587) * cr);
    out[2 * pixels + i] = clamp(y + 1.772 * cb);
  }
  return out;
}
