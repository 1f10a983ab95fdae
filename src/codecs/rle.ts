import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { RLE_LOSSLESS } from '../core/dicom-uids.js';
import { PixelError, storedValues } from '../core/pixels.js';
import { unpackBits } from '../core/unpack.js';
import type { Codec, DecodedFrame } from './codec.js';
import { refuseDescription } from './description.js';

const HEADER_BYTES = 64;
const LONG_RUN = 24;

function refuses(header: ImageHeader): HeaderProblem | null {
  return refuseDescription(header, [1, 8, 16, 32]);
}

function sampleSize({ bitsAllocated }: ImageHeader): number {
  return Math.ceil(bitsAllocated / 8);
}

/** Only a whole frame tells whether a segment starts outside of it. */
function inspect(frame: Uint8Array, header: ImageHeader, isWhole: boolean): HeaderProblem[] {
  const wanted = header.samplesPerPixel * sampleSize(header);
  if (isWhole) segmentOffsets(frame, wanted);
  else checkCount(frame, wanted);
  return [];
}

function decode(frameBytes: Uint8Array, header: ImageHeader): DecodedFrame {
  const { rows, columns, samplesPerPixel: channels, bitsAllocated } = header;
  const sampleBytes = sampleSize(header);
  const planeSamples = rows * columns;
  const segmentBytes = bitsAllocated === 1 ? Math.ceil(planeSamples / 8) : planeSamples;
  const offsets = segmentOffsets(frameBytes, channels * sampleBytes);
  const segments = new Uint8Array(segmentBytes * channels * sampleBytes);
  let over = false;
  offsets.forEach((start, segment) => {
    const end = offsets[segment + 1] ?? frameBytes.length;
    if (unpack(frameBytes, start, end, segments, segment * segmentBytes, segmentBytes)) over = true;
  });
  const out = joinBytes(segments, sampleBytes, segmentBytes);
  const notes: HeaderProblem[] = over
    ? [{ code: 'PIXELS_LONG', detail: 'a segment has more samples than the image; the rest is not read' }]
    : [];
  const values = bitsAllocated === 1 ? bitPlanes(out, planeSamples, channels) : storedValues(out, header);
  return { values, channels, rows, columns, notes };
}

function bitPlanes(packed: Uint8Array, planeSamples: number, channels: number): Uint8Array {
  const out = new Uint8Array(planeSamples * channels);
  const size = packed.length / channels;
  for (let channel = 0; channel < channels; channel++)
    out.set(unpackBits(packed.subarray(channel * size), 0, planeSamples), channel * planeSamples);
  return out;
}

/** Returns the number of segments. Throws `PixelError` if the image needs another number. */
function checkCount(bytes: Uint8Array, wanted: number): number {
  if (bytes.length < HEADER_BYTES)
    throw new PixelError('PIXELS_SHORT', 'the frame ends inside its RLE header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count !== wanted)
    throw new PixelError(
      count < wanted ? 'PIXELS_SHORT' : 'PIXELS_UNSUPPORTED',
      `the frame says it has ${count} RLE segments; its description asks for ${wanted}`,
    );
  return count;
}

function segmentOffsets(bytes: Uint8Array, wanted: number): number[] {
  const count = checkCount(bytes, wanted);
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const offsets = Array.from({ length: count }, (_, i) => view.getUint32(4 + 4 * i, true));
  if (
    offsets.some(
      (offset, i) => offset < HEADER_BYTES || offset > bytes.length || offset < (offsets[i - 1] ?? 0),
    )
  )
    throw new PixelError('PIXELS_SHORT', 'an RLE segment starts outside of the frame');
  return offsets;
}

/** Fills `size` bytes from `at`; returns whether there was more, throws where there is less (section G.3.2). */
function unpack(
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  size: number,
): boolean {
  const last = at + size;
  let position = start;
  let to = at;
  let over = false;
  while (to < last) {
    if (position + 1 >= end) throw new PixelError('PIXELS_SHORT', 'an RLE segment ends before its samples');
    const code = from[position++]!;
    if (code < 128) {
      let count = code + 1;
      if (count > end - position) count = end - position;
      if (count > last - to) {
        count = last - to;
        over = true;
      }
      for (const stop = to + count; to < stop; ) out[to++] = from[position++]!;
    } else if (code > 128) {
      const value = from[position++]!;
      let stop = to + 257 - code;
      if (stop > last) {
        stop = last;
        over = true;
      }
      // A call is worth its price for the longer runs alone.
      if (stop - to > LONG_RUN) {
        out.fill(value, to, stop);
        to = stop;
      } else while (to < stop) out[to++] = value;
    }
  }
  return over;
}

/** Joins the segments of each sample, which go from its highest byte to its lowest (section G.2), to little-endian samples. */
function joinBytes(segments: Uint8Array, sampleBytes: number, segmentBytes: number): Uint8Array {
  if (sampleBytes === 1) return segments;
  const out = new Uint8Array(segments.length);
  const groupBytes = sampleBytes * segmentBytes;
  for (let start = 0; start < segments.length; start += groupBytes) {
    const from = segments.subarray(start, start + groupBytes);
    const to = out.subarray(start, start + groupBytes);
    if (sampleBytes === 2 && segmentBytes % 4 === 0) joinPairs(from, to);
    else
      for (let byte = 0; byte < sampleBytes; byte++) {
        const segment = (sampleBytes - 1 - byte) * segmentBytes;
        for (let i = 0, at = byte; i < segmentBytes; i++, at += sampleBytes) to[at] = from[segment + i]!;
      }
  }
  return out;
}

/** Four samples of two bytes at a time, in words. */
function joinPairs(from: Uint8Array, to: Uint8Array): void {
  const words = new Int32Array(to.buffer, to.byteOffset, to.length / 4);
  const count = words.length / 2;
  const high = new Int32Array(from.buffer, from.byteOffset, count);
  const low = new Int32Array(from.buffer, from.byteOffset + from.length / 2, count);
  for (let i = 0; i < count; i++) {
    const [h, l] = [high[i]!, low[i]!];
    words[2 * i] = (l & 0xff) | ((h & 0xff) << 8) | ((l & 0xff00) << 8) | ((h & 0xff00) << 16);
    words[2 * i + 1] = ((l >>> 16) & 0xff) | ((h >>> 8) & 0xff00) | ((l >>> 8) & 0xff0000) | (h & 0xff000000);
  }
}

/** RLE lossless (DICOM PS3.5, annex G). */
export const rleCodec = { transferSyntaxes: [RLE_LOSSLESS], refuses, inspect, decode } satisfies Codec;
