import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { RLE_LOSSLESS } from '../core/dicom-uids.js';
import { PixelError, storedValues } from '../core/pixels.js';
import { unpackBits } from '../core/unpack.js';
import type { Codec, DecodedFrame } from './codec.js';
import { refuseDescription } from './description.js';

const HEADER_BYTES = 64;

function refuses(header: ImageHeader): HeaderProblem | null {
  return refuseDescription(header, [1, 8, 16, 32]);
}

function decode(frameBytes: Uint8Array, header: ImageHeader): DecodedFrame {
  const { rows, columns, samplesPerPixel: channels, bitsAllocated } = header;
  const sampleBytes = Math.ceil(bitsAllocated / 8);
  const planeSamples = rows * columns;
  const segmentBytes = bitsAllocated === 1 ? Math.ceil(planeSamples / 8) : planeSamples;
  const offsets = segmentOffsets(frameBytes, channels * sampleBytes);
  const out = new Uint8Array(segmentBytes * channels * sampleBytes);
  let over = false;
  offsets.forEach((start, segment) => {
    const end = offsets[segment + 1] ?? frameBytes.length;
    const channel = Math.floor(segment / sampleBytes);
    // The segments of a sample go from its highest byte to its lowest (DICOM PS3.5, section G.2).
    const at = channel * segmentBytes * sampleBytes + sampleBytes - 1 - (segment % sampleBytes);
    const last = at + (segmentBytes - 1) * sampleBytes;
    if (unpack(frameBytes, start, end, out, at, last, sampleBytes)) over = true;
  });
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

function segmentOffsets(bytes: Uint8Array, wanted: number): number[] {
  if (bytes.length < HEADER_BYTES)
    throw new PixelError('PIXELS_SHORT', 'the frame ends inside its RLE header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  const count = view.getUint32(0, true);
  if (count !== wanted)
    throw new PixelError(
      count < wanted ? 'PIXELS_SHORT' : 'PIXELS_UNSUPPORTED',
      `the frame says it has ${count} RLE segments; its description asks for ${wanted}`,
    );
  const offsets = Array.from({ length: count }, (_, i) => view.getUint32(4 + 4 * i, true));
  if (
    offsets.some(
      (offset, i) => offset < HEADER_BYTES || offset > bytes.length || offset < (offsets[i - 1] ?? 0),
    )
  )
    throw new PixelError('PIXELS_SHORT', 'an RLE segment starts outside of the frame');
  return offsets;
}

/** Fills every `step`th byte from `at` to `last`; returns whether there was more, throws where there is less (section G.3.2). */
function unpack(
  from: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  last: number,
  step: number,
): boolean {
  let position = start;
  let to = at;
  while (to <= last) {
    if (position + 1 >= end) throw new PixelError('PIXELS_SHORT', 'an RLE segment ends before its samples');
    const code = from[position++]!;
    if (code < 128) {
      const stop = Math.min(position + code + 1, end);
      for (; position < stop && to <= last; position++, to += step) out[to] = from[position]!;
      if (to > last) return position < stop;
    } else if (code > 128) {
      const value = from[position++]!;
      const stop = to + (257 - code) * step;
      const until = stop <= last + step ? stop : last + step;
      if (step === 1) out.fill(value, to, until);
      else for (let i = to; i < until; i += step) out[i] = value;
      to = until;
      if (stop > until) return true;
    }
  }
  return false;
}

/** RLE lossless (DICOM PS3.5, annex G). */
export const rleCodec = { transferSyntaxes: [RLE_LOSSLESS], refuses, decode } satisfies Codec;
