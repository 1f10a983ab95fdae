import { closeSync, writeSync } from 'node:fs';
import type { ImageHeader } from '../core/dicom.js';
import type { BatchLayout, BatchShape, Tensor, TensorName } from '../core/layout.js';
import { openSegment } from './segments.js';

/** A run of slots of one batch, tensor by tensor: in the segment itself where it is mapped, else in memory until they are written there. */
export class SlotWriter {
  readonly shape: BatchShape;
  #first: number;
  #count: number;
  #isMapped: boolean;
  #tensors: readonly { readonly tensor: Tensor; readonly slotBytes: number; readonly bytes: Buffer }[];

  /** `segment`: its bytes, null where it is not mapped. */
  constructor({ shape, tensors }: BatchLayout, first: number, count: number, segment: Buffer | null) {
    this.shape = shape;
    this.#first = first;
    this.#count = count;
    this.#isMapped = segment !== null;
    this.#tensors = tensors.map((tensor) => {
      const slotBytes = tensor.sizeBytes / shape.slots;
      const from = tensor.offset + slotBytes * first;
      const bytes =
        segment?.subarray(from, from + slotBytes * count) ?? bufferFor(tensor.name, slotBytes * count);
      return { tensor, slotBytes, bytes };
    });
  }

  /** Makes a slot empty masks, not valid, its spacing unknown; its image is whatever was there. */
  begin(slot: number, place: number): void {
    for (const { tensor } of this.#tensors)
      if (tensor.name !== 'images') this.#slot(tensor.name, slot).fill(0);
    this.#slot('pairs', slot).writeBigInt64LE(BigInt(place));
    this.#writeDoubles('spacing', slot, [Number.NaN, Number.NaN]);
    this.#writeDoubles('affine', slot, [1, 0, 0, 0, 1, 0]);
  }

  /** Makes the slot's image zeros. */
  blank(slot: number): void {
    this.#slot('images', slot).fill(0);
  }

  /** The slot's place in `images`. */
  images(slot: number): Buffer {
    return this.#slot('images', slot);
  }

  /** The buffer that holds the mask of one structure, and where in it the mask starts. */
  mask(slot: number, structure: number): { mask: Uint8Array; offset: number } {
    return { mask: this.#slot('masks', slot), offset: structure * this.shape.rows * this.shape.columns };
  }

  /** Like `mask`, where masks are float32. */
  shares(slot: number, structure: number): { mask: Float32Array; offset: number } {
    const { buffer, byteOffset, byteLength } = this.#slot('masks', slot);
    const mask = new Float32Array(buffer, byteOffset, byteLength / 4);
    return { mask, offset: structure * this.shape.rows * this.shape.columns };
  }

  /** Marks a slot as valid and says where it comes from. */
  describe(
    slot: number,
    header: Pick<ImageHeader, 'rows' | 'columns' | 'spacingMm'>,
    affine: number[],
  ): void {
    this.#writeDoubles('affine', slot, affine);
    if (header.spacingMm) this.#writeDoubles('spacing', slot, header.spacingMm);
    const sourceShape = this.#slot('sourceShape', slot);
    sourceShape.writeInt32LE(header.rows, 0);
    sourceShape.writeInt32LE(header.columns, 4);
    this.#slot('valid', slot)[0] = 1;
  }

  /** Writes every tensor's run of slots to its place, where it is not there already: one positioned write each. */
  flush(segment: string): void {
    if (this.#isMapped) return;
    const fd = openSegment(segment, 'r+');
    try {
      for (const { tensor, slotBytes, bytes } of this.#tensors) {
        const length = slotBytes * this.#count;
        const offset = tensor.offset + slotBytes * this.#first;
        let done = 0;
        while (done < length) done += writeSync(fd, bytes, done, length - done, offset + done);
      }
    } finally {
      closeSync(fd);
    }
  }

  #slot(name: TensorName, slot: number): Buffer {
    const { slotBytes, bytes } = this.#tensors.find(({ tensor }) => tensor.name === name)!;
    const at = (slot - this.#first) * slotBytes;
    return bytes.subarray(at, at + slotBytes);
  }

  #writeDoubles(name: TensorName, slot: number, values: readonly number[]): void {
    const bytes = this.#slot(name, slot);
    values.forEach((value, i) => {
      bytes.writeDoubleLE(value, i * 8);
    });
  }
}

const kept = new Map<TensorName, Buffer>();

/** A buffer for a tensor that this process uses again for the next task. */
function bufferFor(name: TensorName, length: number): Buffer {
  let buffer = kept.get(name);
  if (!buffer || buffer.length < length) {
    buffer = Buffer.allocUnsafeSlow(length);
    kept.set(name, buffer);
  }
  return buffer.subarray(0, length);
}
