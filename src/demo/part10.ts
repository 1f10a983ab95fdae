import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { appendAll } from '../core/long-lists.js';

/** Numbers that are written as they are, in the byte order of the transfer syntax; a Uint8Array is taken as raw bytes. */
export type Samples = NodeJS.TypedArray;

/**
 * Encapsulated pixel data (PS3.5 A.4): the fragments of each frame, in order; one of odd length gets a NUL at its end.
 * The basic offset table is filled in unless `offsetTable` is false; then its item is there but empty.
 */
export interface Fragments {
  readonly frames: readonly (readonly Uint8Array[])[];
  readonly offsetTable?: boolean;
}

export type Value = string | number | readonly (string | number)[] | Samples | Fragments | readonly Item[];
type Item = readonly Element[];

/**
 * One data element. Several values of one element are an array; SQ takes an array of items; AT takes `ggggeeee` texts.
 * Text is written as UTF-8. A Uint8Array is accepted for every VR and written as it is, padded to an even length.
 */
export interface Element {
  /** `ggggeeee`, hexadecimal. */
  readonly tag: string;
  readonly vr: string;
  readonly value: Value;
  /** SQ only: the sequence and its items end with delimiters instead of telling their lengths. */
  readonly undefinedLength?: boolean;
}

export interface Part10Options {
  /** A UID. Every one but implicit little endian, explicit big endian and deflated is written as explicit little endian. */
  readonly transferSyntax: string;
  /** The 128 bytes and `DICM` at the start; default true. */
  readonly preamble?: boolean;
  /** The file meta group; default true. */
  readonly meta?: boolean;
  /** Puts a (gggg,0000) in front of every group of the data set's top level; default false. */
  readonly groupLengths?: boolean;
}

interface Encoding {
  readonly implicit: boolean;
  readonly big: boolean;
}

export const EXPLICIT_LITTLE = '1.2.840.10008.1.2.1';
export const IMPLICIT_LITTLE = '1.2.840.10008.1.2';
export const EXPLICIT_BIG = '1.2.840.10008.1.2.2';
export const DEFLATED = '1.2.840.10008.1.2.1.99';

const IMPLEMENTATION = seededUid('slicefeed');
const UNDEFINED = 0xffffffff;
const LONG_LENGTH = new Set('OB OD OF OL OV OW SQ SV UC UN UR UT UV'.split(' '));
const HOST_BIG = new Uint8Array(new Uint16Array([1]).buffer)[0] === 0;
const NUMBERS: Record<string, (values: readonly number[]) => Samples> = {
  US: (values) => Uint16Array.from(values),
  SS: (values) => Int16Array.from(values),
  UL: (values) => Uint32Array.from(values),
  SL: (values) => Int32Array.from(values),
  FL: (values) => Float32Array.from(values),
  FD: (values) => Float64Array.from(values),
};

/** A UID made of a text alone: `2.25.` and the first 128 bits of its SHA-256, marked as a UUID of version 8 (PS3.5 B.2). */
export function seededUid(seed: string): string {
  const bytes = createHash('sha256').update(seed).digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return `2.25.${BigInt(`0x${bytes.toString('hex')}`)}`;
}

/** The bytes of a sample array in little-endian order, or big-endian where asked; a copy. */
export function sampleBytes(samples: Samples, big = false): Buffer {
  const bytes = Buffer.from(Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength));
  if (big !== HOST_BIG) {
    if (samples.BYTES_PER_ELEMENT === 2) bytes.swap16();
    if (samples.BYTES_PER_ELEMENT === 4) bytes.swap32();
    if (samples.BYTES_PER_ELEMENT === 8) bytes.swap64();
  }
  return bytes;
}

/**
 * One DICOM file (PS3.10 section 7), its elements sorted by tag at every level. Elements of group 0002 replace those of
 * the file meta group that are made here, so a test can write a wrong one; the media storage UIDs come from (0008,0016)
 * and (0008,0018) and are left out where those are missing. Nothing else is checked: a data set that makes no sense is
 * written all the same.
 * @throws RangeError on a tag that isn't eight hexadecimal digits, or a value that its VR's length field can't hold.
 */
export function writePart10(elements: readonly Element[], options: Part10Options): Uint8Array {
  const { transferSyntax, preamble = true, meta = true, groupLengths = false } = options;
  const encoding = { implicit: transferSyntax === IMPLICIT_LITTLE, big: transferSyntax === EXPLICIT_BIG };
  const parts: Uint8Array[] = [];
  if (preamble) parts.push(Buffer.alloc(128), Buffer.from('DICM'));
  if (meta) {
    const group = merge(fileMeta(elements, transferSyntax), elements.filter(isMeta));
    parts.push(encodeDataSet(group, { implicit: false, big: false }, true));
  }
  const body = elements.filter((element) => !isMeta(element));
  const dataSet = encodeDataSet(body, encoding, groupLengths);
  // The deflated stream itself is padded to an even length: PS3.5 A.5.
  parts.push(transferSyntax === DEFLATED ? padded(deflateRawSync(dataSet), 0) : dataSet);
  return Buffer.concat(parts);
}

/** The first list with the elements of the second put in, in place of those with the same tag. */
export function merge(elements: readonly Element[], changes: readonly Element[]): Element[] {
  const tags = new Set(changes.map(({ tag }) => tag.toLowerCase()));
  return [...elements.filter(({ tag }) => !tags.has(tag.toLowerCase())), ...changes];
}

function isMeta({ tag }: Element): boolean {
  return tag.startsWith('0002');
}

function fileMeta(elements: readonly Element[], transferSyntax: string): Element[] {
  const given = (tag: string) => elements.find((element) => element.tag === tag)?.value;
  return present([
    ['00020001', 'OB', Uint8Array.of(0, 1)],
    ['00020002', 'UI', given('00080016')],
    ['00020003', 'UI', given('00080018')],
    ['00020010', 'UI', transferSyntax],
    ['00020012', 'UI', IMPLEMENTATION],
  ]);
}

/** The elements of a table of tag, VR and value, without those that have no value. */
export function present(table: readonly [string, string, Value | undefined][]): Element[] {
  return table.flatMap(([tag, vr, value]) => (value === undefined ? [] : [{ tag, vr, value }]));
}

function encodeDataSet(elements: readonly Element[], encoding: Encoding, groupLengths: boolean): Buffer {
  const sorted = elements.map((element) => ({ ...element, tag: element.tag.toLowerCase() }));
  sorted.sort((a, b) => (a.tag < b.tag ? -1 : Number(a.tag > b.tag)));
  const groups = new Map<string, Buffer[]>();
  for (const element of sorted) {
    const group = element.tag.slice(0, 4);
    groups.set(group, [...(groups.get(group) ?? []), encodeElement(element, encoding)]);
  }
  const parts: Buffer[] = [];
  for (const [group, members] of groups) {
    const tag = `${group}0000`;
    if (groupLengths && !sorted.some((element) => element.tag === tag)) {
      const length = members.reduce((sum, { length }) => sum + length, 0);
      parts.push(encodeElement({ tag, vr: 'UL', value: length }, encoding));
    }
    appendAll(parts, members);
  }
  return Buffer.concat(parts);
}

function encodeElement(element: Element, encoding: Encoding): Buffer {
  const { tag, vr, value, undefinedLength = false } = element;
  const items = vr === 'SQ' && Array.isArray(value);
  const body = isFragments(value)
    ? encodeFragments(value, encoding)
    : items
      ? Buffer.concat((value as readonly Item[]).map((item) => encodeItem(item, undefinedLength, encoding)))
      : encodeValue(element, encoding);
  return isFragments(value) || (items && undefinedLength)
    ? Buffer.concat([header(tag, vr, UNDEFINED, encoding), body, delimiter('fffee0dd', 0, encoding)])
    : Buffer.concat([header(tag, vr, body.length, encoding), body]);
}

function encodeItem(item: Item, undefinedLength: boolean, encoding: Encoding): Buffer {
  const body = encodeDataSet(item, encoding, false);
  return undefinedLength
    ? Buffer.concat([delimiter('fffee000', UNDEFINED, encoding), body, delimiter('fffee00d', 0, encoding)])
    : Buffer.concat([delimiter('fffee000', body.length, encoding), body]);
}

function encodeFragments({ frames, offsetTable = true }: Fragments, encoding: Encoding): Buffer {
  const offsets: number[] = [];
  const items: Buffer[] = [];
  let offset = 0;
  for (const frame of frames) {
    offsets.push(offset);
    for (const fragment of frame) {
      const body = padded(fragment, 0);
      items.push(delimiter('fffee000', body.length, encoding), body);
      offset += 8 + body.length;
    }
  }
  const table = sampleBytes(Uint32Array.from(offsetTable ? offsets : []), encoding.big);
  return Buffer.concat([delimiter('fffee000', table.length, encoding), table, ...items]);
}

function encodeValue({ tag, vr, value }: Element, { big }: Encoding): Buffer {
  if (ArrayBuffer.isView(value)) return padded(sampleBytes(value as Samples, big), 0);
  const values = (Array.isArray(value) ? value : [value]) as readonly (string | number)[];
  const numbers = NUMBERS[vr];
  if (numbers !== undefined) return sampleBytes(numbers(values.map(Number)), big);
  if (vr === 'AT') return Buffer.concat(values.map((text) => tagBytes(String(text), big)));
  if (/^O|UN|SV|UV/.test(vr)) throw new RangeError(`(${tag}) ${vr} takes bytes or typed arrays`);
  const text = values.map((one) => (typeof one === 'number' ? decimalText(one) : one)).join('\\');
  return padded(Buffer.from(text), vr === 'UI' ? 0 : 0x20);
}

/** A number in the 16 characters that a decimal string may have (PS3.5 6.2). */
function decimalText(value: number): string {
  let text = String(value);
  for (let digits = 16; text.length > 16; digits--) text = String(Number(value.toPrecision(digits)));
  return text;
}

function header(tag: string, vr: string, length: number, encoding: Encoding): Buffer {
  if (encoding.implicit) return delimiter(tag, length, encoding);
  const long = LONG_LENGTH.has(vr);
  if (!long && length > 0xffff)
    throw new RangeError(`(${tag}) ${vr} of ${length} bytes is longer than 65535`);
  const size = sampleBytes(long ? Uint32Array.of(length) : Uint16Array.of(length), encoding.big);
  return Buffer.concat([tagBytes(tag, encoding.big), Buffer.from(long ? `${vr}\0\0` : vr), size]);
}

/** A tag and a 32-bit length: an item or a delimiter, which never carry a VR, or any element of the implicit syntax. */
function delimiter(tag: string, length: number, { big }: Encoding): Buffer {
  return Buffer.concat([tagBytes(tag, big), sampleBytes(Uint32Array.of(length), big)]);
}

function tagBytes(tag: string, big: boolean): Buffer {
  if (!/^[0-9a-f]{8}$/i.test(tag)) throw new RangeError(`a tag is eight hexadecimal digits, not "${tag}"`);
  const bytes = Buffer.from(tag, 'hex');
  return big ? bytes : bytes.swap16();
}

function padded(bytes: Uint8Array, pad: number): Buffer {
  return bytes.length % 2 === 0 ? Buffer.from(bytes) : Buffer.concat([bytes, Buffer.of(pad)]);
}

/** Whether a value is encapsulated pixel data. */
export function isFragments(value: unknown): value is Fragments {
  return typeof value === 'object' && value !== null && 'frames' in value;
}
