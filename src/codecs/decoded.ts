import type { ImageHeader } from '../core/dicom.js';
import { PixelError, type StoredValues } from '../core/pixels.js';
import { toPlanes } from '../core/planes.js';
import type { DecodedFrame } from './codec.js';
import { type CodedSamples, fitSamples } from './samples.js';
import type { WasmDecoder } from './wasm.js';

/**
 * Decodes `coded.bytes`, which were compared with the header, and takes the samples out of the decoder's memory. Throws
 * `PixelError` where what comes out is not what the compressed image said.
 */
export function decodedFrame(
  decoder: WasmDecoder,
  coded: CodedSamples & { readonly bytes: Uint8Array },
  header: ImageHeader,
  photometric: string,
  run: (decoder: WasmDecoder) => void,
): DecodedFrame {
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
  const copy = out.slice();
  const raw: StoredValues =
    size === 1
      ? coded.signed
        ? new Int8Array(copy.buffer)
        : copy
      : coded.signed
        ? new Int16Array(copy.buffer)
        : new Uint16Array(copy.buffer);
  const { values, notes } = fitSamples(raw, coded, header);
  const isByPlane = decoder.getInterleaveMode?.() === 0;
  return {
    values: channels > 1 && !isByPlane ? toPlanes(values, channels) : values,
    channels,
    rows,
    columns,
    photometric,
    notes,
  };
}
