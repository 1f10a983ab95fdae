import dicomParser from 'dicom-parser';
import type { HeaderProblem, HeaderRead, Limits } from './dicom.js';
import type { ProblemCode } from './problem.js';

/** One data element's head: `offset` is where its value starts, from the file's start; `length` is in bytes. */
export interface DicomElement {
  readonly tag: number;
  /** Null where the element is encoded without one (implicit VR, items, delimiters). */
  readonly vr: string | null;
  readonly length: number;
  readonly undefinedLength: boolean;
  readonly offset: number;
}

/** Looks into sequences that the cursor walks; `parent` is the tag of the innermost sequence. */
export interface SequenceVisitor {
  enters(tag: number): boolean;
  /** Called where an item of a sequence starts. */
  item?(sequence: number): void;
  value(parent: number, element: DicomElement): void;
  /** Called where an item of a sequence ends. */
  itemEnd?(sequence: number): void;
}

/** The one error that leaves header reading: its outcome is what the reader answers. */
export class HeaderStop extends Error {
  override readonly name = 'HeaderStop';
  constructor(
    readonly outcome:
      | Extract<HeaderRead, { kind: 'more' | 'deflated' }>
      | { readonly kind: 'refused'; readonly problem: HeaderProblem },
  ) {
    super(outcome.kind === 'refused' ? outcome.problem.detail : 'other bytes are needed');
  }
}

export function refusal(code: ProblemCode, detail: string): HeaderStop {
  const problem: HeaderProblem = { code, detail };
  return new HeaderStop({ kind: 'refused', problem });
}

const ITEM = 0xfffee000;
const ITEM_END = 0xfffee00d;
const SEQUENCE_END = 0xfffee0dd;
const UNDEFINED = 0xffffffff;
/** An enhanced image of 4,096 frames has about 250,000; more elements than this are an attack on time. */
const MAX_ELEMENTS = 500_000;
/** How far the end of plain bytes of undefined length is looked for, byte by byte. */
const MAX_PLAIN_BYTES = 2 ** 24;

const { littleEndianByteArrayParser, bigEndianByteArrayParser } = dicomParser;
/** VRs whose length has 32 bits after 2 reserved bytes (DICOM PS3.5, table 7.1-1). */
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const SHORT_VRS = new Set('AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US'.split(' '));

const VR_NAMES: ReadonlyMap<number, string> = new Map(
  [...SHORT_VRS, ...LONG_VRS].map((vr) => [(vr.charCodeAt(0) << 8) | vr.charCodeAt(1), vr]),
);

/** Whether two bytes of a data set are a value representation of DICOM PS3.5, section 6.2. */
export function isVr(text: string): boolean {
  return SHORT_VRS.has(text) || LONG_VRS.has(text);
}

/** `(GGGG,EEEE)`, for details. */
export function tagName(tag: number): string {
  const hex = tag.toString(16).padStart(8, '0').toUpperCase();
  return `(${hex.slice(0, 4)},${hex.slice(4)})`;
}

interface Level {
  readonly items: boolean;
  readonly tag: number;
  readonly explicit: boolean;
  readonly end: number;
}

/**
 * Goes through a prefix of a file element by element, in constant memory and without recursion: the parsing
 * library reads numbers and texts, the way from element to element is found here, because the library descends
 * into sequences without a bound and makes an object with texts of every head. Throws `HeaderStop`; what the library throws
 * (texts, objects, errors) passes through to `readHeader`, which lets nothing out.
 */
export class DicomCursor {
  position = 0;
  explicit = true;
  #numbers = littleEndianByteArrayParser;
  #elements = 0;

  constructor(
    readonly prefix: Uint8Array,
    readonly fileSizeBytes: number,
    readonly limits: Limits,
    readonly maxElements = MAX_ELEMENTS,
  ) {}

  get isBigEndian(): boolean {
    return this.#numbers === bigEndianByteArrayParser;
  }

  /** From here on numbers are big-endian (explicit VR big endian, retired). */
  useBigEndian(): void {
    this.#numbers = bigEndianByteArrayParser;
  }

  /** Makes sure that the bytes up to `end` are in the prefix; asks for at least twice as many as it has, else. */
  need(end: number): void {
    if (end <= this.prefix.length && end <= this.limits.headerBytes) return;
    if (end > this.fileSizeBytes) throw this.broken('the file ends inside its header');
    if (end > this.limits.headerBytes) {
      throw refusal(
        'HEADER_TOO_LARGE',
        `the part before the pixels is larger than ${this.limits.headerBytes} bytes`,
      );
    }
    const wanted = Math.max(end, 2 * this.prefix.length);
    const atLeastBytes = Math.min(wanted, this.fileSizeBytes, this.limits.headerBytes);
    throw new HeaderStop({ kind: 'more', atLeastBytes });
  }

  broken(what: string): HeaderStop {
    return refusal('HEADER_BROKEN', `${what} (at byte ${this.position})`);
  }

  uint16(offset: number): number {
    return this.#numbers.readUint16(this.prefix, offset);
  }

  uint32(offset: number): number {
    return this.#numbers.readUint32(this.prefix, offset);
  }

  float32(offset: number): number {
    return this.#numbers.readFloat(this.prefix, offset);
  }

  float64(offset: number): number {
    return this.#numbers.readDouble(this.prefix, offset);
  }

  /** Whether an item of a sequence or of fragments begins there. */
  isItem(offset: number): boolean {
    if (offset + 4 > this.fileSizeBytes) return false;
    this.need(offset + 4);
    return this.uint16(offset) * 0x10000 + this.uint16(offset + 2) === ITEM;
  }

  /** Latin-1 text up to the first NUL. */
  text(offset: number, length: number): string {
    return dicomParser.readFixedString(this.prefix, offset, length);
  }

  /** The head of the element at the position, which moves to the start of its value. */
  next(explicit = this.explicit): DicomElement {
    this.#count();
    this.need(this.position + 8);
    const start = this.position;
    const tag = this.uint16(start) * 0x10000 + this.uint16(start + 2);
    const vr = explicit && tag < ITEM ? this.#vr(start + 4) : null;
    const isLong = vr !== null && LONG_VRS.has(vr);
    if (isLong) this.need(start + 12);
    const length = isLong
      ? this.uint32(start + 8)
      : vr === null
        ? this.uint32(start + 4)
        : this.uint16(start + 6);
    const offset = isLong ? start + 12 : start + 8;
    this.position = offset;
    return { tag, vr, length, undefinedLength: length === UNDEFINED, offset };
  }

  /** Moves behind an element's value; items of undefined length are followed to their end, plain bytes to the item that ends them. */
  skip(element: DicomElement): void {
    const isPlain = element.vr !== 'SQ' && element.vr !== 'UN';
    if (element.undefinedLength && isPlain && !this.#isDelimiter(this.position)) this.#seekEnd();
    else if (element.undefinedLength) this.walk(element);
    else this.#advance(element.length, element.tag);
  }

  /** Walks a sequence to its end, with a visitor into the sequences that it enters. */
  walk(sequence: DicomElement, visitor?: SequenceVisitor): void {
    const levels: Level[] = [];
    const enter = (element: DicomElement, explicit: boolean): void => {
      if (levels.length >= 2 * this.limits.nesting) {
        throw refusal('LIMIT_EXCEEDED', `sequences are nested deeper than ${this.limits.nesting}`);
      }
      // A sequence of unknown VR has implicit VR inside (DICOM PS3.5, section 6.2.2, note 4).
      const inside = explicit && element.vr !== 'UN';
      levels.push({ items: true, tag: element.tag, explicit: inside, end: this.#end(element) });
    };
    const leave = (): void => {
      const left = levels.pop();
      if (left && !left.items) visitor?.itemEnd?.(left.tag);
    };
    enter(sequence, this.explicit);
    for (let level = levels.at(-1); level; level = levels.at(-1)) {
      if (this.position > level.end) throw this.broken(`${tagName(level.tag)} ends inside one of its items`);
      if (this.position === level.end) {
        leave();
        continue;
      }
      const element = this.next(level.explicit);
      if (level.items) {
        if (element.tag === SEQUENCE_END) leave();
        else if (element.tag !== ITEM)
          throw this.broken(`${tagName(level.tag)} holds something that is no item`);
        else if (element.undefinedLength || visitor) {
          visitor?.item?.(level.tag);
          levels.push({
            ...level,
            items: false,
            explicit: level.explicit || (this.explicit && this.#isExplicitHere()),
            end: this.#end(element),
          });
        } else this.#advance(element.length, element.tag);
      } else if (element.tag === ITEM_END) leave();
      else if (element.tag === SEQUENCE_END) {
        leave();
        leave();
      } else if (element.undefinedLength || visitor?.enters(element.tag)) enter(element, level.explicit);
      else {
        visitor?.value(level.tag, element);
        this.#advance(element.length, element.tag);
      }
    }
  }

  /**
   * Walks a sequence like `walk`; one of a length of its own that turns out broken inside is skipped instead. Whether it
   * was walked to its end.
   */
  walkWhole(sequence: DicomElement, visitor: SequenceVisitor): boolean {
    try {
      this.walk(sequence, visitor);
      return true;
    } catch (error) {
      const isBroken =
        error instanceof HeaderStop &&
        error.outcome.kind === 'refused' &&
        error.outcome.problem.code === 'HEADER_BROKEN';
      if (!isBroken || sequence.undefinedLength) throw error;
      this.position = sequence.offset;
      this.skip(sequence);
      return false;
    }
  }

  /** Whether the element at the position has a VR: some writers keep them in sequences that they call unknown. */
  #isExplicitHere(): boolean {
    if (this.position + 8 > this.fileSizeBytes) return false;
    this.need(this.position + 8);
    return this.uint16(this.position) !== ITEM >>> 16 && isVr(this.text(this.position + 4, 2));
  }

  /** Whether an item, or the end of items, begins there. */
  #isDelimiter(offset: number): boolean {
    this.need(offset + 4);
    return this.uint16(offset) === ITEM >>> 16;
  }

  #seekEnd(): void {
    const start = this.position;
    for (let at = start; at - start < MAX_PLAIN_BYTES; at++) {
      this.need(at + 8);
      if (this.uint16(at) === SEQUENCE_END >>> 16 && this.uint16(at + 2) === (SEQUENCE_END & 0xffff)) {
        this.position = at + 8;
        return;
      }
    }
    throw this.broken('a value of undefined length has no end');
  }

  #vr(offset: number): string | null {
    const [a, b] = [this.prefix[offset]!, this.prefix[offset + 1]!];
    // Some writers leave single elements implicit in an explicit data set: no capital letters, no VR.
    if (a < 0x41 || a > 0x5a || b < 0x41 || b > 0x5a) return null;
    return VR_NAMES.get((a << 8) | b) ?? String.fromCharCode(a, b);
  }

  #end(element: DicomElement): number {
    return element.undefinedLength ? Number.POSITIVE_INFINITY : element.offset + element.length;
  }

  #advance(length: number, tag: number): void {
    if (this.position + length > this.fileSizeBytes) {
      throw this.broken(`${tagName(tag)} runs past the end of the file`);
    }
    this.position += length;
  }

  #count(): void {
    this.#elements += 1;
    if (this.#elements > this.maxElements) {
      throw refusal('LIMIT_EXCEEDED', `the header has more than ${this.maxElements} elements`);
    }
  }
}
