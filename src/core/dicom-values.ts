import type { DicomCursor, DicomElement } from './dicom-cursor.js';

/** No value that is read here needs more; a longer text is read up to here. */
const MAX_TEXT = 65_536;
const IDENTIFIER_LENGTH = 64;
/** VRs that numbers of 16 bits are written with in place of US and SS. */
const OTHER_NUMBERS = new Set(['IS', 'DS', 'UL', 'SL']);
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

export const SOP_CLASS = 0x00080016;

/** The data set's SOP class, else that of the file's meta group, else ''. */
export function sopClass(values: DicomValues): string {
  return values.text(SOP_CLASS) ?? values.text(0x00020002) ?? '';
}

/** The values of kept elements, read when asked for; a later element of the same tag replaces the earlier. */
export class DicomValues {
  readonly #elements = new Map<number, DicomElement>();

  readonly #behind: DicomValues | null;

  constructor(
    readonly cursor: DicomCursor,
    behind: DicomValues | null = null,
  ) {
    this.#behind = behind;
  }

  /** The same elements with others in front of them. */
  with(elements: Iterable<DicomElement>): DicomValues {
    const values = new DicomValues(this.cursor, this);
    for (const element of elements) values.keep(element);
    return values;
  }

  keep(element: DicomElement): void {
    this.#elements.set(element.tag, element);
  }

  /** The tags of all elements. */
  get tags(): number[] {
    return [...new Set([...(this.#behind?.tags ?? []), ...this.#elements.keys()])];
  }

  /** Where a kept element is. */
  element(tag: number): DicomElement | null {
    return this.#elements.get(tag) ?? this.#behind?.element(tag) ?? null;
  }

  /** Whether the element is there with a value. */
  has(tag: number): boolean {
    return (this.element(tag)?.length ?? 0) > 0;
  }

  /** Without spaces and NULs around it; null where the element is missing or empty. */
  text(tag: number): string | null {
    const element = this.element(tag);
    return element ? textOf(this.cursor, element) : null;
  }

  /** The values of a decimal string, NaN for each that is none; null where the element is missing or empty. */
  decimals(tag: number): number[] | null {
    return this.text(tag)?.split('\\').map(decimal) ?? null;
  }

  /**
   * The first value of an integer string, as `integerOf` reads it; null where the element is missing or
   * empty.
   */
  integer(tag: number): number | null {
    const element = this.element(tag);
    return element ? integerOf(this.cursor, element) : null;
  }

  /**
   * The first whole number, however it is written: read like `integer` if its VR is a text or has 32 bits,
   * else with 16 bits, signed if the VR is.
   */
  anyInteger(tag: number): number | null {
    const vr = this.element(tag)?.vr ?? null;
    if (vr !== null && OTHER_NUMBERS.has(vr)) {
      const value = this.integer(tag);
      return Number.isNaN(value) ? null : value;
    }
    const value = this.uint16(tag);
    return value !== null && vr === 'SS' ? (value << 16) >> 16 : value;
  }

  /** The first number of 32 bits, null where the element is missing or shorter. */
  uint32(tag: number): number | null {
    const element = this.element(tag);
    return element && hasBytes(this.cursor, element, 4) ? this.cursor.uint32(element.offset) : null;
  }

  /** The first finite floating point number of 32 bits; null if there is none. */
  float32(tag: number): number | null {
    const element = this.element(tag);
    if (!element || !hasBytes(this.cursor, element, 4)) return null;
    const value = this.cursor.float32(element.offset);
    return Number.isFinite(value) ? value : null;
  }

  /** The first finite floating point number of 64 bits; null if there is none. */
  float64(tag: number): number | null {
    const element = this.element(tag);
    if (!element || !hasBytes(this.cursor, element, 8)) return null;
    const value = this.cursor.float64(element.offset);
    return Number.isFinite(value) ? value : null;
  }

  /** The first number of 16 bits, as `uint16Of` reads it; null where the element is missing or shorter. */
  uint16(tag: number): number | null {
    const element = this.element(tag);
    return element ? uint16Of(this.cursor, element) : null;
  }
}

/**
 * Returns the first value of an integer string, which some writers write with a point or an exponent, or as a
 * binary number. NaN if it is none, null if it is empty.
 */
export function integerOf(cursor: DicomCursor, element: DicomElement): number | null {
  if (element.vr === 'US' || element.vr === 'SS') return uint16Of(cursor, element);
  if (element.vr === 'UL' || element.vr === 'SL')
    return hasBytes(cursor, element, 4) ? cursor.uint32(element.offset) : null;
  const text = textOf(cursor, element)?.split('\\')[0];
  if (text === undefined) return null;
  const value = decimal(text);
  return Number.isInteger(value) ? value : Number.NaN;
}

/**
 * Returns the first number of 16 bits, null if there are fewer bytes. A value whose VR says text or 32 bits
 * is read by its VR; null if it is not whole, negative, or over 16 bits.
 */
export function uint16Of(cursor: DicomCursor, element: DicomElement): number | null {
  if (element.vr !== null && OTHER_NUMBERS.has(element.vr)) {
    const value = integerOf(cursor, element);
    return value !== null && value >= 0 && value <= 0xffff ? value : null;
  }
  return hasBytes(cursor, element, 2) ? cursor.uint16(element.offset) : null;
}

function hasBytes(cursor: DicomCursor, element: DicomElement, size: number): boolean {
  if (element.length < size || element.undefinedLength) return false;
  cursor.need(element.offset + size);
  return true;
}

/** The text of one element, as `DicomValues.text` gives it; no more than `limit` characters are read. */
export function textOf(cursor: DicomCursor, element: DicomElement, limit = MAX_TEXT): string | null {
  const length = element.undefinedLength ? 0 : Math.min(element.length, limit);
  if (length === 0) return null;
  cursor.need(element.offset + length);
  return cursor.text(element.offset, length).trim() || null;
}

/** A decimal string's number (DICOM PS3.5, section 6.2), NaN for any other text and for one beyond double precision. */
export function decimal(text: string): number {
  const trimmed = text.trim();
  const value = DECIMAL.test(trimmed) ? Number(trimmed) : Number.NaN;
  // Adding 0 makes 0 of -0, which JSON would do too.
  return Number.isFinite(value) ? value + 0 : Number.NaN;
}

/**
 * An identifier of at most 64 characters: a longer one keeps its first 47 and gets a hash of the whole behind
 * them, so that two that differ late stay apart.
 */
export function shortIdentifier(text: string): string {
  if (text.length <= IDENTIFIER_LENGTH) return text;
  const hash = [0x811c9dc5, 0x01000193].map((seed) => fnv(text, seed).toString(16).padStart(8, '0')).join('');
  return `${text.slice(0, IDENTIFIER_LENGTH - hash.length - 1)}~${hash}`;
}

function fnv(text: string, seed: number): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * Returns the number of a text that is whole and not negative, with any leading zeros or sign; null for any
 * other text.
 */
export function wholeNumber(text: string | null): number | null {
  const value = decimal(text ?? '');
  return Number.isSafeInteger(value) && value >= 0 ? value : null;
}
