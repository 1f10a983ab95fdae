import type { HeaderProblem, ImageHeader } from '../core/dicom.js';
import { PixelError, type StoredValues } from '../core/pixels.js';
import { toPlanes } from '../core/planes.js';
import type { DecodedFrame } from './codec.js';
import { type CodedSamples, fitSamples } from './samples.js';
import type { SharedModule, WasmDecoder } from './wasm.js';

/** A compressed image that was compared with the header. */
export interface CodedImage extends CodedSamples {
  readonly bytes: Uint8Array;
  /** What the decoder's samples are too large by, where signed ones are decoded as unsigned; 0 by default. */
  readonly bias?: number;
  readonly notes?: readonly HeaderProblem[];
}

/**
 * Decodes `coded.bytes` and takes the samples out of the decoder's memory. Throws `PixelError` where what comes out is not
 * what the compressed image said.
 */
export async function decodedFrame(
  shared: SharedModule,
  coded: CodedImage,
  header: ImageHeader,
  photometric: string,
  run: (decoder: WasmDecoder) => void,
): Promise<DecodedFrame> {
  const { result, warned } = await shared.use((decoder) => decode(decoder, coded, header, run));
  const { rows, columns, samplesPerPixel: channels } = header;
  const damaged: HeaderProblem[] = warned
    ? [{ code: 'PIXELS_DAMAGED', detail: 'the decoder warns of the compressed image' }]
    : [];
  const notes = [...(coded.notes ?? []), ...result.notes, ...damaged];
  return { values: result.values, channels, rows, columns, photometric, notes };
}

function decode(
  decoder: WasmDecoder,
  coded: CodedImage,
  header: ImageHeader,
  run: (decoder: WasmDecoder) => void,
): { values: StoredValues; notes: HeaderProblem[] } {
  decoder.getEncodedBuffer(coded.bytes.length).set(coded.bytes);
  run(decoder);
  const { width, height, bitsPerSample, componentCount } = decoder.getFrameInfo();
  const out = decoder.getDecodedBuffer();
  const { rows, columns, samplesPerPixel: channels } = header;
  const count = rows * columns * channels;
  const size = coded.bits > 8 ? 2 : 1;
  if (
    width !== columns ||
    height !== rows ||
    componentCount !== channels ||
    bitsPerSample !== coded.bits ||
    out.length !== count * size
  )
    throw new PixelError('PIXELS_SHORT', 'the decoded image has another shape than the compressed one says');
  const { values, notes } = fitSamples(samplesOf(out, coded), coded, header);
  const isByPlane = decoder.getInterleaveMode?.() === 0;
  return { values: channels > 1 && !isByPlane ? toPlanes(values, channels) : values, notes };
}

/** A copy of the decoder's bytes as what they are. */
function samplesOf(out: Uint8Array, { bits, signed, bias = 0 }: CodedImage): StoredValues {
  const copy = out.slice();
  if (bias !== 0) return Int8Array.from(copy, (value) => value - bias);
  if (bits > 8) return signed ? new Int16Array(copy.buffer) : new Uint16Array(copy.buffer);
  return signed ? new Int8Array(copy.buffer) : copy;
}
