import { crc32 } from 'node:zlib';
import type { BatchLayout, DType, Tensor, TensorName } from '../core/layout.js';
import { assertDescribes, type BatchMetadata, type Body, type Piece, travellingMetadata } from './body.js';

const ALIGNMENT = 64;

const DESCRS: Readonly<Record<DType, string>> = {
  bool: '|b1',
  uint8: '|u1',
  int16: '<i2',
  uint16: '<u2',
  int32: '<i4',
  int64: '<i8',
  float16: '<f2',
  float32: '<f4',
  float64: '<f8',
};

/**
 * What stands before a tensor's bytes in its `.npy` member: NumPy's format 1.0, padded with spaces to a
 * multiple of 64 bytes. It depends on dtype and shape alone.
 */
export function npyHeader(tensor: Tensor): Uint8Array {
  const shape = tensor.shape.length === 1 ? `(${tensor.shape[0]},)` : `(${tensor.shape.join(', ')})`;
  const text = `{'descr': '${DESCRS[tensor.dtype]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const prefixBytes = 10;
  const totalBytes = Math.ceil((prefixBytes + text.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = Buffer.alloc(totalBytes, ' ');
  bytes.write('\x93NUMPY\x01\x00', 'latin1');
  bytes.writeUInt16LE(totalBytes - prefixBytes, 8);
  bytes.write(text, prefixBytes, 'latin1');
  bytes.write('\n', totalBytes - 1, 'latin1');
  return bytes;
}

/**
 * The CRC-32 of `npyHeader(tensor)`, from which a member's CRC is continued over the tensor's bytes in
 * order, in chunks of any size: `crc = npyCrcSeed(tensor)`, then `crc = crc32(chunk, crc)` for each chunk.
 * The member's CRC of a tensor without bytes is the seed itself.
 */
export function npyCrcSeed(tensor: Tensor): number {
  return crc32(npyHeader(tensor));
}

/**
 * The batch as an `.npz` file: a zip of stored members, one `NAME.npy` per tensor in the layout's order and
 * `metadata.json` last. The data section is not copied; each tensor lies at a multiple of 64 in the file.
 *
 * `crcs` has each tensor's member CRC (see `npyCrcSeed`); it must be known beforehand because it travels in
 * front of the bytes. Throws an Error naming a tensor that has none, and a RangeError where the metadata
 * doesn't fit the layout.
 */
export function npzBody(
  layout: BatchLayout,
  metadata: BatchMetadata,
  crcs: ReadonlyMap<TensorName, number>,
): Body {
  assertDescribes(metadata, layout);
  const pieces: Piece[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const tensor of layout.tensors) {
    const crc = crcs.get(tensor.name);
    if (crc === undefined) throw new Error(`no CRC of tensor ${tensor.name}`);
    const npy = npyHeader(tensor);
    const member = { name: `${tensor.name}.npy`, crc, sizeBytes: npy.length + tensor.sizeBytes, offset: at };
    const head = Buffer.concat([localHeader(member, ALIGNMENT), npy]);
    pieces.push(head);
    if (tensor.sizeBytes > 0) pieces.push({ from: tensor.offset, to: tensor.offset + tensor.sizeBytes });
    directory.push(directoryEntry(member));
    at += head.length + tensor.sizeBytes;
  }
  const json = Buffer.from(JSON.stringify(travellingMetadata(metadata)), 'utf8');
  const member = { name: 'metadata.json', crc: crc32(json), sizeBytes: json.length, offset: at };
  const last = Buffer.concat([localHeader(member, 1), json]);
  directory.push(directoryEntry(member));
  const end = directoryWithEnd(directory, at + last.length);
  pieces.push(Buffer.concat([last, end]));
  const sizeBytes = at + last.length + end.length;
  return { contentType: 'application/x-npz', extension: 'npz', sizeBytes, pieces };
}

// The zip records and their field order are PKWARE's APPNOTE 4.3; all numbers are little-endian.

const LOCAL_HEADER = 0x04034b50;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_END = 0x06054b50;
const DIRECTORY_END_64 = 0x06064b50;
const DIRECTORY_END_64_LOCATOR = 0x07064b50;
const EXTRA_ZIP64 = 0x0001;
const EXTRA_ALIGNMENT = 0xd935;
/** In a 32-bit field: the value is in a zip64 record. */
const SEE_ZIP64 = 0xffffffff;
const LOCAL_HEADER_BYTES = 30;
const DIRECTORY_END_64_BYTES = 56;
/** 1980-01-01 in DOS notation, the earliest there is: a clock would make equal batches differ. */
const DATE = 0x0021;

interface Member {
  readonly name: string;
  readonly crc: number;
  readonly sizeBytes: number;
  /** Of its local header, from the start of the file. */
  readonly offset: number;
}

type Field = readonly [widthBytes: 2 | 4 | 8, value: number];

function encode(fields: readonly Field[]): Buffer {
  const bytes = Buffer.alloc(fields.reduce((sum, [width]) => sum + width, 0));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 8) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUIntLE(value, at, width);
    at += width;
  }
  return bytes;
}

function narrow(value: number): number {
  return value < SEE_ZIP64 ? value : SEE_ZIP64;
}

/** The zip64 field for those of `values` that 32 bits can't hold, empty where they all fit. */
function zip64Extra(values: readonly number[]): Buffer {
  const wide = values.filter((value) => value >= SEE_ZIP64);
  if (wide.length === 0) return Buffer.alloc(0);
  const fields = wide.map((value): Field => [8, value]);
  return encode([[2, EXTRA_ZIP64], [2, 8 * wide.length], ...fields]);
}

/** An extra field that moves `position`, where it is put, to a multiple of `alignment`; empty where it is one. */
function alignmentExtra(position: number, alignment: number): Buffer {
  const gap = (alignment - (position % alignment)) % alignment;
  if (gap === 0) return Buffer.alloc(0);
  const fieldBytes = 6;
  const totalBytes = gap < fieldBytes ? gap + alignment : gap;
  const padding = Buffer.alloc(totalBytes - fieldBytes);
  const field = encode([
    [2, EXTRA_ALIGNMENT],
    [2, totalBytes - 4],
    [2, alignment],
  ]);
  return Buffer.concat([field, padding]);
}

/** What both headers of a member share, from "version needed" up to the length of its name. */
function common({ name, crc, sizeBytes }: Member, zip64: boolean): Field[] {
  const stored = narrow(sizeBytes);
  return [
    [2, zip64 ? 45 : 20],
    [2, 0], // flags
    [2, 0], // method: stored
    [2, 0], // time
    [2, DATE],
    [4, crc],
    [4, stored],
    [4, stored],
    [2, name.length],
  ];
}

function localHeader(member: Member, alignment: number): Buffer {
  const zip64 = zip64Extra([member.sizeBytes, member.sizeBytes]);
  const position = member.offset + LOCAL_HEADER_BYTES + member.name.length + zip64.length;
  const extra = Buffer.concat([zip64, alignmentExtra(position, alignment)]);
  const fields = encode([[4, LOCAL_HEADER], ...common(member, zip64.length > 0), [2, extra.length]]);
  return Buffer.concat([fields, Buffer.from(member.name, 'latin1'), extra]);
}

function directoryEntry(member: Member): Buffer {
  const extra = zip64Extra([member.sizeBytes, member.sizeBytes, member.offset]);
  const zip64 = extra.length > 0;
  const fields = encode([
    [4, DIRECTORY_ENTRY],
    [2, zip64 ? 45 : 20], // made by: a DOS file system, which has no permissions to tell
    ...common(member, zip64),
    [2, extra.length],
    [2, 0], // comment
    [2, 0], // disk
    [2, 0], // internal attributes
    [4, 0], // external attributes
    [4, narrow(member.offset)],
  ]);
  return Buffer.concat([fields, Buffer.from(member.name, 'latin1'), extra]);
}

/** The central directory, which starts at `offset`, with the records that end the file. */
function directoryWithEnd(entries: readonly Uint8Array[], offset: number): Buffer {
  const directory = Buffer.concat(entries);
  const count = entries.length;
  const end = encode([
    [4, DIRECTORY_END],
    [2, 0], // this disk
    [2, 0], // the directory's disk
    [2, count],
    [2, count],
    [4, directory.length],
    [4, narrow(offset)],
    [2, 0], // comment
  ]);
  if (offset < SEE_ZIP64) return Buffer.concat([directory, end]);
  const end64 = encode([
    [4, DIRECTORY_END_64],
    [8, DIRECTORY_END_64_BYTES - 12], // the record's own size, less this field and the one before
    [2, 45],
    [2, 45],
    [4, 0],
    [4, 0],
    [8, count],
    [8, count],
    [8, directory.length],
    [8, offset],
  ]);
  const locator = encode([
    [4, DIRECTORY_END_64_LOCATOR],
    [4, 0],
    [8, offset + directory.length],
    [4, 1],
  ]);
  return Buffer.concat([directory, end64, locator, end]);
}
