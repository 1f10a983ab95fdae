import type { StoredValues } from './pixels.js';

/** H × W × C samples as C × H × W planes; a copy, of the same type. */
export function toPlanes(interleaved: StoredValues, channels: number): StoredValues {
  const planes = new (interleaved.constructor as new (length: number) => StoredValues)(interleaved.length);
  // By size alone, so that the loops below see few types of array.
  const [from, to] = [asBits(interleaved), asBits(planes)];
  const pixels = interleaved.length / channels;
  if (channels !== 3) {
    for (let c = 0; c < channels; c++)
      for (let i = 0, at = c; i < pixels; i++, at += channels) to[c * pixels + i] = from[at]!;
    return planes;
  }
  const isByWord = from.BYTES_PER_ELEMENT === 1 && from.byteOffset % 4 === 0 && pixels % 4 === 0;
  if (isByWord) threePlanesOfBytes(from as Uint8Array, to as Uint8Array);
  else
    for (let i = 0, at = 0; i < pixels; i++, at += 3) {
      to[i] = from[at]!;
      to[pixels + i] = from[at + 1]!;
      to[2 * pixels + i] = from[at + 2]!;
    }
  return planes;
}

/** Four pixels, three words, at a time: half of the time of one byte after the other. */
function threePlanesOfBytes(bytes: Uint8Array, planes: Uint8Array): void {
  const from = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const to = new Int32Array(planes.buffer, planes.byteOffset, planes.length / 4);
  const words = to.length / 3;
  for (let i = 0, at = 0; i < words; i++, at += 3) {
    const [x, y, z] = [from[at]!, from[at + 1]!, from[at + 2]!];
    to[i] = (x & 0xff) | ((x >>> 16) & 0xff00) | (y & 0xff0000) | ((z << 16) & 0xff000000);
    to[words + i] =
      ((x >>> 8) & 0xff) | ((y << 8) & 0xff00) | ((y >>> 8) & 0xff0000) | ((z << 8) & 0xff000000);
    to[2 * words + i] = ((x >>> 16) & 0xff) | (y & 0xff00) | ((z << 16) & 0xff0000) | (z & 0xff000000);
  }
}

/** Elements of the same size without a sign; those of 64 bits as they are. */
function asBits({ buffer, byteOffset, length, BYTES_PER_ELEMENT }: StoredValues) {
  if (BYTES_PER_ELEMENT === 1) return new Uint8Array(buffer, byteOffset, length);
  if (BYTES_PER_ELEMENT === 2) return new Uint16Array(buffer, byteOffset, length);
  if (BYTES_PER_ELEMENT === 4) return new Uint32Array(buffer, byteOffset, length);
  return new Float64Array(buffer, byteOffset, length);
}
