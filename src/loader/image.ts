import { inflateRawSync } from 'node:zlib';
import { frameRange } from '../codecs/native.js';
import {
  type HeaderProblem,
  type HeaderRead,
  type ImageHeader,
  type ObjectIdentity,
  readHeader,
} from '../core/dicom.js';
import { identityOf } from '../core/dicom-attributes.js';
import { DEFLATED_LITTLE_ENDIAN, isNative } from '../core/dicom-uids.js';
import { settlePacking } from '../core/frame-packing.js';
import { PixelError } from '../core/pixels.js';
import { ShortRead, type SourceFile, scratchBytes } from './files.js';
import { type FoundFrames, findFrames } from './fragments.js';
import type { LoaderLimits } from './messages.js';

/** Most headers are shorter; a longer one is read again, twice as much at least. */
const FIRST_BYTES = 16_384;
/** Numbers of a frame table that a header may carry; it is kept with every frame. */
const KEPT_PLACES = 64;

type ImageRead = Omit<Extract<HeaderRead, { kind: 'header' }>, 'kind'>;

/** An image's header with the file that its offsets are in: the one on disk, or the inflated one. */
export type OpenedImage =
  | (ImageRead & { readonly data: SourceFile; readonly problem: null })
  | { readonly header: null; readonly problem: HeaderProblem; readonly object: ObjectIdentity | null };

/** Reads an image's header, its frame table with it. */
export function openImage(file: SourceFile, limits: LoaderLimits): OpenedImage {
  try {
    const read = readUpToPixels(file, limits, false);
    if (!read.header) return read;
    if (isNative(read.header.transferSyntax)) return settled(read);
    const { header, data } = read;
    try {
      const { frames, notes } = findFrames(data, header);
      const kept = frames.reduce((sum, places) => sum + places.length, 0) <= KEPT_PLACES;
      const pixelData = { ...header.pixelData, frames: kept ? frames : null };
      return { ...read, header: { ...header, pixelData, notes: [...header.notes, ...notes] } };
    } catch (error) {
      return refusedWith(error, identityOf(header));
    }
  } catch (error) {
    return refusedWith(error, null);
  }
}

function settled(read: ImageRead & { readonly data: SourceFile; readonly problem: null }): OpenedImage {
  const { header, data } = read;
  const packing = settlePacking(header, (offset, length) => {
    const bytes = new Uint8Array(length);
    data.read(bytes, header.pixelData.offset + offset, length);
    return bytes;
  });
  if (packing === null) return read;
  const { strideBytes, note } = packing;
  const notes = note === null ? header.notes : [...header.notes, note];
  return { ...read, header: { ...header, pixelData: { ...header.pixelData, strideBytes }, notes } };
}

function refusedWith(error: unknown, object: ObjectIdentity | null): OpenedImage {
  if (!(error instanceof PixelError)) throw error;
  return { header: null, problem: { code: error.code, detail: error.message }, object };
}

type Read = OpenedImage & { readonly data: SourceFile };

function readUpToPixels(data: SourceFile, limits: LoaderLimits, isInflated: boolean): Read {
  let wanted = Math.min(FIRST_BYTES, data.sizeBytes);
  for (;;) {
    const prefix = scratchBytes(wanted);
    data.read(prefix, 0, wanted);
    const found = readHeader(prefix, data.sizeBytes, limits, isInflated);
    switch (found.kind) {
      case 'more':
        wanted = found.atLeastBytes;
        break;
      case 'deflated':
        return readUpToPixels(inflated(data, found.offset, limits), limits, true);
      case 'refused':
        return { header: null, data, problem: found.problem, object: found.object };
      case 'header': {
        const { header, timing, frames } = found;
        return { header, timing, frames, data, problem: null };
      }
    }
  }
}

/** A deflated file as it would be inflated: the meta group as it is, the data set behind it. Throws `PixelError`. */
export function inflated(file: SourceFile, start: number, limits: LoaderLimits): SourceFile {
  const size = file.sizeBytes - start;
  const tooLarge = (): PixelError =>
    new PixelError('LIMIT_EXCEEDED', `the deflated data set is over ${limits.headerBytes} bytes`);
  if (size > limits.headerBytes) throw tooLarge();
  const head = Buffer.alloc(start);
  file.read(head, 0, start);
  const packed = scratchBytes(size);
  file.read(packed, start, size);
  let body: Buffer;
  try {
    body = inflateRawSync(packed, { maxOutputLength: limits.headerBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge();
    throw new PixelError('HEADER_BROKEN', 'the deflated data set cannot be inflated');
  }
  return {
    sizeBytes: start + body.length,
    guard: file.guard,
    identity: file.identity,
    isUntouched: file.isUntouched,
    read(into, offset, length) {
      if (offset + length > start + body.length) throw new ShortRead('the file ends before its data');
      const fromHead = Math.min(length, Math.max(0, start - offset));
      if (fromHead > 0) head.copy(into, 0, offset, offset + fromHead);
      const at = Math.max(0, offset - start);
      body.copy(into, fromHead, at, at + length - fromHead);
    },
  };
}

let lastInflated: SourceFile | null = null;

/** The file that an image's offsets are in; the last inflated one is kept where it has more frames. Throws `PixelError`. */
export function dataOf(file: SourceFile, header: ImageHeader, limits: LoaderLimits): SourceFile {
  if (header.transferSyntax !== DEFLATED_LITTLE_ENDIAN) return file;
  if (lastInflated?.identity === file.identity) return { ...lastInflated, isUntouched: file.isUntouched };
  lastInflated = null;
  const { data } = readUpToPixels(file, limits, false);
  if (header.frames > 1) lastInflated = data;
  return data;
}

let lastFound: { identity: string; found: FoundFrames } | null = null;

/** Where a frame's bytes are in `data`: offset and length of each of its parts, in turn. Throws `PixelError`. */
export function framePlaces(data: SourceFile, header: ImageHeader, frame: number): readonly number[] {
  if (isNative(header.transferSyntax)) {
    const { offset, length } = frameRange(header, frame);
    return [offset, length];
  }
  let frames = header.pixelData.frames;
  if (frames === null) {
    if (lastFound?.identity !== data.identity)
      lastFound = { identity: data.identity, found: findFrames(data, header) };
    frames = lastFound.found.frames;
  }
  const places = frames[frame];
  if (!places) throw new RangeError(`frame ${frame} of ${header.frames}`);
  return places;
}

/** Bytes of all parts of a frame. */
export function placesBytes(places: readonly number[]): number {
  let sum = 0;
  for (let i = 1; i < places.length; i += 2) sum += places[i]!;
  return sum;
}

/** Reads a frame's parts in a row into the scratch buffer. Throws `PixelError` over the limit, `ShortRead` where the file ends. */
export function readPlaces(data: SourceFile, places: readonly number[], limits: LoaderLimits): Uint8Array {
  const length = placesBytes(places);
  if (length > limits.frameBytes) throw new PixelError('LIMIT_EXCEEDED', `a frame of ${length} bytes`);
  const bytes = scratchBytes(length);
  for (let i = 0, at = 0; i < places.length; i += 2) {
    data.read(bytes.subarray(at), places[i]!, places[i + 1]!);
    at += places[i + 1]!;
  }
  return bytes;
}
