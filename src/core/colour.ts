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

/** Expands segments: runs of entries, straight lines between entries, and earlier segments again. */
function fromSegments(
  { entries: count, first, bits, big }: TablePlace,
  bytes: Uint8Array,
): LookupTable | null {
  const size = bits <= 8 && bytes.length % 2 !== 0 ? 1 : 2;
  const words = Array.from({ length: Math.floor(bytes.length / size) }, (_, i) => {
    const [a, b] = [bytes[size * i]!, bytes[size * i + 1]!];
    return size === 1 ? a : big ? (a << 8) | b : a | (b << 8);
  });
  const out: number[] = [];
  const expand = (from: number, segments: number, isNested: boolean): void => {
    let at = from;
    for (let done = 0; done < segments && at + 1 < words.length && out.length < count; done++) {
      const [kind, length] = [words[at]!, words[at + 1]!];
      if (kind === 0) {
        out.push(...words.slice(at + 2, at + 2 + length));
        at += 2 + length;
      } else if (kind === 1) {
        const [start, end] = [out.at(-1) ?? 0, words[at + 2] ?? 0];
        for (let i = 1; i <= length; i++) out.push(Math.round(start + ((end - start) * i) / length));
        at += 3;
      } else if (kind === 2 && !isNested) {
        // The offset counts bytes from the start of the segments.
        const offset = (words[at + 2] ?? 0) + 0x10000 * (words[at + 3] ?? 0);
        expand(Math.floor(offset / size), length, true);
        at += 4;
      } else return;
    }
  };
  expand(0, words.length, false);
  return out.length < count ? null : { first, bits, entries: Uint16Array.from(out.slice(0, count)) };
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
